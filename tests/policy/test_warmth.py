"""What is warm: the stated lifetime at first, what is billed in the end."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.warmth import AT_ONCE, Prefix, Seen, noted, share, warm

SHARES = st.floats(-0.5, 1.5)
AGED = st.floats(0, 10_000)


@given(st.lists(st.tuples(AGED, SHARES), max_size=300), AGED, st.floats(0, 7200))
def test_a_share_is_a_share(bills: list[tuple[float, float]], age: float, lifetime: float) -> None:
    seen: Seen | None = None
    for at, read in bills:
        seen = noted(seen, at, read)
    assert 0 <= share(seen, lifetime, age) <= 1


def test_at_first_the_stated_lifetime_says_it() -> None:
    assert share(None, 300, 299) > 0.9
    assert share(None, 300, 301) < 0.1
    assert share(None, 3600, 301) > 0.9
    assert share(None, 0, 1) == 0


@given(st.floats(0, 1), st.floats(0, 3600), AGED)
def test_what_is_billed_outweighs_what_was_stated(read: float, lifetime: float, age: float) -> None:
    seen: Seen | None = None
    for _ in range(150):
        seen = noted(seen, age, read)
    assert abs(share(seen, lifetime, age) - read) < 0.05
    other = 10_000.0 if age < 3600 else 1.0
    assert share(seen, lifetime, other) == share(None, lifetime, other), "one age says nothing of another"


def test_a_provider_that_changes_is_known_anew() -> None:
    seen: Seen | None = None
    for read in (1.0,) * 3000 + (0.0,) * 600:
        seen = noted(seen, AT_ONCE, read)
    assert share(seen, 300, AT_ONCE) < 0.15


def test_warm_tokens_fall_with_age_and_are_those_of_the_deployment() -> None:
    prefixes = {"a/x": Prefix(1000, at=0), "b/y": Prefix(2000, at=500)}
    found = warm(prefixes, {}, {"a/x": 300, "b/y": 300}, now=600)
    assert found["a/x"] < 100
    assert 1800 < found["b/y"] <= 2000
    assert warm(prefixes, {}, {}, now=600) == {"a/x": 0, "b/y": 0}
