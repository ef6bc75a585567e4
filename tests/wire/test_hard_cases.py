"""Every hard case in every dialect in which it can come: read whole, cut at every byte and byte by byte; passed on as it is;
and translated for every client, whatever the cuts.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace as but

import pytest
from tests.wire.hard import HARD, Hard

from pointsman.core.chat import (
    ChatRequest,
    Failed,
    Finish,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Used,
)
from pointsman.wire.dialect import Stamp
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.fold import fold

MOST_CUTS = 6000
"""Bytes up to which a stream is cut at every one; a longer one, of a megabyte, at a sample of them."""

ALL = [(f"{name}-{hard.dialect}", hard) for name, each in HARD.items() for hard in each]
CASES = [pytest.param(hard, id=name) for name, hard in ALL]
PASSING = [pytest.param(hard, id=name) for name, hard in ALL if hard.dialect in DIALECTS]
STAMP = Stamp("x1", 5, "m")


def read(dialect: str, chunks: Sequence[bytes]) -> tuple[list[StreamEvent], set[str]]:
    decoder = OF_PROVIDERS[dialect].stream.decoder()
    return [*(event for chunk in chunks for event in decoder.feed(chunk)), *decoder.end()], decoder.unread


def ways(stream: bytes) -> Iterator[list[bytes]]:
    """Cut a stream in two at every byte, and into single bytes."""
    size = len(stream)
    short = size <= MOST_CUTS
    for cut in range(1, size) if short else random.Random(3).sample(range(1, size), 6):
        yield [stream[:cut], stream[cut:]]
    step = 1 if short else 16381
    yield [stream[at : at + step] for at in range(0, size, step)]


def added_up(hard: Hard, events: Sequence[StreamEvent], unread: set[str]) -> Hard:
    """What events say, in the form of a case."""
    calls: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta) and event.choice == 0:
            call = calls.setdefault(event.part, ["", "", ""])
            for place, more in enumerate((event.id, event.name, event.arguments)):
                call[place] += more
    used = [event.usage for event in events if isinstance(event, Used)]
    return but(
        hard,
        text="".join([e.text for e in events if isinstance(e, TextDelta | RefusalDelta) and e.choice == 0]),
        thinking="".join([e.text for e in events if isinstance(e, ThinkingDelta)]),
        signatures=tuple(
            [e.signature for e in events if isinstance(e, TextDelta | ThinkingDelta | ToolCallDelta) and e.signature]
        ),
        calls=tuple([(id_, name, _compact(arguments)) for id_, name, arguments in calls.values()]),
        finish=tuple([event.reason for event in events if isinstance(event, Finish)]),
        used=(used[-1].input, used[-1].output) if used else None,
        failed="".join([event.message for event in events if isinstance(event, Failed)]),
        unread=frozenset(unread),
    )


def _compact(arguments: str) -> str:
    return json.dumps(json.loads(arguments), separators=(",", ":")) if arguments else ""


@pytest.mark.parametrize("hard", CASES)
def test_it_is_read_however_it_is_cut(hard: Hard) -> None:
    events, unread = read(hard.dialect, [hard.stream])
    assert added_up(hard, events, unread) == hard
    for chunks in ways(hard.stream):
        assert read(hard.dialect, chunks) == (events, unread)


@pytest.mark.parametrize("hard", PASSING)
@pytest.mark.parametrize("texts", [True, False])
def test_it_passes_as_it_is_however_it_is_cut(hard: Hard, texts: bool) -> None:
    answer = fold(read(hard.dialect, [hard.stream])[0])
    for chunks in ([hard.stream], *ways(hard.stream)):
        watched = DIALECTS[hard.dialect].watch.watch(texts=texts, limit=2**21)
        seen = [pair for chunk in chunks for pair in watched.feed(chunk)] + watched.end()
        assert b"".join([frame for frame, _ in seen]) == hard.stream
        assert bool(hard.failed) is any(one.error for _, one in seen)
        said = watched.answer()
        assert said.usage == answer.usage
        assert said.finish == answer.finish or not hard.finish
        if texts:
            assert (said.text, [(c.name, c.arguments) for c in said.tool_calls]) == (
                answer.text,
                [(c.name, c.arguments) for c in answer.tool_calls],
            )


@pytest.mark.parametrize("hard", CASES)
@pytest.mark.parametrize("client", DIALECTS)
def test_it_is_translated_however_it_is_cut(hard: Hard, client: str) -> None:
    def translated(chunks: Sequence[bytes]) -> bytes:
        decoder = OF_PROVIDERS[hard.dialect].stream.decoder()
        encoder = DIALECTS[client].stream.encoder(ChatRequest("m", (), include_usage=True, dialect=client), STAMP)
        out = [encoder.feed(event) for chunk in chunks for event in decoder.feed(chunk)]
        return b"".join([*out, *map(encoder.feed, decoder.end()), encoder.end()])

    out = translated([hard.stream])
    sample = [*ways(hard.stream)]
    for chunks in sample if len(sample) < 20 else [*random.Random(5).sample(sample, 19), sample[-1]]:
        assert translated(chunks) == out
    events, unread = read(client, [out])
    again = added_up(hard, events, unread)
    assert unread == set()
    assert (again.text, again.failed) == (hard.text, hard.failed)
    if hard.finish:
        assert [(name, arguments or "{}") for _, name, arguments in again.calls] == [
            (name, arguments or "{}") for _, name, arguments in hard.calls
        ]
        assert hard.finish[-1] in again.finish
        assert again.used == (hard.used or (again.used if client == "anthropic" else None))
    for chunks in [
        [out[:cut], out[cut:]] for cut in random.Random(7).sample(range(1, len(out)), 10 if len(out) < MOST_CUTS else 2)
    ]:
        assert read(client, chunks)[0] == events
