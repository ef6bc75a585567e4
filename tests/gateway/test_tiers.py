"""Service tiers: an exchange costs what its provider says that it was served on, and a decision reckons with it."""

import json
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import DONE, WHOLE, Received, Rig, Start, a_snapshot, frame, streaming

from pointsman.core.price import Price, Rates, TierRates
from pointsman.core.snapshot import Snapshot

FLEX = TierRates("flex", Rates(Decimal("1.25"), Decimal(5), Decimal("0.625")))
PRIORITY = TierRates("priority", Rates(Decimal("4.25"), Decimal(17)))
STANDARD_NANO = 60 * 2500 + 40 * 1250 + 10 * 10_000
FLEX_NANO = 60 * 1250 + 40 * 625 + 10 * 5_000
PRIORITY_NANO = 100 * 4250 + 10 * 17_000


def priced(port: int) -> Snapshot:
    """A provider whose price has tiers."""
    snapshot = a_snapshot(port)
    price = Price(Rates(Decimal("2.5"), Decimal(10), Decimal("1.25")), tiers=(FLEX, PRIORITY))
    return replace(snapshot, deployments={name: replace(one, price=price) for name, one in snapshot.deployments.items()})


CASES = [
    ("", "", STANDARD_NANO),
    ("", "default", STANDARD_NANO),
    ("flex", "flex", FLEX_NANO),
    ("flex", "default", STANDARD_NANO),  # the provider had no room on that tier
    ("flex", "", FLEX_NANO),  # it does not say
    ("auto", "priority", PRIORITY_NANO),  # the owner's project has it
    ("auto", "", STANDARD_NANO),
    ("scale", "scale", STANDARD_NANO),  # no rates are known for it
]


@pytest.mark.parametrize(("asked", "replied", "nano"), CASES)
async def test_a_whole_reply_costs_what_its_tier_does(
    rig: Rig, upstream_at: Start, asked: str, replied: str, nano: int
) -> None:
    async def script(received: Received) -> None:
        told = {"service_tier": replied} if replied else {}
        await received.reply(200, json.dumps({**json.loads(WHOLE), **told}).encode())

    upstream = await upstream_at(script)
    rig.publish(priced(upstream.port))
    wanted = {"service_tier": asked} if asked else {}
    body = {"model": "auto", "messages": [{"role": "user", "content": "2+2?"}], **wanted}
    assert (await rig.post(msgspec.json.encode(body)))[0] == 200
    [record] = await rig.records()
    assert record.cost_nano == nano


@pytest.mark.parametrize(("asked", "replied", "nano"), CASES)
async def test_a_streamed_reply_costs_what_its_tier_does(
    rig: Rig, upstream_at: Start, asked: str, replied: str, nano: int
) -> None:
    told = {"service_tier": replied} if replied else {}
    usage = json.loads(WHOLE)["usage"]
    frames = [frame({"content": "four"}, **told), frame({}, "stop", **told), frame({}, choices=[], usage=usage, **told)]
    upstream = await upstream_at(streaming(*frames, DONE))
    rig.publish(priced(upstream.port))
    wanted = {"service_tier": asked} if asked else {}
    body = {"model": "auto", "messages": [{"role": "user", "content": "2+2?"}], "stream": True, **wanted}
    data = msgspec.json.encode(body)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(data)
    assert (await rig.all(head + data))[0] == 200
    [record] = await rig.records()
    assert record.cost_nano == nano
