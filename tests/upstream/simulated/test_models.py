"""The eight models: their prices, skills and manner, and that they are what the documentation of the features says."""

import math
from collections import defaultdict
from statistics import fmean

import pytest

from pointsman.control.grade import grade
from pointsman.upstream.simulated import JUDGE, Task, Zoo, features, models, solve
from pointsman.upstream.simulated.models import CEILING, uniform
from pointsman.upstream.simulated.reply import input_tokens, say, tokens

SEED = 20261124


def test_eight_models_named_as_simulated_over_two_orders_of_magnitude() -> None:
    zoo = models()
    assert len(zoo) == 8
    assert all(name.startswith("sim-") for name in [*zoo, JUDGE])
    for kind in ("input", "output", "cached"):
        prices = [getattr(model.rates, kind) for model in zoo.values()]
        assert max(prices) >= 100 * min(prices)
        assert prices == sorted(prices, reverse=True)


def test_at_its_own_level_a_model_is_right_half_as_often_as_it_ever_is() -> None:
    for model in models().values():
        for family, level in model.levels.items():
            assert model.chance(family, "en", level) == pytest.approx(CEILING / 2)
            assert model.chance(family, "zh", level + model.chinese) == pytest.approx(CEILING / 2)
            easy, hard = model.chance(family, "en", 0.0), model.chance(family, "en", 1.0)
            assert CEILING > easy > hard > 0


@pytest.mark.parametrize("name", sorted(models()))
def test_as_often_right_as_the_stated_probabilities_say(name: str) -> None:
    zoo = Zoo(seed=SEED)
    tasks = [task for feature in features().values() for task in feature.tasks(500, SEED)]
    stated = [zoo.probability(name, task) for task in tasks]
    right = [zoo.truth(name, task).right for task in tasks]
    # The standard deviation of a sum of independent draws; four of them is one false alarm in 16,000 (normal).
    deviation = math.sqrt(sum(p * (1 - p) for p in stated))
    assert abs(sum(right) - sum(stated)) < 4 * deviation


def test_outcomes_depend_on_seed_model_and_text_alone() -> None:
    tasks = list(features()["backoffice"].tasks(150, 1))
    first = [Zoo(seed=1).truth("sim-heron-l", task) for task in tasks]
    assert first == [Zoo(seed=1, speed=2.0).truth("sim-heron-l", task) for task in tasks]
    assert [each.right for each in first] != [Zoo(seed=2).truth("sim-heron-l", task).right for task in tasks]
    assert [each.right for each in first] != [Zoo(seed=1).truth("sim-eagle-xl", task).right for task in tasks]


def test_chance_is_even() -> None:
    drawn = [uniform("chance", place) for place in range(4000)]
    assert all(0 <= value < 1 for value in drawn)
    for tenth in range(10):
        count = sum(tenth <= value * 10 < tenth + 1 for value in drawn)
        assert abs(count - 400) < 4 * math.sqrt(400 * 0.9)


@pytest.mark.parametrize("name", sorted(features()))
def test_the_owners_check_agrees_with_the_truth(name: str) -> None:
    zoo, feature = Zoo(seed=SEED), features()[name]
    for task in feature.tasks(150, 3):
        for model in ("sim-eagle-xl", "sim-crane-m", "sim-gnat-xs"):
            truth = zoo.truth(model, task)
            graded = grade(feature.grader, task.body(model), truth.text, task.answer)
            assert (graded.score == 1.0) == truth.right


def _table(name: str, count: int = 800) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return probabilities by model, request by request, and the mean cost in US dollars per 1,000 requests."""
    zoo = Zoo()
    chances: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    for task in features()[name].tasks(count, 0):
        for model in zoo.models:
            chances[model].append(zoo.probability(model, task))
            costs[model].append(_cost(zoo, model, task))
    return chances, {model: fmean(values) for model, values in costs.items()}


def _cost(zoo: Zoo, model: str, task: Task) -> float:
    truth, rates = zoo.truth(model, task), zoo.models[model].rates
    assert rates.cached is not None
    plain = truth.input_tokens - truth.cached_tokens
    return float(plain * rates.input + truth.cached_tokens * rates.cached + truth.output_tokens * rates.output) / 1000


def test_extraction_one_cheap_model_is_as_good_as_the_dear_one() -> None:
    chances, costs = _table("extraction")
    assert fmean(chances["sim-finch-s"]) > fmean(chances["sim-eagle-xl"]) - 0.005
    assert costs["sim-finch-s"] < costs["sim-eagle-xl"] / 30
    best = fmean(max(each) for each in zip(*chances.values(), strict=True))
    assert best - fmean(chances["sim-finch-s"]) < 0.005  # choosing per request has next to nothing to win


def test_coding_every_cheaper_model_is_clearly_worse() -> None:
    chances, _ = _table("coding")
    means = {model: fmean(values) for model, values in chances.items()}
    assert all(means[model] < means["sim-eagle-xl"] - 0.1 for model in means if model != "sim-eagle-xl")


def test_backoffice_specialists_beat_the_dear_one_on_their_part_of_the_requests() -> None:
    chances, costs = _table("backoffice")
    best_fixed = max(fmean(values) for values in chances.values())
    pair = fmean(max(owl, crane) for owl, crane in zip(chances["sim-owl-m"], chances["sim-crane-m"], strict=True))
    assert pair > best_fixed + 0.05
    assert max(costs["sim-owl-m"], costs["sim-crane-m"]) < costs["sim-eagle-xl"] / 4


def test_support_is_served_by_a_mix_of_cheap_models() -> None:
    chances, costs = _table("support")
    cheap = ("sim-crane-m", "sim-stork-m", "sim-owl-m")
    assert max(fmean(chances[model]) for model in cheap) < 0.9
    mixed = fmean(max(chances[model][place] for model in cheap) for place in range(800))
    assert mixed > 0.94
    assert max(costs[model] for model in cheap) < costs["sim-eagle-xl"] / 4


# Manner.


def test_a_request_for_the_answer_alone_gets_it_and_another_gets_the_working() -> None:
    task = next(features()["backoffice"].tasks(1, 0))
    model = models()["sim-eagle-xl"]
    working = say(model, system=task.system, user=task.user, seed=0).text
    assert len(working.splitlines()) > 1
    assert working.splitlines()[-1].startswith(("Answer: ", "答案："))
    alone = say(model, system="Reply with the number and nothing else.", user=task.user, seed=0).text
    assert working.endswith(alone)
    assert "\n" not in alone


def test_output_grows_with_difficulty_and_differs_between_models() -> None:
    zoo = Zoo()
    tasks = sorted(features()["backoffice"].tasks(300, 0), key=lambda task: task.difficulty)

    def mean_output(model: str, part: list[Task]) -> float:
        return fmean(zoo.truth(model, task).output_tokens for task in part)

    assert mean_output("sim-owl-m", tasks[-100:]) > 1.3 * mean_output("sim-owl-m", tasks[:100])
    assert mean_output("sim-owl-m", tasks) > 3 * mean_output("sim-gnat-xs", tasks)


def test_an_unknown_text_gets_an_answer_that_says_it_is_simulated() -> None:
    said = say(models()["sim-wren-s"], system="", user="Tell me a joke.", seed=0)
    assert "simulated" in said.text
    assert said.right is None


def test_wrong_answers_are_plausible() -> None:
    zoo = Zoo()
    for feature in features().values():
        for task in feature.tasks(200, 0):
            truth, solution = zoo.truth("sim-gnat-xs", task), solve(task.user)
            assert solution is not None
            if not truth.right:
                assert any(truth.text.endswith(slip) for slip in solution.slips)


def test_a_conversation_costs_four_tokens_a_message_besides_its_text() -> None:
    assert input_tokens(["abcd", "你好"]) == 4 + 1 + 4 + 2


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("你好", 2), ("你好 ok", 3)])
def test_tokens_by_the_documented_rule(text: str, count: int) -> None:
    assert tokens(text) == count
