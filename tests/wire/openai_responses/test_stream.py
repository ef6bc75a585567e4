"""Streams: the hard cases as they come from the wire, each read at every cut, and what is written from events."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.wire.openai_responses.sdk import checked, frames

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    Media,
    Opaque,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_responses import reply, request, stream
from pointsman.wire.openai_responses.events import Begun, Ended, ItemCall, ItemRefusal, ItemText, ItemThinking

ASKED = ChatRequest("m", (), dialect="openai_responses")
STAMP = Stamp("ex", 7, "stamped")
RESPONSE: dict[str, Any] = {"id": "resp_1", "object": "response", "created_at": 5, "model": "m", "status": "in_progress",
                            "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}  # fmt: skip
USAGE = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1}, "output_tokens": 6,
         "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15}  # fmt: skip
TOOK = Used(Usage(9, 6, 4, 1, 2))
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "in_progress",
    "content": [],
    "phase": "final_answer",
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "", "status": "in_progress"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}


def frame(kind: str, index: int | None = None, **fields: Any) -> bytes:
    place = {} if index is None else {"output_index": index, "item_id": f"item_{index}"}
    data = json.dumps({"type": kind, "sequence_number": 0, **place, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def created(**fields: Any) -> bytes:
    return frame("response.created", response={**RESPONSE, **fields})


def completed(*output: Any, status: str = "completed", **fields: Any) -> bytes:
    return frame(f"response.{status}", response={**RESPONSE, "status": status, "output": output, "usage": USAGE, **fields})


def added(index: int, item: Any) -> bytes:
    return frame("response.output_item.added", index, item=item)


def done(index: int, item: Any) -> bytes:
    return frame("response.output_item.done", index, item=item)


def text(index: int, said: str, **fields: Any) -> bytes:
    return frame("response.output_text.delta", index, content_index=0, delta=said, logprobs=[], obfuscation="xyz", **fields)


def arguments(index: int, said: str) -> bytes:
    return frame("response.function_call_arguments.delta", index, delta=said)


def said(*texts: str) -> dict[str, Any]:
    contents = [{"type": "output_text", "text": each, "annotations": [], "logprobs": []} for each in texts]
    return {**MESSAGE, "status": "completed", "content": contents}


def called(arguments: str, **fields: Any) -> dict[str, Any]:
    return {**CALL, "arguments": arguments, "status": "completed", **fields}


def read(*chunks: bytes) -> tuple[list[StreamEvent], set[str]]:
    decoder = stream.decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.end(), decoder.unread


def spoken(raw: bytes) -> list[StreamEvent]:
    """What a stream says between its beginning and its end, read at every cut."""
    whole = read(raw)
    for cut in range(len(raw)):
        assert read(raw[:cut], raw[cut:]) == whole, cut
    assert whole[1] == set()
    events = whole[0]
    assert isinstance(events[0], Begun)
    assert events[-1] == End()
    return [event for event in events[1:-1] if not isinstance(event, (Finish, Used))]


def raw(value: object) -> Raw:
    return Raw(json.dumps(value, ensure_ascii=False).encode())


OWN = {"message.phase": raw("final_answer")}


def item_text(part: int, words: str) -> ItemText:
    return ItemText(part, words, own=OWN, frame={"id": raw("msg_1")})


def item_call(part: int, id_: str = "c1") -> ItemCall:
    return ItemCall(part, id_, "look", frame={"id": raw("fc_1")})


def written(*events: StreamEvent, asked: ChatRequest = ASKED) -> tuple[list[Any], set[str]]:
    """The frames that events make, and what was lost; the whole reply of the same events is the last frame's."""
    encoder = stream.encoder(asked, STAMP)
    out = b"".join([*(encoder.feed(event) for event in events), encoder.end(), encoder.end()])
    found = frames(out)
    whole = reply.encode(events, asked, STAMP)
    assert checked(whole.body) == found[-1]["response"]
    assert set(whole.lost) == encoder.lost
    return found, encoder.lost


def test_a_stream_from_beginning_to_end() -> None:
    events, unread = read(
        created(service_tier="auto", temperature=1.0, billing={"payer": "p"}),
        frame("response.in_progress", response=RESPONSE),
        added(0, MESSAGE),
        frame("response.content_part.added", 0, content_index=0, part={"type": "output_text", "text": ""}),
        text(0, "Zwölf "),
        text(0, "火车 🚂"),
        frame("response.output_text.done", 0, content_index=0, text="Zwölf 火车 🚂"),
        frame("response.content_part.done", 0, content_index=0, part=said("Zwölf 火车 🚂")["content"][0]),
        done(0, said("Zwölf 火车 🚂")),
        completed(said("Zwölf 火车 🚂"), service_tier="default", completed_at=9, temperature=1.0, billing={"payer": "p"}),
    )
    assert unread == set()
    start = events[0]
    assert isinstance(start, Begun)
    assert (start.id, start.model, start.created, start.service_tier) == ("resp_1", "m", 5, "auto")
    assert start.own == {"billing": raw({"payer": "p"})}
    end = Ended("stop", "completed", echo={"completed_at": Raw(b"9"), "service_tier": Raw(b'"default"')})
    assert events[1:] == [item_text(0, "Zwölf "), TextDelta(0, "火车 🚂"), end, TOOK, End()]


REFUSED = {**MESSAGE, "content": [{"type": "refusal", "refusal": "I will not"}]}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "ab"},
 {"type": "summary_text", "text": "c"}],
           "encrypted_content": "final=="}  # fmt: skip
OPEN_THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "early=="}
CITATION = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
CITED = {**MESSAGE, "content": [{"type": "output_text", "text": "a", "annotations": [CITATION, CITATION]}]}
TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.0, "bytes": [98]}]}
LOGPROBS = Logprobs((TokenLogprob("a", -0.5, (97,), (TokenLogprob("b", -1.0, (98,)),)),))
SHELL = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "sh", "input": ""}
SUMMARY = "response.reasoning_summary_text"


@pytest.mark.parametrize(
    ("stream_", "expected"),
    [
        pytest.param(
            created() + added(0, CALL) + added(1, {**CALL, "call_id": "c2"}) + arguments(0, '{"a"') + arguments(1, "{}")
            + arguments(0, ":1}") + done(0, called('{"a":1}')) + done(1, called("{}")) + completed(called('{"a":1}'),
            called("{}")),
            [item_call(0), item_call(1, "c2"), ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(1, arguments="{}"),
             ToolCallDelta(0, arguments=":1}")],
            id="parallel calls, interleaved",
        ),
        pytest.param(
            created() + added(0, CALL) + done(0, called("")) + completed(called("")),
            [item_call(0)], id="no arguments",
        ),
        pytest.param(
            created() + added(0, CALL) + frame("response.function_call_arguments.done", 0, arguments="{}") + done(0,
             called("{}"))
            + completed(called("{}")),
            [item_call(0), ToolCallDelta(0, arguments="{}")], id="arguments at the end only",
        ),
        pytest.param(
            created() + added(0, SHELL) + frame("response.custom_tool_call_input.delta", 0, delta="ls")
            + done(0, {**SHELL, "input": "ls"}) + completed({**SHELL, "input": "ls"}),
            [ItemCall(0, "c2", "sh", kind="custom", frame={"id": raw("ctc_1")}), ToolCallDelta(0, arguments="ls")],
            id="a custom tool",
        ),
        pytest.param(
            created() + added(0, OPEN_THOUGHT) + frame("response.reasoning_summary_part.added", 0, summary_index=0, part={})
            + frame(SUMMARY + ".delta", 0, summary_index=0, delta="a") + frame(SUMMARY + ".delta", 0,
            summary_index=0, delta="b")
            + frame(SUMMARY + ".done", 0, summary_index=0, text="ab") + frame(SUMMARY + ".done", 0, summary_index=1,
            text="c")
            + done(0, THOUGHT) + completed({**THOUGHT, "encrypted_content": "other=="}),
            [ThinkingDelta(0, "a", section=0, id="rs_1"), ThinkingDelta(0, "b", section=0), ThinkingDelta(0, "c", section=1),
             ThinkingDelta(0, encrypted="final==")],
            id="a summary in sections, and what seals it",
        ),
        pytest.param(
            created() + added(0, OPEN_THOUGHT) + done(0, {**THOUGHT, "summary": []}) + completed(THOUGHT),
            [ThinkingDelta(0, encrypted="final==", id="rs_1")], id="sealed reasoning without a word",
        ),
        pytest.param(
            created() + added(0, {"type": "reasoning", "id": "r", "summary": [], "content": [], "status": "in_progress"})
            + frame("response.reasoning_text.delta", 0, content_index=0, delta="why")
            + frame("response.reasoning_text.done", 0, content_index=0, text="why") + completed(),
            [ItemThinking(0, "why", id="r", frame={"status": raw("completed")})], id="reasoning as text, without its end",
        ),
        pytest.param(
            created() + added(0, MESSAGE) + frame("response.refusal.delta", 0, content_index=0, delta="I will ")
            + frame("response.refusal.delta", 0, content_index=0, delta="not") + done(0, REFUSED) + completed(REFUSED),
            [ItemRefusal(0, "I will ", own=OWN, frame={"id": raw("msg_1")}), RefusalDelta(0, "not")], id="a refusal",
        ),
        pytest.param(
            created() + added(0, MESSAGE) + text(0, "a") + frame("response.output_text.annotation.added", 0, content_index=0,
                                                                 annotation_index=0, annotation=CITATION)
            + done(0, CITED) + completed(CITED),
            [item_text(0, "a"), CitationDelta(0, raw(CITATION)), CitationDelta(0, raw(CITATION))], id="citations",
        ),
        pytest.param(
            created() + added(0, MESSAGE) + frame("response.output_text.delta", 0, content_index=0, delta="a",
             logprobs=[TOKEN])
            + frame("response.output_text.done", 0, content_index=0, text="a", logprobs=[TOKEN]) + completed(said("a")),
            [item_text(0, "a"), LOGPROBS], id="probabilities",
        ),
        pytest.param(
            created() + added(0, {**SEARCH, "status": "in_progress"}) + added(1, {"type": "mcp_call", "id": "mcp_1"})
            + frame("response.web_search_call.searching", 0) + done(1, {"type": "mcp_call", "id": "mcp_1"}) + done(0, SEARCH)
            + completed(SEARCH, {"type": "mcp_call", "id": "mcp_1"}),
            [WholePart(0, Opaque("web_search_call", raw(SEARCH))), WholePart(1, Opaque("mcp_call",
             raw({"type": "mcp_call", "id": "mcp_1"})))],
            id="tools of the provider that end in another order",
        ),
        pytest.param(
            created() + added(0, MESSAGE) + completed(said("all", "of it")),
            [item_text(0, "all"), TextDelta(1, "of it")], id="everything in the last event",
        ),
        pytest.param(
            created() + added(0, MESSAGE) + frame("response.content_part.done", 0, content_index=0, part={})
            + done(0, said("")) + completed(said("")),
            [item_text(0, "")], id="an empty text",
        ),
        pytest.param(created() + completed(), [], id="nothing"),
        pytest.param(
            frame("response.output_text.delta", 3, content_index=0,
             delta="b").replace(b"event: response.output_text.delta\n", b"")
            .join([created(), b""]) + completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
            + b"data: [DONE]\n\n",
            [TextDelta(0, "b")], id="in the middle, without event lines, with [DONE]",
        ),
        pytest.param(
            b"\xef\xbb\xbf".join([b"", created()])[3:].replace(b"\n", b"\r\n") + b": ping\r\n\r\n"
            + text(0, "a").replace(b"\n", b"\r\n") + completed().replace(b"\n", b"\r"),
            [TextDelta(0, "a")], id="CRLF, CR and comments",
        ),
        pytest.param(
            created() + b'event: x\ndata: {"type":"response.output_text.delta",\ndata: "delta":"a"}\n\n' + completed()[:-1],
            [TextDelta(0, "a")], id="data on two lines, and no blank line at the end",
        ),
    ],
)  # fmt: skip
def test_hard_cases(stream_: bytes, expected: list[StreamEvent]) -> None:
    assert spoken(stream_) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (completed(), Finish("stop", "completed")),
        (completed(called("{}")), Finish("tool_calls", "completed")),
        (
            completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            Finish("length", "max_output_tokens"),
        ),
        (
            completed(status="incomplete", incomplete_details={"reason": "content_filter"}),
            Finish("content_filter", "content_filter"),
        ),
        (completed(status="incomplete", incomplete_details={"reason": "steered"}), Finish("other", "steered")),
        (completed(status="incomplete"), Finish("other", "incomplete")),
        (completed(status="cancelled"), Finish("error", "cancelled")),
        (
            completed(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}),
            Failed("slow", 429, "rate_limit_exceeded"),
        ),
        (completed(status="failed", error=None), Failed("the provider reported an error", 502)),
    ],
)
def test_how_a_stream_ends(last: bytes, expected: StreamEvent) -> None:
    events, _ = read(created() + last)
    assert events[-3:] == [expected, TOOK, End()]


@pytest.mark.parametrize(
    "fields",
    [{"code": "server_error", "message": "m"}, {"error": {"code": "server_error", "message": "m"}}],
)
def test_an_error_event_ends_a_stream(fields: dict[str, Any]) -> None:
    broken = created() + text(0, "a") + frame("error", **fields) + text(0, "not read")
    assert read(broken)[0][1:] == [TextDelta(0, "a"), Failed("m", 500, "server_error")]
    bare = b'data: {"error":{"code":429,"message":"m"}}\n\n'
    assert read(bare)[0] == [Failed("m", 429, "429")]


def test_a_cut_stream_has_no_end() -> None:
    events, _ = read(created() + added(0, MESSAGE) + text(0, "a") + text(0, "b")[:-9])
    assert events[1:] == [item_text(0, "a")]


def test_what_is_not_understood_is_named() -> None:
    events, unread = read(created() + frame("response.hologram.delta", 0, delta="x") + b"data: {\n\n" + completed())
    assert unread == {"response.hologram.delta", stream.NOT_JSON}
    assert isinstance(events[1], Finish)


@pytest.mark.parametrize("first", [True, False])
def test_a_field_of_a_frame_that_nobody_knows_is_named(first: bool) -> None:
    before = [] if first else [text(0, "a")]
    events, unread = read(created(), added(0, MESSAGE), *before, text(0, "b", tone=1), text(0, "c"), completed(said("bc")))
    assert unread == {"response.output_text.delta.tone"}
    assert [event.text for event in events if isinstance(event, TextDelta)] == [*["a"][: not first], "b", "c"]


def test_an_endless_frame_is_refused() -> None:
    decoder = stream.decoder()
    with pytest.raises(WireError):
        decoder.feed(b"x" * (sse.FRAME_LIMIT + 1))


def test_a_line_of_a_megabyte_is_read() -> None:
    events, _ = read(created() + text(0, "x" * 1024 * 1024))
    assert events[1:] == [TextDelta(0, "x" * 1024 * 1024)]


def test_every_frame_of_a_text() -> None:
    found, lost = written(
        Start("chatcmpl-1", "gpt", 3), TextDelta(0, "a"), TextDelta(0, "b"), Finish("stop", "stop"), TOOK, End()
    )
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert lost == set()
    response = found[-1]["response"]
    assert (response["id"], response["model"], response["created_at"], response["status"]) == (
        "chatcmpl-1",
        "gpt",
        3,
        "completed",
    )
    assert response["usage"] == USAGE
    assert response["output"] == [{
        "id": "msg_ex_0", "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "ab", "annotations": [], "logprobs": []}],
    }]  # fmt: skip


def test_items_end_before_the_next_and_calls_with_the_reply() -> None:
    found, lost = written(
        Start(), ThinkingDelta(0, "hm", signature="s"), TextDelta(1, "a"), RefusalDelta(2, "no"), ToolCallDelta(3,
         "c1", "f"),
        ToolCallDelta(4, "c2", "sh", kind="custom"), ToolCallDelta(3, arguments="{}"), ToolCallDelta(4, arguments="ls"),
        TextDelta(5, "z"), ToolCallDelta(3, arguments=" "), TextDelta(1, "late"), Finish("tool_calls"), End(),
    )  # fmt: skip
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call", "custom_tool_call", "message"]
    assert [part["type"] for part in output[1]["content"]] == ["output_text", "refusal"]
    assert (output[0]["content"], output[2]["arguments"], output[3]["input"]) == (
        [{"type": "reasoning_text", "text": "hm"}],
        "{} ",
        "ls",
    )
    assert [part["text"] for part in output[4]["content"]] == ["z", "late"]
    assert lost == {"thinking.signature"}
    assert found[-1]["response"]["usage"] is None


def test_a_summary_and_what_seals_it() -> None:
    found, _ = written(
        ThinkingDelta(0, "a", section=0), ThinkingDelta(0, "b", section=1), ThinkingDelta(0, encrypted="E=="), End()
    )
    assert found[-1]["response"]["output"] == [{
        "id": "rs_ex_0", "type": "reasoning", "encrypted_content": "E==",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    }]  # fmt: skip
    assert found[-1]["response"]["model"] == "stamped"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (Finish("length", "max_tokens"), "incomplete", "max_output_tokens"),
        (Finish("content_filter"), "incomplete", "content_filter"),
        (Finish("refusal"), "incomplete", "content_filter"),
        (Finish("stop_sequence", stop_sequence="x"), "completed", None),
        (Finish("pause"), "completed", None),
        (Finish("other", "steered"), "incomplete", "steered"),
    ],
)
def test_how_a_written_reply_ends(finish: Finish, status: str, reason: str | None) -> None:
    found, lost = written(TextDelta(0, "a"), finish, End())
    response = found[-1]["response"]
    assert found[-1]["type"] == f"response.{status}"
    assert response["status"] == response["output"][0]["status"] == status
    assert response["incomplete_details"] == (None if reason is None else {"reason": reason})
    assert lost == ({"stop_sequence"} if finish.stop_sequence else set())


@pytest.mark.parametrize(
    ("failed", "code"),
    [(Failed("m", 529, "overloaded_error"), "server_error"), (Failed("m", 429), "rate_limit_exceeded"),
     (Failed("m", 400), "invalid_prompt"), (Failed("m", 400, "image_too_large"), "image_too_large")],
)  # fmt: skip
def test_a_reply_that_fails(failed: Failed, code: str) -> None:
    found, _ = written(Start("r"), TextDelta(0, "a"), failed)
    assert found[-1]["type"] == "response.failed"
    assert found[-1]["response"]["error"] == {"code": code, "message": "m"}
    assert found[-1]["response"]["output"][0]["status"] == "incomplete"


def test_citations_media_and_probabilities_of_other_dialects() -> None:
    nested = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 2}}
    web = {"type": "web_search_result_location", "url": "v", "title": None, "cited_text": "x"}
    page = {"type": "page_location", "document_index": 0}
    found, lost = written(
        TextDelta(0, "abc"), *(CitationDelta(0, raw(each)) for each in (nested, web, page)),
        Logprobs((TokenLogprob("ü", -0.5, top=(TokenLogprob("b", -1.0),)),)), WholePart(1, Media("image",
         data="AA==", mime="image/png")),
        WholePart(2, Media("audio", data="A")), WholePart(3, Opaque("server_tool_use", raw({}))), CitationDelta(0,
         raw(web)), End(),
    )  # fmt: skip
    message, image = found[-1]["response"]["output"]
    assert [(each["url"], each["start_index"], each["end_index"]) for each in message["content"][0]["annotations"]] == [
        ("u", 1, 2), ("v", 0, 3)
    ]  # fmt: skip
    assert message["content"][0]["logprobs"][0]["bytes"] == [195, 188]
    assert (image["type"], image["result"], image["output_format"]) == ("image_generation_call", "AA==", "png")
    assert lost == {"citations", "citations.cited_text", "audio", "server_tool_use"}


@pytest.mark.parametrize(("tier", "written_", "gone"), [("standard", "default", set()), ("batch", None, {"service_tier"})])
def test_service_tiers_of_other_dialects(tier: str, written_: str | None, gone: set[str]) -> None:
    found, lost = written(Start(service_tier=tier), TextDelta(0, "a"), End())
    assert (found[-1]["response"].get("service_tier"), lost) == (written_, gone)


def test_own_fields_of_other_dialects_and_further_choices_are_named() -> None:
    found, lost = written(
        Start(own={"system_fingerprint": raw("f")}), TextDelta(0, "a"), TextDelta(0, "b", choice=1), TextDelta(0,
         "c", signature="s"),
        ToolCallDelta(1, "", "f", own={"x": raw(1)}), Finish("stop", own={"y": raw(1)}), Used(Usage(1, 1),
         own={"cost": raw(1)}), End(),
    )  # fmt: skip
    assert lost == {"system_fingerprint", "choices", "thinking.signature", "x", "y", "cost"}
    call = found[-1]["response"]["output"][1]
    assert call["call_id"] == "call_ex_1"


def test_a_response_repeats_its_request() -> None:
    body = {
        "model": "m", "instructions": "be brief", "input": "hi", "max_output_tokens": 9, "metadata": {"a": "b"},
         "temperature": 0.5,
        "parallel_tool_calls": False, "previous_response_id": "resp_0", "reasoning": {"effort": "low"}, "store": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}], "tool_choice": {"type": "function",
         "name": "f"},
    }  # fmt: skip
    found, _ = written(TextDelta(0, "a"), End(), asked=request.decode(json.dumps(body).encode()))
    response = found[-1]["response"]
    for name in body.keys() - {"model", "input", "tools", "reasoning"}:
        assert response[name] == body[name], name
    assert response["tools"][0] == {"type": "function", "name": "f", "parameters": None, "strict": False}
    assert response["reasoning"] == {"effort": "low", "summary": None}


words = st.text(max_size=6)
spans = st.sampled_from(["text", "refusal", "thinking", "summary", "sealed", "call", "whole"])


@st.composite
def replies(draw: st.DrawFn) -> list[StreamEvent]:
    """A reply as other dialects have it: parts one behind the other, in pieces; the fragments of calls in turns."""
    events: list[StreamEvent] = [Start("r", "m", 1)]
    fragments: list[StreamEvent] = []
    for part, kind in enumerate(draw(st.lists(spans, max_size=6))):
        pieces = draw(st.lists(words, min_size=1, max_size=3))
        match kind:
            case "text":
                events += [TextDelta(part, piece) for piece in pieces]
            case "refusal":
                events += [RefusalDelta(part, piece) for piece in pieces]
            case "thinking":
                events += [ThinkingDelta(part, piece) for piece in pieces]
            case "summary":
                events += [ThinkingDelta(part, piece, section=at) for at, piece in enumerate(pieces)]
            case "sealed":
                events.append(ThinkingDelta(part, encrypted="E=="))
            case "call":
                events.append(ToolCallDelta(part, f"c{part}", "f", kind=draw(st.sampled_from(["function", "custom"]))))
                fragments += [ToolCallDelta(part, arguments=piece) for piece in pieces]
            case "whole":
                events.append(WholePart(part, Media("image", data="AA==", mime="image/png")))
    events += draw(st.permutations(fragments))
    return [*events, Finish(draw(st.sampled_from(["stop", "length"]))), Used(Usage(3, 2, 1, 0, 1)), End()]


def summed(events: list[StreamEvent]) -> list[Any]:
    """What events add up to: parts in order, their texts joined; empty texts of reasoning are nothing."""
    calls: dict[int, tuple[str, str, str]] = {}
    parts: dict[int, list[str]] = {}
    for event in events:
        match event:
            case TextDelta() | RefusalDelta():
                parts.setdefault(event.part, []).append(event.text)
            case ThinkingDelta() if event.text or event.encrypted:
                parts.setdefault(event.part, []).append(event.text + event.encrypted)
            case ToolCallDelta():
                parts.setdefault(event.part, []).append(event.arguments)
                calls.setdefault(event.part, (event.id, event.name, event.kind))
            case WholePart():
                parts[event.part] = []
            case _:
                pass
    return [(calls.get(part), "".join(texts)) for part, texts in sorted(parts.items())]


@given(replies())
def test_what_is_written_reads_the_same(events: list[StreamEvent]) -> None:
    encoder = stream.encoder(ASKED, STAMP)
    out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
    found = frames(out)
    again, unread = read(out)
    assert unread == set()
    assert summed(again) == summed(events)
    assert Used(Usage(3, 2, 1, 0, 1)) in again
    whole = reply.encode(events, ASKED, STAMP)
    assert checked(whole.body) == found[-1]["response"]
    assert summed(list(reply.decode(whole.body))) == summed(events)


new = st.dictionaries(st.sampled_from(["new", "newer"]), st.booleans() | words, max_size=1)
annotations = st.lists(st.fixed_dictionaries({"type": st.just("url_citation"), "url": words}), max_size=1)
said_texts = st.builds(
    lambda text, cited, more: {"type": "output_text", "text": text, "annotations": cited, "logprobs": [], **more},
    words, annotations, new,
)  # fmt: skip
refused = st.builds(lambda text, more: {"type": "refusal", "refusal": text, **more}, words, new)
spoken_items = st.builds(
    lambda contents, phase, more: {"type": "message", "role": "assistant", "content": contents, **phase, **more},
    st.lists(said_texts | refused, min_size=1, max_size=3), st.sampled_from([{}, {"phase": "commentary"}]), new,
)  # fmt: skip
thought_items = st.builds(
    lambda summary, texts, sealed, more: {"type": "reasoning", "summary": summary, **texts, **sealed, **more},
    st.lists(st.builds(lambda text, more: {"type": "summary_text", "text": text, **more}, words, new), max_size=2),
    st.sampled_from([{}, {"content": [{"type": "reasoning_text", "text": "hm"}]}]),
    st.sampled_from([{}, {"encrypted_content": "E=="}]),
    new,
)
called_items = st.builds(
    lambda arguments, more: {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments, **more},
    words,
    new,
)
hosted_items = st.just({"type": "web_search_call", "action": {"type": "search"}, "status": "completed"})
numbered = st.lists(spoken_items | thought_items | called_items | hosted_items, max_size=4).map(
    lambda items: [{**item, "id": f"i_{place}", "status": "completed"} for place, item in enumerate(items)]
)


@given(numbered, new, st.lists(st.integers(0, 3000), max_size=4))
def test_a_reply_of_this_dialect_comes_back(output: list[Any], more: dict[str, Any], cuts: list[int]) -> None:
    body = {**RESPONSE, "status": "completed", "output": output, "usage": USAGE, "error": None, "instructions": "i", **more}
    events = reply.decode(json.dumps(body).encode())
    encoded = reply.encode(events, ASKED, STAMP)
    assert encoded.lost == ()
    back = reply.decode(encoded.body)
    assert back[1:] == events[1:]
    assert back[0].own == events[0].own  # type: ignore[union-attr]
    encoder = stream.encoder(ASKED, STAMP)
    out = b"".join([*map(encoder.feed, events), encoder.end()])
    assert encoder.lost == set()
    places = sorted({min(cut, len(out)) for cut in cuts} | {0, len(out)})
    streamed, unread = read(*[out[start:end] for start, end in itertools.pairwise(places)])
    assert unread == set()
    assert json.loads(reply.encode(streamed, ASKED, STAMP).body) == json.loads(encoded.body)


KINDS = st.sampled_from([
    "response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta", "error", "",
    "response.output_text.done", "response.completed", "response.function_call_arguments.delta", "response.failed", "x",
    "response.output_text.annotation.added", "response.reasoning_summary_text.delta",
])  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "content", "id", "output", "status", "usage", "text", "error", "created_at", "summary",
         "input_tokens", "name"]
    ), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = ["item", "response", "delta", "text", "output_index", "content_index", "logprobs", "annotation", "error", "part"]


@given(st.lists(st.tuples(KINDS, st.dictionaries(st.sampled_from(FIELDS), values)), max_size=5), st.integers(0, 400))
def test_frames_of_any_kind_are_read_or_named(parts: list[tuple[str, dict[str, Any]]], cut: int) -> None:
    out = b"".join(b"data: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n" for kind, fields in parts)
    assert read(out[:cut], out[cut:]) == read(out)


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps({"output": [value], "usage": value}).encode()))
def test_bytes_of_any_kind_are_a_reply_or_refused(body: bytes) -> None:
    read(body)
    try:
        events = reply.decode(body)
    except WireError:
        return
    msgspec.json.decode(reply.encode(events, ASKED, STAMP).body)
