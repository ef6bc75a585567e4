"""A replay's answer on a terminal of 80 columns: who would have answered, money, quality, what cannot be told and why.

Laws: what is expected and not exact is marked with ``~``; an interval stands beside every estimate; where there is none, the
reason and the remedy stand there instead.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from rich.console import Console

from pointsman.cli.figures import money
from pointsman.cli.fit import Row, fitted
from pointsman.control.replay import tally
from pointsman.control.replay.answer import Answer, Quality, Replay
from pointsman.policy.estimate import CannotTell, Estimate

REASONS: Final = {
    "nothing graded": "nothing graded",
    "never tried": "never tried",
    "too few": "too few answers that would be given",
}
_KINDS: Final = {
    tally.FAILED: "failed then, and stay as they were",
    tally.INSIDE: "go on with a conversation, and go where it would have begun",
    tally.ASSUMED: "were recorded without their needs, which are taken from their size",
    tally.BLIND: "have no feature vector that can be read, and are decided as average ones",
    tally.TWICE: "may be asked of several models, which is not replayed",
}


def show(console: Console, found: Replay) -> None:
    """Print a replay."""
    if not found.total.requests:
        console.print("No exchanges are recorded for this time. See what there is with `pointsman report`.")
        return
    console.print(f"{found.total.requests:,} exchanges, decided by snapshot {found.snapshot} ({found.made_by})")
    for note in found.notes:
        console.print(note)
    tables = (
        fitted(console, ("feature",), ("requests", "go elsewhere", "cost then", "cost now", "change"), _money(found)),
        fitted(console, ("deployment",), ("then", "now", "cost then", "cost now"), _who(found.total)),
        fitted(console, ("feature",), ("quality then", "quality now", "change", "seconds"), _estimates(found.features)),
    )
    for shown in chain(*tables):
        console.print(shown)
    for line in _remarks(found):
        console.print(line)


def _money(found: Replay) -> Iterator[Row]:
    for answer in found.features:
        yield answer.feature, *_costs(answer)
    yield None
    yield "all", *_costs(found.total)


def _costs(answer: Answer) -> tuple[str, ...]:
    change = "" if not answer.nano_then else f"{100 * (answer.nano / answer.nano_then - 1):+.1f} %"
    then = money(answer.nano_then) + (" +?" if answer.unpriced_then else "")
    now = cost(answer.nano, answer.expected_nano, answer.unpriced)
    return f"{answer.requests:,}", f"{answer.moved:,.0f}", then, now, change


def cost(nano: int, expected_nano: int, unpriced: float = 0.0) -> str:
    """Return an amount, with ``~`` where a part of it is expected, and ``+?`` where some have no known cost."""
    return ("~" if expected_nano else "") + money(nano) + (" +?" if unpriced >= 0.5 else "")


def _who(answer: Answer) -> Iterator[Row]:
    for who in answer.who:
        now = cost(who.nano, who.expected_nano)
        yield who.deployment, f"{who.requests_then:,}", f"{who.requests:,.0f}", money(who.nano_then), now
    lost = sum(each.requests for each in answer.unserved)
    if lost:
        yield "(nobody)", "", f"{lost:,}", "", ""


def _estimates(answers: Iterable[Answer]) -> Iterator[Row]:
    for answer in answers:
        quality = answer.quality
        if quality is not None:
            now = "" if answer.seconds is None else interval(answer.seconds, 1, "s")
            change = interval(quality.change, 100, "points", signed=True)
            yield answer.feature, interval(quality.then, 100, "%"), interval(quality.now, 100, "%"), change, now


def interval(said: Estimate | CannotTell, times: float, unit: str, *, signed: bool = False) -> str:
    """Return an estimate with its 95 % bounds, or that there is none."""
    if isinstance(said, CannotTell):
        return "cannot tell"
    form = "+.1f" if signed else ".1f" if times > 1 else ".2f"
    mean, low, high = (format(times * value, form) for value in (said.mean, said.low, said.high))
    return f"{mean} {unit} [{low}, {high}]" if not signed else f"{mean} [{low}, {high}]"


def _remarks(found: Replay) -> Iterator[str]:
    for each in found.total.unserved:
        yield f"{each.requests:,} requests of {each.deployment} could not be served: {each.reason}."
    for answer in found.features:
        if answer.quality is not None:
            yield from evidence(answer.feature, answer.quality)
    for kind, count in found.total.kinds.items():
        yield f"{count:,} {_KINDS[kind]}."
    if found.total.expected_nano:
        yield (
            "~ is partly expected: where the same deployment answers, money is exact; elsewhere it is the question's tokens "
            "and those that the policy expects of the answer, at its price, cached as they were then."
        )


def evidence(feature: str, quality: Quality) -> Iterator[str]:
    """Yield what an estimate of quality stands on, or why there is none and what would bring one."""
    if isinstance(quality.now, CannotTell):
        yield f"{feature}: quality cannot be told ({REASONS[quality.now.why]}). {quality.remedy}."
    else:
        yield (
            f"{feature}: {quality.now.n:,} answers graded by {quality.grader}, worth {quality.now.worth:,.0f} of those that "
            "would be given."
        )
