"""Arithmetic: what an order comes to, after a discount and with tax. Harder with more lines, a discount and a tax."""

from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language, off_numbers
from pointsman.upstream.simulated.tasks.wording import Wordings

_GOODS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("toner cartridge", "desk lamp", "box of gloves", "HDMI cable", "pack of labels", "office chair", "water filter"),
    "zh": ("墨盒", "台灯", "一次性手套", "数据线", "标签纸", "办公椅", "滤芯"),
}
_LINE: Final = Wordings(
    en=("- {quantity} x {goods} at {price} each", "- {goods}, {quantity} pcs, unit price {price}"),
    zh=("- {goods} {quantity} 件，单价 {price} 元", "- {goods}：单价 {price} 元，数量 {quantity}"),
)
_FRAME: Final = Wordings(
    en=(
        (
            "Please check this order.\n{lines*}\nDiscount on the goods: {discount}%. Sales tax on the remainder: {tax}%.\n"
            "What is the amount payable, rounded to two decimals?"
        ),
        "Order lines:\n{lines*}\nWe grant {discount}% off the sum, then add {tax}% tax. State the final amount to the cent.",
        (
            "The customer asks what this basket will cost:\n{lines*}\nFirst take {discount}% off, then charge {tax}% VAT. "
            "How much is it in total (two decimals)?"
        ),
    ),
    zh=(
        "请核对以下订单：\n{lines*}\n商品折扣 {discount}%，折后加收 {tax}% 税。应付金额是多少？保留两位小数。",
        "采购清单如下。\n{lines*}\n先减免 {discount}%，再计 {tax}% 增值税，请给出最终总额（两位小数）。",
    ),
)


class Order(Struct, frozen=True):
    """Lines of (quantity, unit price), and percentages."""

    lines: tuple[tuple[int, Decimal], ...]
    discount: int
    tax: int


def _total(lines: tuple[tuple[int, Decimal], ...], discount: int, tax: int) -> str:
    goods = sum((quantity * price for quantity, price in lines), Decimal(0))
    amount = goods * (100 - discount) / 100 * (100 + tax) / 100
    return str(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))


class Arithmetic(Family[Order]):
    """Totals of orders."""

    name = "arithmetic"
    kind: Kind = "numeric"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Order:  # noqa: ARG002 - goods are only words
        tax = rng.choice((5, 7, 13, 19, 20)) if rng.random() < difficulty * 1.6 else 0
        discount = rng.choice((3, 5, 8, 12, 15)) if rng.random() < difficulty * 1.3 else 0
        rest = difficulty - 0.15 * (tax > 0) - 0.15 * (discount > 0)
        count = min(8, max(1, 1 + round(rest * 10)))
        lines = tuple((rng.randint(2, 30), Decimal(rng.randint(150, 19999)) / 100) for _ in range(count))
        return Order(lines, discount, tax)

    def _write(self, problem: Order, language: Language, rng: Random) -> str:
        lines = "\n".join(
            _LINE.write(language, rng, quantity=quantity, price=f"{price:.2f}", goods=rng.choice(_GOODS[language]))
            for quantity, price in problem.lines
        )
        return _FRAME.write(language, rng, lines=lines, discount=problem.discount, tax=problem.tax)

    def _read(self, text: str) -> tuple[Order, Language] | None:
        found = _FRAME.read(text)
        if found is None:
            return None
        language, slots = found
        rows = _LINE.lines(slots["lines"])
        if not rows:
            return None
        lines = tuple((int(row["quantity"]), Decimal(row["price"])) for row in rows)
        return Order(lines, int(slots["discount"]), int(slots["tax"])), language

    def _answer(self, problem: Order) -> str:
        return _total(problem.lines, problem.discount, problem.tax)

    def _difficulty(self, problem: Order) -> float:
        return min(1.0, 0.1 * (len(problem.lines) - 1) + 0.15 * (problem.discount > 0) + 0.15 * (problem.tax > 0))

    def _slips(self, problem: Order) -> list[str]:
        """Without the discount, without the tax, a line missed, a slip of the digits."""
        lines, discount, tax = problem.lines, problem.discount, problem.tax
        return [
            _total(lines, 0, tax),
            _total(lines, discount, 0),
            _total(lines[:-1], discount, tax),
            *off_numbers(self._answer(problem)),
        ]
