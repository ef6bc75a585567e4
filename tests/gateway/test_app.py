"""Paths, methods, keys, sizes: what is answered before any provider is asked."""

import asyncio
import hashlib
import json

import msgspec
import openai
import pytest
from tests.gateway.conftest import DONE, Received, Rig, Start, a_snapshot, answer_whole, frame

from pointsman.core.keys import Key
from pointsman.core.snapshot import Limits

BODY = b'{"model":"auto","messages":[{"role":"user","content":"x"}]}'


async def test_models_are_routes_and_deployments(rig: Rig) -> None:
    rig.publish(a_snapshot(1, 2))
    models = await rig.client().models.list()
    assert [(model.id, model.owned_by) for model in models.data] == [
        ("auto", "pointsman"),
        ("p1/model-1", "p1"),
        ("p2/model-2", "p2"),
    ]
    assert (await rig.client().models.retrieve("auto")).id == "auto"
    status, _, body = await rig.get("/v1/models/p1/model-1")
    assert (status, json.loads(body)["owned_by"]) == (200, "p1")
    with pytest.raises(openai.NotFoundError):
        await rig.client().models.retrieve("nothing")


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/v1/chat/completions", "GET", 405, "method_not_supported"),
        ("/v1/models", "POST", 405, "method_not_supported"),
        ("/v1/embeddings", "POST", 404, None),
        ("/", "GET", 404, None),
    ],
)
async def test_wrong_paths_and_methods(rig: Rig, path: str, method: str, status: int, code: str | None) -> None:
    rig.publish(a_snapshot(1))
    got, headers, body = await rig.get(path, method)
    assert (got, json.loads(body)["error"]["code"], headers["content-type"]) == (status, code, "application/json")


async def test_a_wrong_method_says_which_is_right_and_head_is_a_get_without_its_body(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    assert (await rig.get("/v1/models", "POST"))[1]["allow"] == "GET"
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head = await reader.read()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    writer.close()


async def test_health_and_readiness(rig: Rig) -> None:
    assert (await rig.get("/healthz"))[0] == 200
    status, _, body = await rig.get("/readyz")
    assert (status, json.loads(body)["snapshot"]) == (503, None)
    status, headers, body = await rig.post(BODY)
    assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "1", "not_ready")
    rig.publish(a_snapshot(1))
    status, _, body = await rig.get("/readyz")
    assert (status, json.loads(body)["snapshot"]) == (200, rig.live.current.hash if rig.live.current else None)
    assert json.loads(body)["journal"]["dropped"] == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{", None), (b"", None), (b"[1]", None), (b'{"model":"auto"}', "messages"), (b'{"model":1,"messages":[]}', "model")],
)
async def test_malformed_requests_are_400_with_the_field_at_fault(rig: Rig, body: bytes, param: str | None) -> None:
    rig.publish(a_snapshot(1))
    status, _, reply = await rig.post(body)
    error = json.loads(reply)["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_an_unknown_model_is_404_and_names_what_exists_and_is_recorded(rig: Rig) -> None:
    rig.publish(a_snapshot(1, 2))
    with pytest.raises(openai.NotFoundError, match=r"auto.*p1, p2") as caught:
        await rig.client().chat.completions.create(model="gpt-unknown", messages=[{"role": "user", "content": "x"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    [record] = await rig.records()
    assert (record.asked, record.outcome, record.status, record.decision) == ("gpt-unknown", "error", 404, None)


async def test_a_route_without_a_reference_says_what_to_do(rig: Rig) -> None:
    snapshot = a_snapshot(1)
    plan = msgspec.structs.replace(snapshot.routes["auto"].plans["*"], reference=None)
    route = msgspec.structs.replace(snapshot.routes["auto"], reference=None, plans={"*": plan})
    rig.publish(msgspec.structs.replace(snapshot, routes={"auto": route}))
    status, _, body = await rig.post(BODY)
    assert (status, json.loads(body)["error"]["code"]) == (400, "no_reference")


async def test_a_key_is_asked_for_where_keys_are_configured(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    keys = (Key("app", hashlib.sha256(b"sk-right").hexdigest().upper(), "support", "acme"),)
    rig.publish(a_snapshot(upstream.port, keys=keys))
    for headers in ({}, {"authorization": "sk-right"}, {"authorization": "Bearer sk-wrong"}, {"authorization": "Bearer"}):
        status, _, body = await rig.post(BODY, **headers)
        assert (status, json.loads(body)["error"]["type"]) == (401, "invalid_request_error")
        assert b"sk-" not in body
    assert (await rig.get("/v1/models"))[0] == 401
    raw = await rig.client(key="sk-right").chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "x"}]
    )
    assert raw.headers["x-pointsman-feature"] == "support"
    record = (await rig.records())[0]
    assert (record.client_key, record.customer) == ("app", "acme")
    assert "authorization" not in upstream.requests[0].headers


async def test_a_key_is_asked_for_again_where_a_head_repeats_itself_under_another_snapshot(
    rig: Rig, upstream_at: Start
) -> None:
    upstream = await upstream_at(answer_whole)
    key = Key("app", hashlib.sha256(b"right").hexdigest(), "support")
    rig.publish(a_snapshot(upstream.port, keys=(key,)))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)

    async def asked() -> bytes:
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer right\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        return head

    for _ in range(2):
        assert (await asked()).startswith(b"HTTP/1.1 200")
    rig.publish(a_snapshot(upstream.port, keys=(Key("app", hashlib.sha256(b"other").hexdigest()),)))
    assert (await asked()).startswith(b"HTTP/1.1 401")
    rig.publish(a_snapshot(upstream.port, keys=(Key("app", key.sha256, "sales"),)))
    assert b"x-pointsman-feature: sales" in await asked()
    writer.close()


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_body_is_413_whether_declared_or_counted(rig: Rig, declared: bool) -> None:
    rig.publish(a_snapshot(1, limits=Limits(body_bytes=1000)))
    size = 4 * 1024 * 1024
    if declared:
        data = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    else:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        data = head + b"%x\r\n%b\r\n" % (size, b"x" * size) + b"0\r\n\r\n"
    status, headers, body = await rig.raw(data)
    assert (status, headers["connection"], json.loads(body)["error"]["code"]) == (413, "close", "request_too_large")


async def test_a_huge_body_is_refused_before_it_is_sent(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n"
    assert (await rig.raw(head))[0] == 413


@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_body_that_stops_arriving_is_408(rig: Rig, begun: bytes) -> None:
    rig.publish(a_snapshot(1, limits=Limits(idle_s=0.05)))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
    await writer.drain()
    writer.write(begun)
    assert b" 408 " in await reader.readuntil(b"\r\n")
    writer.close()


async def test_overload_is_503_at_once(rig: Rig, upstream_at: Start) -> None:
    release = asyncio.Event()

    async def script(received: Received) -> None:
        await release.wait()
        await answer_whole(received)

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port, limits=Limits(concurrent=2)))
    first = [asyncio.create_task(rig.post(BODY)) for _ in range(2)]
    async with asyncio.timeout(5):
        while rig.gateway.under_way < 2:  # noqa: ASYNC110 - a plain counter
            await asyncio.sleep(0.005)
    status, headers, body = await rig.post(BODY)
    assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "1", "overloaded")
    release.set()
    assert [status for status, _, _ in await asyncio.gather(*first)] == [200, 200]


async def test_a_graceful_shutdown_lets_a_stream_finish(rig: Rig, upstream_at: Start) -> None:
    stopping = asyncio.Event()

    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "a"}))
        await stopping.wait()
        await received.send(frame({"content": "b"}), frame({}, "stop"), DONE)
        await received.end()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert (await anext(stream)).choices[0].delta.content == "a"
    shutdown = asyncio.create_task(rig.server.stop(5))
    await asyncio.sleep(0)  # it takes nothing more, and waits for the stream
    with pytest.raises(OSError, match=r"Connect call failed"):
        await asyncio.open_connection("127.0.0.1", rig.port)
    stopping.set()
    rest = [chunk.choices[0].delta.content async for chunk in stream]
    assert rest[0] == "b"
    await shutdown
    assert (await rig.records())[0].outcome == "ok"


async def test_a_stream_that_the_shutdown_cuts_is_recorded_as_cut(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "a"}))
        await received.gone()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    stream = await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert (await anext(stream)).choices[0].delta.content == "a"
    await rig.server.stop(0.01)
    [record] = await rig.records()
    assert (record.outcome, record.status) == ("cut", 200)


@pytest.mark.parametrize("header", ["x-pointsman-id", "x-client-request-id", "x-request-id"])
async def test_a_clients_own_id_comes_back_with_answers_and_with_errors(rig: Rig, upstream_at: Start, header: str) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port, upstream.port))
    for body, status in ((BODY, 200), (BODY.replace(b"auto", b"nobody/x"), 404), (b"{", 400)):
        got, headers, _ = await rig.post(body, **{header: "order-7"})
        assert (got, headers["x-pointsman-id"]) == (status, "order-7")
    assert "x-pointsman-id" not in (await rig.post(BODY))[1]


async def test_a_clients_own_id_can_end_no_line(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    _, headers, _ = await rig.post(BODY, x_pointsman_id="a%0d%0aset-cookie: b=c%00\x85\xe9")
    assert headers["x-pointsman-id"].startswith("a%0D%0Aset-cookie:")
    assert headers["x-pointsman-id"].isascii()
    assert "set-cookie" not in headers
