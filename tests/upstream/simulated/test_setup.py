"""The configuration that the zoo writes is one that Pointsman reads."""

from decimal import Decimal

from pointsman.control.config import parse
from pointsman.core.price import Rates
from pointsman.core.routing import Grader
from pointsman.upstream.simulated import JUDGE, Plain, Zoo, config_toml, features


def test_the_configuration_loads_and_says_what_the_zoo_is() -> None:
    zoo = Zoo(extra_models={"vendor/other": Plain(Rates(Decimal("1.5"), Decimal(2))), "free": Plain()})
    config = parse(config_toml(zoo, "http://127.0.0.1:9/v1", data="there", port=0).encode(), "pointsman.toml")
    assert (config.data, config.port) == ("there", 0)
    assert config.providers["zoo"].base_url == "http://127.0.0.1:9/v1"
    assert set(config.deployments) == {f"zoo/{name}" for name in zoo.names}
    for name in [*zoo.models, JUDGE, "vendor/other"]:
        price = config.deployments[f"zoo/{name}"].price
        assert price is not None
        assert price.rates == zoo.rates(name)
    route = config.routes["auto"]
    assert route.reference == "zoo/sim-eagle-xl"
    assert {*route.candidates, route.reference} == {f"zoo/{name}" for name in zoo.models}
    for name, feature in features().items():
        rules = route.features[name]
        assert rules.reference == f"zoo/{feature.today}"
        assert rules.grader == feature.grader
        assert rules.candidates is not None
        assert len(rules.candidates) == 7


def test_features_can_be_left_to_the_judge() -> None:
    config = parse(config_toml(Zoo(), "http://127.0.0.1:9/v1", judged={"support"}).encode(), "pointsman.toml")
    rules = config.routes["auto"].features
    assert rules["support"].grader == Grader("judge", f"zoo/{JUDGE}")
    assert rules["coding"].grader == features()["coding"].grader
