"""A request: POST /v1/responses.

Strategy: the top level and every object under it is taken apart by ``Fields``: what both sides have a word for becomes a
field of ``ChatRequest``, the rest stays in ``own`` under its own name. ``turns`` and ``items`` do the same for ``input``.

Laws: ``decode(encode(x)) == x`` where no loss is named; a request that was written in this dialect loses nothing; a request
from another one is not kept by the provider (``store``) unless it says so, because nobody would ever ask for it again.
"""

import msgspec
from msgspec import Raw

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Output, Own, Part, Reasoning, Text, ToolResult
from pointsman.core.errors import WireError
from pointsman.wire import edits
from pointsman.wire.dialect import Address, Encoded
from pointsman.wire.fields import checked
from pointsman.wire.openai_responses import items, tools, turns
from pointsman.wire.openai_responses.content import audio_format, kind_of
from pointsman.wire.openai_responses.fields import NAME, Fields, raw, read

_LOGPROBS = "message.output_text.logprobs"
_KEPT = ("previous_response_id", "conversation", "prompt")  # fields without which there must be an input
_TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"))
_STRINGS = msgspec.json.Decoder(list[str])
_METADATA = msgspec.json.Decoder(dict[str, object])
_encode = msgspec.json.Encoder().encode


def decode(body: bytes, address: Address = Address()) -> ChatRequest:  # noqa: ARG001, B008
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    fields = Fields(checked(body))
    model = fields.maybe("model")
    if model is None:
        raise WireError("'model' is missing", param="model", code="missing_required_parameter")
    if not fields.peek("input") and not any(name in fields.left for name in _KEPT):
        raise WireError("'input' is missing", param="input", code="missing_required_parameter")
    messages = turns.messages(fields.take("input"))
    told = fields.maybe("instructions")
    if told is not None:
        messages = (Message("system", (Text(told),)), *messages)
    elif messages and messages[0].role == "system":
        messages = (turns.SystemItem("system", messages[0].parts, own=messages[0].own), *messages[1:])
    output, verbosity = _text(fields)
    return ChatRequest(
        model=model,
        messages=messages,
        stream=bool(fields.flag("stream")),
        tools=tools.tools(fields.take("tools")),
        tool_choice=tools.choice(fields.take("tool_choice")),
        parallel_tools=fields.flag("parallel_tool_calls"),
        output=output,
        max_output_tokens=fields.whole("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        logprobs=_logprobs(fields),
        reasoning=_reasoning(fields),
        verbosity=verbosity,
        service_tier=fields.text("service_tier"),
        user=fields.maybe("user"),
        metadata=_metadata(fields),
        cache_key=fields.text("prompt_cache_key"),
        store=fields.flag("store"),
        previous=fields.text("previous_response_id"),
        dialect=NAME,
        own=fields.left,
    )


def _text(fields: Fields) -> tuple[Output | None, str]:
    """Return the form of the answer and its verbosity; what else stands in ``text`` stays there."""
    config = fields.inner("text")
    if config is None:
        return None, ""
    verbosity = config.text("verbosity")
    source = config.take("format")
    output = None if source is None else _output(Fields(source, "text.format"))
    if source is not None and output is None:
        config.left["format"] = source
    if config.left:
        fields.left["text"] = raw(config.left)
    return output, verbosity


def _output(form: Fields) -> Output | None:
    match form.text("type"):
        case "text":
            return Output("text", own=form.left)
        case "json_object":
            return Output("json", own=form.left)
        case "json_schema":
            schema = form.take("schema")
            return Output(
                "json_schema",
                Raw() if schema is None else schema,
                form.text("name"),
                form.text("description"),
                form.flag("strict"),
                form.left,
            )
        case _:
            return None


def _logprobs(fields: Fields) -> int | None:
    """Return how many alternatives are asked for: ``include`` asks, and ``top_logprobs`` says how many."""
    source = fields.left.get("include")
    if source is None or bytes(source) == b"null":
        return None
    wanted = read(_STRINGS, source, "include")
    if _LOGPROBS not in wanted:
        return None
    if len(wanted) == 1:
        fields.take("include")
    return fields.whole("top_logprobs") or 0


def _reasoning(fields: Fields) -> Reasoning | None:
    config = fields.inner("reasoning")
    if config is None:
        return None
    effort, summary = config.text("effort"), config.text("summary")
    return Reasoning(effort, shown=True if summary else None, summary=summary, own=config.left)


def _metadata(fields: Fields) -> dict[str, str]:
    """Return the metadata, where all of it is strings; otherwise it stays as it was."""
    source = fields.left.get("metadata")
    if source is None or bytes(source) == b"null":
        return {}
    found = read(_METADATA, source, "metadata")
    strings = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(strings) < len(found):
        return {}
    fields.take("metadata")
    return strings


def encode(request: ChatRequest) -> Encoded:
    """Return a request in this dialect; ``model`` and ``stream`` are those of ``request``."""
    ours = request.dialect == NAME
    lost: set[str] = set()
    body: dict[str, object] = {"model": request.model}
    told = items.instructions(request)
    if told is not None:
        body["instructions"] = told
    body["input"] = items.items(request, lost)
    if request.tools:
        body["tools"] = tools.written(request, lost)
    choice = tools.chosen(request, lost)
    level = request.service_tier if ours else tier(request.service_tier)
    if request.service_tier and not level:
        lost.add("service_tier")
    config: dict[str, object] = {}
    if request.output is not None:
        config["format"] = form(request.output, lost, ours=ours)
    if request.verbosity:
        config["verbosity"] = request.verbosity
    own = dict(request.own) if ours else {}
    if "text" in own:
        config.update(Fields(own.pop("text"), "text").left)
    optional: dict[str, object | None] = {
        "tool_choice": choice,
        "parallel_tool_calls": request.parallel_tools,
        "text": config or None,
        "max_output_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "include": None if request.logprobs is None else [_LOGPROBS],
        "top_logprobs": request.logprobs or None,
        "reasoning": reasoning(request.reasoning, lost, ours=ours),
        "service_tier": level or None,
        "user": request.user,
        "metadata": request.metadata or None,
        "prompt_cache_key": request.cache_key or None,
        "store": request.store if ours or request.store is not None else False,
        "previous_response_id": request.previous or None,
        "stream": request.stream or None,
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    body.update(own)
    return Encoded(_encode(body), tuple(sorted(lost | _unsaid(request, ours=ours))))


def tier(word: str) -> str:
    """Return a service tier in OpenAI's words, empty where it has none for it."""
    return word if word in _TIERS else "default" if word in ("standard", "on_demand") else ""


def _unsaid(request: ChatRequest, *, ours: bool) -> set[str]:
    """Return the names of what a request says and this dialect has no field for."""
    said = {
        "top_k": request.top_k is not None,
        "presence_penalty": request.presence_penalty is not None,
        "frequency_penalty": request.frequency_penalty is not None,
        "seed": request.seed is not None,
        "stop": bool(request.stop),
        "choices": request.choices > 1,
    }
    return {name for name, is_said in said.items() if is_said} | (set() if ours else set(request.own))


def form(output: Output, lost: set[str], *, ours: bool) -> dict[str, object]:
    """Return ``text.format``. Adds to ``lost`` what it does not say."""
    made: dict[str, object]
    if output.kind == "json_schema":
        made = {"type": "json_schema", "name": output.name or ("" if ours else "response")}
        made["schema"] = output.schema if bytes(output.schema) else {}
        if output.description:
            made["description"] = output.description
        if output.strict is not None:
            made["strict"] = output.strict
    else:
        made = {"type": "json_object" if output.kind == "json" else "text"}
    if ours:
        return {**made, **output.own}
    lost.update(output.own)
    return made


def reasoning(asked: Reasoning | None, lost: set[str], *, ours: bool) -> dict[str, object] | None:
    """Return ``reasoning``, None where nothing was asked. A budget becomes the nearest effort, and is named as lost."""
    if asked is None:
        return None
    made: dict[str, object] = {}
    effort = asked.effort
    if asked.budget is not None:
        lost.add("reasoning.budget")
        effort = effort or _effort(asked.budget)
    if effort:
        made["effort"] = effort
    if asked.summary or asked.shown:
        made["summary"] = asked.summary or "auto"
    if ours:
        return {**made, **asked.own}
    lost.update(asked.own)
    return made or None


def _effort(budget: int) -> str:
    """Return an effort for a budget of tokens: none for 0, and the model's own for -1."""
    if budget <= 0:
        return "none" if budget == 0 else ""
    return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"


# Fields of other dialects without which an answer is another one, by what they would have to say for that ("": anything).
_WITHOUT = (
    ("audio", b"", "cannot answer in sound"),
    ("generationConfig.responseModalities", b"AUDIO", "cannot answer in sound"),
    ("generationConfig.responseModalities", b"IMAGE", "cannot answer in pictures"),
    ("web_search_options", b"", "cannot be asked for another vendor's web search"),
    ("mcp_servers", b"", "cannot be asked for another vendor's MCP servers"),
    ("container", b"", "does not have the container"),
    ("cachedContent", b"", "does not have the cached content"),
)


def unfit(request: ChatRequest) -> str | None:
    """Say why a request would be answered wrongly in this dialect, None where losses are harmless."""
    if request.dialect == NAME:
        return None
    if request.choices > 1:
        return "cannot give several choices"
    if request.stop:
        return "cannot stop at given sequences"
    for tool in request.tools:
        if isinstance(tool, Opaque):
            return f"does not have the tool {tool.kind}"
    for name, value, reason in _WITHOUT:
        if name in request.own and value in bytes(request.own[name]):
            return reason
    for message in request.messages:
        unread = _unreadable(message.parts, said=message.role == "user")
        if unread is not None:
            return unread
    return None


def _unreadable(parts: tuple[Part, ...], *, said: bool = False) -> str | None:
    """``said``: by the user, so that nothing of it may be missing."""
    for part in parts:
        if said and isinstance(part, Opaque):
            return f"cannot be sent a part of the kind {part.kind}"
        if isinstance(part, ToolResult):
            reason = _unreadable(part.parts)
            if reason is not None:
                return reason
        elif isinstance(part, Media):
            if part.file_id:
                return "does not have the uploaded files"
            if part.kind == "video" or (part.kind == "audio" and audio_format(part.mime) not in ("mp3", "wav")):
                return f"cannot be sent {part.kind} of this kind"
            if part.kind == "audio" and not part.data:
                return "cannot fetch audio"
    return None


def state(request: ChatRequest) -> str | None:
    """Say which state at its provider a request needs, by the field that refers to it; None where it stands for itself.

    ``previous_response_id``, ``conversation`` and ``prompt`` are kept by the provider; so is what an ``item_reference`` or a
    ``file_id`` points to, a ``vector_store`` that file search reads, and a ``container`` that code runs in. ``background``
    replies are fetched later from who makes them. Such a request is answered by the deployment that holds the state, and by
    no other.
    """
    if request.dialect != NAME:
        return None
    if request.previous:
        return "previous_response_id"
    for name in ("conversation", "prompt"):
        if name in request.own and bytes(request.own[name]) != b"null":
            return name
    if _is_true(request.own, "background"):
        return "background"
    for tool in request.tools:
        held = _held_by(tool) if isinstance(tool, Opaque) else None
        if held is not None:
            return held
    return next((held for message in request.messages if (held := _referred(message.parts)) is not None), None)


def _held_by(tool: Opaque) -> str | None:
    if tool.kind == "file_search":
        return "vector_store"
    if tool.kind == "code_interpreter":
        return "container" if Fields(tool.raw).peek("container")[:1] == b'"' else None
    if tool.kind == "shell":
        place = Fields(tool.raw).take("environment")
        return "container" if place is not None and kind_of(place) == "container_reference" else None
    return None


def _referred(parts: tuple[Part, ...]) -> str | None:
    for part in parts:
        if isinstance(part, Opaque) and part.kind == "item_reference":
            return "item_reference"
        if isinstance(part, Media) and part.file_id:
            return "file_id"
        if isinstance(part, ToolResult):
            held = _referred(part.parts)
            if held is not None:
                return held
    return None


def _is_true(own: Own, name: str) -> bool:
    return bytes(own.get(name, b"")) == b"true"


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:  # noqa: ARG001
    """Return a body that ``decode`` accepted with another model name. Usage always comes, so there is none to ask for."""
    return body if model is None else edits.with_model(body, model)


def path(model: str, *, stream: bool) -> str:  # noqa: ARG001
    """Return what goes behind a provider's base URL."""
    return "/responses"
