"""Nothing of a recorded exchange is lost in silence on its way to another dialect, nor a field that nobody knows yet.

Two questions are put to every codec. Of each leaf of what was recorded: does anything tell when it is gone (``leaves``)? And
of each object: does anything tell when it has one field more? What may be silent stands here, with the reason.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from msgspec.structs import replace
from tests.wire.leaves import FREE, Leaf, Outcome, Path, Translate, named, silent
from tests.wire.transcripts import Exchange, exchanges

from pointsman.core.chat import ChatRequest, StreamEvent
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.bedrock_converse import reply as bedrock_reply
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.dialects import DIALECTS

STAMP = Stamp("x", 1, "m")
OFTEN = 3
"""How many leaves of one shape are tried in each direction: more only repeat it."""

ALSO: Final = {
    "cachecontrol": "cache",
    "annotations": "citations",
    "reasoning": "thinking",
    "reasoningcontent": "thinking",
    "reasoningdetails": "thinking",
    "redactedthinking": "thinking",
    "citation": "citations",
}
"""The canonical words of losses, for dialects' own."""

MEANINGLESS: Final = {
    # requests
    r"stream_options.include_usage": "asked for anew by the gateway, wherever usage has to be asked for",
    r"(.*\.)?tool_calls.\*.type|tool_choice.type": "said again by the one field beside it",
    r"contents.\*.role|system_?[iI]nstruction.role": "user where nothing is said, and without a meaning there",
    r"contents.\*.parts.\*.function_?[rR]esponse.name": "that of the call which it answers",
    r".*source.media_type": "a text is a plain one",
    r"contents.\*.parts.\*.fileData.mime_?[tT]ype": "said by the server at the address",
    r"stream": "in the address, where the dialect has it there",
    # replies
    r"object|((choices|output).\*.)?(message.)?role|.*content.role|output.message.role": "always the same",
    r"output.\*.(content|summary).\*.type|.*annotations.\*.type": "of the only kind that is left",
    r"created|created_at|completed_at|metrics(.latencyMs)?": "when, and how long by another clock: measured here as well",
    r"status|output.\*.status|stop_reason|candidates.\*.finishReason": "an end as any other",
    r"usage.(total_?[tT]okens|cache(Read|Write)InputTokenCount)": "said again by the other counts",
    # what a response repeats of its request, which the client has
    r"(background|conversation|instructions|metadata|parallel_tool_calls|previous_response_id|prompt_cache_retention"
    r"|reasoning|store|temperature|text|tool_choice|tools|top_p|truncation)(\..*)?": "an echo of the request",
    # frames of a stream
    r"\*.ping|\*": "says nothing",
    r"\*.chunk.usageMetadata(\..*)?": "counts that the next chunk's replace",
    r"\*.content_block_start.content_block.input": "an input that the next deltas replace",
    r"\*.content_block_delta.delta": "of a block that comes whole, under its kind",
}

Direction = tuple[str, str]
DIRECTIONS: Final = [(source, target) for source in (*DIALECTS, "bedrock") for target in DIALECTS if source != target]


def address(source: str, each: Exchange) -> Address:
    return Address(each.model, each.stream) if source == "gemini" else Address()


def asked(each: Exchange, source: str, target: str) -> Translate:
    def translate(document: Any) -> Outcome:
        try:
            request = DIALECTS[source].request.decode(json.dumps(document).encode(), address(source, each))
        except WireError:
            return None
        if DIALECTS[target].request.unfit(request) is not None:
            return None
        encoded = DIALECTS[target].request.encode(request)
        return encoded.body, frozenset(encoded.lost)

    return translate


def replied(source: str, target: str, request: ChatRequest) -> Translate:
    codec = bedrock_reply if source == "bedrock" else DIALECTS[source].reply

    def translate(document: Any) -> Outcome:
        try:
            events = codec.decode(json.dumps(document).encode())
        except WireError:
            return None
        encoded = DIALECTS[target].reply.encode(events, request, STAMP)
        return encoded.body, frozenset(encoded.lost)

    return translate


def streamed(source: str, target: str, request: ChatRequest) -> Translate:
    """Frames as a list, each under its kind."""

    def translate(document: Any) -> Outcome:
        decoder = DIALECTS[source].stream.decoder()
        encoder = DIALECTS[target].stream.encoder(request, STAMP)
        frames = [b"data: " + json.dumps(*frame.values()).encode() + b"\n\n" for frame in document if frame]
        events: list[StreamEvent] = [*decoder.feed(b"".join(frames)), *decoder.end()]
        out = b"".join([*map(encoder.feed, events), encoder.end()])
        return out, frozenset(encoder.lost | decoder.unread)

    return translate


def request_to(target: str, source: str, each: Exchange) -> ChatRequest:
    """The request that a recorded reply answers, as a client of another dialect would have made it."""
    if source == "bedrock":
        return ChatRequest(each.model, (), dialect=target)
    request = DIALECTS[source].request.decode(each.request, Address(each.model, each.stream))
    return replace(request, dialect=target, include_usage=True)


def requests(source: str, target: str) -> Iterator[tuple[Any, Translate]]:
    for each in exchanges(source, "chat") if source != "bedrock" else ():
        yield json.loads(each.request), asked(each, source, target)


def replies(source: str, target: str) -> Iterator[tuple[Any, Translate]]:
    for each in exchanges(source, "chat"):
        if each.status == 200 and not each.stream:
            yield json.loads(each.reply), replied(source, target, request_to(target, source, each))


def streams(source: str, target: str) -> Iterator[tuple[Any, Translate]]:
    for each in exchanges(source, "chat"):
        if each.status == 200 and each.stream and source in ("anthropic", "openai_chat", "gemini"):
            splitter = sse.Splitter()
            found = [sse.data(frame) for frame in (*splitter.feed(each.reply), splitter.rest())]
            frames = [json.loads(data) for data in found if data and data.strip() != b"[DONE]"]
            if any("error" in frame for frame in frames):
                continue  # of a reply that failed, nobody counts the cost
            document = [{frame["type"] if source == "anthropic" else "chunk": frame} for frame in frames]
            yield document, streamed(source, target, request_to(target, source, each))


def skipping(meaningless: Callable[[str], bool]) -> Callable[[Leaf], bool]:
    """Return what says which leaves need not be asked: those of a known shape that was tried often enough."""
    tried: Counter[str] = Counter()

    def skip(leaf: Leaf) -> bool:
        tried[leaf.shape] += 1
        return tried[leaf.shape] > OFTEN or meaningless(leaf.shape)

    return skip


def known(shape: str) -> bool:
    return any(re.fullmatch(pattern, shape) for pattern in MEANINGLESS)


@pytest.mark.parametrize("source_target", DIRECTIONS, ids="-".join)
@pytest.mark.parametrize("recorded", [requests, replies], ids=["requests", "replies"])
def test_every_leaf_is_carried_or_named(source_target: Direction, recorded: Callable[..., Any]) -> None:
    skip = skipping(known)
    found = [
        (leaf.shape, leaf.value)
        for document, translate in recorded(*source_target)
        for leaf in silent(document, translate, ALSO, skip)
    ]
    assert not found, found


def objects(document: Any, path: Path = (), within: frozenset[str] = frozenset()) -> Iterator[Leaf]:
    """Return all objects of a document whose fields the dialect gives."""
    if path and path[-1] in FREE:
        return
    if isinstance(document, dict):
        kind = document.get("type")
        within |= {kind} if isinstance(kind, str) else set()
        within |= document.keys() if "parts" in path else set()  # Gemini's parts are of the kind that is their field
        yield Leaf(path, document, within)
        for name, value in document.items():
            yield from objects(value, (*path, name), within)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from objects(value, (*path, index), within)


def with_more(document: Any, path: Path) -> Any:
    made = copy.deepcopy(document)
    at = made
    for step in path:
        at = at[step]
    at["xNew"] = "new"
    return made


@pytest.mark.parametrize("source_target", DIRECTIONS, ids="-".join)
@pytest.mark.parametrize("recorded", [requests, replies, streams], ids=["requests", "replies", "streams"])
def test_a_field_that_nobody_knows_is_named(source_target: Direction, recorded: Callable[..., Any]) -> None:
    skip = skipping(known)
    found = []
    for document, translate in recorded(*source_target):
        whole = translate(document)
        for leaf in objects(document) if whole is not None else ():
            if skip(leaf) or named(leaf, whole[1], ALSO):
                continue
            if leaf.path and translate(with_more(document, leaf.path)) == whole:
                found.append(leaf.shape)
    assert not found, found


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("recorded", [requests, replies], ids=["requests", "replies"])
def test_a_field_that_nobody_knows_comes_back_to_its_own_dialect(name: str, recorded: Callable[..., Any]) -> None:
    skip = skipping(lambda _: False)
    found = []
    for document, translate in recorded(name, name):
        for leaf in objects(document) if translate(document) is not None else ():
            if skip(leaf):
                continue
            new = translate(with_more(document, leaf.path))
            if new is None or b'"xNew"' not in new[0] or new[1]:
                found.append(leaf.shape)
    assert not found, found
