"""An outcome table as a past: every prompt was answered by the reference, and every model's answer to it is graded.

Laws: what the table says is exact: grades, and costs at the deployments' prices for the tokens that it states; a model's
missing answer is one that was never tried.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from pointsman.control.replay.question import QuestionError
from pointsman.core.chat import Usage
from pointsman.core.routing import Needs
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.policy.outcomes import Outcomes
from pointsman.store.past import Drawn, Grade, Paid, Past

GRADER: Final = "table"
UNNAMED: Final = "default"


def past(snapshot: Snapshot, route: str, outcomes: Outcomes) -> Iterator[tuple[Past, list[Grade]]]:
    """Yield each prompt of a table as an exchange of a route, with its grades. Raises QuestionError.

    The table's columns are deployments; those that the snapshot does not have are left out.
    """
    reference = snapshot.routes[route].reference
    if reference is None or reference not in outcomes.deployments:
        raise QuestionError(
            f"the reference of route {route}, {reference}, is not in the table: map its name under [models], "
            "or add its rows; the table is compared with it"
        )
    tags = [[one.names[place] if place >= 0 else "" for place in one.place] for one in outcomes.tagged]
    for row in range(len(outcomes)):
        id_ = f"{row:024x}"
        place = outcomes.feature[row]
        feature = outcomes.features[place] if place >= 0 else UNNAMED
        size = round(float(outcomes.input_tokens[row]))
        told = tuple(kind[row] for kind in tags if kind[row])
        if outcomes.task[row] >= 0:
            told = (*told, f"task:{outcomes.tasks[outcomes.task[row]]}")
        calls = _calls(snapshot, outcomes, row, reference, size)
        drawn = Drawn(reference, (reference,), (1.0,), "", "reference", told, needs=Needs(size))
        own = next((call.cost_nano for call in calls if call.deployment == reference), None)
        vector = outcomes.vectors[row].tobytes()
        grades = [
            Grade(id_, name, "reference" if name == reference else "candidate", GRADER, GRADER, float(score))
            for name, score in zip(outcomes.deployments, outcomes.score[row], strict=True)
            if np.isfinite(score)
        ]
        yield Past(id_, feature, route, "ok", reference, 0.0, own, calls, drawn, vector), grades


def _calls(snapshot: Snapshot, outcomes: Outcomes, row: int, reference: str, size: int) -> tuple[Paid, ...]:
    """Return every model's call for a prompt whose cost is known, by its tokens or as recorded."""
    found = []
    for column, name in enumerate(outcomes.deployments):
        if name not in snapshot.deployments:
            continue
        given, paid = outcomes.output_tokens[row, column], outcomes.cost_nano[row, column]
        price = snapshot.deployments[name].price
        usage = Usage(size, round(float(given))) if np.isfinite(given) else None
        cost = round(float(paid)) if np.isfinite(paid) else None
        if usage is not None and price is not None:
            cost = amount(usage, price)
        if cost is not None:
            found.append(Paid(name, usage, cost, unused=name != reference))
    return tuple(found)
