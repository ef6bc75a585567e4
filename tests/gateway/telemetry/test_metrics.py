"""What a scrape shows: of a gateway on a socket, and of several processes."""

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.conftest import DONE, Rig, Start, a_snapshot, answer_whole, frame, streaming

from pointsman.core.keys import Key, Scope
from pointsman.gateway.telemetry import metrics
from pointsman.gateway.telemetry.metrics import Metrics
from pointsman.gateway.telemetry.pages import PAGE_BYTES, Page, Pages

BODY = b'{"model":"auto","messages":[{"role":"user","content":"x"}]}'


def figures(text: bytes) -> dict[str, float]:
    """Return figures by name and labels, without the prefix."""
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("pointsman_"): float(number) for name, _, number in (line.rpartition(" ") for line in lines)}


async def scraped(rig: Rig, headers: str = "") -> dict[str, float]:
    status, head, body = await rig.get("/metrics", headers=headers)
    assert (status, head["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return figures(body)


async def test_an_exchange_shows_at_once(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    assert (await rig.post(BODY, x_pointsman_feature="mail"))[0] == 200
    found = await scraped(rig)
    labels = 'route="auto",feature="mail",dialect="openai_chat",outcome="ok",status="200"'
    assert found[f"requests_total{{{labels}}}"] == 1
    assert found['attempts_total{deployment="p1/model-1",cause="first",outcome="ok"}'] == 1
    assert found['tokens_total{deployment="p1/model-1",kind="fresh"}'] == 60
    assert found['tokens_total{deployment="p1/model-1",kind="cached"}'] == 40
    # 60 tokens at $2.5, 40 at $1.25 and 10 at $10 per million
    assert found['cost_dollars_total{feature="mail",deployment="p1/model-1"}'] == 0.0003
    assert found['request_seconds_count{route="auto"}'] == 1
    assert found['first_content_seconds_count{route="auto"}'] == 0
    assert found["under_way"] == 0
    assert found["workers"] == found['build_info{version="0.1.0"}'] == 1


async def test_a_stream_has_a_first_content(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(streaming(frame({"content": "four"}), frame({}, "stop"), DONE))
    rig.publish(a_snapshot(upstream.port))
    await rig.all(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 73\r\n\r\n"
        b'{"model":"auto","stream":true,"messages":[{"role":"user","content":"x"}]}'
    )
    assert (await scraped(rig))['first_content_seconds_count{route="auto"}'] == 1


async def test_what_failed_and_what_cools_shows(rig: Rig) -> None:
    rig.publish(a_snapshot(1, 1))
    await rig.post(BODY)
    await rig.post(b"{")
    rig.equipment.breakers.failed("p1/model-1", rig.equipment.clock(), retry_after_s=30.0)
    found = await scraped(rig)
    assert found['attempts_total{deployment="p1/model-1",cause="first",outcome="unreachable"}'] == 1
    assert found['refused_total{cause="invalid_request"}'] == 1
    assert found['breaker{deployment="p1/model-1",state="cooling"}'] == 1
    assert found['breaker{deployment="p2/model-2",state="closed"}'] == 1


async def test_the_snapshot_and_what_is_wrong_with_the_next_one_show(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.publish(a_snapshot(1))
    found = await scraped(rig)
    assert found['snapshot_number{process="0"}'] == 1
    assert found["snapshot_published_seconds"] == 0.001
    assert rig.live.current is not None
    assert found[f'snapshot_info{{hash="{rig.live.current.hash}"}}'] == 1
    assert 'problem{part="snapshot"}' not in found
    rig.live.problem = "snapshot 2 is damaged"
    assert (await scraped(rig))['problem{part="snapshot"}'] == 1


async def test_figures_are_for_whoever_may_call_models(rig: Rig) -> None:
    assert (await rig.get("/metrics"))[0] == 503
    rig.publish(a_snapshot(1, keys=(Key("shop", hashlib.sha256(b"right").hexdigest()),)))
    assert (await rig.get("/metrics"))[0] == 401
    assert (await rig.get("/metrics", headers="authorization: Bearer wrong\r\n"))[0] == 401
    status, _, text = await rig.get("/metrics", headers="authorization: Bearer right\r\n")
    assert status == 200
    assert b"right" not in text
    assert b"shop" not in text
    assert figures(text)['refused_total{cause="invalid_api_key"}'] == 1


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"customer": "acme"}, 403),
        ({"scope": Scope(routes=("auto",))}, 403),
        ({"scope": Scope(features=("mail",))}, 403),
        ({"scope": Scope(networks=("127.0.0.0/8",))}, 200),
    ],
)
async def test_a_key_for_some_of_what_is_served_reads_no_figures_of_all(rig: Rig, limits: Any, status: int) -> None:
    rig.publish(a_snapshot(1, keys=(Key("shop", hashlib.sha256(b"right").hexdigest(), **limits),)))
    assert (await rig.get("/metrics", headers="authorization: Bearer right\r\n"))[0] == status


async def test_without_keys_no_foreign_page_reads_them(rig: Rig) -> None:
    rig.publish(a_snapshot(1))
    assert (await rig.get("/metrics", headers="origin: https://evil.example\r\n"))[0] == 403


@pytest.fixture
def pages() -> Iterator[Pages]:
    made = Pages.made(3)
    yield made
    made.close()


def worker(rig: Rig, pages: Pages, place: int, now: float = 100.0) -> Metrics:
    return Metrics(rig.live, rig.equipment, lambda: 2, Page(pages, place), wall=lambda: now)


async def test_any_worker_shows_all(rig: Rig, pages: Pages) -> None:
    rig.publish(a_snapshot(1))
    rig.equipment.tally.refused("x")
    worker(rig, pages, 1).publish()
    metrics.publish(Page(pages, 2), {"control_step_failing": {("joining feedback",): [1]}}, 100.0)
    found = figures(worker(rig, pages, 0).text())
    assert found["workers"] == 2
    assert found["under_way"] == 4
    assert found['refused_total{cause="x"}'] == 2
    assert {f'snapshot_number{{process="{place}"}}' for place in range(2)} <= set(found)
    assert found['control_step_failing{step="joining feedback"}'] == 1


async def test_a_worker_that_is_gone_no_longer_serves_but_what_it_counted_stays(rig: Rig, pages: Pages) -> None:
    rig.equipment.tally.refused("x")
    worker(rig, pages, 1).publish()
    found = figures(worker(rig, pages, 0, now=100.0 + metrics.FRESH_S).text())
    assert found["workers"] == 1
    assert found['refused_total{cause="x"}'] == 2


async def test_a_worker_that_comes_back_goes_on_counting(rig: Rig, pages: Pages) -> None:
    rig.equipment.tally.refused("x")
    worker(rig, pages, 1).publish()
    again = worker(rig, pages, 1)
    rig.equipment.tally.refused("x")
    for _ in range(2):  # what it had before is not added twice
        again.publish()
        assert figures(again.text())['refused_total{cause="x"}'] == 3
    assert figures(again.text())["workers"] == 1


async def test_a_page_that_is_being_written_shows_as_it_was(rig: Rig, pages: Pages) -> None:
    rig.equipment.tally.refused("x")
    worker(rig, pages, 1).publish()
    first = worker(rig, pages, 0)
    assert figures(first.text())['refused_total{cause="x"}'] == 2
    start = PAGE_BYTES + 8
    pages._map[start : start + 2] = b"\xff\xff"
    assert figures(first.text())['refused_total{cause="x"}'] == 2


async def test_a_process_watches_its_loop(rig: Rig, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LOOK_S", 0.001)
    following = asyncio.create_task(worker(rig, pages, 1).follow())
    while not pages.read(1):  # noqa: ASYNC110 - memory of other processes rings no bell
        await asyncio.sleep(0.001)
    following.cancel()
    found = figures(worker(rig, pages, 0).text())
    assert found["loop_lag_seconds_count"] >= metrics.PUBLISH_EVERY
