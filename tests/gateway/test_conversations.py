"""How conversations are told apart, and for how long they are remembered."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.gateway.conversations import Conversations

MEMORY = Conversations()
WORDS = st.text(max_size=6)
TURNS = st.lists(st.tuples(st.sampled_from(("system", "user", "assistant")), WORDS), max_size=4)


def request(turns: list[tuple[str, str]]) -> ChatRequest:
    return ChatRequest("m", tuple([Message(role, (Text(text),)) for role, text in turns]))


def first_turns(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    first = next((place for place, (role, _) in enumerate(turns) if role != "system"), len(turns))
    return turns[: first + 1]


@given(TURNS, TURNS, TURNS)
def test_a_conversation_is_known_by_its_first_turns_alone(
    one: list[tuple[str, str]], other: list[tuple[str, str]], later: list[tuple[str, str]]
) -> None:
    same = first_turns(one) == first_turns(other)
    assert (MEMORY.first_turns(request(one)) == MEMORY.first_turns(request(other))) == same
    if first_turns(one) == one and one and one[-1][0] != "system":
        assert MEMORY.first_turns(request(one + later)) == MEMORY.first_turns(request(one))


def test_a_name_of_the_clients_own_comes_first_and_a_guess_only_where_something_could_depend_on_it() -> None:
    asked = request([("user", "x")])
    assert MEMORY.name("c1", asked, plain=True) == MEMORY.name("c1", asked, plain=False) == "conversation:c1"
    assert MEMORY.name("", asked, plain=True) == ""
    assert MEMORY.name("", asked, plain=False) == MEMORY.first_turns(asked)


def test_the_one_not_used_for_longest_is_forgotten_first() -> None:
    memory = Conversations(limit=2)
    for name in ("a", "b"):
        memory.remember(name, f"p/{name}")
    assert memory.holder("a") == "p/a"
    memory.remember("c", "p/c")
    assert [memory.holder(name) for name in ("a", "b", "c", "")] == ["p/a", None, "p/c", None]


def test_naming_keeps_nothing() -> None:
    """Compiled by mypyc, `str` of a large number kept it: 36 bytes for each request, for ever."""
    asked = [request([("user", f"number {number}")]) for number in range(2000)]
    names = {MEMORY.name("", one, plain=False) for one in asked}
    before = sys.getallocatedblocks()
    for one in asked:
        MEMORY.name("", one, plain=False)
    assert len(names) == 2000
    assert sys.getallocatedblocks() - before < 500
