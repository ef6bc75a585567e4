"""Asking twice from a table to replies: learned with ``pointsman learn``, served by ``pointsman up`` in front of the zoo."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pa_parquet
from click.testing import CliRunner

from pointsman.cli import commands
from pointsman.policy.answers import compared
from pointsman.upstream.simulated.tasks import Task, generate
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

MODELS = ("sim-eagle-xl", "sim-heron-l", "sim-crane-m", "sim-stork-m")


def tasks(count: int, seed: int) -> Iterator[Task]:
    """Sums that no model is sure of."""
    rng = Random(seed)
    return (generate("arithmetic", "en", rng.uniform(0.6, 1.0), rng) for _ in range(count))


def table(zoo: Zoo, path: Path, *, answers: bool = True) -> Path:
    """What the zoo's models answer to 500 tasks."""
    rows = []
    for place, task in enumerate(tasks(500, 1)):
        for name in MODELS:
            said = zoo.truth(name, task)
            row = {"prompt_id": str(place), "prompt": task.user, "model": f"zoo/{name}", "score": float(said.right),
                   "prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens}  # fmt: skip
            rows.append(row | ({"answer": compared("numeric", said.text)} if answers else {}))
    pa_parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def learn(config: Path, outcomes: Path) -> str:
    result = CliRunner().invoke(commands, ["learn", "--config", str(config), str(outcomes)])
    assert result.exit_code == 0, result.output
    return result.output


def test_what_was_learned_is_asked_and_every_call_is_paid_and_kept(
    zoo: Zoo, config: Path, start: Callable[..., Up], tmp_path: Path
) -> None:
    text = config.read_text("utf-8").replace("control_share = 0.05", 'control_share = 0\nask_twice = "numeric"')
    config.write_text(text.replace('objective = "match"', 'objective = "best"'), "utf-8")
    assert "add a column answer" in learn(config, table(zoo, tmp_path / "silent.parquet", answers=False))
    said = learn(config, table(zoo, tmp_path / "t.parquet"))
    assert "asking twice: zoo/sim-" in said, said
    up = start()
    client, right, exchanges = up.client(), 0, []
    for task in tasks(60, 2):
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=task.messages)  # type: ignore[arg-type]
        exchanges.append(str(raw.headers["x-pointsman-exchange"]))
        right += compared("numeric", raw.parse().choices[0].message.content or "") == compared("numeric", task.answer)
    records = up.recorded(*exchanges)
    twice = [record for record in records if len(record.attempts) > 1]
    assert len(records) == 60
    assert len(twice) > 10
    for record in twice:
        assert [one.cause for one in record.attempts] == ["first", *["asked"] * (len(record.attempts) - 1)]
        assert record.cost_nano == sum(one.cost_nano or 0 for one in record.attempts)
        assert sum(not one.unused for one in record.attempts) == 1
    best = max(sum(zoo.truth(name, task).right for task in tasks(60, 2)) for name in MODELS)
    assert right >= best
