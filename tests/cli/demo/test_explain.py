"""Three decisions in plain words."""

from rich.console import Console
from rich.table import Table

from pointsman.cli.demo.explain import Served, choices, heading, three
from pointsman.cli.demo.traffic import Answered
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Decision, Prediction
from pointsman.upstream.simulated.features import features

TODAY, OTHER = "zoo/sim-eagle-xl", "zoo/sim-crane-m"
PREDICTIONS = (Prediction(TODAY, 0.5, cost_nano=4_000_000), Prediction(OTHER, 0.48, cost_nano=400_000))


def served(feature: str, why: str, chosen: str, predictions: tuple[Prediction, ...] = ()) -> Served:
    task = next(features()[feature].tasks(1, seed=1))
    arm = "control" if why.startswith("held") else "policy"
    decision = Decision(chosen, (), (TODAY, OTHER), (0.05, 0.95), "auto", arm, why, predictions)  # type: ignore[arg-type]
    record = ExchangeRecord("x", 1, "auto", feature, "ok", 200, decision)
    return Answered(task, "x", chosen, "auto", arm, right=True), record


def shown(*parts: object) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(*parts)
    return captured.get()


def test_three_reasons_of_three_features_are_picked_where_there_are_as_many() -> None:
    cheaper, kept = "good enough for less", "the reference is worth its price here"
    held, one = "held on the reference, to measure against", "one model suffices here"
    everything = [
        *(served("support", cheaper, OTHER, PREDICTIONS) for _ in range(50)),
        served("support", kept, TODAY, PREDICTIONS), served("support", held, TODAY, PREDICTIONS),
        served("extraction", cheaper, OTHER, PREDICTIONS), served("extraction", held, TODAY, PREDICTIONS),
        served("backoffice", one, OTHER),
    ]  # fmt: skip
    picked = three(everything)
    assert len({decision.why for _, decision in picked}) == 3
    assert {one.task.feature for one, _ in picked} == {"support", "extraction", "backoffice"}


def test_fewer_are_picked_where_there_are_fewer() -> None:
    assert three([]) == []
    record = ExchangeRecord("x", 1, "auto", "support", "ok", 200, None)
    assert three([(served("support", "", OTHER)[0], record)]) == []
    assert len(three([served("support", "good enough for less", OTHER)] * 9)) == 1


def test_a_judges_half_is_never_shown_as_a_quality() -> None:
    _, record = served("support", "good enough for less", OTHER, PREDICTIONS)
    assert record.decision is not None
    table = choices(record.decision, TODAY, judged=True)
    assert isinstance(table, Table)
    text = shown(table)
    assert "as today" in text
    assert "-4 points" in text  # wins minus losses: twice the difference of the shares
    assert "50 %" not in text
    assert "95 %" in text


def test_a_checks_quality_is_the_share_of_right_answers() -> None:
    _, record = served("extraction", "good enough for less", OTHER, PREDICTIONS)
    assert record.decision is not None
    text = shown(choices(record.decision, TODAY, judged=False))
    assert "50 % right" in text
    assert "48 % right" in text
    assert "> sim-crane-m".replace("> ", ">  ") in text


def test_nothing_predicted_nothing_tabled() -> None:
    _, record = served("backoffice", "one model suffices here", OTHER)
    assert record.decision is not None
    assert choices(record.decision, TODAY, judged=False) is None


def test_a_heading_fits_the_line_whatever_the_language() -> None:
    for feature in features():
        for task in features()[feature].tasks(20, seed=3):
            one, record = served(feature, "held on the reference, to measure against", TODAY)
            assert record.decision is not None
            own = Answered(task, one.exchange, one.deployment, one.mode, one.arm, right=True)
            lines = shown(heading(own, record.decision)).splitlines()
            assert len(lines) == 3
            assert lines[2] == "  sim-eagle-xl: chance held it on today's model, so that the saving is measured."
