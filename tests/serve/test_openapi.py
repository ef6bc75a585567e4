"""The published description is in step with what is answered."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from pointsman.gateway import app
from pointsman.gateway.entries import paths
from pointsman.serve import control_api
from pointsman.serve.openapi import description
from tests.gateway.conftest import Rig, a_snapshot, rig  # noqa: F401 - a fixture

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_what_is_published_is_what_is_described() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == json.loads(msgspec.json.encode(description())), (
        "python -m pointsman.serve.openapi > docs/openapi.json"
    )


def test_every_reference_leads_somewhere() -> None:
    whole = description()
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(whole))):
        found = whole
        for step in reference.split("/"):
            found = found[step]


async def test_every_path_is_answered_and_every_answered_path_described(rig: Rig) -> None:  # noqa: F811
    rig.publish(a_snapshot(1))
    described = description()["paths"]
    for path, operations in described.items():
        if "servers" in operations:
            continue
        for method in operations:
            status, headers, _ = await rig.get(path.replace("{model}", "auto"), "OPTIONS")
            assert (status, headers["allow"]) == (405, method.upper()), path
    told = {path if path.startswith("/") else f"/v1beta/models/MODEL{path}" for path in paths()}
    assert {path.replace("MODEL", "{model}") for path in told} | set(app._LOOKED_AT) <= set(described)


@pytest.mark.parametrize("path", ["/control/v1/replay", "/control/v1/drill"])
def test_the_control_planes_paths_are_described(path: str) -> None:
    assert path in description()["paths"]
    assert f'"{path}"' in Path(control_api.__file__).read_text("utf-8")


def test_errors_are_described_in_every_dialect() -> None:
    operation = description()["paths"]["/v1/messages"]["post"]
    assert operation["responses"]["429"] == {"$ref": "#/components/responses/anthropic_429"}
