"""What is kept of one exchange once its last byte has gone to the client: its record, and what was learned from it.

Law: nothing here waits, and nothing here raises what a client could cause.
"""

from msgspec import structs

from pointsman.core.record import ExchangeRecord
from pointsman.gateway import hedging, sampling
from pointsman.gateway.underway import UnderWay
from pointsman.policy import features, naming
from pointsman.wire.seals import reply_name


def keep(on: UnderWay) -> None:
    """Queue the record, and offer the sample that was drawn for a trial."""
    equipment, current, calls = on.equipment, on.current, on.calls
    snapshot = current.snapshot
    last = on.answered_by or (calls[-1] if calls else None)
    ended = last.ended if last is not None else equipment.clock()
    later = current.keeps_vectors and not on.vector
    record = _record(on, ended)
    equipment.journal.put(record, on.request if later else None, len(on.body))
    equipment.tally.note(record, on.dialect.name, snapshot)
    if current.tells:
        equipment.telling.tell(record, on.dialect.name, snapshot, on.caller.headers.get(b"traceparent", b""))
    if on.route:
        equipment.paces.note(snapshot.routes[on.route], record)
        equipment.allowance.settle(record)
    if current.timed and last is not None and last.deployment.name in snapshot.deployments:  # no name that is made up
        equipment.speeds.note(record, ended)
    if current.hedged and on.route in current.hedged:
        hedging.note(on, equipment.delays)
    served = _served_by(on)
    if served is not None:
        _remember(on, served)
    if on.place is not None:
        equipment.courses.note(on.place, record, last.started if last is not None else on.started)
    if on.trial is not None and on.outcome == "ok":
        _sample(on, on.trial, record)


def _record(on: UnderWay, ended: float) -> ExchangeRecord:
    key = on.caller.key
    return ExchangeRecord(
        id=on.id,
        at_ms=on.at_ms,
        asked=on.request.model,
        feature=on.feature,
        outcome=on.outcome,
        status=on.status,
        decision=on.decision,
        attempts=tuple([call.attempt(on.request) for call in on.calls]),
        route=on.route,
        streamed=on.request.stream,
        conversation=on.named,
        client_key=key.name if key is not None else "",
        latency_ms=(ended - on.started) * 1e3,
        first_content_ms=None if on.first_content is None else (on.first_content - on.started) * 1e3,
        vector=on.vector if on.current.keeps_vectors else b"",
        prompt=on.request.transcript if on.current.prompts and _is_prompt_kept(on) else "",
        client_id=on.caller.client_id,
        customer=on.caller.customer_of(on.request),
    )


def _served_by(on: UnderWay) -> str | None:
    """Return the deployment that the record names as the one that served (``ExchangeRecord.served_by``)."""
    if on.outcome in ("ok", "cut"):
        for call in reversed(on.calls):
            if not call.unused:
                return call.name
    return None


def _is_prompt_kept(on: UnderWay) -> bool:
    """Say whether the owner wants the texts of this request: what is said of its feature, of its route, of all."""
    snapshot = on.current.snapshot
    said = naming.plan_for(snapshot.routes[on.route], on.feature).store_prompts if on.route else None
    return snapshot.store_prompts if said is None else said


def _remember(on: UnderWay, served: str) -> None:
    """Note who answered, under the conversation's name and the reply's own."""
    memory = on.equipment.conversations
    memory.remember(on.conversation, served)
    if on.answer is not None and on.entry.dialect == "openai_responses":
        memory.remember(reply_name(on.answer.id), served)


def _sample(on: UnderWay, trial: sampling.Standing, record: ExchangeRecord) -> None:
    said, expected = on.answer, on.caller.expected()
    found = said and sampling.sample(trial, record, said, on.body, expected, on.entry.dialect)
    if found:
        on.equipment.offer(structs.replace(found, vector=on.vector or features.vector(on.request), demands=on.demands))
