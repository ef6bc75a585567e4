"""Prometheus' text format, read back by Prometheus' own parser."""

import importlib

from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.telemetry.exposition import text
from pointsman.gateway.telemetry.families import FAMILIES, SECONDS, Readings

parser = importlib.import_module("prometheus_client.parser")
LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def read(readings: Readings) -> dict[tuple[str, tuple[str, ...]], float]:
    samples = [
        sample for family in parser.text_string_to_metric_families(text(readings).decode()) for sample in family.samples
    ]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


@given(st.dictionaries(st.tuples(LABEL, LABEL, LABEL), st.integers(0, 2**53), max_size=5))
def test_labels_of_any_text_come_back(lines: dict[tuple[str, str, str], int]) -> None:
    found = read({"attempts_total": {labels: [number] for labels, number in lines.items()}})
    assert found == {("pointsman_attempts_total", labels): number for labels, number in lines.items()}


@given(st.lists(st.integers(0, 1000), min_size=len(SECONDS) + 1, max_size=len(SECONDS) + 1))
def test_buckets_count_all_that_is_at_most_their_bound(counts: list[int]) -> None:
    found = read({"request_seconds": {("auto",): [1.5, *counts]}})
    assert found[("pointsman_request_seconds_sum", ("auto",))] == 1.5
    assert found[("pointsman_request_seconds_count", ("auto",))] == sum(counts)
    for place, bound in enumerate(SECONDS):
        assert found[("pointsman_request_seconds_bucket", ("auto", repr(bound)))] == sum(counts[: place + 1])
    assert found[("pointsman_request_seconds_bucket", ("auto", "+Inf"))] == sum(counts)


def test_money_is_shown_in_dollars() -> None:
    assert read({"cost_dollars_total": {("mail", "p/m"): [1_500_000_001]}}) == {
        ("pointsman_cost_dollars_total", ("mail", "p/m")): 1.500000001
    }


def test_every_family_says_what_it_is() -> None:
    numbers = {family.name: [1.0] * (len(family.bounds) + 2 if family.kind == "histogram" else 1) for family in FAMILIES}
    readings: Readings = {family.name: {("x",) * len(family.labels): numbers[family.name]} for family in FAMILIES}
    found = list(parser.text_string_to_metric_families(text(readings).decode()))
    assert [(one.name, one.type, one.documentation) for one in found] == [
        ("pointsman_" + family.name.removesuffix("_total"), family.kind, family.says) for family in FAMILIES
    ]


def test_what_has_no_line_is_left_out() -> None:
    assert text({"cooling": {}}) == b""
