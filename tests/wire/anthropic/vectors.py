"""Streams in Anthropic's dialect, written by hand, and a strict reader of them that shares no code with the codec."""

import json
from typing import Any


def frame(event: dict[str, Any], ending: str = "\n") -> bytes:
    lines = [f"event: {event['type']}", f"data: {json.dumps(event, ensure_ascii=False)}   ", "", ""]
    return ending.join(lines).encode()


def start(**message: Any) -> bytes:
    usage = {"input_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}
    plain: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
    }
    return frame({"type": "message_start", "message": {**plain, "stop_sequence": None, "usage": usage, **message}})


def block(index: int, begins: dict[str, Any], *deltas: dict[str, Any], stop: bool = True) -> bytes:
    out = frame({"type": "content_block_start", "index": index, "content_block": begins})
    for delta in deltas:
        out += frame({"type": "content_block_delta", "index": index, "delta": delta})
    return out + (frame({"type": "content_block_stop", "index": index}) if stop else b"")


def text(index: int, *pieces: str) -> bytes:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def call(index: int, id_: str, name: str, *pieces: str) -> bytes:
    begins = {"type": "tool_use", "id": id_, "name": name, "input": {}}
    return block(index, begins, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def ending(reason: str, output: int = 9, beside: dict[str, Any] | None = None, **delta: Any) -> bytes:
    ended = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **delta}, **(beside or {})}
    return frame({**ended, "usage": {"output_tokens": output}}) + frame({"type": "message_stop"})


PING = frame({"type": "ping"})


class Strict:
    """Adds a stream up as Anthropic's own clients do, and fails where its order is not theirs."""

    def __init__(self, stream: bytes) -> None:
        self.message: dict[str, Any] = {}
        self._open: int | None = None
        self._json = ""
        self._over = False
        for one in stream.decode().split("\n\n")[:-1]:
            name, data = one.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            assert not self._over
            getattr(self, event["type"])(event)
        assert self._over

    def message_start(self, event: dict[str, Any]) -> None:
        assert not self.message
        self.message = event["message"]
        assert self.message["content"] == []
        assert {"id", "type", "role", "model", "stop_reason", "stop_sequence"} <= self.message.keys()
        assert self.message["usage"].keys() >= {"input_tokens", "output_tokens"}

    def content_block_start(self, event: dict[str, Any]) -> None:
        assert self._open is None
        self._open = event["index"]
        assert self._open == len(self.message["content"])
        self.message["content"].append(event["content_block"])
        self._json = ""

    def content_block_delta(self, event: dict[str, Any]) -> None:
        assert self._open == event["index"]
        content, delta = self.message["content"][-1], event["delta"]
        match delta["type"]:
            case "text_delta":
                assert content["type"] == "text"
                content["text"] += delta["text"]
            case "thinking_delta":
                content["thinking"] += delta["thinking"]
            case "signature_delta":
                content["signature"] = delta["signature"]
            case "citations_delta":
                content.setdefault("citations", []).append(delta["citation"])
            case "input_json_delta":
                assert content["type"].endswith("tool_use")
                self._json += delta["partial_json"]
            case other:
                raise AssertionError(other)

    def content_block_stop(self, event: dict[str, Any]) -> None:
        assert self._open == event["index"]
        if self._json:
            self.message["content"][-1]["input"] = json.loads(self._json)
        self._open = None

    def message_delta(self, event: dict[str, Any]) -> None:
        assert self._open is None
        assert self.message
        self.message |= event["delta"]
        self.message["usage"] |= event["usage"]

    def message_stop(self, event: dict[str, Any]) -> None:
        assert event.keys() == {"type"}
        assert self.message["stop_reason"]
        self._over = True
