"""Extraction into JSON: fields out of a business letter. Harder with more fields and more look-alikes beside them."""

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any, Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language, off_numbers
from pointsman.upstream.simulated.tasks.wording import Wordings

_ASK: Final = Wordings(
    en=("Extract these fields from the message as a JSON object: {keys}.", "Return a JSON object with the keys {keys}."),
    zh=("请从上文提取以下字段，以 JSON 对象返回：{keys}。", "请返回 JSON 对象，键为：{keys}。"),
)
_FIELDS: Final[dict[str, Wordings]] = {
    "vendor": Wordings(
        en=("This letter comes to you from {value}.", "We at {value} thank you for your business."),
        zh=("此函由{value}寄出。", "感谢您选择{value}。"),
    ),
    "invoice_number": Wordings(
        en=("Our invoice number is {value}.", "Please quote invoice {value} with your payment."),
        zh=("本次发票号码为{value}。", "付款时请注明发票{value}。"),
    ),
    "issued": Wordings(
        en=("It was issued on {value}.", "Date of issue: {value}."),
        zh=("开票日期：{value}。", "本发票开具于{value}。"),
    ),
    "due": Wordings(
        en=("Payment is due by {value}.", "Kindly settle it no later than {value}."),
        zh=("请于{value}之前付款。", "付款截止日期：{value}。"),
    ),
    "total": Wordings(
        en=("The total amounts to {value}, tax included.", "Amount to pay: {value} in all."),
        zh=("含税总额为{value}。", "应付总计{value}。"),
    ),
    "currency": Wordings(
        en=("All amounts are in {value}.", "We invoice in {value}."),
        zh=("所有金额以{value}计。", "结算货币：{value}。"),
    ),
    "order_number": Wordings(
        en=("It refers to your order {value}.", "Your order reference: {value}."),
        zh=("对应贵司订单{value}。", "贵方订单编号：{value}。"),
    ),
    "city": Wordings(
        en=("The goods went to {value}.", "Place of delivery: {value}."),
        zh=("货物已送至{value}。", "交货地点：{value}。"),
    ),
}
_DECOYS: Final = Wordings(
    en=(
        "It replaces the cancelled invoice {invoice}.",
        "Your last payment of {amount} reached us on {date}, thank you.",
        "A reminder fee of {amount} was waived.",
        "The previous order {order} is closed.",
        "Our branch in {city} is closed until {date}.",
    ),
    zh=(
        "原发票{invoice}已作废。",
        "贵司上次付款{amount}已于{date}到账。",
        "催款费用{amount}已免除。",
        "先前订单{order}已完结。",
        "我司{city}分部停业至{date}。",
    ),
)
_VENDORS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Halden Paper Ltd", "Brightwater Tools", "Nordhus Logistics", "Mason & Vale", "Quillon Chemicals"),
    "zh": ("恒达纸业", "明泉工具", "北屋物流", "迈森贸易", "启伦化工"),
}
_CITIES: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Leeds", "Rotterdam", "Graz", "Porto", "Aarhus", "Lyon"),
    "zh": ("苏州", "青岛", "成都", "厦门", "武汉", "大连"),
}


class Letter(Struct, frozen=True):
    """A letter: what each field asked for says, the fields that nobody asked for, and how many look-alikes it has."""

    asked: dict[str, str]
    unasked: dict[str, str]
    decoys: int


class Extraction(Family[Letter]):
    """Fields of letters."""

    name = "extraction"
    kind: Kind = "json_fields"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Letter:
        issued = date(2025, 1, 1) + timedelta(rng.randrange(700))
        values = {
            "vendor": rng.choice(_VENDORS[language]),
            "invoice_number": _number("R", rng),
            "issued": issued.isoformat(),
            "due": (issued + timedelta(rng.choice((10, 14, 30, 45)))).isoformat(),
            "total": f"{rng.randint(2_000, 999_999) / 100:.2f}",
            "currency": rng.choice(("EUR", "USD", "CNY", "GBP", "CHF")),
            "order_number": _number("PO", rng),
            "city": rng.choice(_CITIES[language]),
        }
        keys = rng.sample(sorted(values), min(8, max(3, 3 + round(difficulty * 5))))
        rest = [key for key in values if key not in keys]
        unasked = rng.sample(rest, len(rest) // 2)
        decoys = min(5, int(difficulty * 5 + rng.random()))
        return Letter({key: values[key] for key in keys}, {key: values[key] for key in unasked}, decoys)

    def _write(self, problem: Letter, language: Language, rng: Random) -> str:
        sentences = [
            _FIELDS[key].write(language, rng, value=value) for key, value in (problem.asked | problem.unasked).items()
        ]
        for _ in range(problem.decoys):
            day = date(2024, 1, 1) + timedelta(rng.randrange(900))
            sentences.append(
                _DECOYS.write(
                    language, rng, invoice=_number("R", rng), order=_number("PO", rng), date=day.isoformat(),
                    amount=f"{rng.randint(900, 99_999) / 100:.2f}", city=rng.choice(_CITIES[language]),
                )
            )  # fmt: skip
        rng.shuffle(sentences)
        letter = ("" if language == "zh" else " ").join(sentences)
        return letter + "\n\n" + _ASK.write(language, rng, keys=", ".join(problem.asked))

    def _read(self, text: str) -> tuple[Letter, Language] | None:
        found = _ASK.read(text)
        if found is None:
            return None
        language, slots = found
        values = {key: _clean(read[1]["value"]) for key, wordings in _FIELDS.items() if (read := wordings.read(text))}
        keys = [key.strip() for key in slots["keys"].split(",")]
        if not all(key in values for key in keys):
            return None
        asked = {key: values[key] for key in keys}
        if "total" in asked and not re.fullmatch(r"\d+\.\d\d", asked["total"]):
            return None
        unasked = {key: value for key, value in values.items() if key not in asked}
        return Letter(asked, unasked, len(_DECOYS.read_all(text))), language

    def _answer(self, problem: Letter) -> str:
        return _json(problem.asked)

    def _difficulty(self, problem: Letter) -> float:
        return min(1.0, 0.5 * (len(problem.asked) - 3) / 5 + 0.5 * problem.decoys / 5)

    def _slips(self, problem: Letter) -> list[str]:
        """Two fields missing, the two dates exchanged, and numbers misread."""
        asked = problem.asked
        pairs = pairwise([*asked, next(iter(asked))])
        slips = [{key: value for key, value in asked.items() if key not in missing} for missing in pairs]
        if "issued" in asked and "due" in asked:
            slips.append(asked | {"issued": asked["due"], "due": asked["issued"]})
        numbers = [key for key in asked if key in ("invoice_number", "order_number")]
        misread = {key: asked[key][:-2] + asked[key][:-3:-1] for key in numbers}
        if "total" in asked:
            misread["total"] = off_numbers(asked["total"])[-1]
        slips.append(asked | misread)
        return [_json(each) for each in slips]

    def _schema(self, problem: Letter) -> Mapping[str, Any]:
        properties = {key: {"type": "number" if key == "total" else "string"} for key in problem.asked}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _json(fields: Mapping[str, str]) -> str:
    values = {key: float(value) if key == "total" else value for key, value in fields.items()}
    return json.dumps(values, ensure_ascii=False)


def _number(prefix: str, rng: Random) -> str:
    return f"{prefix}-{rng.randint(10_000, 99_999)}"


def _clean(value: str) -> str:
    return value.strip()
