"""What a request needs of whoever serves it, as far as a gateway knows: what it says itself, and what providers hold."""

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest
from pointsman.core.routing import Needs, Route
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.live import Current
from pointsman.policy import fitness, naming
from pointsman.wire.dialects import unspeakable
from pointsman.wire.seals import bond


def needs_of(request: ChatRequest, current: Current, memory: Conversations, route: Route | None, feature: str) -> Needs:
    """Return what a whole request needs. What nobody remembers of a provider's is taken to be with the reference."""
    held = bond(request)
    holder = memory.holder(held)
    if held and holder is None and route is not None:
        holder = naming.plan_for(route, feature).reference or route.reference
    return replace(fitness.needs_of(request), unspeakable=unspeakable(request, current.dialects), held_by=holder or "")
