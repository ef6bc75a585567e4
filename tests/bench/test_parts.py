"""Parts measured beside ways of choosing: kept while tables and code are the same, told in the document."""

import sys
from pathlib import Path

import pytest

import choosing
import routing
from choosing import kept, parts
from choosing.floors import Floor

PROBE = """
from pathlib import Path

from choosing.floors import Floor
from choosing.helped import COUNT
from choosing.parts import Found

NAME = "a probe"


def measure(tables, cache, tell):
    tell("a probe, half of it")
    with (tables / "times").open("a") as file:
        file.write("x")
    return Found("## Probed", (Floor(5, "a floor of the probe", str(COUNT), "beaten"),), skipped="one: not there")
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of tables, beside a package with a part and a module that it imports."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "probe.py").write_text(PROBE, "utf-8")
    (package / "helped.py").write_text("COUNT = 1\n", "utf-8")
    (tmp_path / "one.parquet").write_bytes(b"rows")
    monkeypatch.setattr(choosing, "__path__", [*choosing.__path__, str(package)])
    monkeypatch.setitem(kept._SOURCES, "choosing", package)
    for name in ("choosing.probe", "choosing.helped"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def times(directory: Path) -> int:
    return len((directory / "times").read_text("utf-8"))


def test_a_part_is_measured_once(probe: Path) -> None:
    heard: list[str] = []
    first = parts.measured(["probe"], probe, probe / "cache", heard.append)
    again = parts.measured(["probe"], probe, probe / "cache", heard.append)
    assert first == again
    assert first[0].floors == (Floor(5, "a floor of the probe", "1", "beaten"),)
    assert times(probe) == 1
    assert heard == ["a probe", "a probe, half of it", "a probe, measured", "a probe, measured"]


def test_changed_code_below_a_part_or_a_changed_table_is_measured_again(probe: Path) -> None:
    parts.measured(["probe"], probe, probe / "cache", lambda _: None)
    (probe / "package" / "helped.py").write_text("COUNT = 22\n", "utf-8")
    parts.measured(["probe"], probe, probe / "cache", lambda _: None)
    assert times(probe) == 2
    (probe / "one.parquet").write_bytes(b"other rows")
    parts.measured(["probe"], probe, probe / "cache", lambda _: None)
    assert times(probe) == 3


def test_what_a_part_imports_is_followed() -> None:
    names = {path.name for path in kept.sources("choosing.parts")}
    assert {"parts.py", "floors.py", "figures.py", "trade.py"} <= names


def test_every_part_is_there() -> None:
    assert all(kept.sources(f"choosing.{name}") for name in parts.PARTS)


def test_a_part_alone_is_told_with_its_floors(
    probe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts, "PARTS", ("probe",))
    monkeypatch.setattr("sys.argv", f"routing.py --tables {probe} --cache {probe}/cache --only none --parts probe".split())
    routing.main()
    told = capsys.readouterr().out
    assert "skipped one: not there" in told
    assert "| 5 | a floor of the probe | 1 | beaten |" in told
    assert "## Probed" in told
    monkeypatch.setattr("sys.argv", [*sys.argv, "--write"])
    with pytest.raises(SystemExit):
        routing.main()
    assert "--write needs tables" in capsys.readouterr().err
