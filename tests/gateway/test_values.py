"""One key names so many values in a day and no more, whoever else names what; who was let in once goes on."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.budget import Budget, Window
from pointsman.gateway.values import Values

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
MOST = 3


def budget(window: Window = "day", per: str = "customer") -> Budget:
    return Budget("each", "requests", 5, window, per)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(["", "k"]), st.sampled_from("abcdefgh"), st.integers(0, DAY_MS // 3))))
def test_each_key_names_so_many_a_day_and_these_again(requests: list[tuple[str, str, int]]) -> None:
    values, now_ms = Values(), NOW_MS
    named: dict[tuple[str, int], set[str]] = {}
    for whose, value, later in requests:
        now_ms += later
        known = named.setdefault((whose, now_ms // DAY_MS), set())
        refusal = values.refusal(whose, budget(), value, now_ms, MOST)
        assert (refusal is None) == (value in known or len(known) < MOST)
        if refusal is None:
            known.add(value)
        else:
            assert refusal.status == 429
            assert refusal.retry_after == (DAY_MS - now_ms % DAY_MS) / 1e3
    assert len(values._found) <= 2, "what is over is forgotten"


def test_a_budget_of_a_minute_counts_by_the_day_and_that_of_a_month_by_the_month() -> None:
    values = Values()
    for later in range(3):
        assert values.refusal("k", budget("minute"), f"{later}", NOW_MS + later * 60_000, MOST) is None
        assert values.refusal("k", budget("month"), f"{later}", NOW_MS + later * DAY_MS, MOST) is None
    after = NOW_MS + 3 * DAY_MS
    assert values.refusal("k", budget("minute"), "new", after, MOST) is None
    refusal = values.refusal("k", budget("month"), "new", after, MOST)
    assert refusal is not None
    assert "with the key 'k' have named 3 customers in this month (UTC)" in refusal.message
    assert "no further customer is served before the next month begins in 6 d" in refusal.message
    assert values.refusal("k", budget("month", "feature"), "new", after, MOST) is None


def test_a_clock_that_is_set_back_begins_anew() -> None:
    values = Values()
    assert [values.refusal("", budget(), name, NOW_MS, 1) is None for name in "ab"] == [True, False]
    assert values.refusal("", budget(), "b", NOW_MS - DAY_MS, 1) is None
