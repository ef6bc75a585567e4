"""Whether an answer has the form that its request asks for, said before it is given.

Laws: nothing is fetched and no code is run; what could take any time is not applied, and such a request is not asked twice:
schemas with patterns of text, of an unusual size, or whose references lead back to themselves or elsewhere, or unfold to
more than ``UNFOLDED`` parts (thirty that each name the next one twice would be a billion). A schema that cannot be applied
is met by no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from pointsman.core.chat import ChatRequest

LONGEST: Final = 65_536  # bytes of a schema, and characters of an answer
UNFOLDED: Final = 5_000
WORK: Final = 400_000  # parts of a schema times characters of an answer: longer answers are not checked, and support none
_UNBOUNDED: Final = (b'"pattern', b'"unevaluated', b'"uniqueItems"', b'"$dynamicRef"', b"\\u")  # escaped names hide others
_HERE: Final = ("#/$defs/", "#/definitions/")

Verifier = Callable[[str], bool]


def verifier(request: ChatRequest) -> Verifier | None:
    """Return what says whether an answer has the form asked for; None where that cannot be said in bounded time."""
    if request.output is None or request.output.kind != "json_schema":
        return _any
    schema = bytes(request.output.schema)
    if not schema or len(schema) > LONGEST or any(name in schema for name in _UNBOUNDED):
        return None
    try:
        form = msgspec.json.decode(schema)
        parts = _unfolded(form, form, frozenset())
        return _of_schema(form, min(LONGEST, WORK // parts)) if parts <= UNFOLDED else None
    except (msgspec.DecodeError, RecursionError, LookupError):
        return None


def _unfolded(part: Any, whole: Any, open_: frozenset[str]) -> int:
    """Return how many parts a schema has with its references followed, more than ``UNFOLDED`` once it is too many.

    Raises LookupError for a reference that leads back to itself, or to what is not among the schema's own definitions.
    """
    count = 1
    for each in _parts(part):
        count += _unfolded(each, whole, open_)
        if count > UNFOLDED:
            return count
    reference = part.get("$ref") if isinstance(part, dict) else None
    if isinstance(reference, str):
        place = next((reference.removeprefix(here) for here in _HERE if reference.startswith(here)), "")
        if reference in open_ or not place or "/" in place or "~" in place or "%" in place:
            raise LookupError(reference)
        defined = whole["$defs" if reference.startswith(_HERE[0]) else "definitions"][place]
        count += _unfolded(defined, whole, open_ | {reference})
    return count


def _parts(part: Any) -> Iterator[Any]:
    """Yield what a part of a schema is made of; definitions count where they are referred to."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name not in ("$defs", "definitions"))
    elif isinstance(part, list):
        yield from part


def _any(_answer: str) -> bool:
    return True


def _of_schema(schema: Any, longest: int) -> Verifier:
    from jsonschema.validators import Draft202012Validator  # noqa: PLC0415 - most gateways never need it
    from referencing.jsonschema import EMPTY_REGISTRY  # noqa: PLC0415 - as above

    validator = Draft202012Validator(schema, registry=EMPTY_REGISTRY)

    def valid(answer: str) -> bool:
        if len(answer) > longest:
            return False
        try:
            return bool(validator.is_valid(msgspec.json.decode(answer)))
        except Exception:  # noqa: BLE001 - no JSON, a schema that is none, a reference to elsewhere: whatever a client sends
            return False

    return valid
