"""The gateway as an application of ``server``: paths, methods, and the floor under every error.

    POST                         one exchange (see ``exchange``) or a count, in the dialect of the path (see ``entries``)
    POST /v1/feedback            what is said of answers later (see ``feedback``)
    GET  /v1/models              routes and deployments, as OpenAI lists models; /v1/models/NAME shows one
    GET  /healthz                200 while the process lives
    GET  /readyz                 200 with the snapshot's hash and what is wrong beside that; 503 without a snapshot; the
                                 words, where other machines can reach us, to the owner's own keys
    GET  /metrics                figures for Prometheus (see ``telemetry``), to the owner's own keys

Laws: ``answer.refuse`` is the only way to an error reply; overload is said at once, never queued.
"""

import msgspec

from pointsman.core.errors import GatewayError, WireError
from pointsman.core.keys import Key
from pointsman.core.snapshot import Limits
from pointsman.gateway import entries, feedback, permission
from pointsman.gateway.admission import Keyring
from pointsman.gateway.answer import errors_at, refuse
from pointsman.gateway.caller import Caller
from pointsman.gateway.condition import condition
from pointsman.gateway.counting import count_tokens
from pointsman.gateway.entries import Entry
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.exchange import Exchange
from pointsman.gateway.heads import JSON
from pointsman.gateway.live import Current, Live
from pointsman.gateway.server.message import Client, Head, Incoming, line
from pointsman.gateway.telemetry.exposition import CONTENT_TYPE
from pointsman.gateway.telemetry.metrics import Metrics, may_read
from pointsman.gateway.telemetry.pages import Page

_MODELS = "/v1/models"
_METRICS = "/metrics"
_LOOKED_AT = (_MODELS, "/healthz", "/readyz", _METRICS)
_OVERLOAD_RETRY_S = 1.0
_encode = msgspec.json.Encoder().encode


class Gateway:
    """The data plane of one worker. ``under_way`` is the number of exchanges that are being served.

    ``page``: where the worker's figures stand, for the others that share its port.
    """

    def __init__(self, live: Live, equipment: Equipment, page: Page | None = None) -> None:
        self._live = live
        self._equipment = equipment
        self.under_way = 0
        self.metrics = Metrics(live, equipment, lambda: self.under_way, page)

    def limits(self) -> Limits:
        """Return the bounds in force now."""
        return self._live.current.snapshot.limits if self._live.current else Limits()

    def admits(self, head: Head, client: Client) -> None:
        """See whether somebody may send a body (``server.message.Gate``). Raises GatewayError 401, 403, 503."""
        try:
            self._live.keyring.admit(head, client.peer)
        except GatewayError as error:
            self._equipment.tally.refused(error.code)
            raise

    async def __call__(self, incoming: Incoming, client: Client) -> None:
        """Answer one request."""
        head = incoming.head
        try:
            entry = head.known.entry if isinstance(head.known, Caller) else entries.entry(head.path, head.query)
            if entry is None and head.path == feedback.PATH and head.method == "POST":
                await self._hear(incoming, client)
                return
            if entry is None or head.method != "POST":
                self._look(head, entry, client)
                return
            current = self._admitting()
            self.under_way += 1
            try:
                caller = _caller(head, entry, self._live.keyring, client)
                if entry.operation == "chat":
                    await Exchange(self._equipment, current, caller, incoming.body).serve(client)
                else:
                    await count_tokens(self._equipment, current, caller, incoming.body, client)
            finally:
                self.under_way -= 1
        except (GatewayError, WireError) as error:
            told = error if isinstance(error, GatewayError) else _unreadable(error, head)
            self._equipment.tally.refused(told.code)
            echo = [head.known.echo] if isinstance(head.known, Caller) else []
            refuse(client, told, errors_at(head.path, head.headers), echo)

    async def _hear(self, incoming: Incoming, client: Client) -> None:
        """Take feedback in."""
        most = self._admitting().snapshot.limits.feedback_per_minute
        key = self._live.keyring.admit(incoming.head, client.peer)
        self.under_way += 1
        try:
            await self._equipment.feedback.answer(incoming.body, key, most, self._equipment.now_ms(), client)
        finally:
            self.under_way -= 1

    def _admitting(self) -> Current:
        """Return the snapshot in use where one more exchange may begin. Raises GatewayError 503."""
        current = self._current()
        if self.under_way >= current.concurrent:
            reason = f"this gateway is serving {current.concurrent} requests already"
            raise GatewayError(503, "overloaded", reason, retry_after=_OVERLOAD_RETRY_S)
        shedding = self._equipment.shedding
        if shedding.share < 1.0 and not shedding.admits(self._equipment.draw()):
            reason = "more requests arrive than this gateway can serve: some are refused, so that the others do not wait"
            raise GatewayError(503, "overloaded", reason, retry_after=_OVERLOAD_RETRY_S)
        return current

    def _look(self, head: Head, entry: Entry | None, client: Client) -> None:
        """Answer everything that is not posted to a dialect."""
        path, method = head.path, head.method
        listing = path.startswith((_MODELS + "/", "/v1beta/models/")) or path == "/v1beta/models"
        posted = entry is not None or path == feedback.PATH
        known = "POST" if posted else "GET" if listing or path in _LOOKED_AT else None
        bodiless = method == "HEAD" and known == "GET"  # the server leaves the body out
        if known is None:
            answered = ", ".join(
                (*(f"POST {name}" for name in (*entries.paths(), feedback.PATH)), *(f"GET {name}" for name in _LOOKED_AT))
            )
            raise GatewayError(404, "not_found", f"there is nothing at {path!r}: this gateway answers {answered}")
        if method != known and not bodiless:
            refuse(
                client,
                GatewayError(405, "method_not_allowed", f"{path} takes {known}, not {method}"),
                errors_at(path, head.headers),
                [line(b"allow", known.encode())],
            )
        elif path == "/healthz":
            client.answer(200, [JSON], b'{"status":"alive"}')
        elif path == "/readyz":
            client.answer(200 if self._live.current else 503, [JSON], self._readiness(whole=self._is_owner(head, client)))
        else:
            current = self._current()
            key = self._live.keyring.admit(head, client.peer)
            if path == _METRICS:
                may_read(key)
                client.answer(200, [line(b"content-type", CONTENT_TYPE)], self.metrics.text())
            else:
                client.answer(200, [JSON], _models(current, path, key))

    def _is_owner(self, head: Head, client: Client) -> bool:
        """Whether who looks may read what is wrong, which names files: whoever is on this machine, or holds a whole key."""
        if not self._live.keyring.exposed:
            return True
        try:
            may_read(self._live.keyring.admit(head, client.peer))
        except GatewayError:
            return False
        return True

    def _readiness(self, *, whole: bool) -> bytes:
        current, now = self._live.current, condition(self._live, self._equipment)
        if not whole:
            status = "ready" if now.ready else "no snapshot"
            return _encode({"status": status, "snapshot": now.snapshot, "problems": sorted(now.problems)})
        return _encode(
            {
                "status": "ready" if now.ready else "no snapshot",
                "snapshot": now.snapshot,
                "from_copy": now.from_copy,
                "problem": self._live.problem,
                "problems": now.problems,
                "under_way": self.under_way,
                "shedding": {"share": self._equipment.shedding.share, "refused": self._equipment.shedding.refused},
                "journal": self._equipment.journal.state,
                **({"encoder": encoder.counts} if (encoder := current and current.encoder) else {}),
                **({"budgets": self._equipment.budgets.state} if current and current.snapshot.budgets else {}),
            }
        )

    def _current(self) -> Current:
        current = self._live.current
        if current is None:
            raise GatewayError(
                503, "not_ready", f"no snapshot is in use yet. {self._live.problem}".strip(), retry_after=_OVERLOAD_RETRY_S
            )
        return current


def _caller(head: Head, entry: Entry, keyring: Keyring, client: Client) -> Caller:
    """Return who asks, admitted by the keys in force. Raises GatewayError 401 or 403."""
    known, epoch = head.known, keyring.epoch
    if isinstance(known, Caller) and known.admitted_by == epoch:
        return known
    key = keyring.admit(head, client.peer)
    if key is not None and key.scope.dialects and entry.dialect not in key.scope.dialects:
        words = f"the key {key.name} is for the dialects {', '.join(key.scope.dialects)}, and not for {entry.dialect}"
        raise GatewayError(403, "key_scope", words)
    head.known = caller = Caller(epoch, entry, key, head.headers)
    return caller


def _unreadable(error: WireError, head: Head) -> GatewayError:
    """Return what a client is told whose request cannot be read."""
    if head.headers.get(b"content-encoding", b"identity") != b"identity":  # RFC 9110, section 15.5.16
        words = "a compressed request cannot be read here: send it without content-encoding"
        return GatewayError(415, "unsupported_content_encoding", words)
    return GatewayError(400, error.code, str(error), param=error.param)


def _models(current: Current, path: str, key: Key | None) -> bytes:
    """Return the models that a key may use, or one of them, as OpenAI or (under /v1beta) as Gemini describes models."""
    gemini = path.startswith("/v1beta")
    listed = "/v1beta/models" if gemini else _MODELS
    if path == listed:
        names = permission.models(current, key) if gemini else ()
        return _encode({"models": list(map(_gemini_model, names))}) if gemini else permission.model_bytes(current, key)
    name = path[len(listed) + 1 :]
    model = permission.models(current, key).get(name)
    if model is None:
        raise GatewayError(404, "model_not_found", f"the model {name!r} does not exist here: see {listed}", param="model")
    return _encode(_gemini_model(name) if gemini else model)


def _gemini_model(name: str) -> dict[str, object]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
