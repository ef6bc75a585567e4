"""What can go wrong, said once.

``GatewayError`` is what a client may see: a status, a short machine code, and words that say what is wrong and what to do.
``gateway/app`` has the one place that turns it into a reply in the caller's dialect. The others are for the owner's side.
"""


class PointsmanError(Exception):
    """Base of every error that Pointsman raises on purpose. Its text is written for people and holds no secret."""


class GatewayError(PointsmanError):
    """An answer to a client that is not a model's: HTTP status, code in the dialect's style, and a sentence.

    ``retry_after`` is in seconds, None where waiting would not help; ``param`` names the request field at fault.
    """

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after


class WireError(PointsmanError):
    """Bytes that do not follow the dialect: what is wrong, and which field (``param``), where it is known.

    ``code`` is OpenAI's for it; the other dialects have none.
    """

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class UpstreamError(PointsmanError):
    """A call to a provider that brought no usable reply: connection, TLS, time-out, protocol.

    ``sent`` is false when not a byte of the request can have been processed, so that a retry is safe.
    ``kind`` is one of ``connect``, ``timeout``, ``protocol``, ``closed``, ``credential``.
    """

    def __init__(self, kind: str, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.kind = kind
        self.sent = sent


class SnapshotError(PointsmanError):
    """Bytes that are not a usable snapshot."""


class ConfigError(PointsmanError):
    """One or more mistakes in a configuration, each with file, line, reason and remedy in its text."""


class StoreError(PointsmanError):
    """The store cannot do what was asked: locked, full, corrupt, or of a newer version. Says which, and what to do."""


class ForeignStoreError(StoreError):
    """The store is of a newer version, or of another program: no waiting helps, and nothing may be changed in it."""


class TableError(PointsmanError):
    """An outcome table or a file of prompts that cannot be used: which file, which column, and what to do."""
