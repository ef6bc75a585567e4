"""Clients over plain sockets, in four dialects: one request on a connection of its own, and a verdict on what came back.

Right is one of three: the whole answer that follows from the request's number, ended as the dialect ends an answer; an
error with its status in the dialect's envelope; or, once content has come, an error event in the dialect's own form.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from faults.providers import pieces

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini")


@dataclass(frozen=True)
class Verdict:
    """How one request ended. ``kind``: answer, error, cut, or what is wrong with it."""

    kind: str
    status: int
    seconds: float
    wrong: str = ""


def request(dialect: str, model: str, nonce: str, *, stream: bool) -> tuple[bytes, bytes]:
    """Return head and body of a request."""
    prompt = f"nonce={nonce} please"
    said: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream}
    path = "/v1/chat/completions"
    if dialect == "anthropic":
        said, path = {**said, "max_tokens": 500}, "/v1/messages"
    elif dialect == "openai_responses":
        said, path = {"model": model, "input": prompt, "stream": stream, "store": False}, "/v1/responses"
    elif dialect == "gemini":
        said = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
        path = f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
    body = json.dumps(said).encode()
    fields = f"host: x\r\nx-request-id: {nonce}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}".encode(), body


async def ask(port: int, dialect: str, model: str, nonce: str, *, stream: bool, within_s: float, drips: bool) -> Verdict:
    """Send one request, read all that comes, and judge it."""
    loop = asyncio.get_running_loop()
    began, status = loop.time(), 0
    head, body = request(dialect, model, nonce, stream=stream)
    writer = None
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            if drips:
                for start in range(0, len(head), 40):
                    writer.write(head[start : start + 40])
                    await asyncio.sleep(0.05)
                head = b""
            writer.write(head + body)
            status, found = await _reply(reader)
    except TimeoutError:
        return Verdict("hung", status, loop.time() - began, f"no end within {within_s:g} s")
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        return Verdict("broken", status, loop.time() - began, f"{type(error).__name__}: {error}")
    finally:
        if writer is not None:
            writer.close()
    kind, wrong = judged(dialect, nonce, status, found, stream=stream)
    return Verdict(kind, status, loop.time() - began, wrong)


async def leave(port: int, dialect: str, model: str, nonce: str, *, stream: bool, after_s: float) -> None:
    """Send one request and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(request(dialect, model, nonce, stream=stream)))
    await asyncio.sleep(after_s)
    writer.transport.abort()


async def _reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    fields = {name.strip().lower(): value.strip() for name, _, value in lines}
    status = int(head.split()[1])
    if fields.get("transfer-encoding") != "chunked":
        return status, await reader.readexactly(int(fields["content-length"]))
    found = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        found.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(found)


def judged(dialect: str, nonce: str, status: int, body: bytes, *, stream: bool) -> tuple[str, str]:
    """Return what a reply is, and what is wrong with it (empty: nothing)."""
    right = "".join(pieces(nonce))
    try:
        if status != 200:
            known = status >= 400 and _is_error(dialect, json.loads(body))
            return "error", "" if known else f"no error of this dialect: {body[:200]!r}"
        if not stream:
            text, ended = _whole(dialect, json.loads(body))
            return "answer", "" if ended and text == right else f"another answer: {text!r}"
        text, ended, failed = _streamed(dialect, body)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return "unreadable", f"{type(error).__name__} {error}: {body[:300]!r}"
    if failed:
        whole = right.startswith(text) or text.startswith(right)
        return "cut", "" if whole else f"another beginning: {text!r}"
    return "answer", "" if ended and text == right else f"ended {ended}, said {text!r} for {right!r}"


def _is_error(dialect: str, body: Any) -> bool:
    error = body["error"]
    if dialect == "anthropic":
        return body["type"] == "error" and bool(error["type"]) and isinstance(error["message"], str)
    if dialect == "gemini":
        return isinstance(error["code"], int) and isinstance(error["status"], str) and isinstance(error["message"], str)
    return isinstance(error["message"], str) and "type" in error


def _whole(dialect: str, body: Any) -> tuple[str, bool]:
    if dialect == "anthropic":
        return "".join(part["text"] for part in body["content"]), bool(body["stop_reason"])
    if dialect == "gemini":
        candidate = body["candidates"][0]
        return "".join(part["text"] for part in candidate["content"]["parts"]), bool(candidate["finishReason"])
    if dialect == "openai_responses":
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        return "".join(part["text"] for part in parts), body["status"] == "completed"
    choice = body["choices"][0]
    return choice["message"]["content"], bool(choice["finish_reason"])


def _streamed(dialect: str, body: bytes) -> tuple[str, bool, bool]:
    """Return the text of a stream, whether it ended as an answer does, and whether it ended with an error event."""
    text, ended, failed = "", False, False
    for frame in body.decode().replace("\r\n", "\n").split("\n\n"):
        data = "\n".join(line[5:].lstrip() for line in frame.split("\n") if line.startswith("data:"))
        if not data:
            continue
        if data == "[DONE]":
            ended = ended or dialect == "openai_chat"
            continue
        event = json.loads(data)
        failed = failed or _fails(dialect, event)
        if not failed:
            piece, last = _piece(dialect, event)
            text, ended = text + piece, ended or last
    return text, ended, failed


def _fails(dialect: str, event: Any) -> bool:
    if dialect == "openai_responses":
        return event["type"] in ("error", "response.failed")
    if dialect == "anthropic":
        return bool(event["type"] == "error")
    return "error" in event and _is_error(dialect, event)


def _piece(dialect: str, event: Any) -> tuple[str, bool]:
    if dialect == "openai_responses":
        delta = event["delta"] if event["type"] == "response.output_text.delta" else ""
        return delta, event["type"] == "response.completed"
    if dialect == "anthropic":
        delta = event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
        return delta, event["type"] == "message_stop"
    if dialect == "gemini":
        candidate = event["candidates"][0] if event.get("candidates") else {}
        parts = candidate.get("content", {}).get("parts", [])
        return "".join(part.get("text", "") for part in parts), bool(candidate.get("finishReason"))
    choices = event["choices"]
    if not choices:
        return "", False
    return choices[0]["delta"].get("content") or "", bool(choices[0]["finish_reason"])
