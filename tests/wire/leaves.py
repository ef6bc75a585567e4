"""What a translation makes of every leaf of a JSON document: whether anything tells when it is gone, or another one.

A leaf is *silent* where the document without it, and the document with another value in its place, are translated to the
same bytes with the same losses named, and no loss bears its name: nobody could tell that it had been there. So the codecs
are asked leaf by leaf, and no field is known here by name.
"""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
Outcome = tuple[bytes, frozenset[str]] | None
Translate = Callable[[Any], Outcome]
"""Returns what a document becomes and the names of what it lost; None where it is refused."""

FREE = frozenset(
    ("input_schema", "parameters", "parametersJsonSchema", "parameters_json_schema", "schema", "responseSchema")
) | {"responseJsonSchema", "response_json_schema", "response_schema", "args", "arguments"}
"""Fields whose value is the application's own JSON: one leaf each."""


@dataclass(frozen=True)
class Leaf:
    """A value that says something: its place, its place whichever items of lists that is in, the ``type``s around it."""

    path: Path
    value: Any
    within: frozenset[str] = frozenset()

    @property
    def shape(self) -> str:
        """Where it stands, whichever items of whichever lists that is."""
        return ".".join("*" if isinstance(step, int) else step for step in self.path)


def leaves(document: Any, path: Path = (), within: frozenset[str] = frozenset()) -> Iterator[Leaf]:
    """Return all leaves of a document that say something: null, false, zero and what is empty do not."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(document, dict) and not (path and path[-1] in FREE):
        inside = list(document.items())
        kind = document.get("type")
        within = within | {kind} if isinstance(kind, str) else within
    elif isinstance(document, list) and not (path and path[-1] in FREE):
        inside = list(enumerate(document))
    if inside:
        for step, value in inside:
            yield from leaves(value, (*path, step), within)
    elif document:
        yield Leaf(path, document, within)


def _changed(document: Any, found: list[Leaf], *, gone: bool) -> Any:
    """Return a copy of a document without some leaves (an item of a list is null then), or with other values there."""
    made = copy.deepcopy(document)
    for leaf in found:
        *steps, last = leaf.path
        at = made
        for step in steps:
            at = at[step]
        if not gone:
            at[last] = _other(leaf.value)
        elif isinstance(last, int):
            at[last] = None
        else:
            del at[last]
    return made


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}x"
    return value + 1 if isinstance(value, (int, float)) else {**value, "x": 1} if isinstance(value, dict) else [*value, 1]


def _plain(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def named(leaf: Leaf, lost: frozenset[str], also: dict[str, str]) -> bool:
    """Whether the names of what was lost hold a step of a leaf's place, or the kind of something that it is in.

    ``also`` has the canonical word for a dialect's own.
    """
    steps = {_plain(step) for step in leaf.path if isinstance(step, str)} | {_plain(kind) for kind in leaf.within}
    steps |= {also[step] for step in steps if step in also}
    return any({_plain(step) for step in name.split(".")} & steps for name in lost)


def silent(document: Any, translate: Translate, also: dict[str, str], skip: Callable[[Leaf], bool]) -> Iterator[Leaf]:
    """Return the leaves of which nothing tells that they are gone. ``skip`` says which need not be asked."""
    whole = translate(document)
    if whole is None:
        return
    groups: dict[str, list[Leaf]] = {}
    for leaf in leaves(document):
        groups.setdefault(leaf.shape, []).append(leaf)
    for group in groups.values():
        for leaf in group:
            if skip(leaf) or named(leaf, whole[1], also):
                continue
            if all(translate(_changed(document, [leaf], gone=gone)) == whole for gone in (True, False)):
                rest = translate(_changed(document, group, gone=True))  # a name that several of a kind share
                if rest is None or rest[1] == whole[1]:
                    yield leaf
