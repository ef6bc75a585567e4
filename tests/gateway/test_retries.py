"""Calls beyond what clients asked for are a share of the requests, whatever happens in which order."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.retries import BURST, Bucket


@given(st.lists(st.booleans(), max_size=400), st.floats(0, 1))
def test_over_any_run_further_calls_are_a_share_of_the_requests(events: list[bool], share: float) -> None:
    bucket = Bucket()
    counts = [(0, 0)]  # requests and further calls so far
    for request in events:
        requests, further = counts[-1]
        if request:
            bucket.pay(share)
            counts.append((requests + 1, further))
        else:
            counts.append((requests, further + bucket.take()))
    for begin, (requests, further) in enumerate(counts):
        last_requests, last_further = counts[-1]
        assert last_further - further <= BURST + share * (last_requests - requests) + 1e-9, begin


def test_what_may_be_taken_is_what_is_said() -> None:
    bucket = Bucket(1.0)
    said = [(bucket.may, bucket.take()) for _ in range(2)]
    assert said == [(True, True), (False, False)]
