"""A target for atheris (https://github.com/google/atheris): bytes of any kind, into every decoder of every dialect.

The first byte says which dialect and which of its readers, the second where a stream is cut; the rest is what is read. What
was read is then written for every client, and as a request for every provider. Nothing but ``WireError`` may come out, a
stream read in two pieces must give what it gives in one, and what passes as it is must come out as it came in.

``make atheris`` runs it in an environment of its own; the project does not depend on atheris.
"""

import sys
from collections.abc import Sequence

import atheris

with atheris.instrument_imports(include=["pointsman"]):
    from msgspec.structs import replace

    from pointsman.core.chat import ChatRequest, StreamEvent
    from pointsman.core.errors import WireError
    from pointsman.wire.dialect import Address, Stamp
    from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
    from pointsman.wire.invoke import InvokeStream
    from pointsman.wire.seals import bond, sealed, unsealed, unsigned

NAMES = tuple(OF_PROVIDERS)
STAMP = Stamp("x", 1, "m")
ADDRESS = Address("gemini-3-flash", stream=True)


def request(name: str, data: bytes) -> None:
    """A request: read, looked at, and written for every provider; where nothing was lost, it reads the same again."""
    asked = OF_PROVIDERS[name].request.decode(data, ADDRESS)
    sealed(asked), bond(asked), unsigned(asked, ADDRESS.model)
    for target in OF_PROVIDERS.values():
        target.request.unfit(asked)
        target.request.encode(asked)
    target = OF_PROVIDERS[name].request
    again = target.decode(target.encode(asked).body, ADDRESS)
    assert target.decode(target.encode(again).body, ADDRESS) == again
    target.encode(unsealed(asked)[0])


def whole(name: str, data: bytes) -> None:
    """A whole reply: counted, read, and written for every client."""
    OF_PROVIDERS[name].count.count(data)
    OF_PROVIDERS[name].count.answer(data)
    _written(OF_PROVIDERS[name].reply.decode(data))


def stream(name: str, data: bytes, cut: int) -> None:
    """A streamed reply: the same in two pieces as in one, and written for every client."""
    place = cut * len(data) // 256
    once, twice = OF_PROVIDERS[name].stream.decoder(), OF_PROVIDERS[name].stream.decoder()
    events = [*once.feed(data), *once.end()]
    assert [*twice.feed(data[:place]), *twice.feed(data[place:]), *twice.end()] == events
    assert once.unread == twice.unread
    _written(events)


def passing(name: str, data: bytes, cut: int) -> None:
    """A streamed reply that passes as it is, in two pieces."""
    place = cut * len(data) // 256
    watched = DIALECTS[name].watch.watch(texts=bool(cut % 2))
    seen = [*watched.feed(data[:place]), *watched.feed(data[place:]), *watched.end()]
    assert b"".join([frame for frame, _ in seen]).strip() == data.strip()
    watched.answer()


def _written(events: Sequence[StreamEvent]) -> None:
    for client, dialect in DIALECTS.items():
        asked = ChatRequest("m", (), include_usage=True, dialect=client)
        dialect.reply.encode(events, asked, STAMP)
        encoder = dialect.stream.encoder(replace(asked, stream=True), STAMP)
        b"".join([*map(encoder.feed, events), encoder.end()]).decode()


def one(data: bytes) -> None:
    """Read one input."""
    if len(data) < 2:
        return
    name, reader, body = NAMES[data[0] % len(NAMES)], data[0] // len(NAMES) % 6, data[2:]
    try:
        match reader:
            case 0:
                request(name, body)
            case 1:
                whole(name, body)
            case 2:
                stream(name, body, data[1])
            case 3 if name in DIALECTS:
                passing(name, body, data[1])
            case 4:
                OF_PROVIDERS[name].errors.read(500, body)
                OF_PROVIDERS[name].errors.reported(body)
            case _:
                InvokeStream().feed(body)
    except WireError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
