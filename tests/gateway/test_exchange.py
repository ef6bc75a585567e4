"""Whole and streamed exchanges through the official client: what passes, what is changed, what is recorded."""

import json
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletionMessageParam
from tests.gateway.conftest import DONE, USAGE, WHOLE, Received, Rig, Start, a_snapshot, answer_whole, frame, streaming

from pointsman.core.chat import Usage
from pointsman.core.routing import Plan, Trial

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "2+2?"}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


async def test_a_chat_passes_and_its_record_is_whole(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    raw = await rig.client().chat.completions.with_raw_response.create(
        model="auto", messages=HELLO, metadata={"feature": "sums"}, extra_headers={"x-pointsman-conversation": "c-7"}
    )
    assert raw.parse().choices[0].message.content == "four"
    snapshot = rig.live.current.hash if rig.live.current else ""
    said = {name: value for name, value in raw.headers.items() if name.startswith("x-pointsman-")}
    [record] = await rig.records()
    assert said == {
        "x-pointsman-exchange": record.id,
        "x-pointsman-mode": "observe",
        "x-pointsman-arm": "reference",
        "x-pointsman-deployment": "p1/model-1",
        "x-pointsman-feature": "sums",
        "x-pointsman-snapshot": snapshot,
    }
    assert (record.asked, record.route, record.feature, record.conversation) == ("auto", "auto", "sums", "c-7")
    assert (record.outcome, record.status, record.streamed, record.prompt) == ("ok", 200, False, "")
    assert 0 < len(record.vector) <= 480
    assert record.decision is not None
    assert (record.decision.eligible, record.decision.probabilities) == (("p1/model-1",), (1.0,))
    assert record.decision.snapshot == snapshot
    [attempt] = record.attempts
    assert (attempt.cause, attempt.status, attempt.error, attempt.finish) == ("first", 200, "", "stop")
    assert attempt.usage == Usage(input=100, output=10, cached=40)
    assert attempt.cost_nano == 60 * 2500 + 40 * 1250 + 10 * 10_000
    assert attempt.first_byte_ms is not None
    assert 0 < attempt.first_byte_ms <= attempt.total_ms <= record.latency_ms


async def test_unknown_fields_reach_the_provider_byte_for_byte(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    body = (
        b'{ "zeta": 1.50e+2,"messages":[{"role":"user","content":"caf\\u00e9 \xe7\x81\xab","x":{"model":"y"}}],\n'
        b'"model" : "auto","a":[null,true , {}],"seed":12345678901234567890}'
    )
    status, _, reply = await rig.post(body, content_type="application/json")
    assert (status, reply) == (200, WHOLE)
    assert upstream.requests[0].body == body.replace(b'"auto"', b'"model-1"')
    await rig.post(body.replace(b'"auto"', b'"model-1"'))
    assert upstream.requests[1].body == upstream.requests[0].body


async def test_only_allowed_headers_pass_in_both_directions(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(
            200, WHOLE, x_ratelimit_remaining_requests="9", openai_processing_ms="5", x_request_id="r1", set_cookie="a=b",
            server="s",
        )  # fmt: skip

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    body = msgspec.json.encode({"model": "auto", "messages": HELLO})
    _, headers, _ = await rig.post(
        body, authorization="Bearer secret", cookie="c=d", openai_beta="x=v1", idempotency_key="k1",
        x_pointsman_feature="f", x_pointsman_expected="4", openai_organization="org",
    )  # fmt: skip
    assert set(upstream.requests[0].headers) == {
        "host", "content-type", "content-length", "accept-encoding", "user-agent", "openai-beta", "idempotency-key"
    }  # fmt: skip
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert (headers["openai-processing-ms"], headers["x-request-id"]) == ("5", "r1")
    assert "set-cookie" not in headers
    assert "server" not in headers


async def test_a_stream_passes_and_the_usage_that_we_asked_for_stays_here(rig: Rig, upstream_at: Start) -> None:
    frames = [
        frame({"role": "assistant", "content": ""}),
        frame({"content": "fo"}),
        frame({"content": "ur"}),
        frame({}, "stop"),
    ]
    upstream = await upstream_at(streaming(*frames, USAGE, DONE))
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "four"
    assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}
    [record] = await rig.records()
    assert (record.outcome, record.streamed, record.attempts[0].finish) == ("ok", True, "stop")
    assert record.attempts[0].usage == Usage(input=100, output=3)
    assert record.first_content_ms is not None
    assert record.first_content_ms <= record.latency_ms


async def test_a_client_that_asks_for_usage_gets_it(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(streaming(frame({"content": "4"}), frame({}, "stop"), USAGE, DONE))
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(
        model="model-1", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 100
    assert (await rig.records())[0].decision.arm == "observed"  # type: ignore[union-attr]


async def test_a_provider_that_refuses_stream_options_is_not_asked(rig: Rig, upstream_at: Start) -> None:
    last = frame({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 1})
    upstream = await upstream_at(streaming(frame({"content": "4"}), last, DONE))
    snapshot = a_snapshot(upstream.port)
    provider = msgspec.structs.replace(snapshot.providers["p1"], quirks=("no_stream_options",))
    rig.publish(msgspec.structs.replace(snapshot, providers={"p1": provider}))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None
    assert "stream_options" not in json.loads(upstream.requests[0].body)
    assert (await rig.records())[0].attempts[0].usage == Usage(input=5, output=1)


async def test_tool_calls_stream_through(rig: Rig, upstream_at: Start) -> None:
    def part(index: int, arguments: str, **more: object) -> bytes:
        return frame({"tool_calls": [{"index": index, "function": {"arguments": arguments}, **more}]})

    first = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
    upstream = await upstream_at(
        streaming(part(0, "", **first), part(0, '{"city":'), part(0, ' "Rom"}'), frame({}, "tool_calls"), DONE)
    )
    rig.publish(a_snapshot(upstream.port))
    async with rig.client().chat.completions.stream(model="auto", messages=HELLO, tools=TOOLS) as stream:
        completion = await stream.get_final_completion()
    calls = completion.choices[0].message.tool_calls
    assert calls is not None
    assert (calls[0].function.name, calls[0].function.arguments) == ("look", '{"city": "Rom"}')
    assert json.loads(upstream.requests[0].body)["tools"] == TOOLS


async def test_a_json_schema_passes(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}
    await rig.client().chat.completions.create(model="auto", messages=HELLO, response_format=schema)
    assert json.loads(upstream.requests[0].body)["response_format"] == schema


async def test_pinned_names_reach_their_provider_known_or_not(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port, upstream.port))
    raw = await rig.client().chat.completions.with_raw_response.create(model="p2/org/new-model", messages=HELLO)
    assert raw.headers["x-pointsman-deployment"] == "p2/org/new-model"
    assert json.loads(upstream.requests[0].body)["model"] == "org/new-model"
    [record] = await rig.records()
    assert (record.decision.arm, record.attempts[0].cost_nano) == ("pinned", None)  # type: ignore[union-attr]


async def test_an_acting_plan_draws_and_says_so(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    plan = Plan("*", "auto", "p1/model-1", accepted=("p2/model-2",), acting_share=0.95, one_model="p2/model-2")
    rig.publish(a_snapshot(upstream.port, upstream.port, plan=plan))
    raw = await rig.client().chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert (raw.headers["x-pointsman-deployment"], raw.headers["x-pointsman-arm"]) == ("p2/model-2", "policy")
    [record] = await rig.records()
    assert record.decision is not None
    mass = dict(zip(record.decision.eligible, record.decision.probabilities, strict=True))
    assert mass == pytest.approx({"p1/model-1": 0.05, "p2/model-2": 0.95})


async def test_prompts_are_kept_and_vectors_left_out_where_the_owner_says_so(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port, store_prompts=True, store_vectors=False))
    await rig.client().chat.completions.create(model="auto", messages=HELLO)
    [record] = await rig.records()
    assert (record.prompt, record.vector) == ("user: 2+2?", b"")


@pytest.mark.parametrize("hostile", ["r\\nset-cookie: x", "f\\u00fc\\ud83d\\ude82", "x" * 500])
async def test_a_feature_from_the_body_cannot_break_a_header(rig: Rig, upstream_at: Start, hostile: str) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    body = f'{{"model":"auto","messages":[{{"role":"user","content":"x"}}],"metadata":{{"feature":"{hostile}"}}}}'
    status, headers, _ = await rig.post(body.encode())
    assert status == 200
    assert "set-cookie" not in headers
    assert len(headers["x-pointsman-feature"]) < 400


@pytest.mark.parametrize("model", ["auto", "model-1", "p1/model-1"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_running_trial_gets_what_the_client_got(rig: Rig, upstream_at: Start, model: str, streamed: bool) -> None:
    frames = streaming(
        frame({"role": "assistant"}), frame({"content": "fo"}), frame({"content": "ur"}), frame({}, "stop"), USAGE, DONE
    )
    upstream = await upstream_at(frames if streamed else answer_whole)
    plan = Plan("*", "trial", "p1/model-1", trial=Trial("t1", ("p2/model-2",), share=0.6, cap_nano=10**9))
    rig.publish(a_snapshot(upstream.port, upstream.port, plan=plan))
    expected = {"x-pointsman-expected": "%E5%9B%9B 4"}
    completions = rig.client().chat.completions
    if streamed:
        stream = await completions.create(model=model, messages=HELLO, stream=True, extra_headers=expected)
        assert [chunk async for chunk in stream]
    else:
        await completions.create(model=model, messages=HELLO, extra_headers=expected)
    [record] = await rig.records()
    [sample] = rig.samples
    assert (sample.exchange, sample.route, sample.deployment, sample.arm) == (record.id, "auto", "p1/model-1", "reference")
    assert (sample.answer, sample.expected) == ("four", "四 4")
    assert json.loads(sample.body)["model"] == model
    assert sample.usage == record.attempts[0].usage
    assert sample.cost_nano == record.attempts[0].cost_nano
    assert sample.vector == record.vector


async def test_a_reply_that_a_trial_cannot_read_is_the_clients_all_the_same(rig: Rig, upstream_at: Start) -> None:
    odd = msgspec.json.encode({"choices": [{"message": {"role": "assistant", "content": {"new": "form"}}}]})

    async def script(received: Received) -> None:
        await received.reply(200, odd)

    upstream = await upstream_at(script)
    plan = Plan("*", "trial", "p1/model-1", trial=Trial("t1", ("p2/model-2",), share=0.6, cap_nano=10**9))
    rig.publish(a_snapshot(upstream.port, upstream.port, plan=plan))
    status, _, body = await rig.post(msgspec.json.encode({"model": "auto", "messages": HELLO}))
    assert (status, body) == (200, odd)
    assert (await rig.records())[0].outcome == "ok"
    assert rig.samples == []


async def test_what_is_not_drawn_is_not_sampled(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    plan = Plan("sums", "trial", "p1/model-1", trial=Trial("t1", ("p2/model-2",), share=0.5, cap_nano=10**9))
    snapshot = a_snapshot(upstream.port)
    route = msgspec.structs.replace(snapshot.routes["auto"], plans={**snapshot.routes["auto"].plans, "sums": plan})
    rig.publish(msgspec.structs.replace(snapshot, routes={"auto": route}))
    for feature in ("sums", "other"):  # the draw is 0.5, so a share of 0.5 is just not hit; the other has no trial
        await rig.client().chat.completions.create(model="auto", messages=HELLO, metadata={"feature": feature})
    await rig.records(2)
    assert rig.samples == []


async def test_what_is_unsealed_keeps_all_that_only_a_glance_passed_over(rig: Rig, upstream_at: Start) -> None:
    """Where only Chat Completions is spoken, a request is written anew on a switch inside a conversation."""
    first, second = await upstream_at(answer_whole), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    thought = {"type": "reasoning.text", "text": "hm", "signature": "c2ln"}
    asked = {
        "messages": [
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "4", "reasoning_details": [thought]},
            {"role": "user", "content": "sure?"},
        ],
        "temperature": 0.25,
        "seed": 7,
        "stop": ["END"],
        "vendor_field": {"a": 1},
    }
    for model in ("p1/model-1", "p2/model-2"):
        status, headers, _ = await rig.post(msgspec.json.encode({"model": model, **asked}), x_pointsman_conversation="c")
        assert status == 200
    assert headers["x-pointsman-lossy"] == "thinking.signature"
    sent = json.loads(second.requests[0].body)
    assert {name: sent[name] for name in ("temperature", "seed", "vendor_field")} == {
        "temperature": 0.25,
        "seed": 7,
        "vendor_field": {"a": 1},
    }
    assert sent["stop"] == "END" or sent["stop"] == ["END"]
    assert b"c2ln" in first.requests[0].body
    assert b"c2ln" not in second.requests[0].body
