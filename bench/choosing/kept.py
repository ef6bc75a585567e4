"""What findings are kept under: a digest of the code that they depend on, so that what changed is measured again."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_BENCH: Final = Path(__file__).parents[1]
_SOURCES: Final = {
    "pointsman": _BENCH.parent / "src" / "pointsman",
    "choosing": _BENCH / "choosing",
    "harness": _BENCH / "harness",
}


def sources(module: str, but: str = "") -> list[Path]:
    """Return the file of a module, and those of all modules of ours that it imports, and so on, ``but`` for one."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if file is None or file in found or name == but:
            continue
        found.add(file)
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [one.name for one in node.names]
    return sorted(found)


def _file(module: str) -> Path | None:
    """Return the file of a module or package of ours; None: it is somebody else's, or no module."""
    package, *below = module.split(".")
    if package not in _SOURCES:
        return None
    place = _SOURCES[package].joinpath(*below)
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()), None)


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of the contents of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:8]
