"""A whole reply.

Strategy: its output items are read as those of a stream that had no deltas, and written by what writes a stream, whose
frames nobody sees.

Law: the events of a whole reply and those of its stream differ in the cuts of deltas only.
"""

from collections.abc import Sequence

import msgspec

from pointsman.core.chat import ChatRequest, StreamEvent
from pointsman.wire.dialect import Encoded, Stamp
from pointsman.wire.fields import checked
from pointsman.wire.openai_responses import response
from pointsman.wire.openai_responses.reading import Items
from pointsman.wire.openai_responses.writing import Writer

_encode = msgspec.json.Encoder().encode


def decode(body: bytes) -> tuple[StreamEvent, ...]:
    """Return a whole reply as events, one delta to a part, ending with Finish (or Failed) and Used. Raises WireError."""
    fields = response.check(checked(body, "the reply"))
    output = Items()
    start = response.begun(body)
    events: list[StreamEvent] = [start]
    for index, (item, where) in enumerate(fields.list("output")):
        events += output.done(index, item, where)
    events += response.ended(body, start, called=output.called)
    return tuple(events)


def encode(events: Sequence[StreamEvent], request: ChatRequest, stamp: Stamp) -> Encoded:
    """Return a whole reply: deltas of one part are joined, whatever their number."""
    writer = Writer(request, stamp)
    for event in events:
        writer.feed(event)
    writer.end()
    return Encoded(_encode(writer.body), tuple(sorted(writer.lost)))
