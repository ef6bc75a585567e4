"""Who can serve a request at all: what it needs, and who has that.

Law: filters fail closed, and say why.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media
from pointsman.core.errors import GatewayError
from pointsman.core.price import tier_of
from pointsman.core.routing import Deployment, Needs, Plan
from pointsman.policy import bounds, features, permits

NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
COOLING: Final = "is cooling down after failures"
OVER_BUDGET: Final = "is over budget"
"""How the reasons of those begin who are left out because of a budget (``policy/limits``)."""

_RETRY_SECONDS: Final = 1.0
_PICTURE: Final = 2_000  # tokens of a picture, whatever its size


def needs_of(request: ChatRequest) -> Needs:
    """Return what a deployment must be able to do to serve a request, as far as the request itself says."""
    return Needs(
        input_tokens=features.input_tokens(request),
        max_output_tokens=bounds.output_limit(request),
        tools=bool(request.tools),
        json_schema=request.json_schema,
        media=request.media,
        tier=tier_of(request.service_tier),
    )


def bounded(needs: Needs, plan: Plan | None, request: ChatRequest, size: int) -> Needs:
    """Return needs with what a call may become at most, where others may be tried; ``size`` is that of the body in bytes."""
    if plan is None or plan.explore is None:
        return needs
    return replace(needs, most_input=most_input(request, size), choices=bounds.answers(request))


def most_input(request: ChatRequest, size: int) -> int:
    """Return how many tokens a request of ``size`` bytes has at most.

    No token is shorter than a byte, so that all that is sent counts: tools, schemas, what was thought. A picture is told by
    its place in the request, and not by its bytes.
    """
    parts = (part for message in request.messages for part in message.parts)
    return size + sum(_PICTURE - len(part.data) for part in parts if isinstance(part, Media) and part.kind == "image")


def filtered(
    deployments: Iterable[Deployment], needs: Needs, cooling: frozenset[str], barred: Mapping[str, str] = NOBODY
) -> tuple[tuple[Deployment, ...], dict[str, str]]:
    """Return who can serve, and who cannot with the reason; ``barred`` are those who may not, with theirs."""
    fit: list[Deployment] = []
    excluded: dict[str, str] = {}
    for one in deployments:
        reason = barred.get(one.name) or unfit(one, needs) or (COOLING if one.name in cooling else None)
        if reason is None:
            fit.append(one)
        else:
            excluded[one.name] = reason
    return tuple(fit), excluded


def unfit(one: Deployment, needs: Needs) -> str | None:
    """Say why a deployment cannot do what the request needs, or may not see it, None where it can."""
    if needs.demands and (reason := permits.barred(one, needs.demands)):
        return reason
    if needs.held_by not in ("", one.name):
        return f"does not hold this conversation, {needs.held_by} does"
    if one.dialect in needs.unspeakable:
        return needs.unspeakable[one.dialect]
    if needs.tools and not one.tools:
        return "does not take tools"
    if needs.json_schema and not one.json_schema:
        return "does not take a JSON schema"
    unread = needs.media and sorted(needs.media.difference(one.media))
    if unread:
        return f"does not read {', '.join(unread)}"
    return too_long(one, needs)


def too_long(one: Deployment, needs: Needs) -> str | None:
    """Say why a request is too long for a deployment, None where it is not, as far as tokens can be guessed."""
    wanted = needs.input_tokens + (needs.max_output_tokens or 0)
    if one.context_tokens is not None and wanted > one.context_tokens:
        return f"holds {one.context_tokens} tokens, about {wanted} are needed"
    return None


def nothing_eligible(excluded: dict[str, str]) -> GatewayError:
    """Return the error of a request that nobody can serve, with everybody's reason.

    503 or 429 where waiting may help, else 403 where some may not see it, else 400.
    """
    reasons = "; ".join(f"{name} {reason}" for name, reason in excluded.items())
    if COOLING in excluded.values():
        return GatewayError(
            503,
            "no_deployment_available",
            f"no deployment can take this request right now ({reasons})",
            retry_after=_RETRY_SECONDS,
        )
    if any(reason.startswith(OVER_BUDGET) for reason in excluded.values()):
        words = f"no deployment of this route is within its budget ({reasons})"
        return GatewayError(429, "budget_spent", words, retry_after=_RETRY_SECONDS)
    refused = permits.refusal(excluded)
    if refused is not None:
        return refused
    return GatewayError(400, "unsupported_request", f"no deployment of this route can serve this request ({reasons})")
