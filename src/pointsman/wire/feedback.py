"""Feedback as JSON: what it is about, what is said, by whom and when.

    {"exchange": "01a2...", "thumb": "up"}
    {"client_id": "order-7", "test": "failed", "source": "nightly", "id": "run-12/7", "at": "2026-11-28T03:00:00Z"}
    {"conversation": "c-9", "event": "purchase", "value_usd": 12.5}
    {"exchange": "01a2...", "score": 0.75}
    {"exchange": "01a2...", "edit": {"from": "the answer as it was", "to": "the answer as it was sent"}}

Laws: exactly one subject and one saying; a field that is not known is a mistake, because a misspelt one would be lost in
silence; all mistakes of a body are said at once, each with its place; of an edited answer only a share stays
(``kept``), never a word; who sends with a key speaks for sources of that key only.
"""

import hashlib
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pointsman.core.errors import WireError
from pointsman.core.feedback import About, Feedback, FeedbackKind
from pointsman.wire.kept import share_kept
from pointsman.wire.moment import milliseconds

ITEMS: Final = 1000
"""How many may come in one body."""

SKEW_MS: Final = 300_000
"""How far a sender's clock may be ahead of ours."""

CHARACTERS: Final = 50
"""So many of an edit's texts are as much work as one item: some 80 µs, the disk's share included."""

BYTES: Final = 200
"""A body is one item for so many bytes, whatever stands in it: reading it is work too."""

_NAME_LENGTH: Final = 128
_NAMED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_SOURCE_LENGTH: Final = 64
_TOLD: Final = 10
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_DAY_MS: Final = 86_400_000
_LARGEST_USD: Final = 10_000_000
"""What one event may be worth; larger amounts are taken for mistakes."""
_SUBJECTS: Final[tuple[About, ...]] = ("exchange", "client_id", "conversation")
_KINDS: Final[tuple[FeedbackKind, ...]] = ("score", "thumb", "test", "edit", "event")


class Sender(Struct, frozen=True):
    """Who sends: the source where none is named, the key (empty: none), and our time when it came (Unix milliseconds)."""

    source: str
    now_ms: int
    key: str = ""

    def source_of(self, named: str) -> str:
        """Return the source that a sender means by a name: with a key always one of that key's own."""
        return f"{self.key}/{named}" if self.key and named else named or self.source


class _Edit(Struct, forbid_unknown_fields=True, rename={"before": "from", "after": "to"}):
    before: str
    after: str


class _Said(Struct, forbid_unknown_fields=True):
    exchange: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    conversation: str | UnsetType = UNSET
    score: float | UnsetType = UNSET
    thumb: Literal["up", "down"] | UnsetType = UNSET
    test: Literal["passed", "failed"] | UnsetType = UNSET
    edit: _Edit | UnsetType = UNSET
    event: str | UnsetType = UNSET
    value_usd: Decimal | None = None
    source: str = ""
    id: str = ""
    at: str | int | float | None = None


def parsed(body: bytes) -> Any:
    """Return the JSON of a body. Raises WireError."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the body is not JSON: {error} (NaN and Infinity are no JSON numbers)") from error


def weight(size: int, found: Any) -> int:
    """Return as how many items a body of ``size`` bytes counts, with what was ``parsed`` of it: an edit by its texts."""
    items = found if isinstance(found, list) else [found]
    edits = [one["edit"] for one in items if isinstance(one, dict) and isinstance(one.get("edit"), dict)]
    characters = sum([len(text) for edit in edits for text in edit.values() if isinstance(text, str)])
    return max(len(items) + characters // CHARACTERS, size // BYTES, 1)


def read_all(found: Any, sender: Sender) -> list[Feedback]:
    """Return what a body says, one object or a list of them. Raises WireError that names each item at fault."""
    if not isinstance(found, list):
        return [read(found, sender)]
    if len(found) > ITEMS:
        raise WireError(
            f"{len(found):,} items are too many for one body: send at most {ITEMS:,}, or use `pointsman feedback import`",
            code="too_many_items",
        )
    taken: list[Feedback] = []
    mistakes: list[str] = []
    first = None
    for place, value in enumerate(found):
        try:
            taken.append(read(value, sender))
        except WireError as error:
            mistakes.append(f"item {place}: {error}")
            first = first or (f"{place}.{error.param}" if error.param else str(place))
    if mistakes:
        more = f"; and {len(mistakes) - _TOLD:,} more" if len(mistakes) > _TOLD else ""
        raise WireError(f"{'; '.join(mistakes[:_TOLD])}{more}. Nothing of this body was taken", param=first)
    return taken


def read(value: Any, sender: Sender, *, strict: bool = True) -> Feedback:
    """Return what one object says; not ``strict``: numbers may be text, as in CSV. Raises WireError with the field."""
    if not isinstance(value, Mapping):
        raise WireError('an item is a JSON object, as in {"exchange": "...", "thumb": "up"}')
    try:
        said = msgspec.convert(value, _Said, strict=strict)
    except msgspec.ValidationError as error:
        _, _, path = str(error).partition(" - at `$.")
        raise WireError(str(error), param=path.rstrip("`") or None) from error
    about, subject = _subject(said)
    kind = _one(said, _KINDS, "what is said: one of score, thumb, test, edit, event")
    value_nano = _value(said, kind)
    score = _score(said, kind, value_nano)
    at_ms = _at(said, sender.now_ms)
    source = sender.source_of(named(said.source, "source") if said.source else "")
    event = named(said.event, "event") if kind == "event" and isinstance(said.event, str) else ""
    content = [source, about, subject, kind, event, score, value_nano, at_ms]
    return Feedback(
        id=_short(said.id, "id") or hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:24],
        source=source,
        kind=kind,
        about=about,
        subject=subject,
        score=score,
        at_ms=at_ms,
        taken_ms=sender.now_ms,
        event=event,
        value_nano=value_nano,
        client_key=sender.key,
    )


def _one(said: _Said, names: tuple[Any, ...], wanted: str) -> Any:
    """Return the only one of some fields that is there."""
    there = [name for name in names if getattr(said, name) is not UNSET]
    if len(there) != 1:
        raise WireError(
            f"say {wanted}" + (f", not {' and '.join(there)} at once" if there else ""), param=next(iter(there), None)
        )
    return there[0]


def _subject(said: _Said) -> tuple[About, str]:
    about: About = _one(said, _SUBJECTS, "what it is about: one of exchange, client_id, conversation")
    subject = getattr(said, about)
    if not subject.strip():
        raise WireError(f"{about} is empty", param=about)
    return about, _short(subject, about)


def _short(text: str, field: str) -> str:
    if len(text) > _NAME_LENGTH:
        raise WireError(f"{field} has more than {_NAME_LENGTH} characters", param=field)
    return text.strip()


def named(text: str, field: str) -> str:
    """Return the name of a source or an event as it is. Raises WireError where it is none."""
    if not text or len(text) > _SOURCE_LENGTH or not _NAMED.issuperset(text):
        raise WireError(
            f"{field} is no name: use up to {_SOURCE_LENGTH} letters, digits, dots, hyphens, underscores", param=field
        )
    return text


def _score(said: _Said, kind: FeedbackKind, value_nano: int | None) -> float:
    if kind == "thumb":
        return float(said.thumb == "up")
    if kind == "test":
        return float(said.test == "passed")
    if isinstance(said.edit, _Edit):
        try:
            return share_kept(said.edit.before, said.edit.after)
        except ValueError as error:
            raise WireError(f"edit cannot be compared: {error}; send a score instead", param="edit") from error
    if isinstance(said.score, float):
        if not 0 <= said.score <= 1:
            raise WireError(f"score must be a number from 0 to 1, not {said.score}", param="score")
        return said.score
    return 0.0 if value_nano is not None and value_nano < 0 else 1.0


def _value(said: _Said, kind: FeedbackKind) -> int | None:
    if said.value_usd is None:
        return None
    if kind != "event":
        raise WireError("value_usd is of an event only", param="value_usd")
    if not said.value_usd.is_finite() or abs(said.value_usd) >= _LARGEST_USD:
        raise WireError(f"value_usd is no amount of less than {_LARGEST_USD:,} US dollars", param="value_usd")
    return int(said.value_usd.scaleb(9).to_integral_value(rounding=ROUND_HALF_EVEN))


def _at(said: _Said, now_ms: int) -> int:
    """Return when it was said; a date alone is the end of its day, or now."""
    if said.at is None:
        return now_ms
    try:
        at_ms = milliseconds(said.at)
    except (ValueError, OverflowError) as error:
        raise WireError(f"at {error}", param="at") from error
    if isinstance(said.at, str) and _DAY.fullmatch(said.at.strip()):
        at_ms = max(at_ms, min(at_ms + _DAY_MS - 1, now_ms))
    if at_ms > now_ms + SKEW_MS:
        ahead = (at_ms - now_ms) / 1000
        raise WireError(
            f"at lies {ahead:,.0f} s in the future by this gateway's clock: check the sender's clock", param="at"
        )
    return at_ms
