"""The conformance table: every client dialect on every provider dialect, every case. ``make conformance`` writes it.

A cell says what becomes of a case on its way: carried, lossy (named), ineligible (the deployment is not asked), or that the
dialect it starts from has no word for it. What differs without being named is SILENT, and fails the build.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace
from tests.wire.cases import BASE, REPLIES, REQUESTS, Asked, Said

from pointsman.core.chat import StreamEvent
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.dialects import DIALECTS, Dialect, ProviderDialect

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
STAMP = Stamp("r1", 1_700_000_000, "model-1")
CARRIED, INELIGIBLE, UNSAID, SILENT = "✓", "ineligible", "–", "SILENT"
Cell = tuple[str, str]


def requested(case: Asked, ours: Dialect, theirs: ProviderDialect) -> Cell:
    """Return what becomes of a request on its way to a provider: a verdict, and what was named."""
    address = Address("auto", stream=False)
    body = ours.request.encode(replace(case.request, dialect=ours.name)).body
    request = ours.request.decode(body, address)
    if case.probe(request) != case.probe(case.request):
        return UNSAID, ""
    if theirs is ours:
        edited = ours.request.decode(ours.request.edit(body, model="m"), address)
        return (CARRIED if case.probe(edited) == case.probe(request) else SILENT, "")
    reason = theirs.request.unfit(request)
    if reason is not None:
        return INELIGIBLE, reason
    encoded = theirs.request.encode(request)
    arrived = theirs.request.decode(encoded.body, address)
    if case.probe(arrived) == case.probe(request):
        return CARRIED, ""
    return ("lossy", ", ".join(encoded.lost)) if encoded.lost else (SILENT, "")


def replied(case: Said, ours: Dialect, theirs: Dialect, *, stream: bool) -> Cell:
    """Return what becomes of a reply on its way to a client."""
    said = (replace(case.events[0], dialect=theirs.name), *case.events[1:])
    events, _ = _through(theirs, said, stream=stream)
    if case.probe(events) != case.probe(case.events):
        return UNSAID, ""
    arrived, lost = _through(ours, events, stream=stream)
    if ours is theirs or case.probe(arrived) == case.probe(events):
        return CARRIED, ""
    return ("lossy", ", ".join(sorted(lost))) if lost else (SILENT, "")


def _through(dialect: Dialect, events: tuple[StreamEvent, ...], *, stream: bool) -> tuple[tuple[StreamEvent, ...], set[str]]:
    """Write events in a dialect and read them back; return them with what the dialect had no word for."""
    request = replace(BASE, stream=stream, include_usage=stream, logprobs=0)
    if not stream:
        encoded = dialect.reply.encode(events, request, STAMP)
        return dialect.reply.decode(encoded.body), set(encoded.lost)
    encoder, decoder = dialect.stream.encoder(request, STAMP), dialect.stream.decoder()
    frames = b"".join((*(encoder.feed(event) for event in events), encoder.end()))
    return (*decoder.feed(frames), *decoder.end()), encoder.lost


def rows() -> Iterator[tuple[str, list[Cell]]]:
    """Yield each case with its sixteen cells: client by client, and for each client provider by provider."""
    pairs = [(ours, theirs) for ours in DIALECTS.values() for theirs in DIALECTS.values()]
    for case in REQUESTS:
        yield f"request: {case.name}", [requested(case, *pair) for pair in pairs]
    for said in REPLIES:
        yield f"reply: {said.name}", [replied(said, *pair, stream=False) for pair in pairs]
        yield f"streamed: {said.name}", [replied(said, *pair, stream=True) for pair in pairs]


def document() -> str:
    """Return the whole page."""
    short = {"openai_chat": "C", "openai_responses": "R", "anthropic": "A", "gemini": "G"}
    pairs = [f"{short[ours]}→{short[theirs]}" for ours in DIALECTS for theirs in DIALECTS]
    lines = [
        "# Conformance",
        "",
        "Made by `make conformance`; the build fails where this page differs. Client dialect → provider dialect: C Chat",
        "Completions, R Responses, A Anthropic Messages, G Gemini. ✓ carried · L lossy, named in `x-pointsman-lossy`",
        "(below) · I the deployment is not eligible · – the dialect that it starts from has no word for it. Replies go the",
        "other way: from the provider's dialect to the client's.",
        "",
        f"| case | {' | '.join(pairs)} |",
        f"|---|{'---|' * len(pairs)}",
    ]
    notes: list[str] = []
    signs = {CARRIED: CARRIED, UNSAID: UNSAID, INELIGIBLE: "I", "lossy": "L", SILENT: SILENT}
    for name, cells in rows():
        lines.append(f"| {name} | {' | '.join(signs[verdict] for verdict, _ in cells)} |")
        said = [f"{pair} {what}" for pair, (_, what) in zip(pairs, cells, strict=True) if what]
        notes += [f"- {name}: {'; '.join(said)}"] if said else []
    return "\n".join((*lines, "", "## What is named, and why a deployment is not eligible", "", *notes, ""))


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
