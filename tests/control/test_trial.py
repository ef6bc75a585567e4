"""Trials against the simulated zoo over real HTTP, with a real store: pairs, failures, caps, judges."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pointsman.control import grade as grading
from pointsman.control.calls import Calls, copy, worst_case
from pointsman.control.compile import compile_snapshot
from pointsman.control.config import load
from pointsman.control.plans import Serving, accept, plan_of, start_trial
from pointsman.control.purse import account
from pointsman.control.trial import Trials
from pointsman.control.verdict import Evidence, gather, tolerances, verdicts
from pointsman.core.chat import Usage
from pointsman.core.demands import Demand, Facts
from pointsman.core.ledger import decode
from pointsman.core.price import Price, Rates
from pointsman.core.record import Judgement, Sample
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Pool, Provider, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Filter, Store
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store
from pointsman.upstream.credentials import credential_for
from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.judge import JudgeTraits
from pointsman.upstream.simulated.models import JUDGE
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.tasks import Task
from pointsman.upstream.simulated.zoo import Zoo
from pointsman.upstream.transport import HttpTransport

BIG, SMALL, TINY = "zoo/sim-eagle-xl", "zoo/sim-finch-s", "zoo/sim-gnat-xs"
FEATURE = features()["extraction"]
PLENTY = 10**15


@pytest.fixture
def zoo() -> Zoo:
    return Zoo(seed=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=installation_key(tmp_path))
    yield opened
    opened.close()


class Bench:
    """One installation with the zoo as its only provider; ``snapshot`` may be replaced between samples."""

    def __init__(self, zoo: Zoo, store: Store, base_url: str) -> None:
        self.zoo, self.store = zoo, store
        self.reports: list[str] = []
        deployments = {}
        for name in zoo.names:
            rates = zoo.rates(name)
            price = Price(rates) if rates else None
            deployments[f"zoo/{name}"] = Deployment(f"zoo/{name}", "zoo", name, name, price=price)
        plan = Plan("extraction", reference=BIG, grader=FEATURE.grader)
        route = Route("auto", BIG, (SMALL,), Objective(), 0.05, {"*": Plan("*", reference=BIG), "extraction": plan})
        self.snapshot = Snapshot({"zoo": Provider("zoo", base_url)}, deployments, {"auto": route})

    def grader(self, grader: Grader) -> None:
        route = self.snapshot.routes["auto"]
        plans = {**route.plans, "extraction": replace(plan_of(self.snapshot, "auto", "extraction"), grader=grader)}
        self.snapshot = replace(self.snapshot, routes={"auto": replace(route, plans=plans)})

    def start(self, *candidates: str, cap_nano: int = PLENTY) -> Trial:
        self.snapshot = start_trial(
            self.snapshot,
            "auto",
            "extraction",
            candidates=candidates or (SMALL,),
            share=1.0,
            cap_nano=cap_nano,
            tolerance=0.02,
        )
        trial = plan_of(self.snapshot, "auto", "extraction").trial
        assert trial is not None
        return trial

    def accept(self) -> None:
        """Accept what was tried, whatever the verdict."""
        (row,) = verdicts(self.store.journal, {})
        serving = Serving((row.candidate,), one_model=row.candidate)
        self.snapshot = accept(self.snapshot, "auto", "extraction", row, serving, now_ms=2, despite="a test")

    async def run(self, samples: Iterable[Sample], concurrency: int = 8) -> None:
        transport = HttpTransport()
        trials = Trials(
            self.store,
            Calls(transport, credential_for, self.store.ledger, lambda: 1),
            current=lambda: self.snapshot,
            now_ms=lambda: 1,
            report=self.reports.append,
            concurrency=concurrency,
        )

        async def stream() -> AsyncIterator[Sample]:
            for sample in samples:
                yield sample

        try:
            await trials.run(stream())
        finally:
            await transport.close()

    def judged(self, arm: str) -> list[Judgement]:
        return [row for row in self.store.journal.judgements(Filter()) if row.arm == arm]

    def evidence(self, candidate: str = SMALL) -> Evidence:
        found = gather(self.store.journal.judgements(Filter()))
        return next(each for (_, name, _), each in found.items() if name == candidate)

    def samples(self, count: int, **changes: object) -> list[Sample]:
        return [self.sample(task, place, **changes) for place, task in enumerate(FEATURE.tasks(count, seed=1))]

    def sample(self, task: Task, place: int, **changes: object) -> Sample:
        served = str(changes.get("deployment", BIG))
        said = self.zoo.truth(served.partition("/")[2], task)
        usage = Usage(said.input_tokens, said.output_tokens)
        price = self.snapshot.deployments[served].price
        assert price is not None
        whole = Sample(
            exchange=f"x{place:05d}",
            feature="extraction",
            route="auto",
            deployment=BIG,
            arm="reference",
            body=msgspec.json.encode({**task.body("auto"), "stream": True, "stream_options": {"include_usage": True}}),
            answer=said.text,
            usage=usage,
            cost_nano=amount(usage, price),
            expected=task.answer,
            vector=b"v",
        )
        return replace(whole, **changes)


@pytest.fixture
def bench(zoo: Zoo, store: Store) -> Iterator[Bench]:
    with serving(zoo) as base_url:
        yield Bench(zoo, store, base_url)


async def test_pairs_are_graded_and_the_table_says_what_the_zoo_knows(bench: Bench) -> None:
    trial = bench.start(SMALL, TINY)
    tasks = list(FEATURE.tasks(180, seed=1))
    await bench.run(bench.samples(180))
    rows = {row.candidate: row for row in verdicts(bench.store.journal, tolerances(bench.snapshot, "auto"))}
    assert rows[SMALL].change.n == 180
    for name, arm in ((BIG, "reference"), (SMALL, "candidate")):
        wholly = {row.exchange: row.score == 1.0 for row in bench.judged(arm) if row.deployment == name}
        right = [bench.zoo.truth(name.removeprefix("zoo/"), task).right for task in tasks]
        assert [wholly[f"x{place:05d}"] for place in range(180)] == right
    cost = rows[SMALL].cost
    assert cost is not None
    assert cost.high < 0.1
    assert rows[TINY].kind == "stay"
    row = bench.judged("candidate")[0]
    assert (row.trial, row.grader, row.vector, row.feature) == (trial.id, "json_fields", b"v", "extraction")
    assert row.usage is not None
    price = bench.snapshot.deployments[row.deployment].price
    assert price is not None
    assert row.cost_nano == amount(row.usage, price)
    spent = sum(row.cost_nano or 0 for row in bench.judged("candidate"))
    assert account(bench.store.counters, trial).spent_nano == spent
    assert bench.reports == []


async def test_a_candidate_that_loses_on_the_whole_is_still_asked(bench: Bench) -> None:
    bench.start(SMALL, TINY)
    await bench.run(bench.samples(120), concurrency=1)
    assert bench.evidence(TINY).sequence.interval.high < -0.02
    assert bench.evidence(TINY).sequence.interval.n == bench.evidence(SMALL).sequence.interval.n == 120


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_the_cap_is_never_passed_and_reached_as_closely_as_a_call_allows(bench: Bench, concurrency: int) -> None:
    samples = bench.samples(200)
    price = bench.snapshot.deployments[SMALL].price
    assert price is not None
    most = max(worst_case(copy(sample.body, sample.usage), len(sample.body) + 100, price) for sample in samples)
    cap = 3 * most
    trial = bench.start(cap_nano=cap)
    await bench.run(samples, concurrency=concurrency)
    state = account(bench.store.counters, trial)
    assert state.capped
    assert cap - most <= state.spent_nano <= cap
    assert state.spent_nano == sum(row.cost_nano or 0 for row in bench.judged("candidate"))
    judged = bench.evidence().sequence.interval.n
    assert 0 < judged < 200
    assert judged == bench.zoo.tally["sim-finch-s", "asked"]
    await bench.run(bench.samples(210)[200:])
    assert bench.evidence().sequence.interval.n == judged
    bench.start(cap_nano=cap + 2 * most)  # more money, same evidence
    await bench.run(bench.samples(220)[210:])
    assert bench.evidence().sequence.interval.n > judged


async def test_a_cap_below_one_call_spends_nothing(bench: Bench) -> None:
    trial = bench.start(cap_nano=1)
    await bench.run(bench.samples(5))
    assert account(bench.store.counters, trial).spent_nano == 0
    assert account(bench.store.counters, trial).capped
    assert sum(bench.zoo.tally.values()) == 0


@pytest.mark.parametrize(
    ("fault", "score", "words"),
    [
        (Fault("status", 400), 0.0, "status 400"),
        (Fault("garbage"), 0.0, "no chat completion"),
        (Fault("slow", 5.0), 0.0, "no answer"),
        (Fault("nonsense"), 0.0, "no JSON"),
        (Fault("status", 429), None, "status 429"),
        (Fault("status", 500), None, "status 500"),
        (Fault("status", 401), None, "status 401"),
        (Fault("reset"), None, "no answer"),
    ],
)
async def test_what_a_candidates_failure_means(bench: Bench, fault: Fault, score: float | None, words: str) -> None:
    trial = bench.start()
    bench.snapshot = replace(bench.snapshot, limits=replace(bench.snapshot.limits, first_byte_s=0.3))
    bench.zoo.fail("sim-finch-s", fault)
    await bench.run(bench.samples(2))
    rows = bench.judged("candidate")
    assert [row.score for row in rows] == [score, score]
    assert words in rows[0].note
    assert bench.evidence().ungraded == (2 if score is None else 0)
    spent = account(bench.store.counters, trial).spent_nano
    assert (spent == 0) == (fault.kind == "status")
    bench.zoo.fail("sim-finch-s", None)


async def test_without_an_expected_answer_nothing_is_spent(bench: Bench) -> None:
    trial = bench.start()
    await bench.run(bench.samples(3, expected=None))
    assert bench.evidence().ungraded == 3
    assert "x-pointsman-expected" in bench.judged("candidate")[0].note
    assert account(bench.store.counters, trial).spent_nano == 0
    assert sum(bench.zoo.tally.values()) == 0


async def test_an_answer_cut_by_the_trials_own_limit_is_ungraded_and_by_the_clients_a_failure(bench: Bench) -> None:
    bench.start()
    task = next(FEATURE.tasks(1, seed=1))
    tight = {**task.body("auto"), "max_tokens": 2}
    await bench.run([bench.sample(task, 1, body=msgspec.json.encode(tight))])
    assert bench.judged("candidate")[0].score == 0.0


async def test_samples_that_are_not_the_references_are_no_pairs(bench: Bench) -> None:
    bench.start()
    await bench.run(bench.samples(3, deployment=TINY))
    await bench.run(bench.samples(3, feature="another"))
    await bench.run(bench.samples(3, route="gone"))
    assert list(bench.store.journal.judgements(Filter())) == []


@pytest.mark.parametrize("route", ["auto", ""], ids=["by route", "by name"])
async def test_what_shares_the_references_requests_answers_for_it(bench: Bench, route: str) -> None:
    bench.start(SMALL)
    bench.snapshot = replace(bench.snapshot, pools=(Pool(((BIG,), (TINY,))),))
    await bench.run(bench.samples(3, deployment=TINY, route=route))
    assert [row.deployment for row in bench.judged("reference")] == [BIG] * 3


async def test_a_client_that_names_the_reference_itself_is_sampled_as_well(bench: Bench) -> None:
    bench.start()
    await bench.run(bench.samples(3, route=""))
    assert len(bench.judged("candidate")) == 3


async def test_a_body_that_cannot_be_read_is_reported_and_the_next_sample_taken(bench: Bench) -> None:
    bench.start()
    good = bench.samples(2)
    await bench.run([replace(good[0], body=b"{"), good[1]])
    assert len(bench.judged("candidate")) == 1
    assert "x00000" in bench.reports[0]


async def test_agreement_with_the_reference(bench: Bench) -> None:
    bench.grader(Grader("json_fields", against="reference"))
    bench.start()
    await bench.run(bench.samples(20, expected=None))
    assert {row.score for row in bench.judged("reference")} == {1.0}
    assert bench.evidence().sequence.interval.n == 20
    assert bench.evidence().sequence.interval.mean <= 0


class TestJudge:
    """The blind judge, at its own stated errors."""

    @pytest.fixture
    def zoo(self) -> Zoo:
        return Zoo(seed=3, judge=JudgeTraits(error=0.0, first_bias=0.0))

    async def test_it_sees_who_is_better_and_its_cost_is_on_record(self, bench: Bench) -> None:
        bench.grader(Grader("judge", f"zoo/{JUDGE}"))
        trial = bench.start(TINY)
        await bench.run(bench.samples(40, expected=None), concurrency=4)
        rows = bench.judged("candidate")
        assert {row.score for row in bench.judged("reference")} == {0.5}
        assert {row.score for row in rows} <= {0.0, 0.5, 1.0}
        tasks = list(FEATURE.tasks(40, seed=1))[: len(rows)]
        right = [(bench.zoo.truth("sim-gnat-xs", task).right, bench.zoo.truth("sim-eagle-xl", task).right) for task in tasks]
        by_place = {row.exchange: row.score for row in rows}
        for place, (candidate, reference) in enumerate(right):
            assert by_place[f"x{place:05d}"] == 0.5 + (candidate - reference) / 2
        assert all(row.grading_nano > 0 for row in rows)
        spent = sum((row.cost_nano or 0) + row.grading_nano for row in rows)
        lines = [decode(entry.text) for entry in bench.store.ledger.entries()][1:]
        assert {line.why: line.deployment for line in lines} == {"trial": TINY, "judge": f"zoo/{JUDGE}"}
        assert {line.exchange for line in lines} == set(by_place)
        assert {(line.feature, line.settled) for line in lines} == {("extraction", True)}
        assert sum(line.nano or 0 for line in lines) == spent
        assert account(bench.store.counters, trial).spent_nano == spent

    async def test_nonsense_is_ungraded_and_counted(self, bench: Bench) -> None:
        bench.zoo.judge = JudgeTraits(nonsense=1.0)
        bench.grader(Grader("judge", f"zoo/{JUDGE}"))
        bench.start()
        await bench.run(bench.samples(4))
        assert bench.evidence().ungraded == 4
        assert {row.note for row in bench.judged("candidate")} == {"the judge gave no verdict in either order"}
        (row,) = verdicts(bench.store.journal, {})
        assert (row.change.n, row.ungraded, row.kind) == (0, 4, "cannot tell")

    async def test_a_judge_that_always_prefers_the_first_place_says_nothing(self, bench: Bench) -> None:
        bench.zoo.judge = JudgeTraits(error=0.0, first_bias=1.0)
        bench.grader(Grader("judge", f"zoo/{JUDGE}"))
        bench.start(TINY)
        await bench.run(bench.samples(10))
        assert {row.score for row in bench.judged("candidate")} == {0.5}

    async def test_a_judge_that_is_down_leaves_pairs_ungraded(self, bench: Bench) -> None:
        bench.zoo.fail(JUDGE, Fault("status", 503))
        bench.grader(Grader("judge", f"zoo/{JUDGE}"))
        bench.start()
        await bench.run(bench.samples(2))
        assert [row.note for row in bench.judged("candidate")] == ["judge: answered with status 503"] * 2
        assert all((row.cost_nano or 0) > 0 for row in bench.judged("candidate"))

    async def test_what_is_served_is_judged_against_the_reference_asked_again(self, bench: Bench) -> None:
        bench.grader(Grader("judge", f"zoo/{JUDGE}"))
        bench.start(TINY)
        await bench.run(bench.samples(30), concurrency=1)
        bench.accept()
        before = bench.zoo.tally["sim-eagle-xl", "asked"]
        await bench.run(bench.samples(10, arm="policy", deployment=TINY))
        await bench.run([replace(one, exchange=f"c{one.exchange}") for one in bench.samples(5, arm="control")])
        assert bench.zoo.tally["sim-eagle-xl", "asked"] == before + 10
        assert [row.score for row in bench.judged("control")] == [0.5] * 5
        assert len(bench.judged("policy")) == 10
        assert {row.score for row in bench.judged("policy")} <= {0.0, 0.5, 1.0}


async def test_no_copy_goes_to_who_may_not_see_the_request_neither_candidate_nor_judge(bench: Bench) -> None:
    known = {BIG: Facts("eu"), SMALL: Facts("eu")}
    deployments = {name: replace(one, facts=known.get(name, Facts())) for name, one in bench.snapshot.deployments.items()}
    bench.snapshot = replace(bench.snapshot, deployments=deployments)
    demands = (Demand("the data policy 'eu'", regions=("eu",)),)
    bench.start(SMALL, TINY)
    await bench.run(bench.samples(3, demands=demands))
    assert [bench.zoo.tally[name, "asked"] for name in ("sim-finch-s", "sim-gnat-xs")] == [3, 0]
    notes = {row.note for row in bench.judged("candidate") if row.deployment == TINY}
    said = "the data policy 'eu' demands the region eu, and its region is not stated"
    assert notes == {f"{TINY} is not permitted: {said}"}
    bench.grader(Grader("judge", f"zoo/{JUDGE}"))
    bench.start(SMALL)
    await bench.run([replace(one, exchange=f"j{one.exchange}") for one in bench.samples(2, demands=demands)])
    assert bench.zoo.tally[JUDGE, "asked"] == 0
    judged = [row for row in bench.judged("candidate") if row.exchange.startswith("j")]
    assert {(row.score, row.note) for row in judged} == {(None, f"judge: zoo/{JUDGE} is not permitted: {said}")}


async def test_served_answers_are_graded_by_arm_for_nothing(bench: Bench) -> None:
    bench.start()
    await bench.run(bench.samples(5))
    bench.accept()
    asked = sum(bench.zoo.tally.values())
    await bench.run(bench.samples(6, arm="policy", deployment=SMALL))
    await bench.run([replace(one, exchange=f"c{one.exchange}") for one in bench.samples(4, arm="control")])
    await bench.run([replace(one, exchange=f"e{one.exchange}") for one in bench.samples(3, arm="explore", deployment=TINY)])
    assert sum(bench.zoo.tally.values()) == asked, "what was tried is graded as served, too, and nobody else is asked for it"
    assert [len(bench.judged(arm)) for arm in ("policy", "control", "explore")] == [6, 4, 3]
    assert {row.trial for row in bench.judged("policy")} == {""}
    assert {row.deployment for row in bench.judged("explore")} == {TINY}


async def test_at_the_cap_what_is_served_is_still_measured_on_both_arms(bench: Bench) -> None:
    """Else the control share would go ungraded while the policy's answers are graded, and a saving could not be told."""
    bench.start()
    await bench.run(bench.samples(5))
    bench.accept()
    bench.start(TINY, cap_nano=1)
    await bench.run([replace(one, exchange=f"c{one.exchange}") for one in bench.samples(4, arm="control")])
    await bench.run([replace(one, exchange=f"p{one.exchange}") for one in bench.samples(4, arm="policy", deployment=SMALL)])
    assert [len(bench.judged(arm)) for arm in ("control", "policy")] == [4, 4]
    assert bench.zoo.tally["sim-gnat-xs", "asked"] == 0
    assert bench.reports == []


@pytest.mark.parametrize("relative", [Grader("judge", f"zoo/{JUDGE}"), Grader("exact", against="reference")])
async def test_at_the_cap_nothing_that_needs_the_reference_is_graded_as_served(bench: Bench, relative: Grader) -> None:
    """Else what the reference served would count as no change, and what the candidate served would not count at all."""
    bench.grader(relative)
    bench.start(TINY)
    await bench.run(bench.samples(5))
    bench.accept()
    served = [
        *(replace(one, exchange=f"a{one.exchange}") for one in bench.samples(2, arm="policy")),
        *(replace(one, exchange=f"b{one.exchange}") for one in bench.samples(2, arm="control")),
        *(replace(one, exchange=f"c{one.exchange}") for one in bench.samples(2, arm="policy", deployment=TINY)),
    ]
    await bench.run(served)
    assert [len(bench.judged(arm)) for arm in ("control", "policy")] == [2, 4]
    bench.start(TINY, cap_nano=1)
    await bench.run([replace(one, exchange=f"z{one.exchange}") for one in reversed(served)], concurrency=1)
    assert [len(bench.judged(arm)) for arm in ("control", "policy")] == [2, 4]
    assert bench.reports == []


async def test_an_odd_sample_is_reported_and_the_next_one_taken(bench: Bench) -> None:
    """A text that no store can hold is a mistake nobody thought of; it must not end all trials."""
    bench.start()
    good = bench.samples(3)
    await bench.run([good[0], replace(good[1], exchange="x\ud83d"), good[2]], concurrency=1)
    assert [row.exchange for row in bench.judged("candidate")] == ["x00000", "x00002"]
    assert len(bench.reports) == 1
    assert "not graded" in bench.reports[0]


async def test_a_check_that_does_not_end_costs_its_sample_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "LONGEST_S", 0.05)
    bench.grader(Grader("regex", r"^(a+)+$"))
    bench.start()
    good = bench.samples(2, answer="aaa", expected=None)
    await bench.run([replace(good[0], answer=40 * "a" + "b"), good[1]])
    assert {row.exchange: row.score for row in bench.judged("reference")} == {"x00000": None, "x00001": 1.0}
    assert "took longer" in bench.judged("reference")[0].note
    assert bench.zoo.tally["sim-finch-s", "asked"] == 1, "what cannot be compared is not paid for"


async def test_a_request_for_the_providers_own_tools_is_never_repeated(bench: Bench) -> None:
    trial = bench.start()
    task = next(FEATURE.tasks(1, seed=1))
    searching = msgspec.json.encode({**task.body("auto"), "tools": [{"type": "web_search"}]})
    await bench.run([bench.sample(task, 1, body=searching)])
    assert account(bench.store.counters, trial).spent_nano == 0
    assert sum(bench.zoo.tally.values()) == 0
    assert "web_search" in bench.reports[0]


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_no_prompt_and_no_answer_is_stored(bench: Bench, tmp_path: Path) -> None:
    bench.grader(Grader("judge", f"zoo/{JUDGE}"))
    bench.start()
    texts = ["a prompt nobody must see", "an answer nobody must see", "the right answer nobody must see"]
    body = {"model": "auto", "messages": [{"role": "user", "content": texts[0]}]}
    await bench.run(bench.samples(2, body=msgspec.json.encode(body), answer=texts[1], expected=texts[2]))
    assert len(bench.judged("candidate")) == 2
    stored = all_bytes(tmp_path)
    assert b"x00001" in stored
    assert not any(text.encode() in stored for text in texts)


async def test_a_standing_trial_of_the_configuration_runs_as_one_that_was_started(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "pointsman.toml"
    path.write_text(
        f"""
        [providers.zoo]
        base_url = "{bench.snapshot.providers["zoo"].base_url}"
        [deployments."{BIG}"]
        price = {{input = 10, output = 40}}
        [deployments."{SMALL}"]
        price = {{input = 0.1, output = 0.4}}
        [routes.auto]
        reference = "{BIG}"
        candidates = ["{SMALL}"]
        [features.extraction]
        check = {{kind = "json_fields"}}
        trial = {{share = 0.25, cap_usd = 1}}
        """,
        encoding="utf-8",
    )
    samples = bench.samples(3)
    bench.snapshot = compile_snapshot(load(path), None, today=date(2026, 1, 1), made_by="a test").snapshot
    trial = plan_of(bench.snapshot, "auto", "extraction").trial
    assert trial is not None
    assert (trial.share, trial.cap_nano, trial.candidates) == (0.25, 10**9, (SMALL,))
    await bench.run([*samples, *(replace(one, feature="another") for one in samples)])
    assert {(row.trial, row.feature) for row in bench.judged("candidate")} == {(trial.id, "extraction")}
    assert bench.evidence().sequence.interval.n == 3
    assert 0 < account(bench.store.counters, trial).spent_nano < trial.cap_nano


async def test_a_trial_that_is_cancelled_counts_its_calls_at_their_worst_case(bench: Bench) -> None:
    trial = bench.start()
    bench.zoo.fail("sim-finch-s", Fault("slow", 30.0))
    samples = bench.samples(2)
    running = asyncio.create_task(bench.run(samples))
    async with asyncio.timeout(10):
        while bench.zoo.tally["sim-finch-s", "asked"] < 2:  # noqa: ASYNC110 - the zoo runs in a thread of its own
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    price = bench.snapshot.deployments[SMALL].price
    assert price is not None
    least = sum(worst_case(copy(sample.body, sample.usage), 0, price) for sample in samples)
    assert account(bench.store.counters, trial).spent_nano > least
    assert list(bench.store.journal.judgements(Filter())) == []


def test_the_worst_case_covers_cache_writes_choices_and_media() -> None:
    price = Price(Rates(Decimal(1), Decimal(10), cached=Decimal("0.1"), cache_written=Decimal("1.25")))
    text = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
    plain = worst_case(copy(msgspec.json.encode(text)), 100, price)
    assert plain == amount(Usage(input=612, output=100, cache_written=612), price)
    several = copy(msgspec.json.encode({**text, "n": 128}))
    assert worst_case(several, 100, price) == plain  # one is asked for
    assert "n" not in several.fields
    twice = worst_case(replace(several, request=replace(several.request, choices=2)), 100, price)
    assert twice - plain == amount(Usage(output=100), price)
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}
    assert worst_case(copy(msgspec.json.encode({**text, "messages": [picture]})), 100, price) > 50 * plain / 2


class TestReview:
    """What trials put into the queue for people."""

    def keep(self, bench: Bench, days: int) -> None:
        route = bench.snapshot.routes["auto"]
        plans = {name: replace(plan, review_days=days) for name, plan in route.plans.items()}
        bench.snapshot = replace(bench.snapshot, routes={"auto": replace(route, plans=plans)})

    async def test_nothing_is_kept_unless_the_owner_wants_it(self, bench: Bench) -> None:
        bench.start()
        await bench.run(bench.samples(5))
        assert bench.store.reviews.questions() == []

    async def test_every_comparison_becomes_a_question_with_what_people_read(self, bench: Bench) -> None:
        self.keep(bench, 14)
        trial = bench.start(SMALL, TINY)
        await bench.run(bench.samples(20))
        questions = bench.store.reviews.questions()
        assert len(questions) == 40
        tasks = list(FEATURE.tasks(20, seed=1))
        judged = {(row.exchange, row.deployment): row.score for row in bench.judged("candidate")}
        right = {row.exchange: row.score for row in bench.judged("reference")}
        for one in questions:
            task = tasks[int(one.exchange[1:])]
            said, other = (bench.zoo.truth(name.removeprefix("zoo/"), task).text for name in (one.deployment, one.reference))
            score, base = judged[one.exchange, one.deployment], right[one.exchange]
            assert score is not None
            assert base is not None
            assert (one.trial, one.reference, one.arm, one.machine) == (trial.id, BIG, "candidate", score - base)
            assert (one.worth == 0) == (said.strip() == other.strip())
            material = bench.store.reviews.material(one)
            assert (material is None) == (one.worth == 0)
            if material is not None:
                assert (material.answer, material.other) == (said, other)
                assert str(task.body("auto")["messages"][-1]["content"]) in material.request
        assert any(one.worth for one in questions)

    async def test_what_failed_is_no_question(self, bench: Bench) -> None:
        self.keep(bench, 14)
        bench.start()
        bench.zoo.fail("sim-finch-s", Fault("status", 400))
        await bench.run(bench.samples(2))
        assert bench.judged("candidate")
        assert bench.store.reviews.questions() == []

    async def test_answers_as_served_are_questions_of_their_own(self, bench: Bench) -> None:
        self.keep(bench, 14)
        bench.start()
        await bench.run(bench.samples(30))
        bench.accept()
        before = {one.id for one in bench.store.reviews.questions()}
        await bench.run(
            [replace(one, exchange=f"y{one.exchange}") for one in bench.samples(4, arm="policy", deployment=SMALL)]
        )
        served = [one for one in bench.store.reviews.questions() if one.id not in before]
        assert {(one.trial, one.reference, one.arm, one.deployment) for one in served} == {("", "", "policy", SMALL)}
        assert [one.machine for one in served] == [row.score for row in bench.judged("policy")]
