"""Canary prompts over a real socket, in front of the simulated zoo."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.control.calls import Calls
from pointsman.control.canaries import Canaries, read_prompts
from pointsman.control.compile import compile_snapshot
from pointsman.control.config import parse
from pointsman.control.config.values import CanaryRules
from pointsman.core.demands import Demand
from pointsman.core.errors import ConfigError
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Filter, Store
from pointsman.store.sqlite import open_store
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo
from pointsman.upstream.transport import HttpTransport

FEATURE = next(name for name, one in features().items() if one.grader.kind == "numeric")
HOUR_MS = 3_600_000


class Scene:
    def __init__(self, store: Store, calls: Calls, snapshot: Snapshot, zoo: Zoo, path: Path) -> None:
        self.store, self.snapshot, self.zoo, self.path = store, snapshot, zoo, path
        self.said: list[str] = []
        self.now_ms = 1_000_000_000
        self._calls = calls
        self.canaries = self.restarted()

    def restarted(self) -> Canaries:
        return Canaries(self.store, self._calls, now_ms=lambda: self.now_ms, say=self.said.append)

    async def look(self, **rules: object) -> None:
        await self.canaries.look(self.snapshot, replace(CanaryRules(str(self.path), FEATURE), **rules))

    @property
    def graded(self) -> int:
        return sum(one.score is not None for one in self.store.journal.judgements(Filter()))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "canaries.jsonl"
    rows = [{"messages": task.messages, "expected": task.answer} for task in features()[FEATURE].tasks(6, 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def zoo_url() -> Iterator[tuple[Zoo, str]]:
    zoo = Zoo(seed=3)
    with serving(zoo) as url:
        yield zoo, url


@pytest.fixture
async def scene(tmp_path: Path, prompts: Path, zoo_url: tuple[Zoo, str]) -> AsyncIterator[Scene]:
    zoo, url = zoo_url
    config = parse(config_toml(zoo, url, data="data").encode(), "f")
    snapshot = compile_snapshot(config, None, today=date(2026, 11, 28), made_by="a test").snapshot
    store, transport = open_store(tmp_path / "data", vector_key=None), HttpTransport()
    yield Scene(store, Calls(transport, credentials(fetching(transport)), store.ledger, lambda: 1), snapshot, zoo, prompts)
    await transport.close()
    store.close()


async def test_every_deployment_that_matters_is_asked_when_it_is_due(scene: Scene) -> None:
    await scene.look()
    first = scene.graded
    names = {one.deployment for one in scene.store.journal.judgements(Filter())}
    assert first == 6 * len(names) > 0
    await scene.look()
    await scene.restarted().look(scene.snapshot, CanaryRules(str(scene.path), FEATURE))
    assert scene.graded == first
    scene.now_ms += 24 * HOUR_MS
    await scene.look()
    assert scene.graded == 2 * first
    ids = {one.exchange.split(":")[1] for one in scene.store.journal.judgements(Filter())}
    assert len(ids) == 6


async def test_canary_prompts_obey_the_policies_of_their_feature(scene: Scene) -> None:
    demand = Demand("the data policy 'eu'", regions=("eu",))
    scene.snapshot = replace(scene.snapshot, data_policies={"eu": demand}, feature_policies={FEATURE: ("eu",)})
    await scene.look()
    assert scene.graded == 0
    assert sum(count for (_, what), count in scene.zoo.tally.items() if what == "asked") == 0
    assert "the data policy 'eu'" in scene.said[0]


async def test_each_grade_has_the_time_of_its_answer(scene: Scene) -> None:
    began = scene.now_ms
    times = iter(range(began, began + 1000 * HOUR_MS, HOUR_MS))
    canaries = Canaries(scene.store, scene._calls, now_ms=lambda: next(times), say=scene.said.append)
    await canaries.look(scene.snapshot, CanaryRules(str(scene.path), FEATURE))
    judged = [*scene.store.journal.judgements(Filter())]
    assert len({one.at_ms for one in judged}) == len(judged) == scene.graded
    rounds = {one.exchange.split(":")[2] for one in judged}
    assert len(rounds) == len({one.deployment for one in judged})


async def test_a_day_costs_no_more_than_said(scene: Scene) -> None:
    await scene.look(cap_nano=1)
    assert scene.graded == 0
    assert sum(count for (_, what), count in scene.zoo.tally.items() if what == "asked") == 0
    assert "have no grade" in scene.said[0]


async def test_a_dear_deployment_is_asked_less_often_where_each_has_a_sum_a_day(scene: Scene) -> None:
    """A round is paid for before the next one, in a new process too, and the next one comes when it is."""
    rounds: defaultdict[str, Counter[int]] = defaultdict(Counter)
    each = 18_000_000
    for _ in range(21):
        await scene.restarted().look(scene.snapshot, CanaryRules(str(scene.path), FEATURE, each_nano=each))
        scene.now_ms += 24 * HOUR_MS
    for one in scene.store.journal.judgements(Filter()):
        rounds[one.deployment][int(one.exchange.rpartition(":")[2])] += one.cost_nano or 0
    counts = [len(known) for known in rounds.values()]
    assert min(counts) < max(counts) == 21
    for known in rounds.values():
        for began, following in pairwise(sorted(known)):
            paid_ms = max(known[began] * 24 * HOUR_MS // each, 24 * HOUR_MS)
            assert paid_ms <= following - began < paid_ms + 24 * HOUR_MS


async def test_a_feature_without_a_check_is_refused(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="the feature unheard has no check"):
        await scene.look(feature="unheard")


async def test_without_canaries_nobody_is_asked(scene: Scene) -> None:
    await scene.canaries.look(scene.snapshot, None)
    assert scene.graded == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 prompts"),
        ("{", ":1: this is no JSON object"),
        ('{"prompt": "a"}\n{"expected": "b"}', ":2: there is neither prompt nor messages"),
    ],
)
def test_a_file_that_is_of_no_use_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=words):
        read_prompts(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prompts(tmp_path / "none.jsonl")


def test_a_prompt_that_was_edited_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"prompt": "a", "note": "x"}\n{"prompt": "a"}\n{"prompt": "b"}\n', "utf-8")
    first, second = read_prompts(path)
    assert first.key != second.key
