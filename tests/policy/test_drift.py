"""A change without a word: found, in time and on time; and silence where nothing changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.drift import FIRST, ROUNDS, Alarm, Detector, Graded


def run(grades: list[Graded], *, every: float = 1000, slack: float = 0.05) -> tuple[int, Alarm] | None:
    detector = Detector(every=every, slack=slack)
    for place, grade in enumerate(grades):
        found = detector.take(grade)
        if found is not None:
            return place, found
    return None


def rounds(scores: list[list[float]]) -> list[Graded]:
    """Each list: one round of answers to the same prompts, in order."""
    return [
        Graded(1000 * place + number, score, f"prompt {number}")
        for place, each in enumerate(scores)
        for number, score in enumerate(each)
    ]


def test_a_change_of_repeated_prompts_is_found_where_it_began() -> None:
    before, after = [1.0, 1.0, 0.0] * 10, [1.0, 0.0, 0.0] * 10
    found = run(rounds([before] * (ROUNDS + 5) + [after] * 8))
    assert found is not None
    _, alarm = found
    assert alarm.since_ms // 1000 == ROUNDS + 5
    assert alarm.found_ms // 1000 <= ROUNDS + 5 + 4
    assert 0.2 < alarm.drop < 0.6


def test_what_stays_as_it_was_is_left_alone_for_ever() -> None:
    same = [1.0] * 20 + [0.0] * 10
    assert run(rounds([same] * 400)) is None
    better = [1.0] * 30
    assert run(rounds([same] * ROUNDS + [better] * 400)) is None


@pytest.mark.parametrize("seen", [1, ROUNDS - 1])
def test_a_prompt_that_was_taken_out_early_is_not_waited_for(seen: int) -> None:
    """Its last grade is before what is usual is known; that another comes later, in its place, hinders nothing either."""
    gone = [Graded(turn, 1.0, "gone") for turn in range(seen)]
    later = [Graded(4000, 1.0, "edited")]
    good = rounds([[1.0] * 20] * 10)
    found = run([*gone, *good, *later, *rounds([[0.0] * 20] * 5)])
    assert found is not None
    place, _ = found
    assert len(gone) + len(good) < place < len(gone) + len(good) + 21


def test_a_prompt_that_missed_a_round_is_waited_for() -> None:
    missed = [grade for grade in rounds([[1.0] * 20] * (ROUNDS + 1)) if (grade.at_ms, grade.prompt) != (1000, "prompt 0")]
    detector = Detector()
    for grade in missed[:-20]:
        detector.take(grade)
    assert not detector._tolerated
    for grade in missed[-20:]:
        detector.take(grade)
    assert detector._tolerated


def test_without_repeated_prompts_the_first_grades_say_what_is_usual() -> None:
    rng = np.random.default_rng(5)
    n = 2000
    good = [Graded(place, float(rng.random() < 0.9)) for place in range(n)]
    bad = [Graded(n + place, float(rng.random() < 0.6)) for place in range(n)]
    found = run(good + bad, every=100_000)
    assert found is not None
    place, alarm = found
    assert n <= place < n + 300
    assert abs(alarm.since_ms - n) < 60


@pytest.mark.parametrize("every", [50, 200])
def test_false_alarms_are_no_nearer_to_one_another_than_said(every: int) -> None:
    """At the worst mean that counts as no change: five points below what is usual, which is known exactly here."""
    rng = np.random.default_rng(11)
    lengths = []
    for _ in range(200):
        grades = [Graded(0, 0.75, "p")] * ROUNDS
        grades += [Graded(1, float(score), "p") for score in (rng.random(5 * every) < 0.70)]
        found = run(grades, every=every)
        lengths.append(5 * every if found is None else found[0] - ROUNDS)
    assert np.mean(lengths) >= every  # cut at five times that, so that the true mean is larger still


def test_lucky_first_grades_widen_what_is_tolerated() -> None:
    noisy = [Graded(place, float(place % 2)) for place in range(FIRST)]
    detector = Detector(slack=0.0)
    for grade in noisy:
        detector.take(grade)
    assert detector._tolerated == pytest.approx(2 * 0.5 / np.sqrt(FIRST - 1))


@given(st.lists(st.floats(0, 1), min_size=FIRST + 1, max_size=FIRST + 60), st.sampled_from(["", "p"]))
def test_an_alarm_is_about_what_was_seen(scores: list[float], prompt: str) -> None:
    found = run([Graded(place, score, prompt) for place, score in enumerate(scores)], every=20)
    if found is not None:
        place, alarm = found
        assert (ROUNDS if prompt else FIRST) <= alarm.since_ms <= alarm.found_ms == place
        assert alarm.n == alarm.found_ms - alarm.since_ms + 1
        assert -1 <= alarm.drop <= 1


def foreseen(rng: np.random.Generator, n: int, *, off: float = 0.0, drop: float = 0.0, start: int = 0) -> list[Graded]:
    """Answers to requests easy and hard, each predicted, and right with ``off`` and ``drop`` less than that."""
    predicted = rng.uniform(0.4, 0.95, n)
    right = rng.random(n) < np.clip(predicted - off - drop, 0, 1)
    return [Graded(start + place, float(right[place]), "", float(predicted[place])) for place in range(n)]


@pytest.mark.parametrize("off", [-0.05, 0.0, 0.3])
def test_a_drop_below_what_was_predicted_is_found(off: float) -> None:
    """Also where those who grade are harsher than those whom the predictions were learned from."""
    rng = np.random.default_rng(3)
    found = run(foreseen(rng, 1000, off=off) + foreseen(rng, 1000, off=off, drop=0.35, start=1000), every=100_000)
    assert found is not None
    place, alarm = found
    assert 1000 <= place < 1300
    assert abs(alarm.since_ms - 1000) < 60


def test_harder_requests_and_mended_predictions_are_no_change() -> None:
    rng = np.random.default_rng(4)
    easy = [Graded(n, float(rng.random() < 0.95), "", 0.95) for n in range(3000)]
    hard = [Graded(n, float(rng.random() < 0.45), "", 0.45) for n in range(3000, 6000)]
    assert run(easy + hard, every=100_000) is None
    too_low = [Graded(n, float(rng.random() < 0.9), "", 0.6) for n in range(1000)]
    mended = [Graded(n, float(rng.random() < 0.9), "", 0.9) for n in range(1000, 4000)]
    assert run(too_low + mended, every=100_000) is None, "who did better than predicted is measured by the prediction"


@pytest.mark.parametrize("usual", [0.0, -0.6])
def test_false_alarms_of_predicted_answers_are_no_nearer_than_said(usual: float) -> None:
    """At the worst mean that counts as no change, a tenth below what is usual; also where that is far below predictions."""
    every, rng, lengths = 100, np.random.default_rng(12), []
    for _ in range(200):
        first = [Graded(0, 0.8 + usual, "p", 0.8)] * ROUNDS
        right = rng.random(5 * every) < 0.7 + usual
        found = run(first + [Graded(1, float(score), "p", 0.8) for score in right], every=every)
        lengths.append(5 * every if found is None else found[0] - ROUNDS)
    assert np.mean(lengths) >= every


def test_no_grade_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lies in \[0, 1\], not nan"):
        Detector().take(Graded(0, float("nan")))
