"""Figures of several processes, added up."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.telemetry.families import FAMILIES, PREFIX, Readings, add, counted

NAMES = st.sampled_from([family.name for family in FAMILIES if family.kind != "histogram" and not family.most])
READINGS = st.dictionaries(
    NAMES, st.dictionaries(st.tuples(st.sampled_from("ab")), st.lists(st.integers(0, 9), min_size=1, max_size=1), min_size=1)
)


def added(*readings: Readings) -> Readings:
    found: Readings = {}
    for one in readings:
        add(found, one)
    return found


@given(READINGS, READINGS, READINGS)
def test_the_order_of_processes_does_not_matter(a: Readings, b: Readings, c: Readings) -> None:
    assert added(a, b, c) == added(c, a, b) == added(added(a, b), c)


def test_what_is_added_is_not_changed() -> None:
    one: Readings = {"under_way": {(): [2]}}
    assert added(one, {"under_way": {(): [3]}}) == {"under_way": {(): [5]}}
    assert one == {"under_way": {(): [2]}}


def test_histograms_add_bucket_by_bucket_and_others_take_the_most() -> None:
    found = added(
        {"loop_lag_seconds": {(): [0.5, 1, 0]}, "snapshot_published_seconds": {(): [7]}, "of_another_version": {(): [1]}},
        {"loop_lag_seconds": {(): [0.25, 0, 2]}, "snapshot_published_seconds": {(): [5]}},
    )
    assert found == {"loop_lag_seconds": {(): [0.75, 1, 2]}, "snapshot_published_seconds": {(): [7]}}


def test_only_what_grows_outlives_its_process() -> None:
    assert counted({"under_way": {(): [1]}, "refused_total": {("x",): [1]}}) == {"refused_total": {("x",): [1]}}


def test_no_name_of_a_label_stands_for_what_a_client_or_a_key_says() -> None:
    labels = {label for family in FAMILIES for label in family.labels}
    ours = {"process", "hash", "step", "version", "kind", "status", "state", "part"}
    assert labels - ours == {"route", "feature", "dialect", "outcome", "cause", "deployment"}


def test_the_page_of_the_documentation_lists_every_figure() -> None:
    page = (Path(__file__).parents[3] / "docs" / "observability.md").read_text("utf-8")
    listed = page.partition("<!-- figures: begin -->\n")[2].partition("<!-- figures: end -->")[0].splitlines()[2:]
    assert listed == [
        f"| `{PREFIX}{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or '–'} | {one.says} |"
        for one in FAMILIES
    ]
