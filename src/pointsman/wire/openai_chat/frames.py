"""A streamed reply, written: the chunks that an event makes.

Strategy: what all chunks of a reply begin with is encoded once. A choice begins with a chunk that only says its role, as
OpenAI's own do; the counts wait for the end, where the client asked for them.

Law: every choice that began ends with a reason, unless the reply failed, and the stream with ``[DONE]``.
"""

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Failed,
    Finish,
    Logprobs,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_chat.compose import signed
from pointsman.wire.openai_chat.ends import odds_fields, reason_of, usage_fields
from pointsman.wire.openai_chat.fields import Wire, encode, put, said
from pointsman.wire.openai_chat.pieces import Pieces, detail, failure, sealed

_DONE = b"data: [DONE]\n\n"


class _Choice:
    """A choice that has begun: the places of its calls and thoughts, and the length of its text."""

    __slots__ = ("calls", "finished", "legacy", "said", "sections", "thoughts")

    def __init__(self) -> None:
        self.calls: dict[int, tuple[int, str]] = {}
        self.thoughts: dict[int, int] = {}
        self.sections: dict[int, int] = {}
        self.said = 0
        self.finished = False


class Encoder:
    """Writes one streamed reply. ``lost`` names what it could not write so far."""

    __slots__ = ("_asked", "_choices", "_failed", "_head", "_pieces", "_used", "lost")

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        self._pieces = Pieces(request, stamp)
        self._asked = request.include_usage
        self._choices: dict[int, _Choice] = {}
        self._head = b""
        self._failed = False
        self._used: Used | None = None
        self.lost = self._pieces.lost

    def feed(self, event: StreamEvent) -> bytes:
        """Return the frames that an event makes: none, one or several, always whole."""
        match event:
            case TextDelta(text=text, choice=choice):
                if event.signature:
                    self.lost.add("thinking.signature")
                if event.own:
                    self._pieces.put({}, event.own)
                return self._said(choice, text) if text else b""
            case ToolCallDelta():
                return self._call(event)
            case ThinkingDelta():
                return self._think(event)
            case RefusalDelta(text=text, choice=choice):
                self._pieces.put({}, event.own)
                return self._delta(choice, {"refusal": text}) if text else b""
            case Finish():
                return self._finish(event)
            case Start():
                self._pieces.start = event
            case Used():
                self._used = event
            case Failed():
                self._failed = True
                return b"data: " + encode(failure(event)) + b"\n\n"
            case _:
                return self._rare(event)
        return b""

    def end(self) -> bytes:
        """Return the frames that close the reply in due form."""
        open_ends = [] if self._failed else [index for index, choice in self._choices.items() if not choice.finished]
        out = b"".join([self._finish(Finish("other", choice=index)) for index in open_ends])
        if self._used is not None:
            usage = usage_fields(self._used, self.lost, ours=self._pieces.ours)
            if self._asked:
                out += self._frame(b'[],"usage":' + encode(usage))
        return out + _DONE

    def _rare(self, event: StreamEvent) -> bytes:
        match event:
            case CitationDelta(choice=choice):
                known = self._choices.get(choice)
                made = self._pieces.cited(event, known.said if known else 0)
                return self._delta(choice, {"annotations": [made]}) if made is not None else b""
            case WholePart(choice=choice):
                whole = self._pieces.made(event)
                return self._delta(choice, whole) if whole else b""
            case Logprobs(choice=choice):
                return self._delta(choice, {}, {"logprobs": odds_fields([event])})
            case _:
                pass
        return b""

    def _said(self, index: int, text: str) -> bytes:
        out = self._delta(index, {"content": text})
        self._choices[index].said += len(text)
        return out

    def _think(self, event: ThinkingDelta) -> bytes:
        """Write reasoning as text, and beside it in details where it has seals or is not the first of its kind."""
        choice = self._choices.get(event.choice) or _Choice()
        self._pieces.put({}, event.own)
        place = choice.thoughts.setdefault(event.part, len(choice.thoughts))
        text = event.text
        if event.section is not None:
            before = choice.sections.get(event.part)
            choice.sections[event.part] = event.section
            if event.section:
                self.lost.add("thinking.section")
            if text and before is not None and before != event.section:
                text = f"\n\n{text}"
        wire: Wire = {"reasoning_content": text} if text else {}
        if sealed(event) or place:
            wire["reasoning_details"] = [detail(text, [event]) | {"index": place}]
        return self._delta(event.choice, wire, choice=choice) if wire else b""

    def _call(self, event: ToolCallDelta) -> bytes:
        choice = self._choices.get(event.choice) or _Choice()
        known = choice.calls.get(event.part)
        if known is None:
            call = self._pieces.call(event, len(choice.calls))
            kind = "function_call" if "function_call" in call else "custom" if event.kind == "custom" else "function"
            known = choice.calls[event.part] = (len(choice.calls), kind)
        else:
            call = {} if known[1] == "function_call" else {known[1]: {}}
        place, kind = known
        if kind == "function_call":
            old = {**call.get("function_call", {}), "arguments": event.arguments}
            return self._delta(event.choice, {"function_call": old}, choice=choice)
        call[kind]["input" if kind == "custom" else "arguments"] = event.arguments
        if event.signature:
            call["extra_content"] = signed(event.signature)
        return self._delta(event.choice, {"tool_calls": [{"index": place, **call}]}, choice=choice)

    def _finish(self, event: Finish) -> bytes:
        choice = self._choices.get(event.choice) or _Choice()
        choice.finished = True
        ours, calls = self._pieces.ours, choice.calls.values()
        own = {name: raw for name, raw in event.own.items() if not name.startswith("message.") and name != "finish_reason"}
        legacy = any(kind == "function_call" for _, kind in calls)
        reason = reason_of(event, self.lost, ours=ours, called=bool(calls), legacy=legacy)
        if ours:
            put(reason, own)
            self.lost.update(name for name in said(event.own) if name.startswith("message."))
        else:
            self.lost.update(said(event.own))
        return self._delta(event.choice, {}, reason, choice=choice)

    def _delta(self, index: int, delta: Wire, around: Wire | None = None, choice: _Choice | None = None) -> bytes:
        """Return a chunk of one choice, behind the one that says its role where it is its first."""
        begin = b""
        if index not in self._choices:
            self._choices[index] = choice or _Choice()
            begin = self._role(index)
        if around is None:
            choices = b'[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":null}]' % (index, encode(delta))
        else:
            choices = encode([{"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **around}])
        return begin + self._frame(choices)

    def _role(self, index: int) -> bytes:
        delta: Wire = {"role": "assistant", "content": ""}
        choices = encode([{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}])
        if self._head:
            return self._frame(choices)
        own: Wire = {}
        self._pieces.put(own, self._pieces.start.own)
        return self._frame(choices + (b"," + encode(own)[1:-1] if own else b""))

    def _frame(self, choices: bytes) -> bytes:
        if not self._head:
            self._head = b"data: " + encode(self._pieces.head("chat.completion.chunk"))[:-1] + b',"choices":'
        return self._head + choices + b"}\n\n"
