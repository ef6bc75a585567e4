"""Keys that the configuration declares by their SHA-256: the table ``keys`` of clients, ``control`` of the control API."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from pointsman.control.config.reading import Table, meant
from pointsman.control.config.values import ControlRules
from pointsman.core.keys import Key, Scope
from pointsman.wire.dialects import DIALECTS

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_REMEDY: Final = """the output of: printf %s "$KEY" | sha256sum"""


def read_keys(document: Table) -> Iterator[Key]:
    """Yield the keys of clients."""
    seen: dict[str, str] = {}
    for name, table in document.tables("keys"):
        digest = _digest(table)
        feature, customer = table.text("feature"), table.text("customer") or ""
        owner, policy = table.text("owner") or "", table.text("policy") or ""
        key = Key(name, digest or "", feature, customer, owner, policy, _scope(table))
        table.finish()
        if digest is None:
            continue
        if digest in seen:
            table.wrong("sha256", f"is that of [keys.{seen[digest]}] too", "give each name a key of its own")
        else:
            seen[digest] = name
            yield key


def read_control(document: Table, keys: Iterable[Key]) -> ControlRules | None:
    """Read where the control plane listens; None where it does not."""
    table = document.table("control")
    if table is None:
        return None
    digest = _digest(table) if "sha256" in table else ""
    port = table.whole("port", 1, 65535)
    table.finish()
    if digest and any(key.sha256 == digest for key in keys):
        table.wrong("sha256", "is a client's key too", "give the control plane a key of its own")
    if digest is None:
        return None
    found = ControlRules(Key("control", digest, admin=True) if digest else None)
    return found if port is None else replace(found, port=port)


def network_fault(block: str) -> str:
    """Say what is wrong with a block of addresses, empty where nothing is."""
    try:
        ipaddress.ip_network(block)
    except ValueError as error:
        return str(error)
    return ""


def _digest(table: Table) -> str | None:
    """Return the SHA-256 of a key, None where it is a mistake."""
    digest = table.text("sha256")
    if digest is None:
        if "sha256" not in table:
            table.report.add(table.path, f"[{table.name}] has no sha256", f"add sha256 = {_REMEDY}")
        return None
    if _SHA256.fullmatch(digest):
        return digest
    what = "is not 64 lower-case hexadecimal digits (what stands there is not shown: it may be a key)"
    table.wrong("sha256", what, f"write {_REMEDY}")
    return None


def _scope(table: Table) -> Scope:
    """Read how far a key goes. That its routes and deployments exist is seen where all of the file is known."""
    dialects, networks = table.texts("dialects") or (), table.texts("networks") or ()
    for place, name in enumerate(dialects):
        if name not in DIALECTS:
            remedy = meant(name, DIALECTS) or f"write of {', '.join(DIALECTS)}"
            table.report.add((*table.path, "dialects", place), f"there is no dialect {name!r}", remedy)
    for place, block in enumerate(networks):
        if fault := network_fault(block):
            remedy = 'write blocks of addresses: networks = ["10.0.0.0/8"]'
            table.report.add((*table.path, "networks", place), f"{block!r} is no network ({fault})", remedy)
    fine = tuple(block for block in networks if not network_fault(block))
    return Scope(
        table.texts("routes") or (), table.texts("deployments") or (), dialects, table.texts("features") or (), fine
    )
