"""The official client's own models, as a strict check of what is written."""

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from pointsman.wire import sse

_events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def checked(body: bytes) -> Any:
    """Return a response as JSON; fails where the client's model does not take it as it is."""
    Response.model_validate_json(body, strict=True)
    return json.loads(body)


def frames(raw: bytes) -> list[Any]:
    """Return the events of a stream as JSON; fails where the client's models do not take one, or the order is wrong."""
    splitter = sse.Splitter()
    found = []
    for frame in splitter.feed(raw):
        data = sse.data(frame)
        assert data is not None
        known = _events.validate_json(data, strict=True)
        assert not known.__pydantic_extra__, f"{type(known).__name__} does not know {known.__pydantic_extra__}"
        event = json.loads(data)
        assert frame.startswith(b"event: " + event["type"].encode() + b"\n")
        found.append(event)
    assert splitter.rest() == b""
    _in_order(found)
    return found


def _in_order(events: list[Any]) -> None:
    """Replay a stream as a client does: every frame belongs to an item and a content that are open."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    opened: dict[int, str] = {}
    contents: set[tuple[int, str, int]] = set()
    ended: list[Any] = []
    count = 0
    for event in events[2:-1]:
        index = event["output_index"]
        kind = event["type"]
        if kind == "response.output_item.added":
            assert index == count
            count += 1
            opened[index] = event["item"]["id"]
            continue
        if kind == "response.output_item.done":
            assert opened.pop(index) == event["item"]["id"]
            assert not [place for place in contents if place[0] == index]
            ended.append((index, event["item"]))
            continue
        assert opened[index] == event["item_id"]
        name = "summary_index" if "summary_index" in event else "content_index"
        place = (index, name, event.get(name, -1))
        if kind in ("response.content_part.added", "response.reasoning_summary_part.added"):
            assert place not in contents
            contents.add(place)
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            contents.remove(place)
        elif name in event:
            assert place in contents
    assert not opened
    last = events[-1]
    assert last["type"] in ("response.completed", "response.incomplete", "response.failed")
    assert last["response"]["output"] == [item for _, item in sorted(ended, key=lambda pair: pair[0])]
