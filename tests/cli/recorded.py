"""What the tests of report, journal and import share: an empty installation, what is published and recorded in it."""

from decimal import Decimal

import msgspec
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision, Deployment, Objective, Plan, Prediction, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace

AT = 1_764_000_000_000
NAMES = ("z/big", "z/small")


def publish(workspace: Workspace) -> None:
    prices = (Price(Rates(Decimal(2), Decimal(10))), Price(Rates(Decimal("0.1"), Decimal("0.4"))))
    snapshot = Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price) for name, price in zip(NAMES, prices, strict=True)},
        {"auto": Route("auto", "z/big", ("z/small",), Objective(), 0.05, {"*": Plan("*", reference="z/big")})},
    )
    workspace.publish(lambda _: snapshot, made_by="a test")


def record(number: int, **fields: object) -> ExchangeRecord:
    decision = Decision(
        "z/big", ("z/small",), NAMES, (0.95, 0.05), "canary", "control", "held on the reference",
        (Prediction("z/big", 0.9, 0.02, 3_000_000), Prediction("z/small")), {"z/tiny": "context too short"}, "abc",
    )  # fmt: skip
    attempt = Attempt("z/big", "first", AT, 200, "", 40.0, 120.0, Usage(1000, 100, 250), 3_000_000, "stop")
    base = ExchangeRecord(
        f"{number:024x}", AT + number, "auto", "support", "ok", 200, decision, (attempt,), route="auto", latency_ms=120.0,
        vector=b"\x01abc",
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, [words[0], "--data", str(workspace.data), *words[1:]])


def words_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())
