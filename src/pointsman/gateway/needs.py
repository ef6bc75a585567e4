"""What a request needs of whoever shall serve it."""

from collections.abc import Iterable

from pointsman.core.chat import ChatRequest
from pointsman.core.routing import Needs
from pointsman.policy import features
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.seals import bond


def of(request: ChatRequest, other_dialects: Iterable[str], holder: str | None) -> Needs:
    """Return the needs of a request.

    ``other_dialects`` are those that it would be translated into; ``holder`` is the deployment that holds what the request
    refers to, where it refers to anything.
    """
    reasons = {name: DIALECTS[name].request.unfit(request) for name in other_dialects}
    return Needs(
        input_tokens=features.input_tokens(request),
        max_output_tokens=request.max_output_tokens,
        tools=bool(request.tools),
        json_schema=request.json_schema,
        media=request.media,
        unspeakable={name: reason for name, reason in reasons.items() if reason is not None},
        held_by=(holder or "") if bond(request) else "",
    )
