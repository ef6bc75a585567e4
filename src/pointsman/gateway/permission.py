"""What the one who asks may use: the model names that a key may say, and what is demanded of whoever serves it.

Laws: where neither the key nor the configuration bounds anything, this costs one look; a data policy that a key names and
that is not there any more permits nobody; demands of the key, the feature and the route hold together. A feature's hold
whatever model name the client asks for.
"""

import msgspec

from pointsman.core.demands import Demand
from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key
from pointsman.core.routing import Decision
from pointsman.gateway.caller import Caller
from pointsman.gateway.live import Current
from pointsman.policy import permits
from pointsman.policy.naming import Target
from pointsman.wire import twice

Permitted = tuple[Target, Decision | None, tuple[Demand, ...]]
"""What the model name stands for, the decision where there is nothing to decide, and what is demanded of who serves."""


def permitted(current: Current, caller: Caller, feature: str, asked: str) -> Permitted:
    """Return what a caller gets under a model name. Raises GatewayError: 404 for a name that is nobody's, else 403."""
    if not (caller.bounded or current.governed):
        target, decision = current.target(asked)
        return target, decision, ()
    key = caller.key
    if key is not None and key.scope.features and feature not in key.scope.features:
        words = f"the key {key.name} is for the features {', '.join(key.scope.features)}, and not for {feature!r}"
        raise GatewayError(403, "key_scope", words)
    target, decision = _target(current, key, asked)
    demands = (*_of_key(current, key), *current.demands(target.route, feature))
    return target, None if demands else decision, demands


def plain(caller: Caller, body: bytes, *, bounded: bool) -> None:
    """See that a body says one thing only, and where it is ``bounded`` who serves, that it names nobody beside.

    Raises GatewayError 400 and 403.
    """
    if caller.entry.dialect not in twice.DIALECTS:
        return
    fields = twice.fields_of(body)
    name = twice.said_twice(body, fields) if fields is not None else "body"
    if name is not None:
        words = f"the field {name!r} stands twice, or in other letters than its own: each provider would read it differently"
        raise GatewayError(400, "ambiguous_field", words, param=name)
    name = twice.named_elsewhere(fields) if bounded and fields is not None else None
    if name is not None:
        words = f"the field {name!r} names others who may serve this request, and its key or a data policy bounds who may"
        raise GatewayError(403, "not_permitted", words, param=name)


def models(current: Current, key: Key | None) -> dict[str, dict[str, object]]:
    """Return the model names that a key may use, each as OpenAI describes a model."""
    if key is None:
        return current.model_list
    demands = _of_key(current, key)
    return {name: model for name, model in current.model_list.items() if _may_name(current, key, name, demands)}


def model_bytes(current: Current, key: Key | None) -> bytes:
    """Return the body of ``GET /v1/models`` for a key."""
    if key is None:
        return current.models
    return msgspec.json.encode({"object": "list", "data": list(models(current, key).values())})


def _may_name(current: Current, key: Key, name: str, demands: tuple[Demand, ...]) -> bool:
    target = current.target(name)[0]
    if target.route is not None or not demands:
        return _in_scope(key, target)
    served = [current.deployment(one) for one in target.deployments]
    return _in_scope(key, target) and any(permits.barred(one, demands) is None for one in served)


def _target(current: Current, key: Key | None, asked: str) -> tuple[Target, Decision | None]:
    if key is None or not (key.scope.routes or key.scope.deployments):
        return current.target(asked)
    may = ", ".join((*key.scope.routes, *key.scope.deployments))
    try:
        found = current.target(asked)
    except GatewayError as error:  # its words name what others may use
        words = f"the model {asked[:200]!r} does not exist here: the key {key.name} may ask for {may}"
        raise GatewayError(error.status, error.code, words, param="model") from error
    if not _in_scope(key, found[0]):
        words = f"the key {key.name} may not ask for the model {asked!r}: it may ask for {may}"
        raise GatewayError(403, "key_scope", words, param="model")
    return found


def _in_scope(key: Key, target: Target) -> bool:
    """Return whether a key may say a model name: bounded to routes alone, it may say no deployment's own name."""
    routes, deployments = key.scope.routes, key.scope.deployments
    if target.route is not None:
        return not routes or target.route.name in routes
    if deployments:
        return any(permits.named(name, deployments) for name in target.deployments)
    return not routes


def _of_key(current: Current, key: Key | None) -> tuple[Demand, ...]:
    """Return what a key demands of whoever serves it."""
    if key is None:
        return ()
    scope = (Demand(f"the key {key.name}", models=key.scope.deployments),) if key.scope.deployments else ()
    if not key.policy:
        return scope
    policy = current.snapshot.data_policies.get(key.policy)
    if policy is None:
        words = f"the data policy {key.policy!r} of the key {key.name} is not configured, so that nobody may serve it"
        raise GatewayError(403, "not_permitted", words)
    return (*scope, policy)
