"""The demo's application: it talks to the gateway through the real ``openai`` client, over a real socket.

Strategy: many requests at once, as an application's users would send them; every fifth is streamed. The feature rides in a
header, and so does the right answer, which the demo knows because its tasks are generated.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import openai
from msgspec import Struct

from pointsman.upstream.simulated.tasks import Task, solve

CONCURRENCY: Final = 24
STREAM_EVERY: Final = 5
TOGETHER: Final = 500


class Answered(Struct, frozen=True):
    """One request of the demo and what came back. ``right`` by the task's own solution; ``exchange`` is its journal id."""

    task: Task
    exchange: str
    deployment: str
    mode: str
    arm: str
    right: bool


async def send(
    base_url: str, tasks: Sequence[Task], *, model: Callable[[Task], str], advance: Callable[[], None]
) -> list[Answered]:
    """Send every task and return the answers in the same order. ``model`` names the model to ask for each."""
    limits = asyncio.Semaphore(CONCURRENCY)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="demo", max_retries=2) as client:

        async def one(place: int, task: Task) -> Answered:
            async with limits:
                answered = await _ask(client, task, model(task), streamed=place % STREAM_EVERY == 0)
            advance()
            return answered

        return list(await asyncio.gather(*(one(place, task) for place, task in enumerate(tasks))))


async def tell(base_url: str, said: Sequence[dict[str, Any]]) -> None:
    """Send feedback to the gateway."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="demo", max_retries=2) as client:
        for start in range(0, len(said), TOGETHER):
            await client.post("/feedback", body=list(said[start : start + TOGETHER]), cast_to=object)


async def _ask(client: openai.AsyncOpenAI, task: Task, model: str, *, streamed: bool) -> Answered:
    body: dict[str, Any] = task.body(model)
    headers = {"x-pointsman-feature": task.feature, "x-pointsman-expected": quote(task.answer)}
    create = client.chat.completions.with_raw_response.create
    if streamed:
        raw = await create(**body, stream=True, extra_headers=headers)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in raw.parse() if chunk.choices])
    else:
        raw = await create(**body, extra_headers=headers)
        text = raw.parse().choices[0].message.content or ""
    solution = solve(task.user)
    return Answered(
        task=task,
        exchange=raw.headers["x-pointsman-exchange"],
        deployment=raw.headers["x-pointsman-deployment"],
        mode=raw.headers["x-pointsman-mode"],
        arm=raw.headers["x-pointsman-arm"],
        right=solution is not None and solution.accepts(text),
    )
