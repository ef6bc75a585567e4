"""Date reckoning: days, or working days, between two dates. Harder over longer spans and with working days."""

from datetime import date, timedelta
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language
from pointsman.upstream.simulated.tasks.wording import Wordings

_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip
_DAYS: Final = Wordings(
    en=(
        "The invoice is dated {start} and was paid on {end}. How many days passed between the two dates?",
        "A rental ran from {start} until {end}. We bill the number of days between these dates: how many?",
        "The contract was signed on {start}; it takes effect on {end}. How many days lie between?",
    ),
    zh=(
        "发票日期为{start}，付款日期为{end}。两个日期之间相隔多少天？",
        "合同于{start}签署，于{end}生效。中间相差多少天？",
    ),
)
_WORKING: Final = Wordings(
    en=(
        (
            "The complaint arrived on {start} and was closed on {end}. How many working days (Monday to Friday) did it "
            "take, not counting the first day but counting the last? Ignore public holidays."
        ),
        "Count the working days, Monday to Friday, after {start} up to and including {end} (no public holidays).",
    ),
    zh=("工单于{start}提交，于{end}关闭。不计首日、计入末日，其间有多少个工作日（周一至周五，不考虑节假日）？",),
)
_DATE: Final = Wordings(en=("{year}-{month}-{day}", "{day} {name} {year}"), zh=("{year}年{month}月{day}日",))


class Span(Struct, frozen=True):
    """Two dates, and whether only working days count (the first day never does, the last one does)."""

    start: date
    end: date
    working: bool


class Dates(Family[Span]):
    """Days between dates."""

    name = "dates"
    kind: Kind = "numeric"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Span:  # noqa: ARG002 - same in both languages
        working = rng.random() < (difficulty - 0.1) * 1.4
        share = min(1.0, max(0.0, (difficulty - 0.35 * working) / 0.65))
        start = date(2023, 1, 1) + timedelta(rng.randrange(1200))
        return Span(start, start + timedelta(4 + round(share * 500) + rng.randrange(4)), working)

    def _write(self, problem: Span, language: Language, rng: Random) -> str:
        wordings = _WORKING if problem.working else _DAYS
        return wordings.write(language, rng, start=_say(problem.start, language, rng), end=_say(problem.end, language, rng))

    def _read(self, text: str) -> tuple[Span, Language] | None:
        for wordings, working in ((_DAYS, False), (_WORKING, True)):
            found = wordings.read(text)
            if found:
                start, end = _date(found[1]["start"]), _date(found[1]["end"])
                return (Span(start, end, working), found[0]) if start and end and start < end else None
        return None

    def _answer(self, problem: Span) -> str:
        days = (problem.end - problem.start).days
        if not problem.working:
            return str(days)
        return str(sum((problem.start + timedelta(day)).weekday() < 5 for day in range(1, days + 1)))

    def _difficulty(self, problem: Span) -> float:
        return min(1.0, 0.65 * ((problem.end - problem.start).days - 4) / 500 + 0.35 * problem.working)

    def _slips(self, problem: Span) -> list[str]:
        """Off by one or two, every month taken for thirty days, weekends counted."""
        right, days = int(self._answer(problem)), (problem.end - problem.start).days
        start, end = problem.start, problem.end
        thirty = (end.year - start.year) * 360 + (end.month - start.month) * 30 + end.day - start.day
        wrong = (right + 1, right - 1, right + 2, thirty, days if problem.working else right - 2)
        return [str(number) for number in wrong if number > 0]


def _say(day: date, language: Language, rng: Random) -> str:
    if language == "en" and rng.random() < 0.5:
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else day.isoformat()


def _date(text: str) -> date | None:
    slots = _DATE.read_whole(text)
    if slots is None:
        return None
    month = _MONTHS.index(slots["name"]) + 1 if "name" in slots else int(slots["month"])
    return date(int(slots["year"]), month, int(slots["day"]))
