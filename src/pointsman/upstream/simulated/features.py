"""What a company would use the models for: four features, each with its own prompt, mix of tasks and check.

Strategy: a request is a task in a business letter's clothes: an opening, the task, a closing, in the task's language. The
system prompt of a feature never changes, as in an application, so that providers can cache it.

extraction   fields of letters into JSON: one cheap model is as good as the dear ones
support      sorting, rewriting codes, small puzzles: which cheap model will do depends on the request
backoffice   orders, units, dates: one specialist is better in English, another in Chinese
coding       what does this code print: every cheaper model is clearly worse
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.routing import Grader
from pointsman.upstream.simulated.tasks import Language, Task, generate


class Share(Struct, frozen=True):
    """A part of a feature's requests: a family in a language, difficulty drawn evenly between ``low`` and ``high``."""

    family: str
    language: Language
    share: float
    low: float
    high: float


class Feature(Struct, frozen=True):
    """One feature: the prompt, what it is asked (shares that add up to one), how it is checked, who serves it today."""

    name: str
    system: str
    mix: tuple[Share, ...]
    grader: Grader
    today: str

    def task(self, rng: Random) -> Task:
        """Return a request of this feature, new each time."""
        share = rng.choices(self.mix, [each.share for each in self.mix])[0]
        task = generate(share.family, share.language, rng.uniform(share.low, share.high), rng)
        user = _dressed(task.user, share.language, rng)
        return replace(task, user=user, system=self.system, feature=self.name)

    def tasks(self, count: int, seed: int) -> Iterator[Task]:
        """Yield ``count`` requests that depend on the feature, the seed and the place in the sequence alone."""
        return (self.task(Random(f"{self.name}/{seed}/{place}")) for place in range(count))


_OPENINGS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "Ticket {number}, opened by {person}.",
        "Hello, this is {person} from the {team} team (case {number}).",
        "From: {person}\nSubject: request {number}\n\nHi all,",
        "Case {number} | channel: web form | assigned to: {team}",
        (
            "{person} wrote this morning, our reference is {number}. I have copied the relevant part below and left out the "
            "rest of the thread, which is only about who is on holiday."
        ),
    ),
    "zh": (
        "工单 {number}，提交人：{person}。",
        "您好，我是{team}的{person}（案例 {number}）。",
        "发件人：{person}\n主题：请求 {number}\n\n各位好，",
        "{person}今天上午来信，我方编号 {number}。相关内容摘录如下，其余往来邮件与此无关，已省略。",
    ),
}
_CLOSINGS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "", "Thank you!", "Kind regards\n{person}", "Best,\n{person}, {team}",
        "Please be quick, the customer is waiting.\n\n{person}\n{team}\nThis message may contain confidential information.",
    ),
    "zh": ("", "谢谢！", "此致\n{person}", "烦请尽快处理，客户在等。\n{person}，{team}"),
}  # fmt: skip
_PERSONS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Lena Brandt", "Tom Okafor", "Mira Solberg", "Paul Ferreira", "Yuki Arai"),
    "zh": ("林晓", "郑凯", "孙悦", "何宁", "罗薇"),
}
_TEAMS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("billing", "dispatch", "customer care", "platform", "purchasing"),
    "zh": ("财务部", "物流部", "客服部", "平台组", "采购部"),
}


def _dressed(text: str, language: Language, rng: Random) -> str:
    """Return a task between an opening and a closing."""
    slots = {
        "number": rng.randint(10_000, 99_999),
        "person": rng.choice(_PERSONS[language]),
        "team": rng.choice(_TEAMS[language]),
    }
    parts = (rng.choice(_OPENINGS[language]).format(**slots), text, rng.choice(_CLOSINGS[language]).format(**slots))
    return "\n\n".join(part for part in parts if part)


def features() -> dict[str, Feature]:
    """Return the four features by name."""
    four = (
        Feature(
            "extraction",
            "You read incoming business letters for the accounts department of Alder & Finch Trading. From each "
            "letter you take the fields that are asked for, exactly as they are written there. Amounts are "
            "numbers without a currency sign, dates are ISO dates. Letters often mention other invoices, earlier "
            "payments or closed branches: those are not meant. Reply with one JSON object and nothing else.",
            (Share("extraction", "en", 0.6, 0.0, 0.8), Share("extraction", "zh", 0.4, 0.0, 0.8)),
            Grader("json_fields"),
            today="sim-eagle-xl",
        ),
        Feature(
            "support",
            "You are the desk assistant of Alder & Finch Trading. Colleagues in customer care paste parts of "
            "tickets and ask for small, exact jobs: put codes in order, rewrite a customer reference, work out "
            "whose turn it is. Customers and colleagues write in English or in Chinese. Be exact with capital "
            "letters, digits and commas, because the result is copied into another system without being read "
            "again. Reply with the answer and nothing else.",
            (
                Share("sorting", "en", 0.2, 0.0, 0.9), Share("sorting", "zh", 0.1, 0.0, 0.9),
                Share("strings", "en", 0.2, 0.0, 0.9), Share("strings", "zh", 0.1, 0.0, 0.9),
                Share("logic", "en", 0.25, 0.0, 0.9), Share("logic", "zh", 0.15, 0.0, 0.9),
            ),
            Grader("exact", "case"),
            today="sim-eagle-xl",
        ),
        Feature(
            "backoffice",
            "You help the back office of Alder & Finch Trading with figures: totals of orders with discounts and "
            "taxes, sums over mixed units for delivery notes and customs forms, days between dates for billing "
            "and for service levels. Work it out step by step, briefly, and end with a line of its own: Answer: "
            "followed by the number alone, without a unit and without separators for thousands. For messages in "
            "Chinese, end with 答案： and the number.",
            (
                Share("arithmetic", "en", 0.2, 0.1, 0.9), Share("arithmetic", "zh", 0.2, 0.1, 0.9),
                Share("units", "en", 0.15, 0.1, 0.9), Share("units", "zh", 0.15, 0.1, 0.9),
                Share("dates", "en", 0.15, 0.1, 0.9), Share("dates", "zh", 0.15, 0.1, 0.9),
            ),
            Grader("numeric", "0.001"),
            today="sim-heron-l",
        ),
        Feature(
            "coding",
            "You assist the developers of Alder & Finch Trading in code review. You are shown short Python "
            "snippets and say what they print. Follow the code exactly, loop by loop; do not guess, and do not "
            "comment on style. The output is compared with what the snippet really prints. Reply with the output "
            "and nothing else.",
            (Share("tracing", "en", 0.8, 0.3, 1.0), Share("tracing", "zh", 0.2, 0.3, 1.0)),
            Grader("exact", "case"),
            today="sim-eagle-xl",
        ),
    )  # fmt: skip
    return {feature.name: feature for feature in four}
