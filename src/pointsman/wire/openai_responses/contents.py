"""An item of a reply that has begun, or one content of it, and the frames that end it.

Law: what a content's frames added up to is what its last frame, its item and the final response say.
"""

from collections.abc import Iterator

from pointsman.core.chat import Own
from pointsman.wire.openai_responses.turns import AROUND

Frame = tuple[str, dict[str, object]]

_WITHIN = ("summary.", "content.")


def around_message(own: Own) -> Own:
    """Return what belongs to the item around a text."""
    return {name.removeprefix(AROUND): value for name, value in own.items() if name.startswith(AROUND)}


def around_reasoning(own: Own) -> Own:
    """Return what belongs to an item of reasoning, and not to one of its texts."""
    return {name: value for name, value in own.items() if not name.startswith(_WITHIN)}


class Open:
    """``kind`` is ``text``, ``refusal``, ``reasoning``, ``summary``, ``thought`` (reasoning, nothing said yet), ``function``
    or ``custom``; ``index`` is the item's place, ``at`` that of the content in it; ``said`` are the pieces of its text.
    """

    __slots__ = ("at", "content", "index", "item", "kind", "said", "section")

    def __init__(self, index: int, item: dict[str, object], kind: str) -> None:
        self.index = index
        self.item = item
        self.kind = kind
        self.at = 0
        self.section = 0
        self.content: dict[str, object] = {}
        self.said: list[str] = []

    @property
    def place(self) -> dict[str, object]:
        """The fields that say where a frame belongs."""
        place: dict[str, object] = {"item_id": self.item["id"], "output_index": self.index}
        if self.kind == "summary":
            place["summary_index"] = self.at
        elif self.kind not in ("function", "custom"):
            place["content_index"] = self.at
        return place

    def begin(self, content: dict[str, object], within: str) -> dict[str, object]:
        """Put a content at the end of a list of the item, and return it as it stands there."""
        contents = self.item.setdefault(within, [])
        if isinstance(contents, list):
            self.at = len(contents)
            contents.append(content)
        self.content = content
        return content

    def keep(self, own: Own) -> None:
        """Write fields that only this dialect knows into the content, and into the item around it."""
        speaks = self.kind in ("text", "refusal")
        around = around_message(own) if speaks else around_reasoning(own)
        self.item.update(around)
        for name, value in own.items():
            if speaks and not name.startswith(AROUND):
                self.content[name] = value
            elif not speaks and name.startswith(_WITHIN):
                self.content[name.partition(".")[2]] = value

    def close(self) -> Iterator[Frame]:
        """Write down what was said, and return the frames that say so: the text, then the content around it."""
        text = "".join(self.said)
        place = self.place
        match self.kind:
            case "text":
                self.content["text"] = text
                yield "response.output_text.done", {**place, "text": text, "logprobs": self.content["logprobs"]}
                yield "response.content_part.done", {**place, "part": self.content}
            case "refusal":
                self.content["refusal"] = text
                yield "response.refusal.done", {**place, "refusal": text}
                yield "response.content_part.done", {**place, "part": self.content}
            case "reasoning":
                self.content["text"] = text
                yield "response.reasoning_text.done", {**place, "text": text}
                yield "response.content_part.done", {**place, "part": self.content}
            case "summary":
                self.content["text"] = text
                yield "response.reasoning_summary_text.done", {**place, "text": text}
                yield "response.reasoning_summary_part.done", {**place, "part": self.content}
            case "function":
                self.item["arguments"] = text
                yield "response.function_call_arguments.done", {**place, "arguments": text}
            case "custom":
                self.item["input"] = text
                yield "response.custom_tool_call_input.done", {**place, "input": text}
