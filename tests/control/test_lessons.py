"""Cases of a trial as the arrays that learning reads, and what they teach."""

import numpy as np
import pytest
from tests.policy.test_teach import NAMES, PRICED, table

from pointsman.control.lessons import learn, outcomes
from pointsman.control.tailor import Case
from pointsman.core.routing import Objective
from pointsman.policy import model


def cases(count: int = 300) -> list[Case]:
    rows = table(count)
    return [
        Case(
            vector=rows.vectors[n].tobytes(),
            input_tokens=20 + n,
            quality=dict(zip(NAMES, rows.score[n].tolist(), strict=True)),
            change=dict.fromkeys(NAMES, 0.0),
            cost_nano=dict(zip(NAMES, (1000, 100, 50), strict=True)),
            output_tokens=dict(zip(NAMES, (30, 20, 10), strict=True)),
        )
        for n in range(count)
    ]


def test_cases_become_rows_in_the_order_of_the_names() -> None:
    found = outcomes(cases(3), NAMES[::-1])
    assert found.deployments == NAMES[::-1]
    np.testing.assert_array_equal(found.score, table(3).score[:, ::-1])
    np.testing.assert_array_equal(found.cost_nano[0], [50, 100, 1000])
    np.testing.assert_array_equal(found.output_tokens[2], [10, 20, 30])
    np.testing.assert_array_equal(found.input_tokens, [20, 21, 22])
    assert (found.tasks, found.features) == ((), ())


def test_requests_with_equal_vectors_are_one_group() -> None:
    twice = [*cases(5), *cases(5)]
    assert len(outcomes(twice, NAMES).grouped()) == len({case.vector for case in twice})


@pytest.mark.parametrize("tolerance", [0.05, 0.5])
def test_what_was_learned_compares_with_the_first_deployment(tolerance: float) -> None:
    learned = learn(cases(), deployments=PRICED, objective=Objective("match", tolerance=tolerance))
    assert learned.policy.deployments == NAMES
    assert learned.value_nano is not None
    quality = model.estimate(learned.policy, table(300).vectors, [()] * 300).quality
    assert np.abs(quality.mean(axis=0) - table(300).score.mean(axis=0)).max() < 0.08


def test_with_more_tolerance_a_right_answer_is_worth_less() -> None:
    aims = (Objective("match", tolerance=each) for each in (0.05, 0.6))
    strict, loose = (learn(cases(), deployments=PRICED, objective=aim).value_nano or 0 for aim in aims)
    assert loose < strict
