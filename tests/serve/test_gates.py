"""What acts and does worse goes back by itself, in a running gateway."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from pointsman.control.plans import plan_of
from pointsman.core.routing import Trial
from pointsman.core.snapshot import Snapshot
from pointsman.upstream.simulated.features import features
from tests.serve.conftest import Up

REFERENCE, WORSE = "zoo/sim-eagle-xl", "zoo/sim-finch-s"


def acting(now: Snapshot) -> Snapshot:
    """Let a model that is right half of the time serve half of the requests, graded as they are served."""
    plan = plan_of(now, "auto", "support")
    changed = replace(
        plan, mode="auto", accepted=(WORSE,), one_model=WORSE, acting_share=0.5, trial=Trial("measuring", (), 1.0, 10**9),
        since_ms=int(time.time() * 1000),
    )  # fmt: skip
    route = now.routes["auto"]
    return replace(now, routes={**now.routes, "auto": replace(route, plans={**route.plans, "support": changed})})


@pytest.mark.long
def test_answers_that_are_worse_send_a_feature_back_to_its_reference(start: Callable[..., Up]) -> None:
    up = start()
    client = up.client()
    up.workspace.publish(acting, made_by="a test")
    published = up.workspace.published()
    assert published
    for task in features()["support"].tasks(150, seed=3):
        headers = {"x-pointsman-feature": "support", "x-pointsman-expected": quote(task.answer)}
        client.chat.completions.create(model="auto", messages=task.messages, extra_headers=headers)  # type: ignore[arg-type]
    said = up.hears(lambda line: "went back from auto" in line, timeout=60)
    assert f"support on route auto went back from auto to {REFERENCE} by itself: its answers are worse than" in said
    now = up.workspace.snapshot()
    assert plan_of(now, "auto", "support").mode == "observe"
    assert now.made_by.startswith("support rolled back from auto by itself")
