"""What becomes a question, and how long its text is kept."""

import numpy as np
import pytest
from msgspec.structs import replace
from tests.control.review.scene import BIG, FEATURE, NOW_MS, SMALL, fill, snapshot

from pointsman.control.review.intake import DAY_MS, LONGEST, alone, compared, days_of, expected_share, expire
from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.record import Judgement, Sample
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.queue import worth
from pointsman.policy.teach import teach
from pointsman.store.interfaces import Store

REQUEST = ChatRequest(model="auto", messages=(Message("user", (Text("Name a prime."),)),))
OWN = Judgement("x1", NOW_MS, FEATURE, BIG, "reference", 0.5, "judge:z/j", "t")
ROW = Judgement("x1", NOW_MS, FEATURE, SMALL, "candidate", 0.75, "judge:z/j", "t")


def test_a_comparison_has_the_judges_word_and_a_worth() -> None:
    kept = compared(OWN, ROW, REQUEST, "7", "11", 0.2)
    assert kept is not None
    question, material = kept
    assert (question.machine, question.worth, question.reference) == (0.5, worth(0.75, 0.2), BIG)
    assert material is not None
    assert (material.request, material.answer, material.other) == ("Name a prime.", "7", "11")


def test_what_nobody_needs_to_be_asked_keeps_no_text() -> None:
    kept = compared(OWN, ROW, REQUEST, " 7\n", "7", None)
    assert kept is not None
    assert (kept[0].worth, kept[1]) == (0.0, None)


def test_what_the_judge_could_not_tell_is_a_question_all_the_same() -> None:
    kept = compared(OWN, replace(ROW, score=None), REQUEST, "7", "11", None)
    assert kept is not None
    assert (kept[0].machine, kept[0].worth) == (None, worth(None))


def test_what_is_too_long_is_none() -> None:
    assert compared(OWN, ROW, REQUEST, "7" * LONGEST, "11", None) is None
    assert alone(replace(ROW, arm="policy"), REQUEST, "7" * LONGEST) is None
    kept = alone(replace(ROW, arm="policy", score=1.0), REQUEST, "7")
    assert kept is not None
    assert not kept[0].paired


def test_a_policys_prediction_of_who_wins() -> None:
    rng = np.random.default_rng(1)
    rows = 300
    learned = teach(
        Outcomes(
            deployments=(BIG, SMALL),
            groups=np.array([f"prompt {row}" for row in range(rows)]),
            vectors=rng.integers(0, 256, (rows, features.LENGTH), dtype=np.uint8),
            score=np.tile([0.9, 0.3], (rows, 1)) + 0.05 * rng.standard_normal((rows, 2)),
            cost_nano=np.full((rows, 2), 1000.0),
            input_tokens=np.full(rows, 300.0),
            output_tokens=np.full((rows, 2), 100.0),
            task=np.full(rows, -1),
            tasks=(),
            feature=np.full(rows, -1),
            features=(),
        )
    )
    now = snapshot()
    plan = now.routes["auto"].plans[FEATURE]
    sample = Sample("x1", FEATURE, "auto", BIG, "reference", b"", "", Usage(300, 10), vector=bytes(features.LENGTH))
    assert expected_share(now, plan, sample, SMALL, BIG) is None
    taught = replace(now, policies={"auto": model.encode(learned.policy)})
    share = expected_share(taught, plan, sample, SMALL, BIG)
    assert share is not None
    assert 0.1 < share < 0.35
    assert expected_share(taught, plan, sample, "z/mid-3", BIG) is None


@pytest.mark.parametrize(("days", "left"), [(14, 5), (3, 2), (0, 0)])
def test_what_is_kept_too_long_is_forgotten_also_when_the_owner_changes_the_days(store: Store, days: int, left: int) -> None:
    now = snapshot()
    fill(store, now, SMALL, 3, seed=1, at_ms=NOW_MS - 5 * DAY_MS)
    fill(store, now, SMALL, 2, seed=2, at_ms=NOW_MS - 2 * DAY_MS)
    assert expire(store.reviews, snapshot(days), NOW_MS) == 5 - left
    assert sum(store.reviews.material(one) is not None for one in store.reviews.questions()) == left
    assert expire(store.reviews, snapshot(days), NOW_MS) == 0


def test_the_days_are_the_most_that_any_route_says() -> None:
    now = snapshot(3)
    other = replace(now.routes["auto"], name="other", plans={"*": replace(now.routes["auto"].plans["*"], review_days=9)})
    both = replace(now, routes={**now.routes, "other": other})
    assert days_of(both, FEATURE) == 9
    assert days_of(Snapshot(), FEATURE) == 0
