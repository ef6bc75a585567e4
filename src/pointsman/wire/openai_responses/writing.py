"""Events -> output items, as they grow, and the response around them.

Strategy: ``feed`` adds an event to ``body`` and tells ``emit`` every frame that a stream would have. Texts that follow one
another are contents of one message item, unless an event brings an item's ``frame``. Items end where another one begins;
calls end with the reply, because their fragments may come in turns. More of a text that has ended begins a new item: what
came later stands later.

Laws: every frame belongs to an item that has been added and is not done; places (``output_index``) are taken in the order in
which items begin, and items end in that order but for calls; the items in the final response are those of the frames.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    Media,
    Own,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.wire.citations import web
from pointsman.wire.dialect import Stamp
from pointsman.wire.names import Names
from pointsman.wire.openai_responses import response
from pointsman.wire.openai_responses.contents import Open, around_message, around_reasoning
from pointsman.wire.openai_responses.events import ItemCall, ItemRefusal, ItemText, ItemThinking
from pointsman.wire.openai_responses.fields import NAME
from pointsman.wire.openai_responses.request import tier

Emit = Callable[[str, dict[str, object]], None]

_DONE: Final = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}


def _nobody(_kind: str, _fields: dict[str, object]) -> None:
    """Hear a frame of a reply that is not streamed."""


class Writer:
    """Writes one reply. ``body`` is the response so far; ``lost`` names what could not be written."""

    def __init__(self, request: ChatRequest, stamp: Stamp, emit: Emit = _nobody) -> None:
        self._request = request
        self._stamp = stamp
        self._emit = emit
        self._ours = False
        self._ended = False
        self._output: list[object] = []
        self._calls: dict[int, Open] = {}
        self._part = -1
        self._open: Open | None = None
        self._spoken: dict[tuple[int, int | None], Open] = {}
        self._foreign: list[Raw] = []
        self._finish: Finish | None = None
        self._failed: Failed | None = None
        self.body: dict[str, object] = {}
        self.lost: set[str] = Names()

    def feed(self, event: StreamEvent) -> None:
        """Take one event."""
        if getattr(event, "choice", 0):
            self.lost.add("choices")
            return
        if isinstance(event, Start):
            self._begin(event)
            return
        if not self.body:
            self._begin(None)
        match event:
            case Finish():
                self._finished(event)
            case Used():
                self._used(event)
            case Failed():
                self._failed = event
                self.end()
            case End():
                self.end()
            case _:
                self._say(event)

    def _say(self, event: StreamEvent) -> None:
        match event:
            case TextDelta() | RefusalDelta():
                self._text(event)
            case ThinkingDelta():
                self._thinking(event)
            case ToolCallDelta():
                self._call(event)
            case WholePart():
                self._whole(event)
            case CitationDelta():
                self._cite(event)
            case Logprobs():
                self._logprobs(event)

    def end(self) -> None:
        """Close the reply in due form, once."""
        if self._ended:
            return
        self._ended = True
        if not self.body:
            self._begin(None)
        status = "failed" if self._failed else response.complete(self.body, self._finish, ours=self._ours)
        self._close_all("incomplete" if status == "failed" else "completed")
        if self._failed is not None:
            response.fail(self.body, self._failed)
        self._tell(_DONE.get(status, "response.completed"), {"response": self.body})

    def _begin(self, start: Start | None) -> None:
        if self.body:
            return
        self._ours = start is not None and start.dialect == NAME
        if start is not None and not self._ours:
            self.lost.update(start.own)
            if start.service_tier and not tier(start.service_tier):
                self.lost.add("service_tier")
        self.body = response.written(self._request, self._stamp, start)
        self.body["output"] = self._output
        self._tell("response.created", {"response": self.body})
        self._tell("response.in_progress", {"response": self.body})

    def _text(self, event: TextDelta | RefusalDelta) -> None:
        refuses = isinstance(event, RefusalDelta)
        if isinstance(event, TextDelta) and event.signature:
            self.lost.add("thinking.signature")
        frame = event.frame if isinstance(event, (ItemText, ItemRefusal)) else {}
        own = self._mine(event.own)
        kind = "refusal" if refuses else "text"
        current = self._open
        before = self._spoken.get((event.part, None))
        if before is not None and before is not current and not event.text:
            before.keep(own)  # what is known of a text only after another one has begun
            return
        if current is None or event.part != self._part or current.kind != kind or frame:
            current = self._content(kind, frame, own)
            self._part = event.part
            self._spoken[event.part, None] = current
        current.keep(own)
        current.said.append(event.text)
        if own and not event.text:
            return
        if refuses:
            self._tell("response.refusal.delta", {**current.place, "delta": event.text})
        else:
            self._tell("response.output_text.delta", {**current.place, "delta": event.text, "logprobs": []})

    def _content(self, kind: str, frame: Own, own: Own) -> Open:
        """Begin a content of a message: of the one that is open, or of a new one."""
        last = self._open
        if last is not None and last.kind in ("text", "refusal") and not frame:
            self._close_content(last)
            item, index = last.item, last.index
        else:
            base: dict[str, object] = {"type": "message", "status": "in_progress", "role": "assistant", "content": []}
            item, index = self._add("msg", {**base, **frame, **around_message(own)}), len(self._output) - 1
        content: dict[str, object] = {"type": "refusal", "refusal": ""}
        if kind == "text":
            content = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        return self._start_content(Open(index, item, kind), content)

    def _start_content(self, opened: Open, content: dict[str, object]) -> Open:
        opened.begin(content, "content")
        self._open = opened
        self._tell("response.content_part.added", {**opened.place, "part": content})
        return opened

    def _thinking(self, event: ThinkingDelta) -> None:
        if event.signature:
            self.lost.add("thinking.signature")
        own = self._mine(event.own)
        if not (event.text or event.encrypted or event.id or own) and event.section is None:
            return
        current = self._open
        before = self._spoken.get((event.part, event.section))
        if before is not None and before is not current and own and not (event.text or event.encrypted):
            before.keep(own)
            return
        if current is None or event.part != self._part or current.kind not in ("thought", "reasoning", "summary"):
            frame = event.frame if isinstance(event, ItemThinking) else {}
            known = {"id": event.id} if event.id else {}
            item = self._add("rs", {"type": "reasoning", "summary": [], **known, **frame, **around_reasoning(own)}, frame)
            current = self._open = Open(len(self._output) - 1, item, "thought")
            self._part = event.part
        if event.section is not None:
            self._summary(current, event.text, event.section)
        elif event.text:
            self._reasoned(current, event.text)
        if event.encrypted and self._open is not None:
            self._open.item["encrypted_content"] = event.encrypted
        if self._open is not None:
            self._spoken[event.part, event.section] = self._open
            self._open.keep(own)

    def _reasoned(self, current: Open, text: str) -> None:
        if current.kind != "reasoning":
            self._close_content(current)
            opened = Open(current.index, current.item, "reasoning")
            current = self._start_content(opened, {"type": "reasoning_text", "text": ""})
        current.said.append(text)
        self._tell("response.reasoning_text.delta", {**current.place, "delta": text})

    def _summary(self, current: Open, text: str, section: int) -> None:
        if current.kind != "summary" or current.section != section:
            self._close_content(current)
            current = self._open = Open(current.index, current.item, "summary")
            current.section = section
            part = current.begin({"type": "summary_text", "text": ""}, "summary")
            self._tell("response.reasoning_summary_part.added", {**current.place, "part": part})
        current.said.append(text)
        self._tell("response.reasoning_summary_text.delta", {**current.place, "delta": text})

    def _call(self, event: ToolCallDelta) -> None:
        if event.signature:
            self.lost.add("thinking.signature")
        call = self._calls.get(event.part)
        if call is None:
            self._close()
            custom = event.kind == "custom"
            item: dict[str, object] = {
                "type": "custom_tool_call" if custom else "function_call",
                "status": "in_progress",
                "input" if custom else "arguments": "",
                "call_id": event.id or f"call_{self._base()}_{len(self._output)}",
                "name": event.name,
            }
            if custom:
                del item["status"]
            item.update(self._mine(event.own))
            item.update(event.frame if isinstance(event, ItemCall) else {})
            item = self._add("ctc" if custom else "fc", item)
            call = self._calls[event.part] = Open(len(self._output) - 1, item, "custom" if custom else "function")
        if event.arguments:
            call.said.append(event.arguments)
            name = "custom_tool_call_input" if call.kind == "custom" else "function_call_arguments"
            self._tell(f"response.{name}.delta", {**call.place, "delta": event.arguments})

    def _whole(self, event: WholePart) -> None:
        content = event.content
        if isinstance(content, Media):
            if content.kind != "image" or not content.data:
                self.lost.add(content.kind)
                return
            self._close()
            made: dict[str, object] = {"type": "image_generation_call", "status": "in_progress", "result": None}
            item = self._add("ig", made)
            item.update(status="completed", result=content.data)
            form = content.mime.removeprefix("image/")
            if form in ("png", "webp", "jpeg", "gif", "svg"):
                item["output_format"] = form
            self._tell("response.output_item.done", {"output_index": len(self._output) - 1, "item": item})
        elif self._ours:
            self._close()
            place: dict[str, object] = {"output_index": len(self._output), "item": content.raw}
            self._output.append(content.raw)
            self._tell("response.output_item.added", place)
            self._tell("response.output_item.done", place)
        else:
            self.lost.add(content.kind)

    def _cite(self, event: CitationDelta) -> None:
        current = self._open
        if current is None or current.kind != "text" or event.part != self._part:
            self.lost.add("citations")
        elif self._ours:
            self._annotate(current, event.citation)
        else:
            self._foreign.append(event.citation)

    def _annotate(self, current: Open, annotation: object) -> None:
        known = current.content["annotations"]
        if isinstance(known, list):
            known.append(annotation)
            place = {**current.place, "annotation_index": len(known) - 1}
            self._tell("response.output_text.annotation.added", {**place, "annotation": annotation})

    def _logprobs(self, event: Logprobs) -> None:
        current = self._open
        if event.refusal or current is None or current.kind != "text":
            self.lost.add("logprobs")
            return
        made = [_token(token) for token in event.tokens]
        known = current.content["logprobs"]
        if isinstance(known, list):
            known += made
        self._tell("response.output_text.delta", {**current.place, "delta": "", "logprobs": made})

    def _finished(self, event: Finish) -> None:
        if self._finish is not None:
            return
        self._finish = event
        if event.stop_sequence:
            self.lost.add("stop_sequence")
        if not self._ours:
            self.lost.update(event.own)
        cut = response.complete({}, event, ours=False) == "incomplete"
        self._close_all("incomplete" if cut else "completed")

    def _used(self, event: Used) -> None:
        if not self._ours:
            self.lost.update(event.own)
        self.body["usage"] = response.written_usage(event, ours=self._ours)

    def _close_all(self, last: str) -> None:
        """End all items, in the order of their places; the last one may have been cut off."""
        current, self._open = self._open, None
        left = [*self._calls.values(), *([current] if current else [])]
        self._calls = {}
        for opened in sorted(left, key=lambda each: each.index):
            self._close_item(opened, last if opened.index == len(self._output) - 1 else "completed")

    def _close(self) -> None:
        """End the item that is open, where it is no call."""
        current, self._open = self._open, None
        if current is not None:
            self._close_item(current, "completed")

    def _close_item(self, opened: Open, status: str) -> None:
        self._close_content(opened)
        if "status" in opened.item:
            opened.item["status"] = status
        self._tell("response.output_item.done", {"output_index": opened.index, "item": opened.item})

    def _close_content(self, opened: Open) -> None:
        if opened.kind == "text":
            self._translate(opened, "".join(opened.said))
        for kind, fields in opened.close():
            self._tell(kind, fields)

    def _translate(self, opened: Open, text: str) -> None:
        """Write the citations that another dialect gave a text."""
        for citation in self._foreign:
            found = web(citation, len(text))
            if found is None:
                self.lost.add("citations")
                continue
            self.lost.update(found.lost)
            span = {"start_index": found.start, "end_index": found.end}
            self._annotate(opened, {"type": "url_citation", **span, "title": found.title, "url": found.url})
        self._foreign.clear()

    def _add(self, prefix: str, fields: dict[str, object], frame: Own | None = None) -> dict[str, object]:
        """Begin an item: end the one that is open, take the next place, and tell."""
        self._close()
        index = len(self._output)
        item: dict[str, object] = {"id": f"{prefix}_{self._base()}_{index}", **fields}
        if frame and "status" in frame:
            item["status"] = "in_progress"
        self._output.append(item)
        self._tell("response.output_item.added", {"output_index": index, "item": item})
        return item

    def _mine(self, own: Own) -> Own:
        """Return fields where this dialect has words for them; name them where not."""
        if self._ours:
            return own
        self.lost.update(own)
        return {}

    def _base(self) -> str:
        return self._stamp.id or "0"

    def _tell(self, kind: str, fields: dict[str, object]) -> None:
        self._emit(kind, fields)


def _token(token: TokenLogprob) -> dict[str, object]:
    """Return a token's probability; its bytes are those of its text where nobody said them."""
    return {**_plain(token), "top_logprobs": [_plain(other) for other in token.top]}


def _plain(token: TokenLogprob) -> dict[str, object]:
    known = token.token.encode(errors="replace") if token.bytes is None else token.bytes
    return {"token": token.token, "bytes": list(known), "logprob": token.logprob}
