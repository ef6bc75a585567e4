"""Feedback over real sockets: on disk before the reply, each item once, and what bad input gets."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.gateway.conftest import Rig, Start, a_snapshot, answer_whole

from pointsman.core.errors import GatewayError, StoreError
from pointsman.core.feedback import Feedback, Taken
from pointsman.core.keys import Key
from pointsman.core.snapshot import Limits
from pointsman.gateway.feedback import BODY_BYTES, PATH, Intake
from pointsman.gateway.server.message import Client

CHAT = b'{"model":"auto","messages":[{"role":"user","content":"x"}]}'
Answer = tuple[int, dict[str, str], dict[str, Any]]


async def tell(rig: Rig, said: object, headers: str = "") -> Answer:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    status, lines, reply = await rig.raw(head.encode("latin-1") + body)
    return status, lines, json.loads(reply)


def kept(rig: Rig) -> list[Feedback]:
    return [one.feedback for one in rig.store.feedback.kept()][::-1]


class Disk:
    """A store that can fail, or take its time."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.count = 0

    def take(self, said: Sequence[Feedback]) -> list[Taken]:
        self.open.wait(10)
        if self.problem:
            raise self.problem
        self.count += len(said)
        return [Taken("waiting", 0) for _ in said]


async def test_by_the_id_in_the_replys_header_and_by_the_clients_own(rig: Rig, upstream_at: Start) -> None:
    rig.publish(a_snapshot((await upstream_at(answer_whole)).port))
    _, headers, _ = await rig.post(CHAT, x_pointsman_id="order-7")
    (record,) = await rig.records()
    assert (record.client_id, headers["x-pointsman-exchange"]) == ("order-7", record.id)
    status, _, reply = await tell(rig, {"exchange": record.id, "thumb": "up", "id": "a"})
    assert (status, reply) == (
        200, {"feedback": [{"id": "a", "source": "client", "taken": "joined", "exchanges": 1}]},
    )  # fmt: skip
    status, _, reply = await tell(rig, {"client_id": "order-7", "score": 0.5})
    assert (status, reply["feedback"][0]["taken"]) == (200, "joined")
    assert [(one.about, one.score) for one in kept(rig)] == [("exchange", 1.0), ("client_id", 0.5)]


@pytest.mark.parametrize("header", ["x-pointsman-id", "x-client-request-id", "x-request-id"])
async def test_clients_name_their_requests_as_they_are_used_to(rig: Rig, upstream_at: Start, header: str) -> None:
    rig.publish(a_snapshot((await upstream_at(answer_whole)).port))
    await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "x"}], extra_headers={header: "caf%C3%A9-1"}
    )
    assert [one.client_id for one in await rig.records()] == ["café-1"]


async def test_an_exchange_that_is_not_known_yet_waits_and_an_id_counts_once(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    for expected in ("waiting", "repeated"):
        status, _, reply = await tell(rig, {"exchange": "f" * 24, "test": "failed", "id": "run-1", "source": "ci"})
        assert (status, reply["feedback"]) == (200, [{"id": "run-1", "source": "ci", "taken": expected, "exchanges": 0}])
    _, _, reply = await tell(rig, [{"exchange": "f" * 24, "test": "passed", "source": "ci"}])
    assert reply["feedback"][0]["taken"] == "corrected"
    late = {"exchange": "f" * 24, "test": "failed", "source": "ci", "at": "2020-01-01T00:00:00Z"}
    assert (await tell(rig, late))[2]["feedback"][0]["taken"] == "outdated"


async def test_what_was_answered_is_on_disk(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    items = [{"exchange": f"{n:024x}", "thumb": "up"} for n in range(1000)]
    status, _, reply = await tell(rig, items)
    assert (status, len(reply["feedback"])) == (200, 1000)
    assert [one.subject for one in kept(rig)] == [f"{n:024x}" for n in range(900, 1000)]
    assert sum(line.count for line in rig.store.feedback.signals(unknown_before_ms=0)) == 1000


async def test_the_same_keys_admit_and_a_source_is_its_keys_own(rig: Rig) -> None:
    keys = tuple(Key(name, hashlib.sha256(name.encode()).hexdigest()) for name in ("web", "ci"))
    rig.publish(a_snapshot(1, keys=keys))
    said = {"exchange": "x", "thumb": "up", "source": "users"}
    assert (await tell(rig, said))[0] == 401
    assert (await tell(rig, said, "authorization: Bearer wrong\r\n"))[0] == 401
    status, _, reply = await tell(rig, said, "authorization: Bearer web\r\n")
    assert (status, reply["feedback"][0]["source"]) == (200, "web/users")
    assert (await tell(rig, said, "x-api-key: ci\r\n"))[2]["feedback"][0]["source"] == "ci/users"
    assert {(one.source, one.client_key) for one in kept(rig)} == {("web/users", "web"), ("ci/users", "ci")}


async def test_without_keys_no_web_page_of_others_may_speak(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    assert (await tell(rig, {"exchange": "x", "thumb": "up"}, "origin: https://evil.example\r\n"))[0] == 403


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"", 400, "invalid_request", "not JSON"),
        (b'{"exchange":"x","score":NaN}', 400, "invalid_request", "NaN and Infinity are no JSON numbers"),
        (b'{"exchange":"x","score":1.5}', 400, "invalid_request", "score must be a number from 0 to 1"),
        (b'{"exchange":"x","thumb":"up","at":"2126-01-01"}', 400, "invalid_request", "in the future"),
        (b'[{"exchange":"x","thumb":"up"},{"exchange":"x","thumb":1}]', 400, "invalid_request", "item 1: "),
        (json.dumps([{"exchange": "x", "thumb": "up"}] * 10_000).encode(), 400, "too_many_items", "at most 1,000"),
        (b" " * (BODY_BYTES + 1), 413, "body_too_large", "send it in parts"),
    ],
)
async def test_bad_input_is_refused_with_what_to_do_and_nothing_is_taken(
    rig: Rig, body: bytes, status: int, code: str, words: str
) -> None:
    rig.publish(a_snapshot(1))
    got, headers, reply = await tell(rig, body)
    assert (got, headers["content-type"]) == (status, "application/json")
    assert words in reply["error"]["message"]
    assert reply["error"]["type"] == "invalid_request_error"
    assert kept(rig) == []


async def test_errors_are_said_in_the_callers_dialect(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    assert (await tell(rig, b"{", "anthropic-version: 2023-06-01\r\n"))[2]["type"] == "error"


async def test_other_methods_and_the_list_of_paths_name_it(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    status, headers, _ = await rig.get(PATH)
    assert (status, headers["allow"]) == (405, "POST")
    assert f"POST {PATH}" in json.loads((await rig.get("/nothing"))[2])["error"]["message"]


async def test_without_a_snapshot_it_says_when_to_come_again(rig: Rig) -> None:
    status, headers, _ = await tell(rig, {"exchange": "x", "thumb": "up"})
    assert (status, headers["retry-after"]) == (503, "1")


async def test_a_store_that_fails_is_said_with_when_to_send_again_and_no_path(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    disk = Disk()
    disk.problem = StoreError("/secret/place is full: free some space")
    intake = Intake(disk)
    rig.gateway._equipment = replace(rig.equipment, feedback=intake)
    status, headers, reply = await tell(rig, {"exchange": "x", "thumb": "up"})
    assert (status, headers["retry-after"]) == (503, "2")
    assert "send it again" in reply["error"]["message"]
    assert "secret" not in str(reply)
    disk.problem = None
    assert (await tell(rig, {"exchange": "x", "thumb": "up"}))[0] == 200
    intake.close()


async def test_a_slow_disk_holds_up_no_exchange_and_overload_is_said_at_once(rig: Rig, upstream_at: Start) -> None:
    rig.publish(a_snapshot((await upstream_at(answer_whole)).port))
    disk = Disk()
    disk.open.clear()
    intake = Intake(disk, waiting=2)
    rig.gateway._equipment = replace(rig.equipment, feedback=intake)
    slow = [asyncio.create_task(tell(rig, {"exchange": "x", "thumb": "up"})) for _ in range(2)]
    while rig.gateway.under_way < 2:  # noqa: ASYNC110 - the gateway's own count
        await asyncio.sleep(0)
    status, headers, reply = await tell(rig, {"exchange": "x", "thumb": "up"})
    assert (status, headers["retry-after"], reply["error"]["code"]) == (503, "2", "overloaded")
    assert (await rig.post(CHAT))[0] == 200
    disk.open.set()
    assert [(await each)[0] for each in slow] == [200, 200]
    assert rig.gateway.under_way == 0
    intake.close()


async def test_bodies_whose_senders_hung_up_wait_and_count_like_all_others() -> None:
    disk = Disk()
    disk.open.clear()
    intake = Intake(disk, waiting=2)
    client = cast("Client", None)  # never answered
    body = b'{"exchange":"x","thumb":"up"}'
    for _ in range(2):
        gone = asyncio.create_task(intake.answer(body, None, 60_000, 0, client))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    with pytest.raises(GatewayError, match="too much feedback"):
        await intake.answer(body, None, 60_000, 0, client)
    disk.open.set()
    intake.close()
    await asyncio.sleep(0.01)
    assert (disk.count, intake._under_way) == (2, 0)


async def test_feedback_counts_among_what_is_under_way(rig: Rig) -> None:
    rig.publish(a_snapshot(1, limits=Limits(concurrent=0)))
    assert (await tell(rig, {"exchange": "x", "thumb": "up"}))[2]["error"]["code"] == "overloaded"


async def test_a_key_that_sends_too_much_is_told_when_to_go_on_and_others_are_not_held_up(rig: Rig) -> None:
    keys = tuple(Key(name, hashlib.sha256(name.encode()).hexdigest()) for name in ("web", "ci"))
    rig.publish(a_snapshot(1, keys=keys, limits=Limits(feedback_per_minute=10)))
    clock, disk = [0.0], Disk()
    intake = Intake(disk, clock=lambda: clock[0])
    rig.gateway._equipment = replace(rig.equipment, feedback=intake)
    web, ci, item = "authorization: Bearer web\r\n", "authorization: Bearer ci\r\n", {"exchange": "x", "thumb": "up"}
    assert (await tell(rig, [item] * 16, web))[0] == 200
    status, headers, reply = await tell(rig, item, web)
    assert (status, headers["retry-after"], reply["error"]["code"]) == (429, "36", "rate_limit_exceeded")
    assert "the 10 items a minute that one key may send" in reply["error"]["message"]
    assert (await tell(rig, item, f"{web}anthropic-version: 2023-06-01\r\n"))[2]["error"]["type"] == "rate_limit_error"
    assert (await tell(rig, item, ci))[0] == 200
    clock[0] += 36.1
    assert (await tell(rig, item, web))[0] == 200
    assert (await tell(rig, item, web))[0] == 429
    assert disk.count == 18
    intake.close()


@pytest.mark.parametrize(
    "said",
    [
        {"exchange": "x", "edit": {"from": "." * 5_000, "to": "." * 5_001}},
        {"exchange": "x", "edit": {"from": "." * 10_001, "to": ""}},  # too long to be compared
        [{"exchange": "x", "thumb": 1}] * 201,
        b"[" * 50_000,
        b'{"exchange":"x","no":"%b"}' % (b"x" * 50_000),
    ],
)
async def test_edits_and_mistakes_count_by_their_size(rig: Rig, said: object) -> None:
    rig.publish(a_snapshot(1, limits=Limits(feedback_per_minute=200)))
    status, _, _ = await tell(rig, said)
    assert status in (200, 400)
    assert (await tell(rig, {"exchange": "x", "thumb": "up"}))[0] == 429


async def test_of_bodies_that_wait_together_only_those_within_the_rate_are_looked_at(rig: Rig) -> None:
    rig.publish(a_snapshot(1, limits=Limits(feedback_per_minute=10)))
    disk = Disk()
    disk.open.clear()
    intake = Intake(disk)
    rig.gateway._equipment = replace(rig.equipment, feedback=intake)
    many = [asyncio.create_task(tell(rig, [{"exchange": "x", "thumb": "up"}] * 6)) for _ in range(5)]
    while rig.gateway.under_way < 5:  # noqa: ASYNC110 - the gateway's own count
        await asyncio.sleep(0)
    disk.open.set()
    assert sorted([(await each)[0] for each in many]) == [200, 200, 429, 429, 429]
    intake.close()
