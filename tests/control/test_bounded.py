"""The limit of time: what it interrupts, what it leaves as it was."""

import re
import signal
import threading

import pytest

from pointsman.control.bounded import TooLongError, at_most


def turn() -> None:
    while True:
        try:
            re.search(r"^(a+)+$", 30 * "a" + "b")
        except Exception:  # noqa: BLE001, S112 - as a check might
            continue


@pytest.fixture
def alarm() -> object:
    """What was set before: pytest's own alarm, where it uses one."""
    return signal.getsignal(signal.SIGALRM)


def test_it_interrupts_what_does_not_end_and_what_catches_every_exception(alarm: object) -> None:
    with pytest.raises(TooLongError), at_most(0.05):
        turn()
    assert signal.getsignal(signal.SIGALRM) == alarm


def test_what_ends_in_time_is_left_alone_and_rings_no_more(alarm: object) -> None:
    for _ in range(3):
        with at_most(60):
            pass
    assert signal.getsignal(signal.SIGALRM) == alarm
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert left == 0 or left > 60  # pytest's alarm, if any: the test's limit is longer


def test_an_error_of_the_code_passes(alarm: object) -> None:
    with pytest.raises(ZeroDivisionError), at_most(60):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGALRM) == alarm


def test_somebody_elses_alarm_still_goes_off_in_its_time() -> None:
    rung = threading.Event()
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    before = signal.setitimer(signal.ITIMER_REAL, 0.15)
    try:
        with pytest.raises(TooLongError), at_most(0.05):
            turn()
        assert not rung.is_set()
        assert rung.wait(10)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_another_thread_is_not_limited_and_sets_no_alarm() -> None:
    ended = threading.Event()

    def work() -> None:
        with at_most(0.001):
            for _ in range(10**5):
                pass
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert ended.is_set()
