"""The demo's pictures: real files, of a size that can be looked at, with nothing outside."""

import struct
from pathlib import Path

import pytest

from pointsman.cli.demo import pictures
from pointsman.cli.demo.compare import Answer, way
from pointsman.control.verdict import Ratio, Row
from pointsman.policy.guarantee import Interval, VerdictKind
from pointsman.store.interfaces import Spend


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def row(feature: str, candidate: str, kind: VerdictKind) -> Row:
    change = Interval(-0.02, -0.06, 0.03, 400)
    return Row(feature, "zoo/sim-eagle-xl", candidate, "t", change, 0, Ratio(0.3, 0.2, 0.4, 9), kind, 0.05)


@pytest.mark.parametrize(("features", "candidates"), [(1, 1), (4, 8)])
def test_verdicts_grow_with_their_rows_and_stay_of_a_size_to_look_at(tmp_path: Path, features: int, candidates: int) -> None:
    kinds: tuple[VerdictKind, ...] = ("ready", "cannot tell", "stay")
    rows = [row(f"feature{f}", f"zoo/sim-{c}", kinds[c % 3]) for f in range(features) for c in range(candidates)]
    pictures.verdicts(rows, tmp_path / "verdicts.png")
    width, height = size(tmp_path / "verdicts.png")
    assert width == 1235
    assert height < 1500


def test_spend(tmp_path: Path) -> None:
    line = Spend("support", "zoo/a", "observe", "observed", 9, 0, 1, 0, 1, 5 * 10**8, 0.0, 0, 1.0, 1.0, 1, 2)
    pictures.spend_by_feature([line], tmp_path / "spend.png")
    assert size(tmp_path / "spend.png")[0] == 1040


def test_cost_and_quality_with_means_that_are_hardly_known(tmp_path: Path) -> None:
    """A mean cost whose interval reaches below zero has no place on a logarithmic axis: the bar is cut, nothing fails."""
    few = way("auto", [Answer(True, 1), Answer(False, 9_000_000_000)], measured=True)
    sure = way("zoo/sim-gnat-xs", [Answer(True, 4_000_000), Answer(True, 5_000_000)])
    assert few.usd_per_1000.low < 0
    pictures.cost_and_quality([sure, few], [sure], tmp_path / "ways.png")
    assert size(tmp_path / "ways.png") == (1235, 780)
