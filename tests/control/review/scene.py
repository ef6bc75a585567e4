"""An installation with a trial that put questions into the queue, and people whose judgements are known."""

import random
from decimal import Decimal

from msgspec.structs import replace

from pointsman.control.plans import plan_of, start_trial
from pointsman.control.review.intake import DAY_MS, MOST
from pointsman.control.review.piles import Pile, piles
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Judgement
from pointsman.core.review import Material, Question, Said
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.queue import worth
from pointsman.store.interfaces import Store

PRICE = Price(Rates(Decimal(1), Decimal(2)))
NOW_MS = 1_790_000_000_000
NAMES = ("z/big-1", "z/small-2", "z/mid-3", "z/judge-4")
BIG, SMALL, MID, JUDGE = NAMES
FEATURE = "support"


def snapshot(days: int = 14) -> Snapshot:
    plan = Plan("*", reference=BIG, grader=Grader("judge", JUDGE), review_days=days)
    before = Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price=PRICE) for name in NAMES},
        {"auto": Route("auto", BIG, (SMALL, MID), Objective(), 0.05, {"*": plan})},
    )
    return start_trial(before, "auto", FEATURE, candidates=(SMALL, MID), share=1.0, cap_nano=10**12, tolerance=0.05)


def trial_id(now: Snapshot) -> str:
    trial = plan_of(now, "auto", FEATURE).trial
    assert trial is not None
    return trial.id


def fill(
    store: Store,
    now: Snapshot,
    candidate: str,
    count: int,
    *,
    seed: int = 1,
    bias: float = 0.0,
    at_ms: int = NOW_MS - DAY_MS,
) -> dict[str, Said]:
    """Write ``count`` judged comparisons with their questions; return what people would say, by question.

    People prefer either answer equally often; the judge sees it as they do in three of four cases, and else with a chance
    of one half plus ``bias`` says that the candidate wins.
    """
    rng, rows, asked, truth = random.Random(seed), list[Judgement](), list[tuple[Question, Material]](), dict[str, Said]()
    for place in range(count):
        exchange = f"{candidate[2]}{seed}-{place:05d}"
        people: Said = rng.choice(("candidate", "reference"))
        judged: Said = people if rng.random() < 0.75 else "candidate" if rng.random() < 0.5 + bias else "reference"
        share = 1.0 if judged == "candidate" else 0.0
        fields = (exchange, at_ms + place, FEATURE)
        grader, trial = f"judge:{JUDGE}", trial_id(now)
        rows.append(Judgement(*fields, BIG, "reference", 0.5, grader, trial, Usage(100, 10), 100_000, vector=b"v"))
        rows.append(Judgement(*fields, candidate, "candidate", share, grader, trial, Usage(100, 10), 30_000, vector=b"v"))
        question = Question(
            exchange, trial, FEATURE, candidate, BIG, "candidate", at_ms + place, 2 * share - 1, worth(share)
        )  # fmt: skip
        asked.append((question, Material(f"request {place}", f"as {candidate[2:]}: yes {place}", f"no {place}")))
        truth[question.id] = people
    store.journal.judge(rows)
    store.reviews.keep(asked, most=MOST)
    return truth


def queue(store: Store, now: Snapshot, **changes: int) -> list[Pile]:
    found = piles(store, now, "auto", now_ms=NOW_MS)
    return [replace(pile, **changes) for pile in found]
