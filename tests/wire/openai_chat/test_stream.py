"""Streamed replies: the hard cases, each read at every cut, and what is written."""

import json
from typing import Any

import pytest
from msgspec import Raw

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
    Tool,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_chat import stream

ASKED = ChatRequest("m", (), include_usage=True)
STAMP = Stamp("e1", 5, "stamped")
NULL = Raw(b"null")
START = Start("c", "m", 9, dialect="openai_chat")
STOP = Finish("stop", "stop")
DONE = b"data: [DONE]\n\n"
EMPTY = Finish("other", own={"finish_reason": NULL})


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def frame(delta: Any = None, finish: str | None = None, *, index: int = 0, around: Any = None, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **(around or {})}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 9, "model": "m", "choices": [choice], **fields}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def call(index: int | None, arguments: str | None, id_: str | None = None, name: str | None = None, **more: Any) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {key: value for key, value in (("index", index), ("id", id_)) if value is not None}
    return {"tool_calls": [{**fields, "type": "function", "function": function, **more}]}


def read(*pieces: bytes) -> tuple[list[StreamEvent], set[str]]:
    decoder = stream.decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.end(), decoder.unread


def at_every_cut(sent: bytes) -> tuple[list[StreamEvent], set[str]]:
    """What a stream says, which is the same in one piece, at every cut, and byte by byte."""
    whole = read(sent)
    for cut in range(1, len(sent)):
        assert read(sent[:cut], sent[cut:]) == whole, cut
    assert read(*[sent[place : place + 1] for place in range(len(sent))]) == whole
    return whole


ROLE = frame({"role": "assistant", "content": "", "refusal": None})
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 2}}
USED = Used(Usage(7, 3, 2))

CASES: dict[str, tuple[bytes, list[StreamEvent], set[str]]] = {
    "text, then the counts in a chunk of no choices": (
        ROLE
        + frame({"content": "Zwölf "})
        + frame({"content": "火车 🚂"})
        + frame({}, "stop")
        + frame(choices=[], usage=USAGE)
        + DONE,
        [START, TextDelta(0, "Zwölf "), TextDelta(0, "火车 🚂"), STOP, USED, End()],
        set(),
    ),
    "no counts, no terminator": (
        ROLE + frame({"content": "x"}) + frame({}, "stop", usage=None),
        [START, TextDelta(0, "x"), STOP],
        set(),
    ),
    "no blank line at the end": (
        (ROLE + frame({"content": "x"}, "stop")).rstrip(b"\n"),
        [START, TextDelta(0, "x"), STOP],
        set(),
    ),
    "no reason to end": (frame({"content": "x"}) + DONE, [START, TextDelta(0, "x"), EMPTY, End()], set()),
    "an empty reason is none": (
        frame({"content": "x"}, "") + frame({}, "stop") + DONE,
        [START, TextDelta(0, "x"), STOP, End()],
        set(),
    ),
    "a reply of nothing": (ROLE + frame({}, "stop") + DONE, [START, STOP, End()], set()),
    "counts in every chunk": (
        frame({"content": "x"}, usage={"prompt_tokens": 7}) + frame({}, "stop", usage=USAGE),
        [START, TextDelta(0, "x"), Used(Usage(7)), STOP, USED],
        set(),
    ),
    "parallel calls, interleaved, with id and name once": (
        frame({"content": "I look."})
        + frame(call(0, "", "c1", "look"))
        + frame(call(1, "{", "c2", "find"))
        + frame(call(0, '{"x"'))
        + frame(call(1, "}"))
        + frame(call(0, ":1}"))
        + frame(call(0, "", None, "look"))
        + frame({"content": " Done."})
        + frame({}, "tool_calls"),
        [
            START,
            TextDelta(0, "I look."),
            ToolCallDelta(1, "c1", "look"),
            ToolCallDelta(2, "c2", "find", "{"),
            ToolCallDelta(1, arguments='{"x"'),
            ToolCallDelta(2, arguments="}"),
            ToolCallDelta(1, arguments=":1}"),
            TextDelta(0, " Done."),
            Finish("tool_calls", "tool_calls"),
        ],
        set(),
    ),
    "two calls in one chunk": (
        frame({"tool_calls": call(0, "{}", "c1", "f")["tool_calls"] + call(1, "{}", "c2", "g")["tool_calls"]}),
        [START, ToolCallDelta(0, "c1", "f", "{}"), ToolCallDelta(1, "c2", "g", "{}")],
        set(),
    ),
    "calls without numbers": (
        frame(call(None, "{", "c1", "f"))
        + frame(call(None, "}"))
        + frame(call(None, "{}", "c2", "g"))
        + frame(call(None, " ")),
        [
            START,
            ToolCallDelta(0, "c1", "f", "{"),
            ToolCallDelta(0, arguments="}"),
            ToolCallDelta(1, "c2", "g", "{}"),
            ToolCallDelta(1, arguments=" "),
        ],
        set(),
    ),
    "all calls under one number": (
        frame(call(0, "{}", "c1", "f")) + frame(call(0, "{", "c2", "g")) + frame(call(0, "}")),
        [START, ToolCallDelta(0, "c1", "f", "{}"), ToolCallDelta(1, "c2", "g", "{"), ToolCallDelta(1, arguments="}")],
        set(),
    ),
    "a call without an id": (frame(call(0, "{}", "", "f")), [START, ToolCallDelta(0, "", "f", "{}")], set()),
    "a call whose name comes late, and one whose name never comes": (
        frame(call(0, '{"a"', "c1")) + frame(call(0, ":1}", None, "f")) + frame(call(1, "{}", "c2")) + DONE,
        [
            START,
            ToolCallDelta(0, "c1", "f", '{"a":1}'),
            ToolCallDelta(1, "c2", "", "{}"),
            EMPTY,
            End(),
        ],
        set(),
    ),
    "a custom tool, and a signed call": (
        frame({"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "sel"}}]})
        + frame({"tool_calls": [{"index": 0, "custom": {"input": "ect"}}]})
        + frame(call(1, "{}", "c2", "f", extra_content={"google": {"thought_signature": "c2ln"}})),
        [
            START,
            ToolCallDelta(0, "c1", "sql", "sel", "custom"),
            ToolCallDelta(0, arguments="ect"),
            ToolCallDelta(1, "c2", "f", "{}", signature="c2ln"),
        ],
        set(),
    ),
    "a function call of old": (
        frame({"function_call": {"name": "f", "arguments": ""}})
        + frame({"function_call": {"arguments": "{}"}})
        + frame({}, "function_call"),
        [
            START,
            ToolCallDelta(0, "", "f", own={"function_call": NULL}),
            ToolCallDelta(0, arguments="{}"),
            Finish("tool_calls", "function_call"),
        ],
        set(),
    ),
    "reasoning before the text (DeepSeek), and a refusal": (
        frame({"content": None, "reasoning_content": "h"})
        + frame({"content": None, "reasoning_content": "m"})
        + frame({"content": "x", "reasoning_content": None})
        + frame({"refusal": "No."}),
        [START, ThinkingDelta(0, "h"), ThinkingDelta(0, "m"), TextDelta(1, "x"), RefusalDelta(2, "No.")],
        set(),
    ),
    "reasoning said twice (OpenRouter)": (
        b": OPENROUTER PROCESSING\n\n"
        + frame(
            {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0, "format": "f"}]}
        )
        + frame({"reasoning_details": [{"type": "reasoning.text", "signature": "c2ln", "index": 0}]})
        + frame(
            {"reasoning": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "ZA==", "id": "i", "index": 1}]}
        )
        + frame({"reasoning": "s", "reasoning_details": [{"type": "reasoning.summary", "summary": "s", "index": 2}]})
        + frame({"content": "x"}, "stop", around={"native_finish_reason": "end_turn"}, provider="P")
        + frame({"content": ""}, "stop", usage=USAGE)
        + DONE,
        [
            START,
            ThinkingDelta(0, "h"),
            ThinkingDelta(0, signature="c2ln"),
            ThinkingDelta(1, encrypted="ZA==", id="i"),
            ThinkingDelta(2, "s", section=0),
            TextDelta(3, "x"),
            Finish("stop", "stop", own={"native_finish_reason": raw("end_turn")}),
            USED,
            End(),
        ],
        {"choices.delta.reasoning_details.format"},
    ),
    "a content of parts (Mistral)": (
        frame({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]})
        + frame({"content": [{"type": "text", "text": "x"}, {"type": "reference", "reference_ids": [1]}]}),
        [
            START,
            ThinkingDelta(0, "hm"),
            TextDelta(1, "x"),
            WholePart(2, Opaque("reference", raw({"type": "reference", "reference_ids": [1]}))),
        ],
        set(),
    ),
    "citations": (
        frame({"content": "x"}) + frame({"annotations": [{"type": "url_citation"}]}),
        [START, TextDelta(0, "x"), CitationDelta(0, raw({"type": "url_citation"}))],
        set(),
    ),
    "sound in pieces, and a drawing": (
        frame({"audio": {"id": "a", "data": "eA"}})
        + frame({"audio": {"data": "==", "transcript": "x"}})
        + frame({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}]})
        + frame({"audio": {"expires_at": 3}})
        + frame({}, "stop"),
        [
            START,
            WholePart(0, Media("image", data="eA==", mime="image/png")),
            WholePart(1, Media("audio", data="eA==", own={"audio": Raw(b'{"id":"a","expires_at":3,"transcript":"x"}')})),
            STOP,
        ],
        set(),
    ),
    "probabilities": (
        frame({"content": "x"}, around={"logprobs": {"content": [{"token": "x", "logprob": -0.5, "bytes": None}]}}),
        [START, TextDelta(0, "x"), Logprobs((TokenLogprob("x", -0.5),))],
        set(),
    ),
    "several choices, each with its own end": (
        frame({"content": "fo"})
        + frame({"content": "fi"}, index=1)
        + frame({"content": "ur"})
        + frame({}, "length", index=1)
        + frame({}, "stop"),
        [
            START,
            TextDelta(0, "fo"),
            TextDelta(0, "fi", 1),
            TextDelta(0, "ur"),
            Finish("length", "length", choice=1),
            STOP,
        ],
        set(),
    ),
    "a stop sequence (vLLM)": (
        frame({"content": "x"}, "stop", around={"stop_reason": "END"}),
        [START, TextDelta(0, "x"), Finish("stop_sequence", "stop", "END")],
        set(),
    ),
    "what is said before anybody answers (Azure)": (
        b'data: {"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[1]}\n\n' + frame({"content": "x"}),
        [Start("c", "m", 9, own={"prompt_filter_results": raw([1])}, dialect="openai_chat"), TextDelta(0, "x")],
        set(),
    ),
    "padding, and fields that come with every chunk": (
        frame({"role": "assistant"}, obfuscation="abc", system_fingerprint="fp", service_tier="default", new=1)
        + frame({"content": "x"}, obfuscation="a", system_fingerprint="fp", service_tier="default", new=1),
        [Start("c", "m", 9, "default", {"system_fingerprint": raw("fp"), "new": raw(1)}, "openai_chat"), TextDelta(0, "x")],
        set(),
    ),
    "fields that nobody knows": (
        ROLE + frame({"content": "x", "odd": 1}, around={"odder": 2}, oddest=3) + frame({}, "stop", around={"matched": 4}),
        [START, TextDelta(0, "x"), Finish("stop", "stop", own={"matched": raw(4)})],
        {"choices.delta.odd", "choices.odder", "oddest"},
    ),
    "counts at Groq's place": (
        frame({"content": "x"}, x_groq={"id": "r"}) + frame({}, "stop", x_groq={"id": "r", "usage": USAGE}),
        [Start("c", "m", 9, own={"x_groq": raw({"id": "r"})}, dialect="openai_chat"), TextDelta(0, "x"), STOP, USED],
        set(),
    ),
    "an event of error (Groq)": (
        ROLE + b'event: error\ndata: {"error":{"message":"failed","type":"invalid_request_error","code":"tool_use_failed",'
        b'"status_code":400}}\n\n',
        [START, Failed("failed", 400, "tool_use_failed")],
        set(),
    ),
    "an error in a chunk, and the terminator (OpenRouter)": (
        frame({"content": "x"}) + frame({}, "error", error={"code": 429, "message": "slow down"}) + DONE,
        [START, TextDelta(0, "x"), Failed("slow down", 429), End()],
        set(),
    ),
    "an error that is a text": (
        b'data: {"error":"broken"}\n\ndata: {"error":null,"choices":[]}\n\n',
        [Failed("broken")],
        set(),
    ),
    "CRLF, comments, data in several lines, and a BOM": (
        (
            b'\xef\xbb\xbf: hello\r\n\r\ndata: {"id":"c","model":"m",\r\ndata: "created":9,"choices":[{"index":0,\r\n'
            b'data:"delta":{"content":"x"}}]}\r\n\r\n: ping\r\n\r\nevent: message\r\nretry: 3\r\ndata: [DONE]\r\n\r\n'
        ),
        [START, TextDelta(0, "x"), EMPTY, End()],
        set(),
    ),
    "CR alone": (
        frame({"content": "x"}, "stop").replace(b"\n", b"\r"),
        [START, TextDelta(0, "x"), STOP],
        set(),
    ),
    "nothing counts after the end": (
        ROLE + frame({}, "stop") + DONE + frame({"content": "x"}) + b"data: junk\n\n",
        [START, STOP, End()],
        set(),
    ),
    "what is no chunk is passed over": (
        b"data: junk\n\ndata: [1]\n\ndata: \xff\n\n" + frame({"content": 5}) + frame({"content": "x"}),
        [START, TextDelta(0, "x")],
        {"data that is no chunk"},
    ),
    "half a surrogate pair": (
        frame({"content": "x"}).replace(b'"x"', b'"\\ud83d"'),
        [START, TextDelta(0, "�")],
        set(),
    ),
    "nothing": (b"", [], set()),
}


@pytest.mark.parametrize("case", CASES)
def test_hard_cases_are_the_same_at_every_cut(case: str) -> None:
    sent, events, unread = CASES[case]
    assert at_every_cut(sent) == (events, unread)


@pytest.mark.parametrize("case", CASES)
def test_what_was_read_can_be_written_and_read_again(case: str) -> None:
    events = CASES[case][1]
    encoder = stream.encoder(ASKED, STAMP)
    out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
    assert out.endswith(DONE)
    said = [event for event in read(out)[0] if not isinstance(event, Start | Used | End)]
    wanted = [event for event in events if not isinstance(event, Start | Used | End)]
    ends = {event.choice for event in wanted if isinstance(event, Finish)}
    made = [event for event in said if not isinstance(event, Finish) or event.choice in ends]
    if case != "a content of parts (Mistral)":  # there is no delta for a part that only Mistral knows
        assert made == wanted
        assert encoder.lost <= {"system_fingerprint"}


def test_a_line_of_a_megabyte() -> None:
    sent = frame({"content": "x" * 1_000_000}) + frame(call(0, "y" * 1_000_000, "c1", "f"))
    events, _ = read(*[sent[place : place + 65_536] for place in range(0, len(sent), 65_536)])
    assert events == [START, TextDelta(0, "x" * 1_000_000), ToolCallDelta(1, "c1", "f", "y" * 1_000_000)]


@pytest.mark.parametrize("piece", [{"audio": {"data": "x" * 2**20}}, call(0, "x" * 2**20, "c1")])
def test_what_waits_is_bounded(piece: Any) -> None:
    decoder = stream.decoder()
    for _ in range(sse.FRAME_LIMIT // 2**20):
        assert decoder.feed(frame(piece)) in ([], [START])
    with pytest.raises(WireError, match="more than"):
        decoder.feed(frame(piece))


def sent_to(request: ChatRequest, *events: StreamEvent) -> tuple[list[Any], set[str]]:
    encoder = stream.encoder(request, STAMP)
    out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
    assert out.endswith(DONE)
    return [json.loads(each[6:]) for each in out[: -len(DONE)].split(b"\n\n") if each], encoder.lost


def test_a_stream_of_another_dialect_is_written_in_due_form() -> None:
    chunks, lost = sent_to(
        ASKED,
        Start("msg_1", own={"x": raw(1)}),
        ThinkingDelta(0, "hm"),
        ThinkingDelta(0, signature="c2ln"),
        TextDelta(1, "x", signature="c2ln"),
        ToolCallDelta(2, "", "f"),
        ToolCallDelta(2, arguments="{}"),
        CitationDelta(1, raw({})),
        Finish("stop", "end_turn"),
        Used(Usage(1, 1)),
        Used(Usage(7, 3, 2)),
        End(),
    )
    head = {"id": "msg_1", "object": "chat.completion.chunk", "created": 5, "model": "stamped"}
    assert [{name: chunk[name] for name in head} for chunk in chunks] == [head] * len(chunks)
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "c2ln", "index": 0}]},
        {"content": "x"},
        {
            "tool_calls": [
                {"index": 0, "id": "call_e1_0_0", "type": "function", "function": {"name": "f", "arguments": ""}},
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 6 + ["tool_calls"]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], USAGE)
    assert lost == {"citations", "thinking.signature", "x"}


def test_counts_are_sent_only_where_they_were_asked_for() -> None:
    chunks, lost = sent_to(ChatRequest("m", ()), START, TextDelta(0, "x"), STOP, Used(Usage(7, 3)), End())
    assert not any("usage" in chunk for chunk in chunks)
    assert lost == set()


def test_a_choice_that_had_no_end_gets_one_and_a_failed_one_none() -> None:
    chunks, _ = sent_to(ASKED, Start("msg_1"), TextDelta(0, "x"), End())
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    chunks, _ = sent_to(ASKED, Start("msg_1"), TextDelta(0, "x"), Failed("overloaded", 529, "overloaded_error"))
    assert chunks[-1]["error"] == {"message": "overloaded", "type": "server_error", "param": None, "code": None}


def test_a_reply_of_nothing_has_its_form() -> None:
    chunks, _ = sent_to(ASKED, Start("msg_1"), Finish("stop", "end_turn"), End())
    assert [(each["choices"][0]["delta"], each["choices"][0]["finish_reason"]) for each in chunks] == [
        ({"role": "assistant", "content": ""}, None),
        ({}, "stop"),
    ]


def test_sections_of_a_summary_are_paragraphs() -> None:
    chunks, lost = sent_to(ASKED, Start("resp_1"), ThinkingDelta(0, "a", section=0), ThinkingDelta(0, "b", section=1))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join([delta.get("reasoning_content", "") for delta in deltas]) == "a\n\nb"
    assert lost >= {"thinking.section"}


def test_a_client_of_functions_gets_a_function_call() -> None:
    asked = ChatRequest("m", (), tools=(Tool("f", own={"functions": NULL}),))
    chunks, _ = sent_to(
        asked,
        Start("msg_1"),
        ToolCallDelta(0, "t", "f", "{"),
        ToolCallDelta(0, arguments="}"),
        Finish("tool_calls", "tool_use"),
    )
    assert [chunk["choices"][0]["delta"].get("function_call") for chunk in chunks] == [
        None,
        {"name": "f", "arguments": "{"},
        {"arguments": "}"},
        None,
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
