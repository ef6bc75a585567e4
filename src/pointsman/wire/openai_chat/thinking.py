"""Reasoning in messages, in the three forms that providers have for it.

``reasoning_content`` (DeepSeek, Z.ai) and ``reasoning`` (Groq, Cerebras, vLLM) are a text; ``reasoning_details`` is a list
of texts, summaries and sealed pieces, which is also the only form with a place for signatures (OpenRouter:
https://openrouter.ai/docs/guides/best-practices/reasoning-tokens). What a message says in two forms is read once.

Law: a ``Thinking`` without marks is ``reasoning_content``; any other form is marked in its ``own``.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw

from pointsman.core.chat import Own, Thinking
from pointsman.wire.fields import BROKEN
from pointsman.wire.openai_chat.fields import NULL, Shape, Wire, anything, given, lists, objects, proper, put, raw_of, said
from pointsman.wire.openai_chat.shapes import Detail, WireMessage

DETAILS: Final = "reasoning_details"
PLAIN: Final = ("reasoning_content", "reasoning")

_detail = Shape(Detail)
_KINDS: Final = frozenset(("reasoning.text", "reasoning.summary", "reasoning.encrypted"))


def details(raw: Raw) -> list[tuple[Detail, Own]] | None:
    """Return a list of details, each with its other fields; None where it is not one, or holds other kinds."""
    try:
        items = lists.decode(raw)
    except BROKEN:
        return None
    read = [_detail.read(item) for item in items]
    found = [each for each in read if each is not None and each[0].type in _KINDS]
    return found if len(found) == len(items) else None


def told(found: Sequence[tuple[Detail, Own]]) -> str:
    """Return the text of details, as the plain form repeats it."""
    return "".join([detail.text or detail.summary or "" for detail, _ in found])


def read(wire: WireMessage, own: Own) -> tuple[Thinking, ...]:
    """Return the reasoning in a message. What does not fit goes into ``own``, the message's."""
    forms = [(name, text) for name in PLAIN if (text := proper(name, getattr(wire, name))) is not None]
    sealed = details(wire.reasoning_details) if given(wire.reasoning_details) else []
    if sealed is None:
        own[DETAILS] = wire.reasoning_details
    if not forms and not sealed:
        return ()
    text = told(sealed) if sealed else next((text for _, text in forms if text), "")
    marks = {name: NULL for name, said in forms if said and said == text}
    own.update({name: raw_of(said) for name, said in forms if name not in marks})
    if sealed:
        first, *rest = [_sealed(detail, more) for detail, more in sealed]
        return Thinking(first.text, first.signature, first.encrypted, first.summary, first.id, first.own | marks), *rest
    if marks == {"reasoning_content": NULL}:
        marks = {}
    return (Thinking(text, own=marks),) if text else ()


def _sealed(detail: Detail, more: Own) -> Thinking:
    rest: dict[str, Any] = {**more, **({"index": detail.index} if detail.index is not None else {})}
    return Thinking(
        detail.text or "",
        detail.signature or "",
        detail.data or "",
        (detail.summary,) if detail.summary is not None else (),
        detail.id or "",
        {DETAILS: raw_of(rest) if rest else NULL},
    )


def write(wire: Wire, parts: Sequence[Thinking]) -> None:
    """Write reasoning that came in this dialect into a message as it was."""
    if not parts:
        return
    sealed = [part for part in parts if DETAILS in part.own or part.signature or part.encrypted or part.summary or part.id]
    if sealed:
        wire[DETAILS] = [written(part.text, part.signature, part.encrypted, part.summary, part.id) for part in sealed]
        for detail, part in zip(wire[DETAILS], sealed, strict=True):
            if part.own.get(DETAILS, NULL) != NULL:
                put(detail, objects.decode(part.own[DETAILS]))
    text = "".join([part.text or "".join(part.summary) for part in parts])
    names = [name for name in PLAIN if name in parts[0].own] or ([] if sealed else ["reasoning_content"])
    wire.update(dict.fromkeys(names, text))
    for part in parts:
        put(wire, said(part.own), but=(DETAILS,))


def written(text: str, signature: str, encrypted: str, summary: Sequence[str], id_: str) -> Wire:
    """Return a detail of the kind that fits what there is."""
    if encrypted:
        wire: Wire = {"type": "reasoning.encrypted", "data": encrypted}
    elif summary:
        wire = {"type": "reasoning.summary", "summary": "".join(summary)}
    else:
        wire = {"type": "reasoning.text", **({"text": text} if text else {})}
    if signature:
        wire["signature"] = signature
    return {**wire, **({"id": id_} if id_ else {})}


def in_content(raw: Raw) -> str | None:
    """Return the text of Mistral's ``thinking`` (a list of texts in a content part); None where it is something else."""
    try:
        pieces = anything.decode(raw)
    except BROKEN:
        return None
    texts = [
        piece["text"]
        for piece in (pieces if isinstance(pieces, list) else [None])
        if isinstance(piece, dict) and piece.keys() == {"type", "text"} and piece["type"] == "text"
    ]
    plain = isinstance(pieces, list) and len(texts) == len(pieces) and all(isinstance(text, str) for text in texts)
    return "".join(texts) if plain else None
