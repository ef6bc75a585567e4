"""Outcomes as arrays: grouping, folds, rows and columns."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.outcomes import Outcomes, Tagged

NAN = float("nan")


def made(groups: list[str], score: object) -> Outcomes:
    count, scores = len(groups), np.asarray(score, dtype=float)
    return Outcomes(
        deployments=tuple(f"m{n}" for n in range(scores.shape[1])),
        groups=np.array(groups),
        vectors=np.arange(count, dtype=np.uint8)[:, None],
        score=scores,
        cost_nano=scores * 100,
        input_tokens=np.arange(count, dtype=float),
        output_tokens=scores * 10,
        task=np.arange(count, dtype=np.int64) - 1,
        tasks=("t",) * count,
        feature=np.full(count, -1, dtype=np.int64),
        features=(),
        said=np.arange(count * scores.shape[1], dtype=np.int64).reshape(scores.shape),
    )


def test_equal_prompts_become_one_row_averaged_over_what_is_known() -> None:
    found = made(["b", "a", "b"], [[1, NAN], [0, 1], [0, 1]]).grouped()
    assert list(found.groups) == ["a", "b"]
    np.testing.assert_array_equal(found.score, [[0, 1], [0.5, 1]])
    np.testing.assert_array_equal(found.cost_nano, [[0, 100], [50, 100]])
    np.testing.assert_array_equal(found.input_tokens, [1, 1])
    assert list(found.task) == [0, -1]  # labels and vectors are those of the first
    assert found.vectors[:, 0].tolist() == [1, 0]
    assert found.said is not None
    assert found.said.tolist() == [[2, 3], [0, 1]]
    chosen = found.columns([1]).said
    assert chosen is not None
    assert chosen.tolist() == [[3], [1]]


def test_what_nobody_knows_stays_unknown() -> None:
    found = made(["a", "a"], [[NAN, 1], [NAN, 0]]).grouped()
    assert np.isnan(found.score[0, 0])
    assert found.score[0, 1] == 0.5


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), st.randoms())
def test_the_order_of_rows_does_not_matter_to_groups(groups: list[str], shuffle: object) -> None:
    rows = made(groups, [[n / 12, 1 - n / 12] for n in range(len(groups))])
    order = list(range(len(groups)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    first, second = rows.grouped(), rows.rows(np.array(order)).grouped()
    assert list(first.groups) == list(second.groups) == sorted(set(groups))
    np.testing.assert_allclose(first.score, second.score)


@given(st.lists(st.text("abcxyz", min_size=1), min_size=1, max_size=20, unique=True))
def test_adding_rows_never_moves_others_between_folds(groups: list[str]) -> None:
    all_of_them = made(groups, [[0, 1]] * len(groups)).folds(5)
    assert ((all_of_them >= 0) & (all_of_them < 5)).all()
    for place, name in enumerate(groups):
        assert made([name], [[0, 1]]).folds(5)[0] == all_of_them[place]


def test_folds_are_about_equal_and_equal_groups_are_in_one() -> None:
    folds = made([f"g{n}" for n in range(1000)], [[0, 1]] * 1000).folds(5)
    assert np.bincount(folds).min() > 150
    assert len(set(made(["same"] * 9, [[0, 1]] * 9).folds(5))) == 1


def test_rows_and_columns_keep_everything_in_step() -> None:
    rows = made(["a", "b", "c"], [[0, 0.1, 0.2], [0.3, 0.4, 0.5], [0.6, 0.7, 0.8]])
    found = rows.rows(np.array([False, True, True])).columns([2, 0])
    assert (found.deployments, list(found.groups), len(found)) == (("m2", "m0"), ["b", "c"], 2)
    np.testing.assert_array_equal(found.score, [[0.5, 0.3], [0.8, 0.6]])
    np.testing.assert_allclose(found.cost_nano, found.score * 100)
    np.testing.assert_allclose(found.output_tokens, found.score * 10)
    assert found.vectors[:, 0].tolist() == [1, 2]


def test_tags_stay_with_their_rows() -> None:
    tagged = Tagged(("customer:x", "customer:y"), np.array([1, -1, 0]))
    rows = replace(made(["b", "a", "b"], [[0, 1]] * 3), tagged=(tagged,))
    assert [one.place.tolist() for one in rows.rows(np.array([True, False, True])).tagged] == [[1, 0]]
    assert [one.place.tolist() for one in rows.grouped().tagged] == [[-1, 1]]
    assert [one.names for one in rows.tags] == [(), ("customer:x", "customer:y")]
