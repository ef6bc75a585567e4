"""Steps that are taken again and again."""

from pointsman.serve.steps import Steps


def test_a_step_taken_sparingly_rests_for_as_long_as_it_was_busy() -> None:
    now, taken = 0.0, list[float]()
    steps = Steps(lambda _: None, clock=lambda: now)

    def slow() -> None:
        nonlocal now
        taken.append(now)
        now += 2.0

    for at in (0.0, 30.0, 39.0, 40.5):  # for two seconds at 0, so not before 40
        now = at
        steps.take_sparingly("slow", slow)
        steps.take_sparingly("another", lambda: None)
    assert taken == [0.0, 40.5]


def test_a_step_that_fails_rests_too_and_is_said_once() -> None:
    now, said = 0.0, list[str]()
    steps = Steps(said.append, clock=lambda: now)

    def failing() -> None:
        nonlocal now
        now += 1.0
        raise ZeroDivisionError

    for at in (0.0, 10.0, 20.5):
        now = at
        steps.take_sparingly("failing", failing)
    assert now == 21.5
    assert said == ["failing failed: ZeroDivisionError()"]
