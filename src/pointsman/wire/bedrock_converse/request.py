"""A request, written and read (API_runtime_Converse, "Request Syntax"). Model and stream stand in the URL.

Laws: ``decode(encode(x)) == x`` for a request that came in this dialect; ``own`` is written only then. What the dialect has
no word for is named; what would be answered wrongly without it makes the request unfit.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Output, ToolCall, ToolResult
from pointsman.core.errors import WireError
from pointsman.wire.bedrock_converse import media, models, tools
from pointsman.wire.bedrock_converse.blocks import parts_of
from pointsman.wire.bedrock_converse.turns import Turns
from pointsman.wire.bedrock_converse.words import NAME
from pointsman.wire.claude import schemas
from pointsman.wire.dialect import Address, Encoded
from pointsman.wire.fields import checked
from pointsman.wire.shapes import Misread, Shape, objects, said
from pointsman.wire.shapes import encode as as_json

Fields = dict[str, object]

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_LABEL: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}\Z")
_RESERVED: Final = re.compile(rb"[^A-Za-z0-9_.~-]")
_COUNTED: Final = ("system", "messages", "toolConfig", "additionalModelRequestFields")
_MOST_LABELS: Final = 16
_TIERS: Final = frozenset(("default", "priority", "flex"))


class _Turn(Struct, forbid_unknown_fields=True):
    role: str
    content: list[Raw]


class _Inference(Struct, frozen=True, forbid_unknown_fields=True):
    maxTokens: int | None = None  # noqa: N815 - the field's own name
    temperature: float | None = None
    topP: float | None = None  # noqa: N815
    stopSequences: list[str] = []  # noqa: N815


class _Json(Struct, forbid_unknown_fields=True):
    schema: str
    name: str = ""
    description: str = ""


class _Structure(Struct, forbid_unknown_fields=True):
    jsonSchema: _Json  # noqa: N815


class _Format(Struct, forbid_unknown_fields=True, tag_field="type", tag="json_schema"):
    structure: _Structure


class _OutputConfig(Struct, forbid_unknown_fields=True):
    textFormat: _Format  # noqa: N815


class _Tier(Struct, forbid_unknown_fields=True):
    type: str


class _Body(Struct, forbid_unknown_fields=True):
    messages: list[Raw]
    system: list[Raw] = []
    inferenceConfig: Raw = Raw(b"{}")  # noqa: N815
    toolConfig: Raw = Raw()  # noqa: N815
    outputConfig: Raw = Raw()  # noqa: N815
    serviceTier: _Tier | None = None  # noqa: N815
    requestMetadata: dict[str, str] = {}  # noqa: N815


_body: Final = Shape(_Body)
_turn: Final = Shape(_Turn)
_inferences: Final = Shape(_Inference)
_raw: Final = msgspec.json.Decoder(Raw)
_forms: Final = msgspec.json.Decoder(_OutputConfig)


def path(model: str, *, stream: bool) -> str:
    """Return what goes behind a provider's base URL. An ARN's slashes and colons are encoded, as AWS's SDKs do."""
    return f"{_place(model)}/{'converse-stream' if stream else 'converse'}"


def count_path(model: str) -> str:
    """Return what goes behind a provider's base URL to have tokens counted."""
    return f"{_place(model)}/count-tokens"


def _place(model: str) -> str:
    name = _RESERVED.sub(lambda found: b"%%%02X" % found.group()[0], model.encode(errors="replace")).decode()
    return f"/model/{name if name.strip('.') else '%2E' * len(name)}"  # a name of dots would lead out of the folder


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:  # noqa: ARG001
    """Return the body as it is: the model stands in the URL, and usage always comes."""
    return body


def unfit(request: ChatRequest) -> str | None:
    """Say why a request would be answered wrongly in this dialect, None where losses are harmless."""
    if request.dialect == NAME:
        return None
    if request.choices > 1:
        return "cannot give several choices"
    if request.logprobs is not None:
        return "cannot give the probabilities of tokens"
    if request.previous:
        return "does not hold the reply that this one continues"
    if request.output is not None and request.output.kind == "json":
        return "cannot promise JSON without a schema"
    for tool in request.tools:
        if isinstance(tool, Opaque):
            return f"has no hosted tool {tool.kind}"
        if tool.kind != "function":
            return "cannot call tools with free text"
        if not _TOOL_NAME.match(tool.name):
            return f"cannot call a tool of the name {tool.name[:80]!r}"
    return _unfit_parts(request)


def _unfit_parts(request: ChatRequest) -> str | None:
    shown = bool(request.tools) and (request.tool_choice is None or request.tool_choice.mode != "none")
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, (ToolCall, ToolResult)) and not shown:
                return "cannot read calls of tools where none may be called"
            inside = part.parts if isinstance(part, ToolResult) else (part,)
            for one in inside:
                if isinstance(one, Media) and one.file_id:
                    return "does not hold the uploaded file"
                if isinstance(one, Media) and (what := media.unreadable(one)):
                    return f"cannot read {what}"
    return None


def encode(request: ChatRequest) -> Encoded:
    """Return a request in this dialect."""
    fields, lost = _fields(request)
    return Encoded(as_json(fields), tuple(sorted(lost)))


def count_request(request: ChatRequest) -> Encoded:
    """Return the request that ``count-tokens`` takes: what the prompt is made of, and no more."""
    fields, lost = _fields(request)
    counted = {name: fields[name] for name in _COUNTED if name in fields}
    return Encoded(as_json({"input": {"converse": counted}}), tuple(sorted(lost)))


def _fields(request: ChatRequest) -> tuple[Fields, set[str]]:
    ours = request.dialect == NAME
    turns = Turns(request)
    lost = turns.lost
    fields: Fields = {"messages": turns.messages}
    if turns.system:
        fields["system"] = turns.system
    if inference := _inference(request, lost, ours=ours):
        fields["inferenceConfig"] = inference
    fields |= tools.written(request, lost)
    if (form := _output(request, lost, ours=ours)) is not None:
        fields["outputConfig"] = form
    if request.service_tier and (ours or request.service_tier in _TIERS):
        fields["serviceTier"] = {"type": request.service_tier}
    elif request.service_tier not in ("", "auto"):
        lost.add("service_tier")
    if request.metadata and (ours or _labels(request.metadata)):
        fields["requestMetadata"] = request.metadata
    elif request.metadata:
        lost.add("metadata")
    if ours:
        return _with(fields, request), lost
    if own := models.own_fields(request, lost):
        fields["additionalModelRequestFields"] = own
    lost.update(_unsaid(request))
    return fields, lost


def _with(fields: Fields, request: ChatRequest) -> Fields:
    """Add what only this dialect has a word for; what stood inside a field goes there."""
    for name, raw in request.own.items():
        inside = fields.get(name)
        fields[name] = {**inside, **objects.decode(raw)} if isinstance(inside, dict) else raw
    return fields


def _inference(request: ChatRequest, lost: set[str], *, ours: bool) -> Fields:
    fields: Fields = {
        "maxTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
    }
    if not ours:
        stop = [text for text in request.stop if text and not text.isspace()]
        fields["stopSequences"] = stop or None
        if len(stop) != len(request.stop):
            lost.add("stop")
        _bound(fields, request, lost)
    return {name: value for name, value in fields.items() if value is not None}


def _bound(fields: Fields, request: ChatRequest, lost: set[str]) -> None:
    """Keep temperature and top_p within what the models take: at most 1, and of Claude one of both, none beside thinking."""
    if request.temperature is not None and request.temperature > 1:
        fields["temperature"] = 1.0
        lost.add("temperature")
    if not models.is_claude(request.model):
        return
    if request.top_p == 1:
        fields["topP"] = None
    elif request.top_p is not None and request.temperature is not None:
        fields["topP"] = None
        lost.add("top_p")
    if models.thinks(request):
        lost.update(
            name for name, field in (("temperature", "temperature"), ("top_p", "topP")) if fields[field] not in (None, 1)
        )
        fields["temperature"] = fields["topP"] = None


def _output(request: ChatRequest, lost: set[str], *, ours: bool) -> Fields | None:
    output = request.output
    if output is None or output.kind == "text":
        return None
    if output.kind == "json":
        lost.add("output")
        return None
    schema = output.schema
    if not ours:
        lost.update(said(output.own))
        if output.strict is False:
            lost.add("output.strict")
        if models.is_claude(request.model):
            schema, whole = schemas.fitted(schema)
            lost.update(() if whole else ("output.schema",))
    inner = {"schema": bytes(schema).decode()}
    inner |= {name: value for name, value in (("name", output.name), ("description", output.description)) if value}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": inner}}}


def _labels(metadata: dict[str, str]) -> bool:
    return len(metadata) <= _MOST_LABELS and all(k and _LABEL.match(k) and _LABEL.match(v) for k, v in metadata.items())


def _unsaid(request: ChatRequest) -> Iterator[str]:
    """Name what a request from another dialect holds that this one has no word for."""
    yield from said(request.own)
    for name in ("presence_penalty", "frequency_penalty", "seed", "logprobs", "user"):
        if getattr(request, name) is not None:
            yield name
    for name in ("verbosity", "cache_key", "store", "previous"):
        if getattr(request, name):
            yield name
    if request.choices > 1:
        yield "choices"


def decode(body: bytes, address: Address = Address()) -> ChatRequest:  # noqa: B008 - it is frozen
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    try:
        return _decoded(checked(body), address)
    except Misread as error:
        raise error.public() from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("the body is not JSON") from error


def _decoded(body: bytes, address: Address) -> ChatRequest:
    wire, own = _body.read(body)
    known, choice, more = tools.read(wire.toolConfig) if bytes(wire.toolConfig) not in (b"", b"null") else ((), None, {})
    inference, further = _inferences.read(wire.inferenceConfig)
    form = _form(wire.outputConfig)
    if more:
        own["toolConfig"] = Raw(as_json(more))
    if further:
        own["inferenceConfig"] = Raw(as_json(further))
    if form is None and bytes(wire.outputConfig):
        own["outputConfig"] = wire.outputConfig
    messages = [Message("system", parts_of(wire.system))] if wire.system else []
    for place, raw in enumerate(wire.messages):
        try:
            turn, beside = _turn.read(raw)
            messages.append(Message(turn.role, parts_of(turn.content), own=beside))
        except Misread as error:
            raise error.under(f"messages[{place}]") from error
    return ChatRequest(
        model=address.model,
        messages=tuple(messages),
        stream=address.stream,
        tools=known,
        tool_choice=choice,
        output=form,
        max_output_tokens=inference.maxTokens,
        temperature=inference.temperature,
        top_p=inference.topP,
        stop=tuple(inference.stopSequences),
        service_tier=wire.serviceTier.type if wire.serviceTier else "",
        metadata=wire.requestMetadata,
        dialect=NAME,
        own=own,
    )


def _form(raw: Raw) -> Output | None:
    """Return the form of the answer; None where nothing, or something that is not known here, was said of it."""
    try:
        form = _forms.decode(raw).textFormat.structure.jsonSchema if bytes(raw) else None
        return Output("json_schema", _raw.decode(form.schema), form.name, form.description) if form else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
