"""Figures as text that Prometheus reads (exposition format 0.0.4).

Written here and not with ``prometheus_client``: the format is these few lines, and that package brings an HTTP server, a
registry of its own and locks, none of which is used where figures are plain numbers of several processes. The tests read the
text with that package's parser.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pointsman.gateway.telemetry.families import FAMILIES, NANO, PREFIX, Family, Label, Readings

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def text(readings: Readings) -> bytes:
    """Return figures as text, family by family in the order of the table; what has no line is left out."""
    return "".join(part for family in FAMILIES for part in _family(family, readings)).encode()


def _family(family: Family, readings: Readings) -> Iterator[str]:
    lines = readings.get(family.name)
    if not lines:
        return
    name = PREFIX + family.name
    yield f"# HELP {name} {family.says}\n# TYPE {name} {family.kind}\n"
    for labels, numbers in lines.items():
        pairs = list(zip(family.labels, labels, strict=True))
        if family.kind != "histogram":
            yield _line(name, pairs, numbers[0] / NANO if family.nano else numbers[0])
            continue
        below = 0.0
        for bound, number in zip((*family.bounds, float("inf")), numbers[1:], strict=True):
            below += number
            yield _line(f"{name}_bucket", [*pairs, ("le", _bound(bound))], below)
        yield _line(f"{name}_sum", pairs, numbers[0])
        yield _line(f"{name}_count", pairs, below)


def _line(name: str, pairs: Iterable[tuple[str, Label]], number: float) -> str:
    labels = ",".join([f'{key}="{_escaped(value)}"' for key, value in pairs])
    return f"{name}{{{labels}}} {_number(number)}\n" if labels else f"{name} {_number(number)}\n"


def _escaped(value: Label) -> str:
    return str(value).translate(_ESCAPES)


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)
