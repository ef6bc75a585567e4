"""Grading one answer by a check that the owner declared, without calling any model.

Strategy: one small function per kind; each takes the owner's ``spec``, the answer and the expected answer, and returns a
grade in [0, 1]. What cannot be graded (nothing was expected, the owner's own function failed) is *ungraded*, with a note,
and never a guess in either direction.

======================= ===================================================== ===========================================
kind                    spec                                                  right when
======================= ===================================================== ===========================================
``exact``               ``""`` or ``case`` (case counts)                      same text, blanks collapsed
``numeric``             tolerance, ``0.01`` or ``1%`` (``""``: equal)          the last number in the answer is near enough
``regex``               a regular expression                                  it is found in the answer
``json_schema``         a JSON Schema                                         the JSON in the answer is valid under it
``json_fields``         names of fields, by comma (``""``: all expected)      share of fields equal to the expected ones
``python``              ``module:function``                                   ``function(request, answer, expected)`` says so
======================= ===================================================== ===========================================

Laws: an answer that breaks a check is wrong (0), a check that breaks on an answer is ungraded (None); the owner's function
is imported in the control process only, never where requests are forwarded.
"""

import importlib
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from msgspec import Struct

from pointsman.core.errors import ConfigError
from pointsman.core.routing import Grader

EXPECTING: Final = ("exact", "numeric", "json_fields")
"""The kinds that compare with a right answer."""

_NUMBER: Final = re.compile(r"[-+−]?(?:\d{1,3}(?:[,\u202f\u00a0']\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+−]?\.\d+")
_TOLERANCE: Final = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)\s*(%?)")
_FENCE: Final = re.compile(r"```[\w-]*\s*\n(.*?)```", re.DOTALL)
_GROUPING: Final = str.maketrans("", "", ",\u202f\u00a0'")


class Grade(Struct, frozen=True):
    """``score`` in [0, 1], None where the answer could not be graded; ``note`` says why, for people, without the answer.

    ``nano`` is what grading cost, in nano-dollars: nothing, unless a judge was asked.
    """

    score: float | None
    note: str = ""
    nano: int = 0


def grade(grader: Grader, request: Mapping[str, Any], answer: str, expected: str | None) -> Grade:
    """Grade one answer. ``request`` is the decoded body of the request; ``expected`` the right answer, None: not known.

    Raises ConfigError when the grader itself is unusable (see ``check``) and for the kind ``judge``, which needs a model.
    """
    check(grader)
    if grader.kind in EXPECTING and expected is None:
        return Grade(None, "no expected answer came with the request (header x-pointsman-expected)")
    match grader.kind:
        case "exact":
            return _exact(grader.spec, answer, expected or "")
        case "numeric":
            return _numeric(grader.spec, answer, expected or "")
        case "regex":
            return Grade(float(_pattern(grader.spec).search(answer) is not None))
        case "json_schema":
            return _schema(grader.spec, answer)
        case "json_fields":
            return _fields(grader.spec, answer, expected or "")
        case "python":
            return _python(grader.spec, request, answer, expected)
        case "judge":
            raise ConfigError("a judge compares two answers: it is called by the trial, not as a check of one answer")


def check(grader: Grader) -> None:
    """Raise ConfigError, saying what is wrong and what to write, when a grader's ``spec`` cannot be used."""
    match grader.kind:
        case "exact":
            if grader.spec not in ("", "case"):
                raise ConfigError(f'check "exact": spec is "" or "case" (capitals count), not {grader.spec!r}')
        case "numeric":
            _tolerance(grader.spec)
        case "regex":
            _pattern(grader.spec)
        case "json_schema":
            _validator(grader.spec)
        case "python":
            _function(grader.spec)
        case "judge":
            if not grader.spec:
                raise ConfigError('check "judge": spec names the judging deployment, as "provider/model"')
        case "json_fields":
            pass


def find_json(answer: str) -> Any:
    """Return the JSON value in an answer: the whole text, else its last code block, else its outermost braces or brackets.

    Raises ValueError when there is none.
    """
    blocks = _FENCE.findall(answer)
    texts = [answer, *blocks[-1:]]
    for opening, closing in ("{}", "[]"):
        start, end = answer.find(opening), answer.rfind(closing)
        if 0 <= start < end:
            texts.append(answer[start : end + 1])
    for text in texts:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    raise ValueError("no JSON in the answer")


def last_number(text: str) -> Decimal | None:
    """Return the last number in a text (thousands separators removed), None where there is none."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    try:
        return Decimal(found[-1].translate(_GROUPING).replace("−", "-"))
    except InvalidOperation:
        return None


def _exact(spec: str, answer: str, expected: str) -> Grade:
    def normal(text: str) -> str:
        text = " ".join(text.split())
        return text if spec == "case" else text.casefold()

    return Grade(float(normal(answer) == normal(expected)))


def _numeric(spec: str, answer: str, expected: str) -> Grade:
    wanted, found = last_number(expected), last_number(answer)
    if wanted is None:
        return Grade(None, "the expected answer holds no number")
    if found is None:
        return Grade(0.0, "no number in the answer")
    share, relative = _tolerance(spec)
    allowed = share * abs(wanted) if relative else share
    return Grade(float(abs(found - wanted) <= allowed))


def _tolerance(spec: str) -> tuple[Decimal, bool]:
    """Return the tolerance and whether it is a share of the expected number. Empty: equality to nine digits."""
    found = _TOLERANCE.fullmatch(spec.strip() or "1e-7%")
    if found is None:
        raise ConfigError(f'check "numeric": spec is a tolerance such as 0.01 or 1%, not {spec!r}')
    value = Decimal(found[1])
    return (value / 100, True) if found[2] else (value, False)


@lru_cache(maxsize=256)
def _pattern(spec: str) -> re.Pattern[str]:
    try:
        return re.compile(spec)
    except re.error as error:
        raise ConfigError(f'check "regex": {spec!r} is not a regular expression: {error}') from error


@lru_cache(maxsize=256)
def _validator(spec: str) -> Validator:
    try:
        schema = json.loads(spec)
        if not isinstance(schema, dict):
            raise ConfigError('check "json_schema": spec is a JSON Schema, an object such as {"type": "object"}')
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except json.JSONDecodeError as error:
        raise ConfigError(f'check "json_schema": spec is not JSON: {error}') from error
    except SchemaError as error:
        raise ConfigError(f'check "json_schema": spec is not a JSON Schema: {error.message}') from error
    return kind(schema)


def _schema(spec: str, answer: str) -> Grade:
    try:
        value = find_json(answer)
    except ValueError:
        return Grade(0.0, "no JSON in the answer")
    try:
        valid = _validator(spec).is_valid(value)
    except Exception as error:  # noqa: BLE001 - an unresolvable $ref and the like: the check broke, not the answer
        return Grade(None, f"the schema could not be applied: {type(error).__name__}")
    return Grade(float(valid))


def _fields(spec: str, answer: str, expected: str) -> Grade:
    try:
        wanted = find_json(expected)
    except ValueError:
        return Grade(None, "the expected answer is not JSON")
    if not isinstance(wanted, dict):
        return Grade(None, "the expected answer is not a JSON object")
    names = [name.strip() for name in spec.split(",") if name.strip()] or list(wanted)
    names = [name for name in names if name in wanted]
    if not names:
        return Grade(None, "the expected answer has none of the fields to compare")
    try:
        found = find_json(answer)
    except ValueError:
        return Grade(0.0, "no JSON in the answer")
    if not isinstance(found, dict):
        return Grade(0.0, "the JSON in the answer is not an object")
    return Grade(sum(name in found and _same(found[name], wanted[name]) for name in names) / len(names))


def _same(found: Any, wanted: Any) -> bool:
    """Equality as JSON means it: 1 equals 1.0, true does not equal 1, outer blanks of texts do not count."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, str) and isinstance(wanted, str):
        return found.strip() == wanted.strip()
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[name], wanted[name]) for name in wanted)
    return bool(found == wanted)


@lru_cache(maxsize=256)
def _function(spec: str) -> Callable[[Mapping[str, Any], str, str | None], object]:
    module, _, name = spec.partition(":")
    if not module or not name:
        raise ConfigError(f'check "python": spec is "module:function", not {spec!r}')
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ConfigError(
            f'check "python": {spec!r} cannot be loaded ({type(error).__name__}: {error}); the module must be importable '
            "where `pointsman` runs (install it there, or set PYTHONPATH)"
        ) from error
    if not callable(function):
        raise ConfigError(f'check "python": {spec!r} is not a function')
    return function  # type: ignore[no-any-return]


def _python(spec: str, request: Mapping[str, Any], answer: str, expected: str | None) -> Grade:
    try:
        said = _function(spec)(request, answer, expected)
    except Exception as error:  # noqa: BLE001 - the owner's code may raise anything; the answer is then ungraded
        return Grade(None, f"{spec} raised {type(error).__name__}")
    if isinstance(said, bool | int | float) and math.isfinite(said) and 0 <= said <= 1:
        return Grade(float(said))
    return Grade(None, f"{spec} returned {type(said).__name__} where a number in [0, 1] or a bool was expected")
