"""Whether an answer has the form that its request asks for, said before it is given.

Laws: nothing is fetched and no code is run; a schema with patterns of text, which can take any time to match, or of an
unusual size, is not applied, and such a request is not asked twice; a schema that cannot be applied is met by no answer.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from pointsman.core.chat import ChatRequest

LONGEST: Final = 65_536  # bytes of a schema, and characters of an answer
_PATTERNS: Final = (b'"pattern"', b'"patternProperties"', b'"propertyNames"', b"\\u")  # escaped names hide the others

Verifier = Callable[[str], bool]


def verifier(request: ChatRequest) -> Verifier | None:
    """Return what says whether an answer has the form asked for; None where that cannot be said in bounded time."""
    if request.output is None or request.output.kind != "json_schema":
        return _any
    schema = bytes(request.output.schema)
    if not schema or len(schema) > LONGEST or any(name in schema for name in _PATTERNS):
        return None
    return _of_schema(msgspec.json.decode(schema))


def _any(_answer: str) -> bool:
    return True


def _of_schema(schema: Any) -> Verifier:
    from jsonschema.validators import Draft202012Validator  # noqa: PLC0415 - most gateways never need it
    from referencing.jsonschema import EMPTY_REGISTRY  # noqa: PLC0415 - as above

    validator = Draft202012Validator(schema, registry=EMPTY_REGISTRY)

    def valid(answer: str) -> bool:
        if len(answer) > LONGEST:
            return False
        try:
            return bool(validator.is_valid(msgspec.json.decode(answer)))
        except Exception:  # noqa: BLE001 - no JSON, a schema that is none, a reference to elsewhere: whatever a client sends
            return False

    return valid
