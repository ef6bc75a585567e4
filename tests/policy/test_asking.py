"""One request asked twice, as a value: who is next, whose answer is believed, and what the decision says."""

import pytest
from msgspec.structs import replace

from pointsman.core.routing import Decision, Plan, Prediction
from pointsman.policy.asking import Round, begun, decided
from tests.policy.test_cascade import COST, NAMES, QUALITY, made

PREDICTED = tuple(
    Prediction(name, quality, 0.1, round(cost)) for name, quality, cost in zip(NAMES, QUALITY, COST, strict=True)
)
DECISION = Decision("dear", (), (*NAMES, "other"), (1.0, 0.0, 0.0, 0.0), "auto", "policy", "", PREDICTED)
ACTS = Plan("*", "auto", "dear", acting_share=0.9)


def start() -> Round:
    found = begun(DECISION, made(5000.0))
    assert found is not None
    return found


def test_answers_are_heard_until_one_is_believed() -> None:
    first = start()
    assert first.next in ("cheap", "cheaper")
    second = first.after(first.next, "B", 10)
    assert second.next is not None
    assert second.next != first.next
    agreed, apart = (second.after(second.next, said, 10) for said in ("B", "C"))
    assert (agreed.next, agreed.believed) == (None, "cheap")
    assert apart.next == "dear"
    assert apart.after("dear", "C", 10).next is None


def test_silence_supports_nobody() -> None:
    now = start()
    while (name := now.next) is not None:
        now = now.after(name, None, None)
    assert now.asked == 0b111


@pytest.mark.parametrize(
    "changes",
    [
        {"predictions": PREDICTED[:2]},
        {"predictions": (*PREDICTED[:2], replace(PREDICTED[2], cost_nano=None))},
        {"predictions": (*PREDICTED[:2], replace(PREDICTED[2], quality=None))},
        {"eligible": ("dear", "cheap"), "probabilities": (1.0, 0.0)},
    ],
)
def test_who_cannot_be_weighed_or_cannot_serve_is_not_asked(changes: dict[str, object]) -> None:
    assert begun(replace(DECISION, **changes), made(5000.0)) is None


def test_a_budget_overspent_asks_less() -> None:
    """Money weighs more: where both cheap ones differ, a pace near nothing gives up before the dear one."""
    broke = begun(replace(DECISION, pace=1e-9), made(5000.0))
    assert broke is not None
    assert start().after("cheap", "B", 10).after("cheaper", "C", 10).next == "dear"
    assert broke.after("cheap", "B", 10).after("cheaper", "C", 10).next is None


def test_the_draw_is_the_first_that_is_asked() -> None:
    found = decided(replace(DECISION, fallbacks=("other",)), ACTS, "dear", "cheap", 2)
    assert (found.chosen, found.fallbacks) == ("cheap", ("dear", "other"))
    assert dict(zip(found.eligible, found.probabilities, strict=True)) == pytest.approx(
        {"dear": 0.1, "cheap": 0.9, "cheaper": 0.0, "other": 0.0}
    )
    assert "asked first" in found.why


def test_who_is_held_on_the_reference_stays_there_with_the_same_chances() -> None:
    held = decided(replace(DECISION, arm="control"), ACTS, "dear", "cheap", 2)
    assert (held.chosen, held.why) == ("dear", "")
    assert held.probabilities == decided(DECISION, ACTS, "dear", "cheap", 2).probabilities


def test_where_the_reference_is_asked_first_its_chance_is_certain() -> None:
    assert decided(DECISION, ACTS, "dear", "dear", 2).probabilities == pytest.approx((1.0, 0.0, 0.0, 0.0))
