"""Whether a loop is under way, and whether it is stuck, read from the requests that agents send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text, ToolCall, ToolResult
from pointsman.policy.loops import FAILED, REPEATED, Length, lengthened, stuck, under_way
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.openai_chat.request import glance

ASKED = Message("user", (Text("repair it"),))
WELL = "3 files changed"


def step(arguments: str, said: str, *, error: bool = False, id_: str = "1") -> tuple[Message, Message]:
    called = Message("assistant", (Text("I try"), ToolCall("run", arguments, id_)))
    return called, Message("tool", (ToolResult(id_, (Text(said),), error),))


def loop(*steps: tuple[Message, Message]) -> tuple[Message, ...]:
    return (ASKED, *(message for pair in steps for message in pair))


def test_the_same_failing_call_is_stuck_after_so_many_times_and_a_repeated_success_never_is() -> None:
    failing = step("make", "Error: no rule")
    assert stuck(loop(*[failing] * (REPEATED - 1))) == ""
    assert stuck(loop(*[failing] * REPEATED)) == f"the same call failed {REPEATED} times"
    assert stuck(loop(*[step("status", "pending")] * 20)) == ""


def test_so_many_different_failures_in_a_row_are_stuck_and_one_success_between_them_is_not() -> None:
    tried = [step(f"make {n}", f"Traceback: {n}") for n in range(FAILED)]
    assert stuck(loop(*tried)) == f"{FAILED} calls in a row failed"
    assert stuck(loop(*tried[:-1], step("ls", WELL), tried[-1])) == ""


def test_only_what_happened_since_counts_and_a_turn_of_the_user_ends_the_loop_before() -> None:
    failing = step("make", "Error: no rule")
    messages = loop(*[failing] * REPEATED)
    assert stuck(messages, since=3) == ""
    assert stuck(messages, since=1) != ""
    assert stuck((*loop(*[failing] * (REPEATED - 1)), ASKED, *failing)) == ""


def test_a_step_of_several_calls_fails_only_where_all_of_them_do() -> None:
    called = Message("assistant", (ToolCall("read", "a", "1"), ToolCall("read", "b", "2")))
    half = Message("user", (ToolResult("1", (Text("gone"),), error=True), ToolResult("2", (Text("text"),))))
    whole = Message("user", (ToolResult("1", (Text("gone"),), error=True), ToolResult("2", (Text("x"),), error=True)))
    assert stuck((ASKED, *[called, half] * 6)) == ""
    assert stuck((ASKED, *[called, whole] * 3)) != ""


@pytest.mark.parametrize(
    ("said", "fails"),
    [
        ("Error: no such table", True),
        ("TypeError: unsupported operand", True),
        ("sqlite3.OperationalError: no such table", True),
        ("Traceback (most recent call last):\n", True),
        ("fatal: not a git repository", True),
        ('{"error": "not found"}', True),
        ("Exit code 1\nFAILED tests", True),
        ("bash: foo: command not found", True),
        ('{"error": null, "rows": 3}', False),
        ("Process exited with code 0", False),
        ("errors are handled in line 7", False),
        ("", False),
        (WELL, False),
    ],
)
def test_a_result_without_a_flag_fails_by_what_it_says(said: str, fails: bool) -> None:
    assert (stuck(loop(*[step("x", said)] * REPEATED)) != "") == fails


def test_every_dialect_that_has_tools_shows_its_loops() -> None:
    """The bodies that a client of each dialect sends after three failures of one call."""
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    chat = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "Error: 1"},
    ]
    used = {"type": "tool_use", "id": "c", "name": "run", "input": {}}
    claude = [
        {"role": "assistant", "content": [used]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c", "content": "no", "is_error": True}],
        },
    ]
    items = [
        {"type": "function_call", "call_id": "c", "name": "run", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "Error: 1"},
    ]
    user = {"role": "user", "content": "go"}
    for dialect, body in {
        "openai_chat": {"model": "m", "messages": [user, *chat * 3]},
        "anthropic": {"model": "m", "max_tokens": 9, "messages": [user, *claude * 3]},
        "openai_responses": {"model": "m", "input": [user, *items * 3]},
    }.items():
        request = DIALECTS[dialect].request.decode(json.dumps(body).encode())
        assert under_way(request), dialect
        assert stuck(request.messages) == f"the same call failed {REPEATED} times", dialect
    assert stuck(glance(json.dumps({"model": "m", "messages": [user, *chat * 3]}).encode()).messages) != ""


def test_a_loop_is_under_way_while_the_last_word_is_a_tools() -> None:
    in_loop = loop(step("x", WELL))
    assert under_way(ChatRequest("m", in_loop))
    assert under_way(ChatRequest("m", (*in_loop, Message("system", (Text("be quick"),)))))
    assert not under_way(ChatRequest("m", (*in_loop, ASKED)))
    assert not under_way(ChatRequest("m", (ASKED,)))


@given(st.lists(st.integers(1, 30), min_size=50, max_size=80), st.floats(0, 5000))
def test_how_long_loops_are_is_learned(turns: list[int], growth: float) -> None:
    length = Length()
    for number, count in enumerate(turns):
        for place in range(count):
            starts = number % 10 == 0 and place == 0
            length = lengthened(length, starts=starts, begins=place == 0, growth=growth if place else None)
    calls, talks, added = sum(turns), -(-len(turns) // 10), sum(turns) - len(turns)
    assert abs(length.ahead(0) - (calls + 18) / (talks + 1)) <= 0.5
    assert abs(length.ahead(100_000) - max((calls + 18) / (len(turns) + 3), 1)) <= 0.5
    assert length.growth == pytest.approx((growth * added + 3200) / (added + 4))
