"""The simulated year: its world keeps the zoo's laws, and everybody in it is counted alike."""

import numpy as np
import pytest

from pointsman.core.chat import Usage
from pointsman.core.price import Price
from pointsman.policy.cost import amount
from pointsman.upstream.simulated.tasks import Language
from seasons import bandits, figures
from seasons.bank import FEATURES, KINDS, Bank, bank
from seasons.lives import OURS
from seasons.ours import SHARE, USD_PER_DAY, Ours
from seasons.world import OUTAGE, PRICES, RELEASES, SILENT, VENDORS, WORTH_USD, Year, rates_on, year


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return bank(tmp_path_factory.mktemp("bank"), each=120)


@pytest.fixture(scope="module")
def lived(prompts: Bank) -> Year:
    return year(prompts, 1500, 3)


def test_chances_are_the_zoos_and_bills_those_of_the_price_of_the_day(lived: Year) -> None:
    for place in range(0, len(lived), 97):
        prompt, day = lived.prompt[place], int(lived.day[place])
        for column, model in enumerate(lived.models):
            language: Language = "zh" if lived.bank.chinese[prompt] else "en"
            chance = model.chance(KINDS[lived.bank.family[prompt]], language, float(lived.bank.difficulty[prompt]))
            if model.name != SILENT.model or day < SILENT.day:
                assert lived.chance[place, column] == pytest.approx(chance)
            else:
                assert lived.chance[place, column] < chance
            usage = Usage(int(lived.bank.input_tokens[prompt]), int(lived.tokens[place, column]))
            assert lived.nano[place, column] == amount(usage, Price(rates_on(model, day)))


def test_who_is_not_there_yet_or_out_does_not_answer(lived: Year) -> None:
    for release in RELEASES:
        column = lived.names.index(release.model.name)
        assert (lived.there[:, column] == (lived.day >= release.day)).all()
    out = [VENDORS[name] == OUTAGE.vendor for name in lived.names]
    assert not lived.up[lived.day == OUTAGE.day][:, out].any()
    assert (lived.up == lived.there)[lived.day != OUTAGE.day].all()
    assert lived.up[:, 0].all(), "somebody always answers"
    assert len(PRICES) == 2
    assert sum(release.hyped for release in RELEASES) == 2


def test_requests_come_in_order_and_the_same_seed_gives_the_same_year(lived: Year, prompts: Bank) -> None:
    assert (np.diff(lived.at_ms) >= 0).all()
    again, other = year(prompts, 1500, 3), year(prompts, 1500, 4)
    assert (again.prompt == lived.prompt).all()
    assert (again.right == lived.right).all()
    assert (other.prompt != lived.prompt).any()


def test_hindsight_orders_the_fixed_choices_and_nobody_beats_the_best_possible(lived: Year) -> None:
    rows = np.arange(len(lived))
    found = {name: lived.utility[rows, bandits.fixed(lived, of(lived))].mean() for name, of in bandits.FIXED.items()}
    assert found["best fixed model"] <= found["best fixed model of each feature"]
    assert found["best fixed model of each quarter"] <= found["best fixed model of each feature and quarter"]
    best = lived.utility[rows, bandits.possible(lived)].mean()
    assert best >= max(found.values())
    scene = bandits.Scene.of(lived)
    for name, options in bandits.OPTIONS.items():
        served = bandits.lived(lived, scene, name, options[0], 0)
        assert lived.up[rows, served].all()
        assert lived.utility[rows, served].mean() <= best


def test_a_year_of_ours_keeps_what_its_owner_signed(lived: Year) -> None:
    ours = Ours(lived, 0)
    worth = ours.run()
    rows = np.arange(len(lived))
    assert (ours.served >= 0).all()
    assert lived.up[rows, ours.served].all()
    assert worth == pytest.approx(WORTH_USD * lived.chance[rows, ours.served] - lived.nano[rows, ours.served] / 1e9)
    assert ours.began >= 0, "it came to act"
    daily = np.bincount(lived.day, weights=lived.nano[rows, ours.served] * ours.explored)
    assert daily.max() <= USD_PER_DAY * 1e9
    assert ours.explored.sum() <= SHARE * len(lived) + 3 * np.sqrt(SHARE * len(lived))
    assert ours.bill.reviews > 0
    assert set(FEATURES) == {"extraction", "support", "backoffice", "coding"}


def test_leads_are_paired_by_seed() -> None:
    done = [
        {"requests": 1000, "total": {OURS: 18.0 + seed, "other": 17.0 + seed, "best possible": 20.0 + seed}}
        for seed in range(3)
    ]
    low, mean, high = figures.leads(done)["other"]
    assert (low, mean, high) == pytest.approx((1.0, 1.0, 1.0))
    assert figures.ahead(done)
    low, mean, high = figures.interval([1.0, 2.0, 3.0])
    assert (mean, high - mean) == pytest.approx((2.0, 4.303 / 3**0.5))
    assert mean - low == pytest.approx(high - mean)
