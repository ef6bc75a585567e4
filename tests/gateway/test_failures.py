"""What a client sees when providers fail: retries, fallbacks, errors, cut streams."""

import asyncio
import json
import socket
from typing import Any

import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from tests.gateway.conftest import DONE, PATIENCE_S, Received, Rig, Start, a_snapshot, answer_whole, frame, streaming

from pointsman.core.routing import Plan, Trial
from pointsman.core.snapshot import Limits

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "2+2?"}]
BODY: dict[str, object] = {"model": "auto", "messages": HELLO}


def status(code: int, body: object = None, **headers: str) -> Any:
    async def script(received: Received) -> None:
        envelope = {"error": {"message": f"no: {code}", "type": "t", "param": None, "code": "c"}}
        await received.reply(code, msgspec.json.encode(envelope if body is None else body), **headers)

    return script


async def hang_up(received: Received) -> None:
    received.cut()


async def say_nothing(received: Received) -> None:
    await received.gone()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_providers_error_reaches_the_client_as_it_was(
    rig: Rig, upstream_at: Start, code: int, kind: type[openai.APIStatusError], streamed: bool
) -> None:
    upstream = await upstream_at(status(code, retry_after="7", x_request_id="r9"))
    rig.publish(a_snapshot(upstream.port))
    with pytest.raises(kind) as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=streamed)
    assert caught.value.status_code == code
    assert caught.value.body == {"message": f"no: {code}", "type": "t", "param": None, "code": "c"}
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["x-request-id"]) == ("7", "r9")
    assert headers["x-pointsman-deployment"] == "p1/model-1"
    [record] = await rig.records()
    assert (record.outcome, record.status) == ("error", code)
    assert [(a.cause, a.status, a.error) for a in record.attempts] == [("first", code, f"answered {code}")]


async def test_an_error_page_is_wrapped(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(503, b"<h1>Down</h1>", content_type="text/html")

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    code, headers, body = await rig.post(msgspec.json.encode({"model": "auto", "messages": HELLO}))
    assert (code, headers["content-type"]) == (503, "application/json")
    assert json.loads(body)["error"]["message"] == "p1 answered 503: <h1>Down</h1>"


@pytest.mark.parametrize("code", [401, 402, 403, 408, 409, 424, 429, 500, 502, 503, 504, 529])
async def test_another_deployment_answers_where_the_first_is_at_fault(rig: Rig, upstream_at: Start, code: int) -> None:
    first, second = await upstream_at(status(code)), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    raw = await rig.client().chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert raw.headers["x-pointsman-deployment"] == "p2/model-2"
    assert json.loads(second.requests[0].body)["model"] == "model-2"
    [record] = await rig.records()
    assert [(a.deployment, a.cause, a.status) for a in record.attempts] == [
        ("p1/model-1", "first", code),
        ("p2/model-2", "fallback", 200),
    ]
    assert record.decision is not None
    assert (record.decision.chosen, record.decision.probabilities) == ("p1/model-1", (1.0, 0.0))
    assert record.outcome == "ok"


@pytest.mark.parametrize("code", [400, 404, 413, 422])
async def test_a_fault_of_the_request_is_not_tried_elsewhere(rig: Rig, upstream_at: Start, code: int) -> None:
    first, second = await upstream_at(status(code)), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    with pytest.raises(openai.APIStatusError):
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert second.requests == []


async def test_at_most_two_fallbacks_and_the_last_error_is_told(rig: Rig, upstream_at: Start) -> None:
    upstreams = [await upstream_at(status(500 + place)) for place in range(4)]
    rig.publish(a_snapshot(*[upstream.port for upstream in upstreams]))
    with pytest.raises(openai.InternalServerError) as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.status_code == 502
    assert [len(upstream.requests) for upstream in upstreams] == [1, 1, 1, 0]


async def test_a_broken_connection_is_tried_once_more_then_elsewhere(rig: Rig, upstream_at: Start) -> None:
    second = await upstream_at(answer_whole)
    rig.publish(a_snapshot(closed_port(), second.port))
    await rig.client().chat.completions.create(model="auto", messages=HELLO)
    [record] = await rig.records()
    assert [(a.deployment, a.cause, a.status) for a in record.attempts] == [
        ("p1/model-1", "first", 0),
        ("p1/model-1", "retry", 0),
        ("p2/model-2", "fallback", 200),
    ]


async def test_a_hang_up_before_the_first_byte_is_tried_once_more(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(hang_up)

    async def second_time(received: Received) -> None:
        await (hang_up if len(upstream.requests) == 1 else answer_whole)(received)

    upstream.script = second_time
    rig.publish(a_snapshot(upstream.port))
    await rig.client().chat.completions.create(model="auto", messages=HELLO)
    [record] = await rig.records()
    assert [(a.cause, a.status) for a in record.attempts] == [("first", 0), ("retry", 200)]


async def test_unreachable_is_502_and_names_the_deployment(rig: Rig) -> None:
    rig.publish(a_snapshot(closed_port()))
    with pytest.raises(openai.InternalServerError) as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_unreachable")
    assert "p1/model-1" in caught.value.message


async def test_a_missing_key_is_said_without_any_secret(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    snapshot = a_snapshot(upstream.port)
    provider = msgspec.structs.replace(snapshot.providers["p1"], credential="env:POINTSMAN_TEST_NO_SUCH_KEY")
    rig.publish(msgspec.structs.replace(snapshot, providers={"p1": provider}))
    with pytest.raises(openai.InternalServerError, match="POINTSMAN_TEST_NO_SUCH_KEY is not set") as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.code == "upstream_credential_missing"
    assert upstream.requests == []


async def test_a_time_out_is_504(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(say_nothing)
    rig.publish(a_snapshot(upstream.port, limits=Limits(first_byte_s=0.05)))
    with pytest.raises(openai.InternalServerError) as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
    [record] = await rig.records()
    assert (record.status, len(record.attempts)) == (504, 1)


async def test_all_attempts_together_keep_to_the_total(rig: Rig, upstream_at: Start) -> None:
    async def nearly_all(received: Received) -> None:
        rig.world.ahead_s += 991
        await received.reply(500, b"{}")

    first, second = await upstream_at(nearly_all), await upstream_at(say_nothing)
    rig.publish(a_snapshot(first.port, second.port, limits=Limits(first_byte_s=60, total_s=992)))
    with pytest.raises(openai.InternalServerError):
        await rig.client(timeout=3 * PATIENCE_S).chat.completions.create(model="auto", messages=HELLO)
    [record] = await rig.records()
    assert [attempt.status for attempt in record.attempts] == [500, 0]
    assert record.attempts[1].total_ms < 30_000, "what the first one left, and not what one may take"


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"{}", b"", b'{"choices":'])
async def test_nonsense_with_status_200_is_a_failure(rig: Rig, upstream_at: Start, body: bytes) -> None:
    async def script(received: Received) -> None:
        await received.reply(200, body)

    first, second = await upstream_at(script), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    completion = await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert completion.choices[0].message.content == "four"


async def test_an_error_inside_a_200_gets_its_true_status(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(status(200, {"error": {"message": "slow", "code": 429}}))
    rig.publish(a_snapshot(upstream.port))
    with pytest.raises(openai.RateLimitError):
        await rig.client().chat.completions.create(model="auto", messages=HELLO)


# Streams.


@pytest.mark.parametrize("held", [[], [b": ping\n\n"], [b": ping\n\n", frame({"role": "assistant", "content": ""})]])
@pytest.mark.parametrize("how", ["cut", "error", "end"])
async def test_before_content_another_deployment_answers(rig: Rig, upstream_at: Start, held: list[bytes], how: str) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(*held)
        if how == "cut":
            received.cut()
        elif how == "error":
            await received.send(b'data: {"error":{"message":"overloaded","code":529}}\n\n')
            await received.end()
        else:
            await received.end()

    first, second = await upstream_at(script), await upstream_at(streaming(frame({"content": "4"}), frame({}, "stop"), DONE))
    rig.publish(a_snapshot(first.port, second.port))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "4"
    [record] = await rig.records()
    assert record.outcome == "ok"
    assert [a.cause for a in record.attempts if a.deployment == "p2/model-2"] == ["fallback"]
    assert all(a.error for a in record.attempts[:-1])


@pytest.mark.parametrize("how", ["cut", "half", "idle", "end", "error"])
async def test_after_content_a_break_raises_in_the_client_and_nobody_else_is_asked(
    rig: Rig, upstream_at: Start, how: str
) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "fo"}))
        if how == "half":
            await received.send(frame({"content": "ur"})[:20])
        if how == "error":
            await received.send(b'data: {"error":{"message":"overloaded"}}\n\n')
        if how in ("end", "error"):
            await received.end()
        elif how == "idle":
            await received.gone()
        else:
            received.cut()

    first, second = await upstream_at(script), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port, limits=Limits(idle_s=0.1)))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    assert (await anext(stream)).choices[0].delta.content == "fo"
    with pytest.raises(openai.APIError) as caught:
        await anext(stream)
    assert isinstance(caught.value.body, dict)
    assert second.requests == []
    [record] = await rig.records()
    assert (record.outcome, record.status) == ("cut", 200)
    assert record.attempts[0].error


async def test_a_stream_that_finished_needs_no_done(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "4"}), frame({}, "stop"))
        received.cut()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    assert len([chunk async for chunk in stream]) == 2
    assert (await rig.records())[0].outcome == "ok"


async def test_an_empty_answer_is_an_answer(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(streaming(frame({"role": "assistant", "content": ""}), frame({}, "stop"), DONE))
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    assert [chunk.choices[0].finish_reason async for chunk in stream] == [None, "stop"]
    assert (await rig.records())[0].outcome == "ok"


async def test_a_whole_reply_to_a_request_for_a_stream_is_sent_as_a_stream(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    code, headers, body = await rig.post(msgspec.json.encode({"model": "auto", "messages": HELLO, "stream": True}))
    assert (code, headers["content-type"]) == (200, "text/event-stream")
    assert b'"content":"four"' in body
    assert body.endswith(DONE)


# Breakers.


async def test_a_failing_deployment_is_left_alone_for_a_while(rig: Rig, upstream_at: Start) -> None:
    first, second = await upstream_at(status(429, retry_after="60")), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    for _ in range(2):
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    records = await rig.records(2)
    assert (len(first.requests), len(second.requests)) == (1, 2)
    assert records[1].decision is not None
    assert records[1].decision.excluded == {"p1/model-1": "is cooling down after failures"}


async def test_when_nothing_is_left_the_client_learns_how_long_to_wait(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(status(429, retry_after="60"))
    rig.publish(a_snapshot(upstream.port, plan=Plan("*", reference="p1/model-1")))
    with pytest.raises(openai.RateLimitError):
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    with pytest.raises(openai.InternalServerError) as caught:
        await rig.client().chat.completions.create(model="auto", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (503, "no_deployment_available")
    assert 50 < int(caught.value.response.headers["retry-after"]) <= 60
    with pytest.raises(openai.RateLimitError):  # who pins a deployment gets it
        await rig.client().chat.completions.create(model="p1/model-1", messages=HELLO)
    await asyncio.sleep(0)
    assert len(upstream.requests) == 2


async def test_a_deployment_that_cuts_every_stream_cools_down(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "a"}))
        received.cut()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    for _ in range(5):
        stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError):
            assert [chunk async for chunk in stream]
    assert (await rig.post(msgspec.json.encode(BODY)))[0] == 503


async def test_names_that_clients_make_up_are_not_remembered(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(500, b"{}")

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    for number in range(6):
        await rig.post(msgspec.json.encode({**BODY, "model": f"p1/made-up-{number}"}))
    assert rig.equipment.breakers._lines == {}


async def test_a_requests_own_fault_never_counts_against_a_deployment(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(400, b'{"error":{"message":"no"}}')

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    for _ in range(8):
        assert (await rig.post(msgspec.json.encode(BODY)))[0] == 400
    assert rig.equipment.breakers._lines == {}


async def test_a_date_that_no_clock_reaches_is_no_retry_after(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(429, b'{"error":{"message":"slow"}}', retry_after="Mon, 01 Jan 99999 00:00:00 GMT")

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    assert (await rig.post(msgspec.json.encode(BODY)))[0] == 429


async def test_an_error_that_says_too_much_keeps_its_status(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.reply(400, b'{"error":{"message":"' + b"x" * 2_000_000 + b'"}}')

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    assert (await rig.post(msgspec.json.encode(BODY)))[0] == 400


async def test_a_stream_of_two_choices_that_ends_after_one_is_cut(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "a"}), frame({}, "stop"))
        received.cut()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, n=2, stream=True)
    with pytest.raises(openai.APIError):
        assert [chunk async for chunk in stream]
    assert (await rig.records())[0].outcome == "cut"


async def test_an_error_in_mid_stream_is_a_cut_also_where_the_stream_ends_properly(rig: Rig, upstream_at: Start) -> None:
    error = b'data: {"error":{"message":"overloaded"}}\n\n'
    upstream = await upstream_at(streaming(frame({"content": "half"}), error, DONE))
    plan = Plan("*", "trial", "p1/model-1", trial=Trial("t1", ("p2/model-2",), share=0.6, cap_nano=10**9))
    rig.publish(a_snapshot(upstream.port, upstream.port, plan=plan))
    stream = await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="overloaded"):
        assert [chunk async for chunk in stream]
    assert (await rig.records())[0].outcome == "cut"
    assert rig.samples == []
