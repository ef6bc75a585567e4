"""The bill of materials, the licences, and what is published: in step with the lock, the same for everybody."""

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from supply.lock import LOCK, ROOT, locked

from supply import licences, sbom

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FOUND = list(locked(LOCK.read_text("utf-8")))

# What CycloneDX 1.6 (bom-1.6.schema.json) asks of the parts that we write, in its own words.
_REFERENCE = {
    "type": "object",
    "required": ["url", "type"],
    "properties": {
        "type": {"enum": ["distribution"]},
        "url": {"type": "string", "format": "iri-reference"},
        "hashes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["alg", "content"],
                "additionalProperties": False,
                "properties": {"alg": {"enum": ["SHA-256"]}, "content": {"type": "string", "pattern": "^[a-fA-F0-9]{64}$"}},
            },
        },
    },
}
_COMPONENT = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {
        "type": {"enum": ["application", "library"]},
        "bom-ref": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "version": {"type": "string", "maxLength": 1024},
        "purl": {"type": "string", "pattern": r"^pkg:pypi/[a-z0-9.-]+@[^\s?#]+$"},
        "externalReferences": {"type": "array", "items": _REFERENCE},
        "properties": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["bomFormat", "specVersion"],
    "additionalProperties": False,
    "properties": {
        "bomFormat": {"enum": ["CycloneDX"]},
        "specVersion": {"const": "1.6"},
        "serialNumber": {
            "type": "string",
            "pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        },
        "version": {"type": "integer", "minimum": 1},
        "metadata": {
            "type": "object",
            "properties": {"timestamp": {"type": "string", "format": "date-time"}, "component": _COMPONENT},
        },
        "components": {"type": "array", "items": _COMPONENT, "uniqueItems": True},
        "dependencies": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["ref"],
                "properties": {"ref": {"type": "string"}, "dependsOn": {"type": "array", "uniqueItems": True}},
            },
        },
    },
}


def test_everything_is_pinned_by_hash() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        assert list(locked(lock.read_text("utf-8"))), lock
    with pytest.raises(ValueError, match="a is pinned without a hash"):
        list(locked("a==1\n    # via b\n"))


def test_few_things_are_asked_for() -> None:
    """What is declared is what the lock says that we ask for; each more is a decision."""
    declared = {
        re.split(r"[<>=;\[ ]", one)[0] for one in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"])
    }
    assert {one.name for one in FOUND if "pointsman" in one.asked_by} == declared
    assert len(declared) <= 13


def test_the_bill_of_materials_names_all_of_the_lock_and_says_who_needs_what() -> None:
    at = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
    found = sbom.bom(PROJECT, FOUND, at)
    jsonschema.validate(found, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert [(one["name"], one["version"]) for one in found["components"]] == [(one.name, one.version) for one in FOUND]
    refs = {one["bom-ref"] for one in found["components"]}
    assert len(refs) == len(FOUND)
    needs = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert needs.keys() == refs | {f"pkg:pypi/pointsman@{PROJECT['version']}"}
    assert {each for on in needs.values() for each in on} == refs  # nothing is there that nobody needs
    assert json.dumps(found) == json.dumps(sbom.bom(PROJECT, FOUND, at))
    assert "timestamp" not in sbom.bom(PROJECT, FOUND, None)["metadata"]


def test_the_licences_are_in_step_and_may_be_used() -> None:
    """What is written is what the lock pins; of what is installed here its own metadata says the same."""
    page = licences.PAGE.read_text("utf-8")
    rows = re.findall(r"^\| ([^ |]+) \| ([^ |]+) \| ([^|]+) \|", page, re.MULTILINE)[1:]
    assert [(name, version) for name, version, _ in rows] == [(one.name, one.version) for one in FOUND]
    assert [(name, said) for name, _, said in rows if not licences.allowed(said)] == []
    assert page == licences.page(), "run `make licences`"


@pytest.mark.parametrize(
    ("expression", "may"),
    [("MIT", True), ("GPL-3.0-only", False), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("", False)],
)
def test_an_expression_may_be_used_where_one_of_its_alternatives_may(expression: str, may: bool) -> None:
    assert licences.allowed(expression) is may


def test_nothing_is_fetched_by_importing() -> None:
    """Every module of the package, with sockets that raise."""
    program = """
import importlib, pkgutil, socket, sys

def no(*_, **__):
    raise AssertionError("a socket was used while importing")

for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, no)
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = no
import pointsman
count = 0
for module in pkgutil.walk_packages(pointsman.__path__, "pointsman."):
    if module.name.rpartition(".")[2] != "__main__":
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # an extra that is not installed
            assert not (error.name or "").startswith("pointsman"), error
        count += 1
print(count)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300


@pytest.mark.interpreted
def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """In different directories, by files of different times, with the time of the sources (reproducible-builds.org)."""
    built = []
    for name, age in (("one", 1_600_000_000), ("another-place", 1_700_000_000)):
        place = tmp_path / name
        shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
            shutil.copy(ROOT / file, place / file)
        for each in place.rglob("*"):
            os.utime(each, (age, age))
        environ = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / f"{name}-dist")]
        subprocess.run(command, cwd=place, env=environ, check=True, capture_output=True, timeout=100)
        (wheel,) = (tmp_path / f"{name}-dist").glob("*.whl")
        built.append((wheel.name, wheel.read_bytes()))
    assert built[0] == built[1]
