"""Replays of real journals: known truths, several processes, other snapshots, tables, and journals of other versions."""

import dataclasses
import itertools
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from harness.past import START_MS, World, a_world, past
from pointsman.control.replay.answer import Replay
from pointsman.control.replay.question import Question, QuestionError, read_factors, read_objective
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import StoreError, TableError
from pointsman.core.routing import Plan
from pointsman.policy.estimate import CannotTell, Estimate
from pointsman.serve import replaying
from pointsman.serve.replaying import replay, replay_table
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from pointsman.store.seal import KEY_FILE
from pointsman.store.sqlite import FILE, open_store, schema

REFERENCE = "zoo/sim-eagle-xl"


@cache
def a_small_world(acting_share: float = 0.95) -> World:
    return a_world(80, acting_share=acting_share, one_feature=True, learned_from=160)


def recorded(path: Path, world: World, count: int, *, graded: float = 0.5, seed: int = 0) -> Workspace:
    """An installation that has served so many exchanges."""
    workspace = Workspace(None, path)
    published = workspace.publish(lambda _: world.snapshot, made_by="a test")
    rows = past(world, count, graded=graded, seed=seed, snapshot=published.hash)
    while batch := list(itertools.islice(rows, 1000)):
        workspace.store.journal.append([record for record, _ in batch])
        workspace.store.journal.judge([judgement for _, judgement in batch if judgement is not None])
    return workspace


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """An installation that nobody changes."""
    workspace = recorded(tmp_path_factory.mktemp("served"), a_small_world(), 1200)
    yield workspace
    workspace.close()


def test_what_was_decided_is_decided_again(served: Workspace) -> None:
    found = replay(served, Question())
    assert (found.total.requests, found.total.moved, found.total.expected_nano) == (1200, 0, 0)
    assert found.total.exact_nano == found.total.nano_then
    assert (found.snapshot, found.made_by) == (1, "bench")


def test_several_processes_say_the_same(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "SPAN", 150)
    question, heard = Question(without=("sim-stork-m",)), list[tuple[int, int]]()
    alone = replay(served, question, processes=1)
    together = replay(served, question, processes=2, advance=lambda done, of: heard.append((done, of)))
    assert together.total.who == alone.total.who
    (mine,), (theirs,) = together.features, alone.features
    assert mine.moves == theirs.moves
    assert mine.quality is not None
    assert theirs.quality is not None
    assert mine.quality.now.worth == pytest.approx(theirs.quality.now.worth)
    assert heard[-1] == (1200, 1200)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.long
def test_quality_without_a_model_is_covered_and_money_is_near(tmp_path: Path) -> None:
    """Where chance gave the reference half of the requests, its quality on all of them is known, and is what was true."""
    world = a_small_world(0.5)
    truth = sum(one.right[REFERENCE] for one in world.asked) / len(world.asked)
    hit = 0
    for seed in range(20):
        workspace = recorded(tmp_path / str(seed), world, 1500, graded=1.0, seed=seed)
        others = tuple(name for name in world.names if name != REFERENCE)
        found = replay(workspace, Question(without=others))
        workspace.close()
        quality = found.features[0].quality
        assert quality is not None
        assert isinstance(quality.now, Estimate)
        hit += quality.now.low <= truth <= quality.now.high
        assert [(who.deployment, who.requests) for who in found.total.who if who.requests] == [(REFERENCE, 1500)]
        asked = sum(one.cost_nano[REFERENCE] for one in world.asked) / len(world.asked) * 1500
        assert found.total.nano == pytest.approx(asked, rel=0.1)
    assert hit >= 17  # of 20 at 95 %: fewer have a chance of 0.3 %


def test_a_vendor_at_twice_its_price_costs_twice_as_much_where_it_stays(served: Workspace) -> None:
    now, dear = replay(served, Question()), replay(served, Question(prices=read_factors(["sim-eagle-xl=2x"])))
    paid = {who.deployment: who.nano for who in now.total.who}
    assert dear.total.moved == 0  # it serves the control share, which no price changes
    assert {who.deployment: who.nano for who in dear.total.who} == {**paid, REFERENCE: 2 * paid[REFERENCE]}


def test_a_dearer_model_loses_requests(served: Workspace) -> None:
    found = replay(served, Question(prices=read_factors(["sim-stork-m=50x"])))
    (stork,) = [who for who in found.total.who if who.deployment == "zoo/sim-stork-m"]
    assert stork.requests < stork.requests_then / 2
    assert found.total.expected_nano > 0


def test_what_was_never_tried_cannot_be_told(served: Workspace) -> None:
    found = replay(served, Question(without=("sim-stork-m",)))
    (answer,) = found.features
    assert msgspec.json.decode(msgspec.json.encode(found), type=Replay) == found
    assert answer.quality is not None
    assert isinstance(answer.quality.now, CannotTell)
    assert "pointsman trial all --candidates" in answer.quality.remedy


@pytest.mark.parametrize(("said", "dearer"), [("worth 0.1", True), ("worth 0.00001", False), ("budget 100", True)])
def test_another_objective_spends_more_or_less(served: Workspace, said: str, *, dearer: bool) -> None:
    found = replay(served, Question(objective=read_objective(said)))
    assert (found.total.nano > found.total.nano_then) == dearer
    assert found.notes == ()


def test_a_budget_is_kept_by_what_the_policy_decides(served: Workspace) -> None:
    found = replay(served, Question(objective=read_objective("budget 0.3")))
    control = [who for who in found.total.who if who.deployment == REFERENCE]
    chosen = found.total.nano - sum(who.nano for who in control)
    assert chosen / found.total.requests <= 0.0003 * 1e9


def test_where_nothing_was_learned_an_objective_changes_nothing(tmp_path: Path) -> None:
    world = a_small_world()
    bare = dataclasses.replace(world, snapshot=replace(world.snapshot, policies={}))
    workspace = recorded(tmp_path, bare, 50)
    found, before = replay(workspace, Question(objective=read_objective("best"))), replay(workspace, Question())
    workspace.close()
    assert found.total == before.total
    assert found.notes == ("route auto: nothing is learned to choose by, so the objective changes nothing there",)


def test_as_of_a_moment_its_snapshot_decides(tmp_path: Path) -> None:
    world = a_small_world()
    workspace = recorded(tmp_path, world, 100)
    store = workspace.store
    (first,) = store.snapshots.history()
    route = world.snapshot.routes["auto"]
    held = replace(world.snapshot, routes={"auto": replace(route, plans={"*": Plan("*", reference=REFERENCE)})})
    workspace.publish(lambda _: held, made_by="back to observe")
    assert replay(workspace, Question()).total.who[0].deployment == REFERENCE
    assert replay(workspace, Question(snapshot=1)).total.moved == 0
    assert replay(workspace, Question(as_of_ms=first.at_ms)).total.moved == 0
    with pytest.raises(QuestionError, match="nothing was published yet at that time; snapshots are numbered 1 to 2"):
        replay(workspace, Question(as_of_ms=first.at_ms - 1))
    with pytest.raises(QuestionError, match="there is no snapshot 7"):
        replay(workspace, Question(snapshot=7))
    workspace.close()


def test_a_conversation_goes_where_its_beginning_goes(tmp_path: Path) -> None:
    world = a_small_world()
    workspace = Workspace(None, tmp_path)
    workspace.publish(lambda _: world.snapshot, made_by="a test")
    rows = [record for record, _ in past(world, 300) if record.decision is not None and record.decision.arm == "policy"]
    begins = rows[0]
    assert begins.decision is not None
    other = next(row for row in rows if row.decision is not None and row.decision.chosen != begins.decision.chosen)
    inside = replace(begins.decision, course=begins.id, needs=other.decision and other.decision.needs)
    later = [replace(begins, id=row.id, at_ms=row.at_ms, decision=inside, vector=other.vector) for row in rows[1:4]]
    alone = replace(later[0], id=rows[5].id, decision=replace(inside, course="f" * 24))
    workspace.store.journal.append([begins, *later, alone])
    found = replay(workspace, Question())
    workspace.close()
    moves = {(move.then, move.now): move.requests for move in found.total.moves}
    assert other.decision is not None
    chosen = begins.decision.chosen
    assert moves == {(chosen, chosen): 4, (chosen, other.decision.chosen): 1}  # nobody knows how the last one began


def test_a_period_is_a_period(served: Workspace) -> None:
    until = START_MS + 2_000 * 300
    assert replay(served, Question(until_ms=until)).total.requests == 300
    assert replay(served, Question(since_ms=until)).total.requests == 900
    assert replay(served, Question(feature="none")).total.requests == 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_journal_of_an_older_version_is_read(tmp_path: Path, version: int) -> None:
    recorded(tmp_path / "new", a_small_world(), 60).close()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / KEY_FILE).write_bytes((tmp_path / "new" / KEY_FILE).read_bytes())
    connection = sqlite3.connect(tmp_path / "old" / FILE)
    for script in schema._scripts()[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("ATTACH ? AS new", (str(tmp_path / "new" / FILE),))
    for name in ("exchanges", "bodies", "judgements", "snapshots"):
        columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({name})"))
        connection.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM new.{name}")  # noqa: S608
    connection.commit()
    connection.close()
    old, new = Workspace(None, tmp_path / "old"), Workspace(None, tmp_path / "new")
    assert replay(old, Question()) == replay(new, Question())
    old.close()
    new.close()


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path, a_small_world(), 5).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version of Pointsman"):
        replay(Workspace(None, tmp_path), Question())


def test_what_another_version_had_learned_is_refused_with_what_to_ask_instead(served: Workspace, tmp_path: Path) -> None:
    now = served.snapshot()
    store = open_store(tmp_path, vector_key=None)
    old = replace(now, policies=dict.fromkeys(now.policies, b"of another version"))
    store.snapshots.publish(snapshots.encode(old), made_by="an older version", at_ms=1)
    store.journal.append(list(served.store.journal.exchanges(Filter(), limit=5)))
    store.close()
    with pytest.raises(QuestionError, match=r"another version of Pointsman had learned, .* with --snapshot or --as-of"):
        replay(Workspace(None, tmp_path), Question())


def test_nothing_recorded_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is recorded in"):
        replay(Workspace(None, tmp_path), Question())


# Tables.


def a_table(path: Path, world: World, *, names: tuple[str, ...] = ()) -> Path:
    lines = ["prompt_id,prompt,model,score,prompt_tokens,completion_tokens"]
    for number, one in enumerate(world.asked):
        text = one.request.user_text.replace('"', "'").replace("\n", " ")
        lines += [
            f'p{number},"{text}",{name},{float(one.right[name])},{one.usage[name].input},{one.usage[name].output}'
            for name in names or world.names
        ]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_a_table_is_decided_as_if_the_reference_had_answered_it(served: Workspace, tmp_path: Path) -> None:
    world = a_small_world()
    found = replay_table(served, Question(), a_table(tmp_path / "t.csv", world))
    reference = sum(one.cost_nano[REFERENCE] for one in world.asked)
    assert (found.total.requests, found.total.nano_then, found.total.expected_nano) == (80, reference, 0)
    assert found.total.nano < reference
    quality = found.features[0].quality
    assert quality is not None
    assert quality.now == CannotTell("too few", 80, 80.0, 0.0)  # 80 prompts
    alone = tuple(name for name in world.names if name != REFERENCE)
    assert replay_table(served, Question(without=alone), tmp_path / "t.csv").total.nano == reference


def test_a_table_without_the_reference_is_a_mistake(served: Workspace, tmp_path: Path) -> None:
    names = ("zoo/sim-stork-m", "zoo/sim-crane-m")
    with pytest.raises(QuestionError, match="sim-eagle-xl, is not in the table"):
        replay_table(served, Question(), a_table(tmp_path / "t.csv", a_small_world(), names=names))
    with pytest.raises(TableError, match="there is no such file"):
        replay_table(served, Question(), tmp_path / "none.csv")
