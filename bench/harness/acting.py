"""A learned policy that acts on most requests, so that ``auto`` is measured at work and not as its reference."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from harness.load import KEY
from harness.machine import until
from pointsman.control.publish import publish
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach
from pointsman.store.sqlite import open_store


def act_on_evidence(data: Path, port: int, routes: Mapping[str, str], models: tuple[str, ...]) -> None:
    """Publish a policy that decides 95 % of each route's requests; return once the gateway at ``port`` acts on it.

    ``routes`` says for each route the provider whose ``models`` it chooses from, the last being its reference. Raises
    NotStarted.
    """

    def change(before: Snapshot) -> Snapshot:
        acting, policies = dict(before.routes), {}
        for name in routes.keys() & before.routes.keys():
            deployments = tuple(f"{routes[name]}/{one}" for one in models)
            plan = replace(
                before.routes[name].plans["*"],
                mode="auto",
                accepted=deployments[:-1],
                acting_share=0.95,
                value_nano=50_000_000,
                since_ms=1,
            )
            acting[name] = replace(before.routes[name], plans={"*": plan})
            policies[name] = _policy(deployments)
        return replace(before, routes=acting, policies=policies)

    store = open_store(data, vector_key=None)
    published = publish(store, change, made_by="benchmark", now_ms=1)
    store.close()
    until(lambda: _acts(port, published.hash), "the gateway acts on the published policy")


def _policy(deployments: tuple[str, ...]) -> bytes:
    random = np.random.default_rng(1)
    rows, count = 200, len(deployments)
    learned = teach(
        Outcomes(
            deployments=deployments,
            groups=np.array([f"prompt {row}" for row in range(rows)]),
            vectors=random.integers(0, 256, (rows, features.LENGTH), dtype=np.uint8),
            score=random.random((rows, count)),
            cost_nano=np.full((rows, count), np.nan),
            input_tokens=np.full(rows, 300.0),
            output_tokens=random.uniform(100, 300, (rows, count)),
            task=np.full(rows, -1),
            tasks=(),
            feature=np.full(rows, -1),
            features=(),
        )
    )
    return model.encode(learned.policy)


def _acts(port: int, snapshot: str) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {KEY}"},
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - our own address
        said = reply.headers
        return bool(said["x-pointsman-snapshot"] == snapshot and said["x-pointsman-mode"] == "auto")
