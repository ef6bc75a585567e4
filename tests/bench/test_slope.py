"""The bound on a slope covers the truth, where noise is white and where it drifts."""

import numpy as np
import pytest

from harness.slope import slope


def test_a_line_has_its_slope() -> None:
    found, bound = slope(range(23), [5 + 2 * x for x in range(23)])
    assert found == pytest.approx(2.0)
    assert bound == pytest.approx(2.0)


@pytest.mark.parametrize(("carried", "least"), [(0.0, 0.93), (0.7, 0.90)])
def test_the_upper_bound_covers(carried: float, least: float) -> None:
    random, x, covered = np.random.default_rng(3), np.arange(80.0), 0
    for _ in range(600):
        noise, now = [], 0.0
        for shock in random.normal(size=80):
            now = carried * now + shock
            noise.append(now)
        covered += slope(x.tolist(), (0.25 * x + np.array(noise)).tolist())[1] >= 0.25
    assert covered / 600 >= least
