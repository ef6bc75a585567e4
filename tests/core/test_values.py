"""What the values of core promise in their docstrings: views of a chat, records, decisions, prices, errors."""

import ast
import importlib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import core
from pointsman.core import chat, errors, ledger, price, record, routing, snapshot
from pointsman.core.chat import ChatRequest, Media, Message, Text, ToolCall, Usage
from pointsman.core.errors import GatewayError, PointsmanError, UpstreamError, WireError
from pointsman.core.record import Attempt, ExchangeRecord, Judgement, Sample
from pointsman.core.routing import Decision, Prediction

MODULES = (chat, ledger, price, record, routing, snapshot)
STRUCTS = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_every_value_is_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


def test_core_imports_nothing_that_reaches_the_outside() -> None:
    """The floor contract forbids a list of modules; this one holds for every module there is."""
    allowed = {"collections", "dataclasses", "decimal", "hashlib", "msgspec", "pointsman", "typing"}
    for path in Path(str(core.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path.name
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in allowed, path.name


def test_every_module_of_core_is_in_its_glossary() -> None:
    folder = Path(str(core.__file__)).parent
    names = {path.stem for path in (*folder.glob("*.py"), *folder.glob("*/"))} - {"__init__", "__pycache__"}
    assert core.__doc__ is not None
    assert names == {line.split()[0] for line in core.__doc__.splitlines()[2:] if line.strip()}
    for name in names:
        assert importlib.import_module(f"pointsman.core.{name}").__doc__


class TestChat:
    """Views of a request."""

    REQUEST = ChatRequest(
        "m",
        (
            Message("system", (Text("be brief"),)),
            Message("user", (Text("what is"), Media("image"), Text("this?"))),
            Message("assistant", (ToolCall("look", '{"at":"it"}'),)),
            Message("tool", (Text("a cat"), Media("file"))),
            Message("system", (Text("and kind"),)),
        ),
    )

    def test_texts_are_split_by_role_and_nothing_is_lost(self) -> None:
        assert self.REQUEST.system_text == "be brief\nand kind"
        assert self.REQUEST.user_text == "what is\nthis?\n\na cat"

    def test_media_are_found_anywhere(self) -> None:
        assert self.REQUEST.media == {"image", "file"}
        assert ChatRequest("m", ()).media == frozenset()

    @given(st.lists(st.text(max_size=20), max_size=5))
    def test_a_messages_text_is_its_text_parts(self, texts: list[str]) -> None:
        parts: list[chat.Part] = [Media("audio")]
        for text in texts:
            parts += [Text(text), Media("image")]
        assert Message("user", tuple(parts)).text == "\n".join(texts)

    def test_one_requests_metadata_is_not_anothers(self) -> None:
        one = ChatRequest("m", ())
        one.metadata["feature"] = "x"
        assert ChatRequest("m", ()).metadata == {}


class TestRecord:
    """What follows from attempts."""

    @staticmethod
    def exchange(outcome: str, *costs: int | None) -> ExchangeRecord:
        calls = tuple(Attempt(f"p/{place}", "first", 0, cost_nano=cost) for place, cost in enumerate(costs))
        return ExchangeRecord("x", 0, "auto", "f", outcome, 200, attempts=calls)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("costs", "total"), [((), None), ((None,), None), ((None, 0), 0), ((3, None, 4), 7), ((2**60, 1), 2**60 + 1)]
    )
    def test_the_cost_is_the_sum_of_what_is_known(self, costs: tuple[int | None, ...], total: int | None) -> None:
        assert self.exchange("ok", *costs).cost_nano == total

    @pytest.mark.parametrize(("outcome", "served"), [("ok", True), ("cut", True), ("error", False), ("client_gone", False)])
    def test_only_an_answer_that_reached_the_client_was_served(self, outcome: str, served: bool) -> None:
        one = self.exchange(outcome, None, None)
        assert one.served_by == (one.attempts[1] if served else None)
        assert self.exchange(outcome).served_by is None

    @pytest.mark.parametrize("kind", [ExchangeRecord, Judgement, Sample])
    def test_nothing_holds_money_as_float(self, kind: type[msgspec.Struct]) -> None:
        for struct in (kind, Attempt, Prediction):
            for field in msgspec.structs.fields(struct):
                if field.name.endswith("_nano"):
                    assert "float" not in str(field.type)

    def test_a_sample_survives_the_way_to_the_control_process(self) -> None:
        sample = Sample("x", "f", "auto", "p/m", "control", b"\x00\xff", "答", Usage(1, 2, 3, 4, 5), 7, "右", b"v")
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(sample), type=Sample) == sample


class TestDecision:
    """Looking up predictions."""

    def test_a_prediction_is_found_by_name_or_there_is_none(self) -> None:
        said = (Prediction("a", 0.5), Prediction("b", 0.6))
        decision = Decision("a", (), ("a", "b"), (1.0, 0.0), "auto", "policy", "w", predictions=said)
        assert decision.predicted("b") == said[1]
        assert decision.predicted("c") is None


def test_a_missing_cache_rate_is_none_and_not_free() -> None:
    rates = price.Rates(Decimal(1), Decimal(2))
    assert (rates.cached, rates.cache_written) == (None, None)
    assert price.NANO_PER_USD == 10**9


class TestErrors:
    """What callers rely on."""

    @pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
    def test_every_error_of_ours_is_caught_as_one(self, name: str) -> None:
        assert issubclass(getattr(errors, name), PointsmanError)

    def test_their_fields_and_words(self) -> None:
        error = GatewayError(503, "c", "wait", param="model", retry_after=2.5)
        assert (error.status, error.code, error.message, error.param, error.retry_after) == (503, "c", "wait", "model", 2.5)
        assert str(error) == "wait"
        assert GatewayError(400, "c", "m").retry_after is None
        assert (str(WireError("w", param="messages")), WireError("w", param="messages").param) == ("w", "messages")
        assert (UpstreamError("connect", "m", sent=False).kind, UpstreamError("connect", "m", sent=False).sent) == (
            "connect",
            False,
        )
