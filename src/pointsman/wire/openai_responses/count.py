"""A whole reply that is passed on as it is: what it took, how it ended, and what it said.

Strategy: most replies are only counted, so that looks at three fields and skips the output; the few that are graded are read
as events and added up.

Law: a reply that is not a response is an error (WireError), so that a log-in page never passes for an answer.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Usage
from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer
from pointsman.wire.fold import fold
from pointsman.wire.openai_responses import reply, response
from pointsman.wire.openai_responses.fields import read

_MOST_TOKENS = 10**12


class _Details(Struct):
    reason: str | None = None


class _Counted(Struct):
    output: Raw
    id: str | None = None
    status: str | None = None
    incomplete_details: _Details | None = None
    usage: Raw = Raw()
    service_tier: Any = None


_counted = msgspec.json.Decoder(_Counted)


def count(body: bytes | Raw) -> Answer:
    """Return usage and finish of a reply, without its text. Raises WireError."""
    wire = read(_counted, body, "")
    if not bytes(wire.output).startswith(b"["):
        raise WireError("the reply is not a response: it has no list of output")
    tier = wire.service_tier if isinstance(wire.service_tier, str) else ""
    return Answer(finish=finish_of(wire), usage=usage_of(wire.usage), id=wire.id or "", tier=tier)


def finish_of(wire: _Counted) -> str:
    """Return why a reply ended: the reason of an incomplete one, else its status."""
    reason = wire.incomplete_details.reason if wire.incomplete_details is not None else None
    return reason if reason and wire.status == "incomplete" else wire.status or "completed"


def usage_of(source: Raw) -> Usage | None:
    """Return the counts of a ``usage`` object; None where there is none, or none that can be counted.

    What a provider says of its work never costs anybody the work.
    """
    try:
        used = response.usage(source) if bytes(source) else None
    except WireError:
        return None
    if used is None:
        return None
    took = used.usage
    return took if max(took.input, took.output, took.cached, took.cache_written, took.reasoning) <= _MOST_TOKENS else None


def answer(body: bytes) -> Answer:
    """Return what a whole reply said, and its usage. Raises WireError."""
    return fold(reply.decode(body))
