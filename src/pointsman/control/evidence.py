"""Judgements as they count today: none from before its deployment changed, and costs at the prices of today.

Law: a judgement is never altered where it is kept. What a provider said of the tokens is kept with it, so that a cost can be
worked out anew; one without tokens keeps the cost that it had.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from pointsman.core.record import Judgement
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount


def today(judgements: Iterable[Judgement], snapshot: Snapshot) -> Iterator[Judgement]:
    """Yield the judgements that count, in their order, at the prices of a snapshot's deployments."""
    prices = {name: deployment.price for name, deployment in snapshot.deployments.items()}
    since = {name: change.since_ms for name, change in snapshot.changes.items()}
    for judged in judgements:
        if judged.at_ms < since.get(judged.deployment, judged.at_ms):
            continue
        price = prices.get(judged.deployment)
        if price is None or judged.usage is None or judged.cost_nano is None:
            yield judged
            continue
        cost_nano = amount(judged.usage, price)
        yield judged if cost_nano == judged.cost_nano else replace(judged, cost_nano=cost_nano)
