"""Pictures that commands draw: real files."""

from pathlib import Path

from pointsman.cli.pictures import cost_quality_curve
from pointsman.control.evaluate import AUTO, POSSIBLE, SINGLE, Evaluation, Measured


def test_the_curve_is_a_picture_also_where_costs_are_unknown(tmp_path: Path) -> None:
    ways = (
        Measured(SINGLE, 0.9, (0.0, 0.0, 0.0), 0.002, 1.0),
        Measured(AUTO, 0.89, (-0.01, -0.02, 0.01), 0.001, 0.5),
        Measured(POSSIBLE, 0.99, (0.09, 0.08, 0.1), 0.0005, 0.25),
        Measured("another", 0.5, (-0.4, -0.5, -0.3), None, None),
    )
    models = (("p/a", 0.002, 0.9), ("p/b", 0.0002, 0.6))
    found = Evaluation(ways, ((0.0002, 0.6), (0.001, 0.89)), models, 5, 300, 1, ("p/a",))
    cost_quality_curve(found, tmp_path / "curve.png")
    data = (tmp_path / "curve.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 20_000
