"""The way of one call between the client's dialect and the provider's.

Strategy: where both speak one dialect and nothing but names has to change, the original bytes pass (``direct``); otherwise
the canonical request is encoded for the provider, and its events are encoded for the client.

Laws: a reply comes in the form that the client asked for, whole or streamed, whichever the provider chose; an error comes
in the client's dialect, and where that is the provider's own, in its own bytes; what either dialect has no word for is
named in ``lost``.
"""

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import GatewayError, WireError
from pointsman.core.routing import Deployment
from pointsman.gateway.attempt import Failure, refused
from pointsman.gateway.entries import Entry
from pointsman.gateway.relay import Relay
from pointsman.gateway.translation import Translation
from pointsman.upstream.interfaces import Reply
from pointsman.wire import limited
from pointsman.wire.answer import Answer
from pointsman.wire.dialect import Stamp, StreamEncoder
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.fold import fold
from pointsman.wire.gemini.stream import array_encoder
from pointsman.wire.openai_chat.errors import words
from pointsman.wire.seals import unsealed, unsigned
from pointsman.wire.variant import applied


class Passage:
    """One call's way there and back. ``unseal``: another deployment made what the request carries sealed."""

    __slots__ = (
        "_asks_usage",
        "_at_s",
        "_body",
        "_entry",
        "_exchange",
        "_request",
        "_to",
        "_unseal",
        "direct",
        "lost",
        "ours",
        "readable",
        "theirs",
    )

    def __init__(
        self,
        entry: Entry,
        request: ChatRequest,
        body: bytes,
        to: Deployment,
        exchange: str,
        at_s: int,
        *,
        asks_usage: bool,
        unseal: bool,
    ) -> None:
        self._entry = entry
        self._request = request
        self._body = body
        self._to = to
        self._exchange = exchange
        self._at_s = at_s
        self._asks_usage = asks_usage
        self._unseal = unseal
        self.ours = DIALECTS[entry.dialect]
        self.theirs = OF_PROVIDERS[to.dialect]
        whole = to.variant is None and not unseal and not unsigned(request, to.model)
        self.direct = self.theirs is self.ours and whole
        self.lost: tuple[str, ...] = ()
        self.readable = True

    def path(self) -> str:
        """Return what goes behind the provider's base URL."""
        return self.theirs.request.path(self._to.model, stream=self._request.stream)

    def own_limit(self) -> int | None:
        """Return the limit of an answer that the translation states where nobody did, None where it states none."""
        return None if self.direct else limited.translated(self._asked(), self.theirs.name)

    def outbound(self, limit: int | None = None, field: str = "max_tokens") -> bytes:
        """Return the body that the provider gets.

        ``limit`` is one of its answer that nobody stated; ``field`` is the name that one has there in Chat Completions: what
        is not passed on as bytes has a stated limit under it, too.
        """
        asked, model = self._request, self._to.model
        if self.direct:
            body = self.theirs.request.edit(
                self._body,
                model=model if model != asked.model else None,
                include_usage=asked.stream and not asked.include_usage and self._asks_usage,
            )
            return body if limit is None else limited.edited(body, self.theirs.name, limit, field)
        request = self._asked()
        limit = request.max_output_tokens if limit is None else limit
        if limit is not None:
            request = limited.asked(request, self.theirs.name, limit)
        if self._unseal:
            request, gone = unsealed(request)
            self._lose(gone)
        encoded = self.theirs.request.encode(request)
        self._lose(encoded.lost)
        if limit is None or self.theirs.name != limited.CHAT:
            return encoded.body
        return limited.edited(encoded.body, limited.CHAT, limit, field)

    def _asked(self) -> ChatRequest:
        """Return the request as the deployment is asked it."""
        asked, variant = self._request, self._to.variant
        request = replace(asked, model=self._to.model, include_usage=asked.stream and self._asks_usage)
        return request if variant is None else applied(request, variant)

    def relay(self, *, texts: bool) -> Relay | Translation:
        """Return what passes a streamed reply on as a stream."""
        if self.direct and not self._entry.array:
            drop_usage = self._asks_usage and not self._request.include_usage
            return Relay(self._to.name, self.ours, drop_usage=drop_usage, texts=texts, choices=self._request.choices)
        return Translation(
            self._to.name, self.theirs.stream.decoder(), self._encoder(), self.ours.errors, choices=self._request.choices
        )

    def whole(self, body: bytes, *, streamed: bool, graded: bool) -> tuple[bytes, Answer]:
        """Return what the client gets of a reply that was read to its end, ``streamed`` or not, and what it said.

        Raises WireError where it is no reply.
        """
        if self.direct and not streamed and not self._request.stream:
            said = self.ours.count.count(body)
            return body, self._graded(body, said) if graded or said.usage is None else said
        if streamed:
            decoder = self.theirs.stream.decoder()
            events = (*decoder.feed(body), *decoder.end())
            self._lose(tuple(decoder.unread))
        else:
            events = self.theirs.reply.decode(body)
        said = fold(events)
        if said.finish is None:
            raise WireError("the reply ended before the answer did")
        if self._request.stream:
            encoder = self._encoder()
            out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
            self._lose(tuple(encoder.lost))
            return out, said
        encoded = self.ours.reply.encode(events, self._request, self._stamp())
        self._lose(encoded.lost)
        return encoded.body, said

    def _graded(self, body: bytes, counted: Answer) -> Answer:
        """Return what a reply says, for a trial; one that we cannot read is not sampled, and still the client's."""
        try:
            return self.ours.count.answer(body)
        except WireError:
            self.readable = False
            return counted

    def passes(self, *, streamed: bool) -> bool:
        """Whether a reply passes in its own bytes, and so under the provider's own content type."""
        return self.direct and streamed == self._request.stream and not self._entry.array

    @property
    def content_type(self) -> bytes:
        """The content type of a reply that does not pass in its own bytes."""
        return b"text/event-stream" if self._request.stream and not self._entry.array else b"application/json"

    def reported(self, body: bytes) -> int | None:
        """Return the status that an error inside a reply of status 200 stands for; None: it holds no error."""
        return self.theirs.errors.reported(body)

    def refusal(self, status: int, body: bytes) -> bytes:
        """Return a provider's error as the client reads errors; its own bytes where both speak one dialect."""
        fault = self.theirs.errors.read(status, body)
        if fault is not None and self.theirs is self.ours:
            return body
        if fault is None:
            error = GatewayError(status, "upstream_error", f"{self._to.provider} answered {status}: {words(body)}")
        else:
            error = GatewayError(
                status, fault.code or fault.kind or "upstream_error", fault.message, param=fault.param or None
            )
        return self.ours.errors.envelope(error)

    def note(self, relay: Relay | Translation) -> None:
        """Take over what a stream lost."""
        self._lose(tuple(relay.lost))

    def _encoder(self) -> StreamEncoder:
        if self._entry.array:
            return array_encoder(self._request, self._stamp())
        return self.ours.stream.encoder(self._request, self._stamp())

    def _stamp(self) -> Stamp:
        return Stamp(self._exchange, self._at_s, self._to.model)

    def _lose(self, names: tuple[str, ...]) -> None:
        if names:
            self.lost = tuple(sorted({*self.lost, *names}))


def reported(relay: Relay | Translation, passage: Passage, reply: Reply) -> Failure:
    """Return the failure that a provider reported inside its stream, before any content."""
    body = relay.error or b""
    if isinstance(relay, Relay):
        body = passage.refusal(relay.error_status, body)
    return refused(relay.error_status, body, reply.headers)
