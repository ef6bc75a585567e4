"""What the review of security tried over real sockets (docs/security-review.md): each of these went through once."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Start, a_snapshot, answer_whole
from tests.gateway.test_permission import put, two

from pointsman.control import keys as acts
from pointsman.core.budget import Budget
from pointsman.core.chat import Usage
from pointsman.core.keys import Key, Scope
from pointsman.core.routing import Ceiling, Explore, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.attempt import Call
from pointsman.gateway.budgets import Budgets
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat.request import glance

HI = '"messages": [{"role": "user", "content": "hi"}]'
SECRET = "sk-the-owners-own-key"
POST = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
NOW_MS = 1_790_000_000_000


def spoken(rig: Rig, key: str, body: str, path: str = "/v1/chat/completions", more: str = "") -> Any:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{more}content-length: {len(body)}\r\n\r\n"
    return rig.raw((head + body).encode())


class TestWhoServes:
    """A body that names one deployment to us and another to its provider."""

    @pytest.mark.parametrize(
        "names",
        [
            '"model": "p1/model-1", "Model": "dear"',
            '"MODEL": "dear", "model": "p1/model-1"',
            '"model": "dear", "model": "model-1"',
            '"model": "dear", "\\u006dodel": "model-1"',
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
    async def test_a_model_named_twice_is_refused(self, rig: Rig, upstream_at: Start, names: str, path: str) -> None:
        upstream = await upstream_at(answer_whole)
        rig.publish(a_snapshot(upstream.port))
        key = put(rig, Key("k", "", scope=Scope(deployments=("p1/model-1",))))
        said = f'{HI}, "max_tokens": 9' if path != "/v1/responses" else '"input": "hi"'
        status, _, body = await spoken(rig, key, f"{{{names}, {said}}}", path)
        assert status in (400, 403)
        assert not upstream.requests
        assert b"p1/model-1 only" in body or b"otherwise" in body or b"differently" in body or b"may not ask" in body

    @pytest.mark.parametrize("field", ['"models": ["dear"]', '"fallbacks": ["dear"]', '"provider": {"order": ["x"]}'])
    async def test_others_are_not_named_beside(self, rig: Rig, upstream_at: Start, field: str) -> None:
        rig.publish(await two(upstream_at))
        bounded, free = put(rig, Key("k", "", policy="eu")), put(rig, Key("free", ""))
        body = f'{{"model": "p1/model-1", {HI}, {field}}}'
        status, _, said = await spoken(rig, bounded, body)
        assert (status, json.loads(said)["error"]["code"]) == (403, "not_permitted")
        assert (await spoken(rig, free, body))[0] == 200  # who is not bounded may say what a provider understands

    async def test_ordinary_bodies_pass(self, rig: Rig, upstream_at: Start) -> None:
        rig.publish(await two(upstream_at))
        key = put(rig, Key("k", "", policy="eu"))
        words = '"\\"model\\" \\u0041 \\ud83d"'
        body = f'{{"model": "auto", "n": 1, "models": null, "messages": [{{"role": "user", "content": {words}}}]}}'
        assert (await spoken(rig, key, body))[0] == 200


class TestMoney:
    """Numbers that a client or a provider makes up."""

    @pytest.mark.parametrize("numbers", [f'"max_tokens": {10**30}', f'"n": {10**20}', f'"max_completion_tokens": {2**63}'])
    async def test_a_call_that_nobody_settles_stands_in_journal_and_ledger(
        self, rig: Rig, upstream_at: Start, numbers: str
    ) -> None:
        async def cut(received: Received) -> None:
            received.cut()

        plan = Plan("*", reference="p1/model-1", explore=Explore(0.5, 10**9, "auto"))
        rig.publish(a_snapshot((await upstream_at(cut)).port, plan=plan))
        status, _, _ = await rig.post(f'{{"model": "auto", {numbers}, {HI}}}'.encode())
        assert status == 502
        (record, *_) = await rig.records()
        assert record.attempts[0].bounds is not None
        assert len(list(rig.store.ledger.entries())) >= 1
        assert rig.equipment.journal.state.dropped == 0

    def test_a_usage_that_no_call_takes_is_not_believed(self) -> None:
        one, request = a_snapshot(1).deployments["p1/model-1"], glance(f'{{"model": "auto", {HI}}}'.encode())
        for usage in (Usage(input=10**18), Usage(output=10**18), Usage(input=9, cached=10**18)):
            call = Call(one, "first", 0.0, 1)
            call.sent = True
            call.understand(Answer(usage=usage, finish="stop"), 10, request, ended=True)
            kept = call.attempt(request)
            assert (kept.basis, kept.usage) == ("unknown", None)
            assert kept.bounds is not None

    async def test_values_that_clients_make_up_leave_places_for_the_others(self, rig: Rig) -> None:
        worker = Budgets(rig.store.leases, time.monotonic, lambda: NOW_MS)
        await worker._hold()
        each, whole = Budget("each", "requests", 5, "day", "customer"), Budget("whole", "requests", 5, "day")
        placed = [worker._placed(worker.held(each, str(number), NOW_MS)) for number in range(10_000)]
        assert 6_000 < sum(placed) < 6_200
        assert worker._placed(worker.held(whole, "", NOW_MS))
        await worker._end()


class TestBodies:
    """What may be sent before anybody has looked at the key."""

    @pytest.mark.parametrize("more", ["", "expect: 100-continue\r\n"])
    async def test_without_a_key_no_body_is_read(self, rig: Rig, upstream_at: Start, more: str) -> None:
        rig.publish(await two(upstream_at))
        put(rig, Key("k", ""))
        room = rig.server._room.left
        head = f"{POST}authorization: Bearer pm-no\r\n{more}content-length: 900000\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(head.encode() + b"{" * 1000 * (not more))
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 5)  # before the rest
        assert b"invalid_api_key" in await asyncio.wait_for(reader.read(), 5)
        assert rig.server._room.left == room
        writer.close()

    async def test_with_a_key_a_body_may_take_its_time_and_be_one_of_several(self, rig: Rig, upstream_at: Start) -> None:
        rig.publish(await two(upstream_at))
        key = put(rig, Key("k", ""))
        body = f'{{"model": "p1/model-1", {HI}}}'.encode()
        head = f"{POST}authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        for _ in range(2):
            for piece in (head.encode() + body[:5], body[5:20], body[20:]):
                writer.write(piece)
                await asyncio.sleep(0.01)
            said = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert b" 200 " in said.splitlines()[0]
            length = next(one for one in said.lower().splitlines() if one.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
        [made] = rig.store.keys.all()
        rig.store.keys.change(made.id, lambda one: acts.revoked(one, now_ms=2), at_ms=2, act="key revoke")
        rig.live.refresh()
        writer.write(head.encode() + body[:5])
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


class TestTheOwnersKey:
    """A provider that repeats the key that it was sent."""

    @pytest.fixture
    def signed(self, tmp_path: Path) -> Any:
        file = tmp_path / "secret"
        file.write_text(SECRET)

        def at(port: int, dialect: str = "openai_chat") -> Snapshot:
            snapshot = a_snapshot(port)
            row = replace(snapshot.providers["p1"], credential=f"file:{file}", dialect=dialect)
            one = replace(snapshot.deployments["p1/model-1"], dialect=dialect)
            return replace(snapshot, providers={"p1": row}, deployments={one.name: one})

        return at

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_an_error_inside_a_reply_of_200_does_not_show_it(
        self, rig: Rig, upstream_at: Start, signed: Any, streamed: bool
    ) -> None:
        error = json.dumps({"error": {"message": f"wrong key {SECRET}", "type": "invalid_request_error", "code": 401}})

        async def script(received: Received) -> None:
            assert received.headers["authorization"] == f"Bearer {SECRET}"
            if not streamed:
                await received.reply(200, error.encode())
                return
            await received.begin()
            await received.send(b"data: " + error.encode() + b"\n\n")
            await received.end()

        rig.publish(signed((await upstream_at(script)).port))
        status, _, said = await rig.all(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body := f'{{"model": "auto", "stream": {json.dumps(streamed)}, {HI}}}'.encode()), body)
        )
        assert status >= 400
        assert b"wrong key" in said
        assert SECRET.encode() not in said

    @pytest.mark.parametrize("theirs", [401, 204, 302])
    async def test_a_count_shows_no_key_and_no_status_that_has_no_body(
        self, rig: Rig, upstream_at: Start, signed: Any, theirs: int
    ) -> None:
        error = {"type": "error", "error": {"type": "authentication_error", "message": f"wrong key {SECRET}"}}

        async def script(received: Received) -> None:
            assert received.headers["x-api-key"] == SECRET
            if theirs == 204:
                received.writer.write(b"HTTP/1.1 204 X\r\n\r\n")
            else:
                await received.reply(theirs, json.dumps(error).encode())

        rig.publish(signed((await upstream_at(script)).port, "anthropic"))
        body = f'{{"model": "auto", "max_tokens": 9, {HI}}}'
        status, _, said = await spoken(rig, "any", body, "/v1/messages/count_tokens")
        assert status == (401 if theirs == 401 else 502)
        assert SECRET.encode() not in said


async def test_what_is_wrong_inside_is_told_to_the_owner_only(rig: Rig, upstream_at: Start) -> None:
    rig.publish(await two(upstream_at))
    rig.live.keyring.exposed = True
    rig.equipment.feedback.problem = "/srv/pointsman/store.db is locked"
    whole, bounded = put(rig, Key("own", "")), put(rig, Key("k", "", customer="acme"))
    for key, told in ((whole, True), (bounded, False), ("pm-wrong", False)):
        status, _, said = await rig.get("/readyz", headers=f"authorization: Bearer {key}\r\n")
        assert (status, b"store.db" in said, b"feedback" in said) == (200, told, True)
    assert json.loads((await rig.get("/readyz"))[2]).keys() == {"status", "snapshot", "problems"}
    rig.live.keyring.exposed = False
    assert b"store.db" in (await rig.get("/readyz"))[2]


async def test_names_that_clients_make_up_are_not_remembered(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    plan = Plan("*", reference="p1/model-1", ceiling=Ceiling(answer_s=9.0))
    rig.publish(a_snapshot(upstream.port, plan=plan))
    assert rig.live.current is not None
    assert rig.live.current.timed
    for model in ("p1/model-1", *(f"p1/made-up-{number}" for number in range(5))):
        assert (await rig.post(f'{{"model": "{model}", {HI}}}'.encode()))[0] == 200
    assert list(rig.equipment.speeds.now(rig.equipment.clock())) == ["p1/model-1"]


async def test_what_one_key_calls_a_conversation_says_nothing_of_anothers(rig: Rig, upstream_at: Start) -> None:
    rig.publish(await two(upstream_at))
    more = "x-pointsman-conversation: c\r\n"
    for name, model in (("a", "p1/model-1"), ("b", "p2/model-2")):
        assert (await spoken(rig, put(rig, Key(name, "")), f'{{"model": "{model}", {HI}}}', more=more))[0] == 200
    held = rig.equipment.conversations
    assert [held.holder(f"conversation:{name}\nc") for name in "ab"] == ["p1/model-1", "p2/model-2"]
    assert held.holder("conversation:c") is None
