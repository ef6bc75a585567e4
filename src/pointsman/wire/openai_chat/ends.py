"""What stands around the words of a reply, both ways: why it ended, what it took, how likely its tokens were.

Laws: a reason that OpenAI does not know is kept in ``own``, so that it is written only where it came from; a count of zero
in ``usage`` says nothing; fields in ``own`` are written back only into a reply of this dialect (``ours``).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Finish, FinishReason, Logprobs, Own, TokenLogprob, Used
from pointsman.wire.fields import BROKEN
from pointsman.wire.openai_chat.count import usage_of
from pointsman.wire.openai_chat.fields import NULL, Shape, Wire, objects, put, raw_of, said

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_OTHERS: Final[dict[str, FinishReason]] = {  # words of providers that OpenAI does not have
    "eos": "stop",
    "eos_token": "stop",
    "complete": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_length": "length",
    "tool_call": "tool_calls",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}
_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
_INPUT: Final = {"cached_tokens": "cached", "cache_write_tokens": "cache_written"}
_OUTPUT: Final = {"reasoning_tokens": "reasoning"}
_ZEROS: Final = frozenset((b"0", b"0.0", b"null"))


class _Token(Struct, forbid_unknown_fields=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class _Odds(Struct, forbid_unknown_fields=True):
    content: list[_Token] | None = None
    refusal: list[_Token] | None = None


class _Totals(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


_odds = Shape(_Odds)
_totals = msgspec.json.Decoder(_Totals)


def finish_of(reason: Any, choice: int, own: Own) -> Finish:
    """Return the end of a choice. vLLM says in ``stop_reason`` which stop sequence it was."""
    word = reason if isinstance(reason, str) else ""
    sequence, kept = "", dict(own)
    if word == "stop" and (stopped := kept.get("stop_reason")) is not None:
        try:
            sequence = msgspec.json.decode(stopped, type=str)
        except BROKEN:
            sequence = ""
        if sequence:
            del kept["stop_reason"]
    known = _REASONS.get(word)
    if known is None:
        kept["finish_reason"] = raw_of(word) if isinstance(reason, str) else NULL
    return Finish("stop_sequence" if sequence else known or _OTHERS.get(word, "other"), word, sequence, choice, kept)


def reason_of(finish: Finish, lost: set[str], *, ours: bool, called: bool, legacy: bool) -> Wire:
    """Return ``finish_reason`` and what belongs to it. ``called``: there are tool calls, which win over a plain end."""
    if ours:
        known = finish.word if finish.word in _REASONS else _WORDS.get(finish.reason)
        wire: Wire = {"finish_reason": finish.own.get("finish_reason") or known}
        return wire | ({"stop_reason": finish.stop_sequence} if finish.stop_sequence else {})
    if finish.stop_sequence:
        lost.add("stop_sequence")
    word = _WORDS.get(finish.reason, "stop")
    if finish.reason not in _WORDS:
        lost.add("finish_reason")
    if called and word in ("stop", "tool_calls"):
        word = "function_call" if legacy else "tool_calls"
    return {"finish_reason": word}


def used_of(raw: Raw) -> Used | None:
    """Return what a ``usage`` object says, None where there is none that can be counted."""
    usage = usage_of(raw)
    if usage is None:
        return None
    found, total = objects.decode(raw), _total(raw)
    own: Own = {}
    for name, value in found.items():
        if bytes(value) in _ZEROS or name in ("prompt_tokens", "completion_tokens"):
            continue
        if name == "total_tokens" and total == usage.input + usage.output:
            continue
        if name in ("prompt_tokens_details", "completion_tokens_details"):
            rest = _details(value)
            own.update({name: raw_of(rest)} if rest else {})
        else:
            own[name] = value
    return Used(usage, own=own)


def _total(raw: Raw) -> int | None:
    try:
        return _totals.decode(raw).total_tokens
    except BROKEN:
        return None


def _details(raw: Raw) -> Own:
    return {
        name: value
        for name, value in objects.decode(raw).items()
        if name not in _INPUT and name not in _OUTPUT and bytes(value) not in _ZEROS
    }


def usage_fields(used: Used, lost: set[str], *, ours: bool) -> Wire:
    """Return counts as a ``usage`` object."""
    usage = used.usage
    wire: Wire = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    inputs = {name: count for name, field in _INPUT.items() if (count := getattr(usage, field))}
    outputs = {name: count for name, field in _OUTPUT.items() if (count := getattr(usage, field))}
    if inputs:
        wire["prompt_tokens_details"] = inputs
    if outputs:
        wire["completion_tokens_details"] = outputs
    if ours:
        put(wire, used.own)
    else:
        lost.update(said(used.own))
    return wire


def odds_of(raw: Raw, choice: int) -> list[Logprobs] | None:
    """Return the probabilities of a choice's tokens; None where they are of no known form."""
    found = _odds.read(raw)
    if found is None or found[1]:
        return None
    lists = ((found[0].content, False), (found[0].refusal, True))
    return [Logprobs(tuple(map(_token, tokens)), refusal, choice) for tokens, refusal in lists if tokens]


def _token(wire: _Token) -> TokenLogprob:
    top = tuple([_token(each) for each in wire.top_logprobs or ()])
    return TokenLogprob(wire.token, wire.logprob, None if wire.bytes is None else tuple(wire.bytes), top)


def odds_fields(events: Sequence[Logprobs]) -> Wire | None:
    """Return probabilities as ``logprobs``, None where there are none."""
    if not events:
        return None
    content, refusal = (
        [_likely(t) for each in events if each.refusal is kind for t in each.tokens] for kind in (False, True)
    )
    return {"content": content or None, "refusal": refusal or None}


def _likely(token: TokenLogprob) -> Wire:
    wire: Wire = {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
    return {**wire, "top_logprobs": [_alone(each) for each in token.top]}


def _alone(token: TokenLogprob) -> Wire:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
