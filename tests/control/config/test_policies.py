"""Policies of data in a configuration: what is stated, who names them, and what they become in a snapshot."""

from datetime import date

import pytest

from pointsman.control.compile import all_deployments, compile_snapshot
from pointsman.control.config import parse
from pointsman.control.config.advice import advice
from pointsman.core.demands import Demand, Facts
from pointsman.core.errors import ConfigError
from pointsman.core.snapshot import Snapshot

WRITTEN = """
[providers.house]
base_url = "http://127.0.0.1:1/v1"
region = "eu"
zero_retention = true
[providers.cloud]
base_url = "https://cloud.example/v1"

[deployments."house/a"]
[deployments."house/b"]
region = "us"
zero_retention = false
no_training = true
[deployments."cloud/c"]

[policies.eu]
regions = ["eu"]
[policies.none-kept]
zero_retention = true
no_training = true
[policies.approved]
vendors = ["house"]
models = ["house/*", "cloud/c"]

[keys.shop]
sha256 = "%s"
policy = "approved"
routes = ["auto"]
deployments = ["house/*"]
dialects = ["anthropic"]
features = ["support"]
networks = ["10.0.0.0/8", "::1/128"]

[features."*"]
policy = "eu"
[features.support]
policy = "none-kept"
tolerance = 3

[routes.auto]
reference = "house/a"
policy = "approved"
[routes.auto.features.support]
policy = "eu"
[routes.other]
reference = "house/a"
""" % ("0" * 64)


def compiled(text: str = WRITTEN) -> Snapshot:
    return compile_snapshot(parse(text.encode(), "f"), None, today=date(2026, 11, 28), made_by="a test").snapshot


def test_what_is_stated_of_a_provider_is_so_of_its_deployments_where_nothing_else_is() -> None:
    found = compiled()
    assert found.deployments["house/a"].facts == Facts("eu", zero_retention=True)
    assert found.deployments["house/b"].facts == Facts("us", no_training=True)
    assert found.deployments["cloud/c"].facts == Facts()
    assert found.providers["house"].facts == Facts("eu", zero_retention=True)


def test_policies_hold_together_and_that_of_every_feature_for_each() -> None:
    found = compiled()
    assert found.data_policies["none-kept"] == Demand("the data policy 'none-kept'", zero_retention=True, no_training=True)
    assert found.data_policies["approved"].models == ("house/*", "cloud/c")
    auto, other = found.routes["auto"].plans, found.routes["other"].plans
    assert set(auto["*"].data_policies) == {"approved", "eu"}
    assert set(auto["support"].data_policies) == {"approved", "eu", "none-kept"}
    assert set(other["support"].data_policies) == {"eu", "none-kept"}
    assert {name: set(held) for name, held in found.feature_policies.items()} == {
        "*": {"eu"},
        "support": {"none-kept", "eu"},
    }


def test_they_are_taken_anew_from_the_configuration_whatever_was_accepted() -> None:
    before = compiled()
    config = parse(WRITTEN.replace('policy = "approved"\n[routes.auto.f', "[routes.auto.f").encode(), "f")
    after = compile_snapshot(config, before, today=date(2026, 11, 28), made_by="a test").snapshot
    assert set(after.routes["auto"].plans["*"].data_policies) == {"eu"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[policies.eu]\n", "[policies.uk]\n", "f:35: there is no data policy 'eu'; add [policies.eu]"),
        (
            'policy = "approved"\nroutes',
            'policy = "aproved"\nroutes',
            "'aproved'; did you mean approved?",
        ),
        ('regions = ["eu"]\n', "", "[policies.eu] demands nothing; add regions"),
        ('vendors = ["house"]', 'vendors = ["hose"]', "no provider 'hose' is configured; did you mean house?"),
        ('models = ["house/*"', 'models = ["nobody/*"', "no provider 'nobody' is configured"),
        ('routes = ["auto"]', 'routes = ["aut"]', "[keys.shop]: there is no route 'aut'"),
        ('deployments = ["house/*"]', 'deployments = ["hause/*"]', "'hause/*' is no deployment here"),
        ('dialects = ["anthropic"]', 'dialects = ["antropic"]', "there is no dialect 'antropic'; did you mean anthropic?"),
        ('"10.0.0.0/8"', '"10.0.0.1/8"', "'10.0.0.1/8' is no network (10.0.0.1/8 has host bits set)"),
        ("zero_retention = true\n[providers.cloud]", 'zero_retention = "yes"\n[providers.cloud]', "must be true or false"),
        ("no_training = true\n[policies.app", "no_trainin = true\n[policies.app", "did you mean no_training?"),
    ],
)
def test_mistakes_are_named(before: str, after: str, said: str) -> None:
    assert before in WRITTEN
    with pytest.raises(ConfigError) as caught:
        parse(WRITTEN.replace(before, after, 1).encode(), "f")
    assert said in str(caught.value)


def test_a_reference_that_may_not_see_its_requests_is_worth_a_word() -> None:
    config = parse(WRITTEN.encode(), "f")
    said = [one for one in advice(config, all_deployments(config, date(2026, 11, 28)), {}) if "is not permitted" in one]
    assert said == [
        f"route {route}, feature support: the reference house/a is not permitted: the data policy 'none-kept' demands that "
        "nothing is trained on, which is not stated of it; state it, or name another"
        for route in ("auto", "other")
    ]
