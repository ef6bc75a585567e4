"""What the benchmarks of faults take for right and for wrong, and their intervals."""

import json
import random
from asyncio import StreamWriter
from unittest.mock import Mock

import pytest

from faults.accounts import Account, compared
from faults.asking import judged
from faults.behaviours import BEHAVIOURS
from faults.behaviours import Line as Call
from faults.providers import Asked, closing, complaint, content, opening, pieces, whole
from faults.shares import quantile, share
from pointsman.core.ledger import Line

NONCE = "0123456789ab"
CHAT, CLAUDE = (
    Asked("a/m", anthropic=False, stream=True, nonce=NONCE),
    Asked("c/m", anthropic=True, stream=True, nonce=NONCE),
)
SPOKEN = [("openai_chat", CHAT), ("anthropic", CLAUDE)]


@pytest.mark.parametrize(("dialect", "to"), SPOKEN)
def test_a_whole_answer_is_right_and_another_ones_is_not(dialect: str, to: Asked) -> None:
    assert judged(dialect, NONCE, 200, whole(to), stream=False) == ("answer", "")
    assert judged(dialect, "ba9876543210", 200, whole(to), stream=False)[1]
    assert judged(dialect, NONCE, 200, whole(to)[:-9], stream=False)[1]


@pytest.mark.parametrize(("dialect", "to"), SPOKEN)
def test_a_stream_is_right_where_it_is_whole_or_ends_with_an_error(dialect: str, to: Asked) -> None:
    frames = [*opening(to), *content(to)]
    assert judged(dialect, NONCE, 200, b"".join([*frames, *closing(to)]), stream=True) == ("answer", "")
    assert judged(dialect, NONCE, 200, b"".join([*frames[:3], complaint(to, framed=True)]), stream=True) == ("cut", "")
    assert judged(dialect, NONCE, 200, b"".join(frames), stream=True)[1]  # it just ends
    assert judged(dialect, NONCE, 200, b"".join([*frames[:-1], *closing(to)]), stream=True)[1]  # a piece is missing


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic", "gemini"])
def test_an_error_is_right_in_its_own_dialect_only(dialect: str) -> None:
    bodies = {
        "openai_chat": {"error": {"message": "no", "type": "t"}},
        "anthropic": {"type": "error", "error": {"type": "t", "message": "no"}},
        "gemini": {"error": {"code": 500, "status": "INTERNAL", "message": "no"}},
    }
    own = "openai_chat" if dialect == "openai_responses" else dialect
    assert judged(dialect, NONCE, 500, json.dumps(bodies[own]).encode(), stream=False) == ("error", "")
    assert judged(dialect, NONCE, 500, b"<html>", stream=False)[1]
    assert judged(dialect, NONCE, 200, json.dumps(bodies[own]).encode(), stream=False)[1]


def account(line: Line, *calls: tuple[int, int | None]) -> Account:
    nobody = Mock(spec=StreamWriter)
    made = [Call(nobody, CHAT, "well", generated=generated, reported=reported) for generated, reported in calls]
    return compared([line], {NONCE: made}, {"x": NONCE})


def test_the_ledger_is_held_to_the_upstreams_own_count() -> None:
    settled = Line("x", 1, "first", "a/m", output=5)
    assert not account(settled, (5, 5)).differing
    assert account(settled, (6, 6)).differing
    assert account(settled, (5, 5), (3, None)).differing  # generated, and nobody answers for it
    open_line = Line("x", 1, "first", "a/m", basis="unknown", least=0, most=9, most_output=10)
    assert not account(open_line, (7, None)).differing
    assert account(open_line, (11, None)).differing


def test_there_are_more_ways_to_misbehave_than_asked_for() -> None:
    assert len(BEHAVIOURS) >= 60
    assert len(set(pieces(NONCE))) == len(pieces(NONCE))


def test_intervals_cover() -> None:
    chance = random.Random(1)
    shares = [share(sum(chance.random() < 0.99 for _ in range(2000)), 2000) for _ in range(400)]
    assert sum(one.low <= 0.99 <= one.high for one in shares) / 400 > 0.92
    late = [quantile([chance.random() for _ in range(2000)], 0.99) for _ in range(400)]
    assert sum(one.low <= 0.99 <= one.high for one in late) / 400 > 0.92
