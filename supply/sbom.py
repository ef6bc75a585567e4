"""A software bill of materials in CycloneDX 1.6 (ECMA-424), from the lock file: the same lock, the same bytes.

    python -m supply.sbom > pointsman.cdx.json

Every file that may be installed is named by its SHA-256, as an external reference of its component: a version has one file
for each platform. The time is ``SOURCE_DATE_EPOCH`` where it is set, and the serial number follows from the content.
"""

import datetime as dt
import json
import os
import sys
import tomllib
import uuid
from typing import Any

from supply.lock import LOCK, OURSELVES, ROOT, Locked, locked


def bom(ours: dict[str, Any], found: list[Locked], at: dt.datetime | None) -> dict[str, Any]:
    """Return the document. ``ours`` is the table ``project`` of pyproject.toml."""
    ourselves = f"pkg:pypi/{OURSELVES}@{ours['version']}"
    refs = {one.name: [_purl(each) for each in found if each.name == one.name] for one in found}
    needs: dict[str, list[str]] = {ourselves: [], **{_purl(one): [] for one in found}}
    for one in found:
        for name in one.asked_by:
            for asking in [ourselves] if name == OURSELVES else refs.get(name, []):
                needs[asking].append(_purl(one))
    metadata: dict[str, Any] = {
        "component": {
            "type": "application", "bom-ref": ourselves, "name": OURSELVES, "version": ours["version"], "purl": ourselves,
            "description": ours["description"], "licenses": [{"license": {"id": ours["license"]}}],
        }
    }  # fmt: skip
    if at is not None:
        metadata["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "metadata": metadata,
        "components": [_component(one) for one in found],
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(on))} for ref, on in needs.items()],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **body}


def _purl(one: Locked) -> str:
    """The package URL of a distribution (purl-spec, type pypi: lower case, ``-`` for ``_``)."""
    return f"pkg:pypi/{one.name.lower().replace('_', '-')}@{one.version}"


def _component(one: Locked) -> dict[str, Any]:
    files = [
        {
            "type": "distribution",
            "url": f"https://pypi.org/project/{one.name}/{one.version}/#files",
            "hashes": [{"alg": "SHA-256", "content": each}],
        }
        for each in one.hashes
    ]
    marked = {"properties": [{"name": "pointsman:marker", "value": one.marker}]} if one.marker else {}
    return {
        "type": "library", "bom-ref": _purl(one), "name": one.name, "version": one.version, "purl": _purl(one),
        "externalReferences": files, **marked,
    }  # fmt: skip


def main() -> None:
    """Print it."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    at = dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch else None
    json.dump(bom(ours, list(locked(LOCK.read_text("utf-8"))), at), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
