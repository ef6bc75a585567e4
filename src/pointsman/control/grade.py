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
``json``                nothing                                               the JSON in the answer equals the expected one
``json_fields``         names of fields, by comma (``""``: all expected)      share of fields equal to the expected ones
``python``              ``module:function``                                   ``function(request, answer, expected)`` says so
======================= ===================================================== ===========================================

Laws: an answer that breaks a check is wrong (0), a check that breaks on an answer is ungraded (None), and so is one that
takes too long; whatever an answer holds, no error leaves here. Nothing is fetched from the network. The owner's function is
imported in the control process only, never where requests are forwarded, and gets a copy of the request.
"""

import copy
import importlib
import json
import re
from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from functools import lru_cache
from typing import Any, Final, NoReturn

import jsonschema
import numpy as np
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from msgspec import Struct
from referencing.jsonschema import EMPTY_REGISTRY

from pointsman.control.bounded import TooLongError, at_most
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Grader

EXPECTING: Final = ("exact", "numeric", "json", "json_fields")
"""The kinds that compare with a right answer."""

LONGEST_S: Final = 1.0
LONGEST_OWN_S: Final = 10.0
"""How long one check may take, and the owner's own function."""

# A sign belongs to its number only where nothing is before it: 2010-2015 ends in 2015, 7-3 in 3.
_SIGN: Final = r"(?:(?<![0-9A-Za-z])[-+−–])?"
_NUMBER: Final = re.compile(
    rf"({_SIGN}(?:(?:\d{{1,3}}(?:[,\u202f\u00a0']\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+−]?\d+)?|\.\d+))\s?(%)?"
)
_WIDE: Final = str.maketrans("０１２３４５６７８９．＋－％", "0123456789.+-%")
_WIDE_COMMA: Final = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
# What a model writes may have any exponent: nothing overflows here, and NaN is only unequal.
_ARITHMETIC: Final = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_TOLERANCE: Final = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)\s*(%?)")
_FENCE: Final = re.compile(r"```[\w-]*[^\S\n]*\n(.*?)```", re.DOTALL)  # one way to match only: answers may be all newlines
_GROUPING: Final = str.maketrans({",": None, "\u202f": None, "\u00a0": None, "'": None, "−": "-", "–": "-"})


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
    longest = LONGEST_OWN_S if grader.kind == "python" else LONGEST_S
    try:
        with at_most(longest):
            return _graded(grader, request, answer, expected)
    except TooLongError:
        return Grade(None, f"the check took longer than {longest:g} s")
    except RecursionError:
        return Grade(None, "nested too deeply to be compared")


def _graded(grader: Grader, request: Mapping[str, Any], answer: str, expected: str | None) -> Grade:
    match grader.kind:
        case "exact":
            return _exact(grader.spec, answer, expected or "")
        case "numeric":
            return _numeric(grader.spec, answer, expected or "")
        case "regex":
            return Grade(float(_pattern(grader.spec).search(answer) is not None))
        case "json_schema":
            return _schema(grader.spec, answer)
        case "json":
            return _equal(answer, expected or "")
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
        case "json":
            if grader.spec:
                raise ConfigError('check "json": there is no spec; for some of the fields alone use "json_fields"')
        case "json_fields":
            pass


def find_json(answer: str) -> Any:
    """Return the JSON value in an answer: the whole text, else a code block, the last that holds one, else what stands
    between the outermost braces or brackets, whichever enclose more.

    Raises ValueError when there is none.
    """
    spans = [(answer.find(opening), answer.rfind(closing) + 1) for opening, closing in ("{}", "[]")]
    spans.sort(key=lambda span: span[0] - span[1])
    between = (answer[start:end] for start, end in spans if 0 <= start < end)
    for text in (answer, *reversed(_FENCE.findall(answer)), *between):
        try:
            return json.loads(text, parse_constant=_no_json)
        except (ValueError, RecursionError):
            continue
    raise ValueError("no JSON in the answer")


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")  # Python's reader takes NaN and Infinity, no other does


def last_number(text: str) -> Decimal | None:
    """Return the last number in a text (thousands separators removed), None where there is none."""
    found = _last_number(text)
    return None if found is None else found[0]


def _last_number(text: str) -> tuple[Decimal, bool] | None:
    """Return the last number in a text and whether it is a percentage. Full-width digits count, as does LaTeX's {,}."""
    plain = _WIDE_COMMA.sub(",", text).translate(_WIDE).replace("{,}", ",")
    found = None
    for found in _NUMBER.finditer(plain):  # noqa: B007 - the last one is wanted
        pass
    if found is None:
        return None
    with localcontext(_ARITHMETIC):
        number = Decimal(found[1].translate(_GROUPING))
    return (number, found[2] is not None) if number.is_finite() else None


def _exact(spec: str, answer: str, expected: str) -> Grade:
    def normal(text: str) -> str:
        text = " ".join(text.split())
        return text if spec == "case" else text.casefold()

    return Grade(float(normal(answer) == normal(expected)))


def _numeric(spec: str, answer: str, expected: str) -> Grade:
    right, said = _last_number(expected), _last_number(answer)
    if right is None:
        return Grade(None, "the expected answer holds no number")
    if said is None:
        return Grade(0.0, "no number in the answer")
    (wanted, of_hundred), (found, in_hundred) = right, said
    share, relative = _tolerance(spec)
    with localcontext(_ARITHMETIC):
        readings = [(found, wanted)]
        if of_hundred != in_hundred:  # one says 12 %, the other 12 or 0.12: both are right
            readings.append((found / 100, wanted) if in_hundred else (found, wanted / 100))
        return Grade(float(any(abs(x - y) <= (share * abs(y) if relative else share) for x, y in readings)))


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
    except (re.error, OverflowError, RecursionError) as error:
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
    except RecursionError as error:
        raise ConfigError('check "json_schema": spec is nested too deeply') from error
    return kind(schema, registry=EMPTY_REGISTRY)


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


def _equal(answer: str, expected: str) -> Grade:
    try:
        wanted = find_json(expected)
    except ValueError:
        return Grade(None, "the expected answer is not JSON")
    try:
        return Grade(float(_same(find_json(answer), wanted)))
    except ValueError:
        return Grade(0.0, "no JSON in the answer")


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
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f'check "python": {spec!r} cannot be loaded ({type(error).__name__}: {error}); the module must be importable '
            "where `pointsman` runs (install it there, or set PYTHONPATH)"
        ) from error
    if not callable(function):
        raise ConfigError(f'check "python": {spec!r} is not a function')
    return function  # type: ignore[no-any-return]


def _python(spec: str, request: Mapping[str, Any], answer: str, expected: str | None) -> Grade:
    try:
        said = _function(spec)(copy.deepcopy(dict(request)), answer, expected)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the owner's code may do anything; the answer is ungraded then
        return Grade(None, f"{spec} raised {type(error).__name__}")
    if isinstance(said, int | float | np.integer | np.floating | np.bool_) and 0 <= said <= 1:  # NaN lies in no interval
        return Grade(float(said))
    return Grade(None, f"{spec} returned {type(said).__name__} where a number in [0, 1] or a bool was expected")
