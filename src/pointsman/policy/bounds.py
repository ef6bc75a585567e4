"""What a call can have taken at the most, where nobody says what it took.

Strategy: a bound must hold whatever the provider counts, so it is wide. No token is shorter than a byte, so the bytes sent
bound what stands in them. What is only named in a request (a picture's address, a file at the provider, an earlier reply,
a tool that the provider runs) is bounded by what the model can hold at once.

Law: of a call of one turn, whatever a provider's own count is, it lies within. Not bounded is a provider's tool that calls
the model again and again within one request, each time with all before.
"""

from typing import Final

from msgspec import DecodeError, Struct
from msgspec.json import decode

from pointsman.core.chat import ChatRequest, Media, Opaque, Part, ToolResult
from pointsman.core.price import Price
from pointsman.core.routing import Deployment
from pointsman.policy import cost

FRAME: Final = 1_024  # tokens that providers add around a request: roles, tools, a system prompt of their own
MEDIA: Final = 50_000  # tokens of one picture, recording or file that is sent along, beside its bytes
UNKNOWN_CONTEXT: Final = 1_048_576  # tokens that a model can hold where nobody says
UNLIMITED_OUTPUT: Final = 131_072  # tokens of an answer where neither the request nor the deployment sets a limit
LARGEST: Final = 1 << 32
"""Tokens that no call takes, whatever its request asks for or its provider reports: sums of amounts stay within 64 bits."""


class Most(Struct, frozen=True):
    """The most tokens that one call can have taken."""

    input: int
    output: int


def most_tokens(request: ChatRequest, sent_bytes: int, to: Deployment) -> Most:
    """Return the most that a call can have taken; ``sent_bytes`` is the size of the body that the provider got."""
    taken = sent_bytes + FRAME + sum(MEDIA for message in request.messages for part in message.parts if _heavy(part))
    if refers(request):
        taken += to.context_tokens or UNKNOWN_CONTEXT
    limits = [output_limit(request), to.variant.max_output_tokens if to.variant is not None else None]
    limit = max((one for one in limits if one is not None), default=0)
    given = limit if limit > 0 else to.context_tokens or UNLIMITED_OUTPUT
    return Most(min(taken, LARGEST), min(given * answers(request), LARGEST))


def output_limit(request: ChatRequest) -> int | None:
    """Return the tokens that a request limits each answer to, None where it does not: llama.cpp takes -1 for no limit.

    Where it states both of Chat Completions' limits, the larger one: providers differ in which of the two they heed.
    """
    limit, other = request.max_output_tokens, request.own.get("max_tokens")
    if other is not None and limit is not None:
        limit = max(limit, _whole(bytes(other)))
    return None if limit is None or limit < 1 else min(limit, LARGEST)


def answers(request: ChatRequest) -> int:
    """Return how many answers a request asks for."""
    return min(max(request.choices, 1), LARGEST)


def _whole(text: bytes) -> int:
    try:
        return decode(text, type=int)
    except DecodeError:
        return 0


def between(nano: int | None, most: Most, price: Price, *, partial: bool) -> tuple[int, int]:
    """Return the least and the most, in nano-dollars, that a call can have cost, on whichever service tier.

    ``nano`` is what is thought (None: nothing is); where that is by a usage reported so far (``partial``), it is the least.
    """
    known = nano or 0
    return known if partial else 0, max(known, cost.most(most.input, most.output, price))


def _heavy(part: Part) -> bool:
    return isinstance(part, Media | Opaque) or (isinstance(part, ToolResult) and any(map(_heavy, part.parts)))


def refers(request: ChatRequest, *, pictures: bool = True) -> bool:
    """Say whether a request names what it does not hold: a picture's address, too, where ``pictures`` count."""
    if request.previous or "cachedContent" in request.own or any(isinstance(tool, Opaque) for tool in request.tools):
        return True
    return any(_elsewhere(part, pictures=pictures) for message in request.messages for part in message.parts)


def _elsewhere(part: Part, *, pictures: bool) -> bool:
    if isinstance(part, ToolResult):
        return any(_elsewhere(one, pictures=pictures) for one in part.parts)
    if isinstance(part, Media):
        return not part.data and not part.text and (pictures or part.kind != "image")
    return isinstance(part, Opaque)
