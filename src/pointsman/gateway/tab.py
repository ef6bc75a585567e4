"""What one exchange uses of budgets: reserved before each of its calls, settled after it.

Laws: a call is made only where all budgets that it falls under hold the most that it may use; a request counts once for
whoever sends it, and each call for the deployment that takes it; what a call used is what its provider reports; where that
never arrived, it used the most that it might have, unless it was refused or never sent; the values that one key may make up
are so many and no more (``values``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from pointsman.core.budget import Account, Budget, Scope, shown, span
from pointsman.core.chat import ChatRequest
from pointsman.core.errors import GatewayError
from pointsman.core.routing import Deployment, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.attempt import Call, Failure
from pointsman.gateway.budgets import WAIT_S, Budgets, Held, Want
from pointsman.gateway.caller import Caller
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.values import CHOSEN
from pointsman.policy import limits, naming
from pointsman.policy.decide import State
from pointsman.policy.fitness import OVER_BUDGET
from pointsman.policy.limits import Level, Most

_REFUSED: Final = 400  # a status from here on: refused, and not billed
_AGAIN_S: Final = 1.0


class Tab:
    """One exchange's. ``who`` says which value of each scope it has; ``clock`` gives seconds, ``now_ms`` Unix milliseconds.
    Raises GatewayError 429 where one of these values is one too many.

    ``reopen_s`` is in how many seconds the first of the budgets that left somebody out begins anew, 0 where none did.
    """

    def __init__(
        self,
        worker: Budgets,
        snapshot: Snapshot,
        who: Mapping[Scope, str],
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._worker = worker
        self._snapshot = snapshot
        self._clock = clock
        self._now_ms = now_ms
        self._theirs = [(one, who[one.per]) for one in snapshot.budgets if one.per in who and _concerns(one, who[one.per])]
        self._deployments = [one for one in snapshot.budgets if one.per == "deployment"]
        self._calls: dict[Call, tuple[list[Want], Most]] = {}
        self._counted = False
        self._whose = who["key"]
        self.reopen_s = 0.0
        if (refusal := self._refusal(self._theirs)) is not None:
            raise refusal

    async def known(self) -> None:
        """Wait until it is known how each budget stands that degrades: as a rule it is."""
        for held in self._degrading():
            if not held.number:
                await self._worker.room((held, 1))

    def limited(self, state: State, route: Route | None, plan: Plan | None, request: ChatRequest, size: int) -> State:
        """Return the state of a decision with who is left out of it: dear deployments where a budget that degrades drains,
        and those whose own budget is used up.
        """
        if route is None or plan is None:
            return state
        now_ms, worker, held = self._now_ms(), self._worker, self._degrading()
        levels = [
            Level(one.account.budget, 1.0 - worker.left(one) / one.limit, worker.left(one, one.dry_from)) for one in held
        ]
        found = limits.draining(self._snapshot, route, plan, levels, request, size)
        ends = [one.account.ends_ms for one in held] if found.closed else []
        closed = found.closed
        if self._deployments:
            closed = closed | self._used_up(route, plan, request, size, now_ms, ends)
        if closed:
            self.reopen_s = (min(ends) - now_ms) / 1e3
        return replace(state, closed=closed, stand_ins=tuple([one for one in found.stand_ins if one not in closed]))

    async def reserve(self, call: Call, request: ChatRequest, size: int, translated: int | None = None) -> Failure | None:
        """Reserve the most that a call may use; where a budget does not hold it, return why it may not be made.

        ``translated`` is the limit of an answer that its translation states by itself. Where none was stated and tokens or
        money were reserved, the call gets the one that they were reserved for (``Call.limit``).
        """
        over = list(self._over(call.deployment))
        if call.deployment.name not in self._snapshot.deployments and (refusal := self._refusal(over)) is not None:
            return Failure(refusal.message, kind="budget", told=refusal)
        most = limits.most(call.deployment, request, size, translated)
        until = self._clock() + WAIT_S
        while True:
            wants, now_ms = [], self._now_ms()
            for budget, value in over:
                need = _need(budget, most, counted=self._counted)
                if need is None:
                    return _without_price(call.deployment, budget)
                if need:
                    wants.append((self._worker.held(budget, value, now_ms), need))
            short = self._worker.take(wants)
            if short is None:
                self._calls[call], self._counted = (wants, most), True
                if any(held.account.unit != "requests" for held, _ in wants):
                    call.limit = most.limit
                return None
            room = await self._worker.room(short) if self._clock() < until else None
            if not room:
                return _spent(short, now_ms) if room is False else _unknown(short[0].account)

    def settle(self, call: Call) -> None:
        """Say what a call used, of what was reserved for it."""
        wants, most = self._calls.pop(call, ((), None))
        if most is None:
            return
        tokens, nano = most.tokens, most.nano
        if call.usage is not None and call.whole:
            tokens, nano = call.usage.input + call.usage.output, call.nano
        elif call.status >= _REFUSED or not call.sent:
            tokens, nano = 0, 0
        for held, need in wants:
            unit = held.account.unit
            used = need if unit == "requests" else tokens if unit == "tokens" else need if nano is None else nano
            self._worker.settle(held, need, used)

    def _refusal(self, concerned: Sequence[tuple[Budget, str]]) -> GatewayError | None:
        """Return why a value may not be named that the client may have made up: one that no budget of its own names."""
        chosen = [(one, value) for one, value in concerned if not one.of and one.per in CHOSEN]
        if not chosen:
            return None
        most, named = self._snapshot.limits.values_per_key, [one.per for one, _ in concerned if one.of]
        for budget, value in chosen:
            if budget.per not in named:
                found = self._worker.values.refusal(self._whose, budget, value, self._now_ms(), most)
                if found is not None:
                    return found
        return None

    def _degrading(self) -> list[Held]:
        now_ms = self._now_ms()
        return [self._worker.held(one, value, now_ms) for one, value in self._theirs if one.degrade]

    def _over(self, one: Deployment) -> Iterator[tuple[Budget, str]]:
        """Yield the budgets that a call to a deployment falls under."""
        yield from self._theirs
        for budget in self._deployments:
            if budget.of in ("", one.name):
                yield budget, one.name

    def _used_up(
        self, route: Route, plan: Plan, request: ChatRequest, size: int, now_ms: int, ends: list[int]
    ) -> dict[str, str]:
        """Return the deployments whose own budgets hold no call for a request any more; when these begin anew goes to
        ``ends``.
        """
        found: dict[str, str] = {}
        for name in limits.concerned(self._snapshot, route, plan):
            most = limits.most(naming.deployment(self._snapshot, name), request, size)
            for budget in self._deployments:
                if budget.of in ("", name):
                    need = _need(budget, most, counted=False)
                    held = self._worker.held(budget, name, now_ms)
                    if need is None:
                        found[name] = f"{OVER_BUDGET} {budget.name}: it has no price"
                    elif self._worker.left(held, need) < need:
                        found[name] = f"{OVER_BUDGET} {budget.name}: it is used up"
                    ends += [held.account.ends_ms] if name in found else []
        return found


def opened(
    equipment: Equipment, snapshot: Snapshot, caller: Caller, request: ChatRequest, feature: str, route: Route | None
) -> Tab:
    """Return the tab of an exchange that begins. Raises GatewayError as ``Tab`` does."""
    who: dict[Scope, str] = {
        "all": "",
        "key": caller.key.name if caller.key is not None else "",
        "customer": caller.customer_of(request),
        "feature": feature,
        "route": route.name if route is not None else "",
    }
    return Tab(equipment.budgets, snapshot, who, equipment.clock, equipment.now_ms)


def _concerns(budget: Budget, value: str) -> bool:
    return budget.per == "all" or (bool(value) and budget.of in ("", value))


def _need(budget: Budget, most: Most, *, counted: bool) -> int | None:
    """Return the units that a call may use of a budget; None: nobody can say."""
    if budget.unit == "requests":
        return 0 if counted and budget.per != "deployment" else 1
    return most.tokens if budget.unit == "tokens" else most.nano


def _without_price(one: Deployment, budget: Budget) -> Failure:
    words = (
        f"{one.name} has no price, and budget {budget.name!r} is in dollars: nobody could say what is left of it. State "
        f'price = {{input = ..., output = ...}} under [deployments."{one.name}"] (0 where it is free)'
    )
    return Failure(words, kind="budget", told=GatewayError(403, "no_price", words))


def _spent(short: Want, now_ms: int) -> Failure:
    held, need = short
    account = held.account
    wait_s = max(account.ends_ms - now_ms, 1) / 1e3
    words = (
        f"budget {account.budget!r} allows {shown(account.unit, held.limit)} in each {account.window} (UTC) for "
        f"{account.whose}, and what is left does not hold this request, which may take {shown(account.unit, need)}. "
        f"The next {account.window} begins in {span(wait_s)}"
    )
    if account.unit != "requests":
        words += "; a smaller max_tokens needs less"
    code = "rate_limit_error" if account.window == "minute" else "budget_spent"
    return Failure(words, kind="budget", told=GatewayError(429, code, words, retry_after=wait_s))


def _unknown(account: Account) -> Failure:
    words = f"what is left of budget {account.budget!r} cannot be told right now: try again"
    return Failure(words, kind="budget", told=GatewayError(503, "budget_unknown", words, retry_after=_AGAIN_S))
