"""What is expected of a new model, which prompts it is asked, and how their answers are graded within a cap."""

import asyncio
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.control.test_calls import Scripted, completion
from tests.policy.test_onboard import coin, graded, release, whole

from pointsman.control.calls import Calls
from pointsman.control.config.values import ReleaseRules
from pointsman.control.onboard import SPREAD, Row, ask, choose, expectations, to_ask
from pointsman.control.purse import Purse
from pointsman.core.errors import ConfigError, TableError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Grader, Provider, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.store.sqlite import open_store

NEW = "p/new"
SNAPSHOT = Snapshot(
    providers={"p": Provider("p", base_url="http://127.0.0.1:9/v1", credential="none")},
    deployments={NEW: Deployment(NEW, "p", "new", "new", Price(Rates(Decimal(1), Decimal(10))))},
)


def rows(count: int, **more: object) -> list[Row]:
    questions = {f"g{n}": {"prompt_id": f"p{n}", "prompt": f"what is {n}?", **more} for n in range(count)}
    return to_ask(NEW, list(questions), questions)


def answered(
    tmp_path: Path, asked: list[Row], grader: Grader, transport: Scripted, cap: int = 10**12
) -> tuple[list[Row], int]:
    store = open_store(tmp_path, vector_key=bytes(32))
    heard: list[None] = []
    try:
        purse = Purse(store.counters, Trial("t", (NEW,), 1.0, cap))
        calls = Calls(transport, lambda _: transport, store.ledger, lambda: 1)
        found = asyncio.run(ask(calls, SNAPSHOT, asked, grader, purse, lambda: heard.append(None)))
    finally:
        store.close()
    return found, len(heard)


def test_what_the_owner_says_is_what_is_expected() -> None:
    releases = {NEW: ReleaseRules(quality=0.8, like="p/sums"), "p/other": ReleaseRules(quality=0.5, spread=0.02)}
    found = expectations(releases, whole())
    assert (found[NEW].quality, found[NEW].spread, found[NEW].like) == (0.8, SPREAD, "p/sums")
    assert found["p/other"].spread == 0.02


def test_published_figures_say_what_others_with_such_figures_reach() -> None:
    names = whole().deployments
    means = whole().score.mean(axis=0)
    figures = {name: ReleaseRules(published={"bench": float(200 * mean)}) for name, mean in zip(names, means, strict=True)}
    found = expectations({**figures, NEW: ReleaseRules(published={"bench": 150.0, "unheard of": 1.0})}, whole())
    assert found[NEW].quality == pytest.approx(0.75, abs=0.01)
    assert found[NEW].spread == 0.05  # however well the line fits
    alone = expectations({NEW: ReleaseRules(published={"bench": 150.0})}, whole())
    assert alone[NEW].quality is None


def test_prompts_are_chosen_among_those_not_asked_yet() -> None:
    first = choose(whole(), NEW, 30)
    assert len(set(first)) == 30
    places = np.flatnonzero(np.isin(whole().groups, first))
    own = graded(release(coin(0.8, 0)), places)
    more = choose(whole().beside(own, own.score), NEW, 30)
    assert not set(first) & set(more)


def test_when_every_prompt_was_asked_that_is_said() -> None:
    own = release(coin(0.8, 0))
    with pytest.raises(TableError, match="p/new was graded on every prompt"):
        choose(whole().beside(own, own.score), NEW, 10)


def test_of_a_single_known_model_nothing_can_be_chosen() -> None:
    with pytest.raises(TableError, match="no prompts can be chosen"):
        choose(whole().columns([0]), NEW, 10)


def test_rows_to_ask_name_the_group_and_leave_the_grade_open() -> None:
    questions = {f"g{n}": {"prompt_id": "same", "prompt": "text", "dataset": "d"} for n in range(2)}
    found = to_ask(NEW, ["g1", "g0"], questions)
    assert [row["prompt_id"] for row in found] == ["g1", "g0"]  # ids of different tables would clash
    assert found[0] == {
        "prompt_id": "g1", "dup_group": "g1", "prompt": "text", "dataset": "d", "model": NEW, "score": None,
        "prompt_tokens": None, "completion_tokens": None, "cost_usd": None,
    }  # fmt: skip


def test_answers_are_graded_with_their_tokens_and_costs(tmp_path: Path) -> None:
    transport = Scripted(data=completion("It is 4", usage={"prompt_tokens": 7, "completion_tokens": 3}))
    asked = [*rows(1, expected="4"), *rows(1, expected="5")]
    found, heard = answered(tmp_path, asked, Grader("numeric"), transport)
    assert [row["score"] for row in found] == [1.0, 0.0]
    assert (found[0]["prompt_tokens"], found[0]["completion_tokens"]) == (7, 3)
    assert found[0]["cost_usd"] == pytest.approx(7e-6 + 3e-5)
    assert heard == 2


def test_messages_are_asked_as_they_stand(tmp_path: Path) -> None:
    transport = Scripted(data=completion("4"))
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "2+2"}]
    text = '[{"role": "system", "content": "be brief"}, {"role": "user", "content": "2+2"}]'
    kinds: list[Row] = [{"messages": messages}, {"messages": text}, {"prompt": text}]
    for told in kinds:
        asked = [{"prompt_id": "a", "model": NEW, "expected": "4", **told}]
        answered(tmp_path, asked, Grader("exact"), transport)
    for request in transport.sent:
        assert b'"be brief"' in request.body
        assert b'"system"' in request.body


def test_what_cannot_be_graded_is_not_paid_for(tmp_path: Path) -> None:
    transport = Scripted(data=completion("4"))
    found, _ = answered(tmp_path, rows(3), Grader("exact"), transport)
    assert not transport.sent
    assert [row["score"] for row in found] == [None] * 3
    assert "no expected answer" in found[0]["note"]


def test_beyond_the_cap_rows_stay_open(tmp_path: Path) -> None:
    transport = Scripted(data=completion("4", usage={"prompt_tokens": 7, "completion_tokens": 3}))
    found, _ = answered(tmp_path, rows(2, expected="4"), Grader("exact"), transport, cap=1)
    assert not transport.sent
    assert "cap" in found[0]["note"]
    assert found[0]["score"] is None


def test_a_refusal_is_wrong_and_an_outage_is_nothing(tmp_path: Path) -> None:
    refused, _ = answered(tmp_path, rows(1, expected="4"), Grader("exact"), Scripted(status=400))
    assert refused[0]["score"] == 0.0
    out, _ = answered(tmp_path, rows(1, expected="4"), Grader("exact"), Scripted(status=503))
    assert out[0]["score"] is None
    assert "503" in out[0]["note"]


def test_a_judge_compares_two_answers_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a judge compares"):
        answered(tmp_path, rows(1), Grader("judge", "p/judge"), Scripted())
