"""Unit conversion: what several quantities in mixed units come to in one unit. Harder with more parts and more digits.

Factors are exact by definition (international yard and pound, US liquid gallon).
"""

from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language, off_numbers
from pointsman.upstream.simulated.tasks.wording import Wordings

# dimension -> unit -> (in the dimension's base unit, Chinese name)
_UNITS: Final[dict[str, dict[str, tuple[Decimal, str]]]] = {
    "length": {
        "cm": (Decimal("0.01"), "厘米"),
        "m": (Decimal(1), "米"),
        "in": (Decimal("0.0254"), "英寸"),
        "ft": (Decimal("0.3048"), "英尺"),
        "yd": (Decimal("0.9144"), "码"),
    },
    "mass": {
        "g": (Decimal("0.001"), "克"),
        "kg": (Decimal(1), "千克"),
        "oz": (Decimal("0.028349523125"), "盎司"),
        "lb": (Decimal("0.45359237"), "磅"),
    },
    "volume": {
        "ml": (Decimal("0.001"), "毫升"),
        "l": (Decimal(1), "升"),
        "gal": (Decimal("3.785411784"), "美制加仑"),
        "pt": (Decimal("0.473176473"), "美制品脱"),
    },
}
_FACTOR: Final = {unit: factor for units in _UNITS.values() for unit, (factor, _) in units.items()}
_CHINESE: Final = {unit: name for units in _UNITS.values() for unit, (_, name) in units.items()}
_UNIT: Final = {name: unit for unit, name in _CHINESE.items()} | {unit: unit for unit in _FACTOR}

_FRAME: Final = Wordings(
    en=(
        "The delivery note lists {parts}. What is that altogether in {unit}, to two decimals?",
        "Convert for the data sheet: {parts}, as one figure in {unit} (two decimals).",
        "Our supplier quotes {parts}. For the customs form we need the sum in {unit}, rounded to two decimals.",
    ),
    zh=(
        "送货单上写着：{parts}。合计是多少{unit}？保留两位小数。",
        "请换算并求和：{parts}，结果以{unit}为单位，保留两位小数。",
    ),
)


class Parts(Struct, frozen=True):
    """Quantities with their units, and the unit to sum them in."""

    parts: tuple[tuple[Decimal, str], ...]
    unit: str


class Units(Family[Parts]):
    """Sums over mixed units."""

    name = "units"
    kind: Kind = "numeric"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Parts:  # noqa: ARG002 - same in both languages
        units = list(_UNITS[rng.choice(sorted(_UNITS))])
        target = rng.choice(units)
        sources = [unit for unit in units if unit != target]
        count = min(5, 1 + int(difficulty * 4 + rng.random()))
        digits = min(4, 1 + int(difficulty * 3 + rng.random()))
        parts = tuple((Decimal(rng.randint(10 ** (digits - 1), 10**digits - 1)), rng.choice(sources)) for _ in range(count))
        return Parts(parts, target)

    def _write(self, problem: Parts, language: Language, rng: Random) -> str:
        if language == "zh":
            parts = "、".join(f"{value}{_CHINESE[unit]}" for value, unit in problem.parts)
            return _FRAME.write("zh", rng, parts=parts, unit=_CHINESE[problem.unit])
        return _FRAME.write(
            "en", rng, parts=" + ".join(f"{value} {unit}" for value, unit in problem.parts), unit=problem.unit
        )

    def _read(self, text: str) -> tuple[Parts, Language] | None:
        found = _FRAME.read(text)
        if found is None:
            return None
        language, slots = found
        parts = []
        for part in slots["parts"].replace("、", " + ").split(" + "):
            number = part.rstrip("abcdefghijklmnopqrstuvwxyz " + "".join(_UNIT))
            unit = _UNIT.get(part[len(number) :].strip())
            if unit is None or not number.isdecimal():
                return None
            parts.append((Decimal(number), unit))
        return (Parts(tuple(parts), _UNIT[slots["unit"]]), language) if slots["unit"] in _UNIT else None

    def _answer(self, problem: Parts) -> str:
        return self._sum(problem.parts, problem.unit)

    def _difficulty(self, problem: Parts) -> float:
        digits = max(len(str(value)) for value, _ in problem.parts)
        return min(1.0, 0.6 * (len(problem.parts) - 1) / 4 + 0.4 * (digits - 1) / 3)

    def _slips(self, problem: Parts) -> list[str]:
        """A part missed, a unit mistaken for another of its dimension, a factor the wrong way round, digits."""
        parts, unit = problem.parts, problem.unit
        family = next(units for units in _UNITS.values() if unit in units)
        mistaken = [((parts[0][0], other), *parts[1:]) for other in family if other != parts[0][1]]
        upside_down = sum((value * _FACTOR[unit] / _FACTOR[source] for value, source in parts), Decimal(0))
        return [
            *(self._sum(parts[:-1], unit) for _ in parts[1:2]),
            *(self._sum(tuple(each), unit) for each in mistaken),
            str(upside_down.quantize(Decimal("0.01"), ROUND_HALF_UP)),
            *off_numbers(self._answer(problem)),
        ]

    @staticmethod
    def _sum(parts: tuple[tuple[Decimal, str], ...], unit: str) -> str:
        total = sum((value * _FACTOR[source] for value, source in parts), Decimal(0)) / _FACTOR[unit]
        return str(total.quantize(Decimal("0.01"), ROUND_HALF_UP))
