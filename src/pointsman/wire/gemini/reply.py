"""A whole reply, read and written (https://ai.google.dev/api/generate-content#generatecontentresponse).

Law: an object that is neither an answer nor a blocked prompt is no reply (WireError), so that a log-in page never
passes for one.
"""

from collections.abc import Sequence

import msgspec

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    RefusalDelta,
    Start,
    StreamEvent,
    Used,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Encoded, Stamp
from pointsman.wire.gemini import errors
from pointsman.wire.gemini.candidates import Candidates
from pointsman.wire.gemini.fields import NAME
from pointsman.wire.gemini.pieces import PartEvent, Piece, Wire, candidate, counted, envelope, put, refused

_encode = msgspec.json.Encoder().encode


def decode(body: bytes) -> tuple[StreamEvent, ...]:
    """Return a whole reply as events, one delta to a part, ending with Finish and Used. Raises WireError."""
    events = tuple(Candidates(whole=True).read(body))
    if not any(isinstance(event, Finish | Failed) for event in events):
        raise WireError("the reply holds no candidates", param="candidates")
    return events


class _Choice:
    """The parts, the end and the probabilities of one candidate, as events add up to them."""

    __slots__ = ("finish", "odds", "parts", "refused")

    def __init__(self) -> None:
        self.parts: dict[int, Piece] = {}
        self.finish: Finish | None = None
        self.odds: list[Logprobs] = []
        self.refused = False


def encode(events: Sequence[StreamEvent], request: ChatRequest, stamp: Stamp) -> Encoded:  # noqa: ARG001
    """Return a whole reply: deltas of one part are joined, whatever their number."""
    lost: set[str] = set()
    choices: dict[int, _Choice] = {}
    start, used = Start(), None
    for event in events:
        match event:
            case Start():
                start = event
            case Used():
                used = event
            case Failed():
                return Encoded(_encode(errors.written(event)), tuple(sorted(lost)))
            case CitationDelta():
                lost.add("citations")
            case End():
                pass
            case _:
                _add(choices.setdefault(event.choice, _Choice()), event, lost, native=start.dialect == NAME)
    native = start.dialect == NAME
    body = _candidates(choices, lost, native=native)
    if used is not None:
        body["usageMetadata"] = counted(used, start, lost)
    body.update(envelope(start, stamp))
    put(body, start.own, lost, native=native)
    return Encoded(_encode(body), tuple(sorted(lost)))


def _add(choice: _Choice, event: PartEvent | Finish | Logprobs, lost: set[str], *, native: bool) -> None:
    if isinstance(event, Finish):
        choice.finish = refused(event) if choice.refused else event
    elif isinstance(event, Logprobs):
        choice.odds.append(event)
    else:
        choice.refused = choice.refused or isinstance(event, RefusalDelta)
        choice.parts.setdefault(event.part, Piece(lost, native=native)).add(event)


def _candidates(choices: dict[int, _Choice], lost: set[str], *, native: bool) -> Wire:
    """Return the candidates, or what was said of a prompt that got none."""
    body: Wire = {}
    candidates = []
    for index, choice in sorted(choices.items()):
        if choice.finish is not None and "promptFeedback" in choice.finish.own and not choice.parts:
            put(body, choice.finish.own, lost, native=native)
            continue
        parts = [wire for piece in choice.parts.values() if (wire := piece.written()) is not None]
        candidates.append(candidate(index, parts, choice.finish, choice.odds, lost, native=native))
    if candidates:
        body["candidates"] = candidates
    return body
