"""``pointsman predict``: what a snapshot expects of every deployment for every prompt of a file."""

from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from pointsman.cli import files
from pointsman.cli.figures import paper
from pointsman.control.tables import Prompts
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import SnapshotError, TableError
from pointsman.core.price import NANO_PER_USD
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model


@click.command("predict")
@click.argument("prompts", type=click.Path(path_type=Path))
@click.option(
    "--snapshot", required=True, type=click.Path(path_type=Path), help="A file that `pointsman learn --out` wrote."
)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The Parquet file to write.")
@click.option("--route", default="auto", show_default=True, help="The route whose policy predicts.")
def command(prompts: Path, snapshot: Path, out: Path, route: str) -> None:
    """Predict quality and cost of every deployment for each row of PROMPTS (columns prompt_id, and prompt or messages).

    Writes prompt_id, deployment, quality in [0, 1], quality_sd (its standard error), cost_usd (expected cost of the call),
    cost_usd_p90, output_tokens (the median) and output_tokens_p90.
    """
    current = load(snapshot)
    data = current.policies.get(route)
    if not data:
        raise SnapshotError(
            f"{snapshot}: there is no learned policy for the route {route}; it has {', '.join(current.policies) or 'none'}"
        )
    policy = model.decode(data)
    asked = files.read_asked(prompts, current.encoder if policy.encoder else None)
    table = predictions(current, policy, asked)
    try:
        pa_parquet.write_table(table, out)
    except OSError as error:
        raise TableError(f"{out} cannot be written ({error.strerror}); name another place with --out") from error
    paper().print(f"wrote {out}: {table.num_rows:,} rows, {len(asked):,} prompts")


def predictions(current: Snapshot, policy: model.Policy, asked: Prompts) -> pa.Table:
    """Return one row per prompt and deployment, prompt by prompt."""
    names = [name for name in policy.deployments if name in current.deployments]
    columns = [policy.deployments.index(name) for name in names]
    found = model.estimate(policy, asked.vectors, list(zip(asked.features, asked.customers, strict=True)))
    usual, high = (model.at_quantile(policy, found, quantile) for quantile in (model.MEDIAN, model.HIGH))

    def usd(estimates: model.Estimates) -> NDArray[np.float64]:
        each = [
            model.expected_cost(estimates, column, asked.input_tokens, current.deployments[name])
            for name, column in zip(names, columns, strict=True)
        ]
        return np.stack(each, axis=1) / NANO_PER_USD

    def tokens(estimates: model.Estimates) -> NDArray[np.float64]:
        return estimates.tokens[:, columns].astype(np.float64)

    return pa.table(
        {
            "prompt_id": np.repeat(np.array(asked.ids, dtype=object), len(names)),
            "deployment": np.tile(np.array(names, dtype=object), len(asked)),
            "quality": found.quality[:, columns].astype(np.float64).ravel(),
            "quality_sd": found.quality_sd[:, columns].astype(np.float64).ravel(),
            "cost_usd": pa.array(usd(found).ravel(), from_pandas=True),
            "cost_usd_p90": pa.array(usd(high).ravel(), from_pandas=True),
            "output_tokens": pa.array(tokens(usual).ravel(), from_pandas=True),
            "output_tokens_p90": pa.array(tokens(high).ravel(), from_pandas=True),
        }
    )


def load(path: Path) -> Snapshot:
    """Return the snapshot in a file. Raises SnapshotError, with the file's name."""
    try:
        return snapshots.decode(path.read_bytes())
    except OSError as error:
        raise SnapshotError(
            f"{path} cannot be read ({error.strerror}); name a file that `pointsman learn --out` wrote"
        ) from error
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error
