"""Cases proposed from traffic: who was seen to disagree comes first, nobody's answer is right, none comes twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.cases.growing import LEAST, Looked, Proposal, chance, expectations, messages_of, propose, row_of
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Grader, Prediction
from pointsman.core.snapshot import Keeping, Snapshot

WORDS = (
    "alpha", "brook", "cedar", "delta", "ember", "frost", "grove", "heath", "inlet", "jolly", "knoll", "lemon", "maple",
    "noble", "ocean", "pearl", "quill", "river",
)  # fmt: skip

AT_THE_TIME = expectations(Snapshot(), "auto", "f")


def text(seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=12))


def exchange(name: str, prompt: str, qualities: dict[str, float | None] | None = None) -> ExchangeRecord:
    predictions = tuple(Prediction(deployment, quality) for deployment, quality in (qualities or {}).items())
    decision = Decision("p/a", (), ("p/a",), (1.0,), "observe", "reference", "why", predictions)
    return ExchangeRecord(name, 1, "auto", "f", "ok", 200, decision, prompt=prompt)


def graded(name: str, **scores: float | None) -> list[Judgement]:
    return [
        Judgement(name, 1, "f", f"p/{model}", "reference" if model == "a" else "candidate", score, "exact", "t")
        for model, score in scores.items()
    ]


def test_the_most_telling_come_first_with_their_reason() -> None:
    records = [
        exchange("predicted", f"user: {text(1)}", {"p/a": 0.9, "p/b": 0.3, "p/c": 0.8}),
        exchange("half", f"user: {text(2)}"),
        exchange("whole", f"system: Be brief.\n\nuser: {text(3)}"),
        exchange("sure", f"user: {text(4)}", {"p/a": 0.99, "p/b": 0.98}),
        exchange("alike", f"user: {text(5)}", {"p/a": 0.9, "p/b": 0.1}),
        exchange("nothing known", f"user: {text(6)}"),
        exchange("one only", f"user: {text(7)}", {"p/a": 0.5, "p/b": None}),
        exchange("no prompt", ""),
    ]
    judgements = [
        *graded("half", a=1.0, b=0.5), *graded("whole", a=0.0, b=1.0), *graded("alike", a=1.0, b=1.0),
        *graded("no prompt", a=0.0, b=1.0), *graded("nothing known", a=1.0, b=None),
    ]  # fmt: skip
    found, looked = propose(records, judgements, 10, AT_THE_TIME)
    assert [one.exchange for one in found] == ["whole", "half", "predicted"]
    assert looked == Looked(8, 7, 3)
    assert found[0].why == "graded in a trial: p/b 1.00, p/a 0.00"
    assert found[0].messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text(3)}]
    assert found[2].why == "predicted: p/a 0.90, p/b 0.30, so that they differ with a chance of 66 %"
    assert [one.exchange for one in propose(records, judgements, 1, AT_THE_TIME)[0]] == ["whole"]


def test_the_right_answer_is_left_blank() -> None:
    request = ChatRequest("", (Message("user", (Text("x"),)),))
    proposal = Proposal("e", [{"role": "user", "content": "x"}], request, "because", 1.0)
    row = row_of(proposal, "f", Grader("numeric", "1%"), Keeping())
    assert (row["expected"], row["grader"], row["spec"], row["why"], row["id"]) == (None, "numeric", "1%", "because", "e")
    assert "grader" not in row_of(proposal, "f", None, Keeping())


def test_what_resembles_one_that_was_taken_is_left_out() -> None:
    long = text(1) + " " + text(2)
    records = [
        exchange("first", f"user: {long}", {"p/a": 0.9, "p/b": 0.1}),
        exchange("same", f"user: {long.upper()}", {"p/a": 0.9, "p/b": 0.2}),
        exchange("nearly", f"user: {long}!", {"p/a": 0.9, "p/b": 0.2}),
        exchange("other", f"user: {text(3)} {text(4)}", {"p/a": 0.9, "p/b": 0.3}),
    ]
    found, looked = propose(records, [], 10, AT_THE_TIME)
    assert [one.exchange for one in found] == ["first", "other"]
    assert looked.telling == 4


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text("ab \n:", min_size=1)), max_size=5))
def test_a_stored_prompt_is_read_back(turns: list[tuple[str, str]]) -> None:
    turns = [*turns, ("user", "so?")]
    request = ChatRequest("m", tuple(Message(role, (Text(said),)) for role, said in turns))
    assert messages_of(request.transcript) == [{"role": role, "content": said} for role, said in turns]


@pytest.mark.parametrize(
    "stored", ["", "plain text", "assistant: hi", "user: ", "user: x\n\ntool: y\n\nuser: z", "other: x", "x\n\nuser: y"]
)
def test_what_cannot_be_asked_again_is_none(stored: str) -> None:
    assert messages_of(stored) == []


@given(st.lists(st.floats(0, 1), min_size=2, max_size=7))
def test_the_two_that_most_likely_differ_are_found(qualities: list[float]) -> None:
    named = {f"p/{place}": quality for place, quality in enumerate(qualities)}
    widest = max(chance(p, q) for n, p in enumerate(qualities) for m, q in enumerate(qualities) if n < m)
    found, _ = propose([exchange("e", "user: hello there", dict(named))], [], 1, AT_THE_TIME)
    assert bool(found) == (widest >= LEAST)
    if found:
        assert found[0].telling == pytest.approx(widest)
