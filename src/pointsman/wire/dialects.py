"""Every dialect by name, each as one value: those of clients (``DIALECTS``), and those of providers (``OF_PROVIDERS``)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pointsman.core.chat import ChatRequest
from pointsman.wire.anthropic import count as anthropic_count
from pointsman.wire.anthropic import errors as anthropic_errors
from pointsman.wire.anthropic import reply as anthropic_reply
from pointsman.wire.anthropic import request as anthropic_request
from pointsman.wire.anthropic import stream as anthropic_stream
from pointsman.wire.anthropic import watch as anthropic_watch
from pointsman.wire.bedrock_converse import count as converse_count
from pointsman.wire.bedrock_converse import errors as converse_errors
from pointsman.wire.bedrock_converse import reply as converse_reply
from pointsman.wire.bedrock_converse import request as converse_request
from pointsman.wire.bedrock_converse import stream as converse_stream
from pointsman.wire.dialect import (
    Counts,
    Errors,
    ReadsErrors,
    ReadsReplies,
    ReadsStreams,
    Replies,
    Requests,
    Streams,
    Watches,
)
from pointsman.wire.gemini import count as gemini_count
from pointsman.wire.gemini import errors as gemini_errors
from pointsman.wire.gemini import reply as gemini_reply
from pointsman.wire.gemini import request as gemini_request
from pointsman.wire.gemini import stream as gemini_stream
from pointsman.wire.gemini import watch as gemini_watch
from pointsman.wire.openai_chat import count as chat_count
from pointsman.wire.openai_chat import errors as chat_errors
from pointsman.wire.openai_chat import reply as chat_reply
from pointsman.wire.openai_chat import request as chat_request
from pointsman.wire.openai_chat import stream as chat_stream
from pointsman.wire.openai_chat import watch as chat_watch
from pointsman.wire.openai_responses import count as responses_count
from pointsman.wire.openai_responses import errors as responses_errors
from pointsman.wire.openai_responses import reply as responses_reply
from pointsman.wire.openai_responses import request as responses_request
from pointsman.wire.openai_responses import stream as responses_stream
from pointsman.wire.openai_responses import watch as responses_watch


@dataclass(frozen=True)
class ProviderDialect:
    """A wire format that providers speak: requests are written, replies and errors are read."""

    name: str
    request: Requests
    reply: ReadsReplies
    stream: ReadsStreams
    count: Counts
    errors: ReadsErrors


@dataclass(frozen=True)
class Dialect(ProviderDialect):
    """A wire format that clients speak too: replies and errors are written, and passed on as they are."""

    reply: Replies
    stream: Streams
    errors: Errors
    watch: Watches


_ALL: Final = (
    Dialect(
        "openai_chat",
        chat_request,
        chat_reply,
        chat_stream,
        chat_count,
        chat_errors,
        chat_watch,
    ),
    Dialect(
        "openai_responses",
        responses_request,
        responses_reply,
        responses_stream,
        responses_count,
        responses_errors,
        responses_watch,
    ),
    Dialect(
        "anthropic",
        anthropic_request,
        anthropic_reply,
        anthropic_stream,
        anthropic_count,
        anthropic_errors,
        anthropic_watch,
    ),
    Dialect(
        "gemini",
        gemini_request,
        gemini_reply,
        gemini_stream,
        gemini_count,
        gemini_errors,
        gemini_watch,
    ),
)
_CONVERSE: Final = ProviderDialect(
    "bedrock_converse",
    converse_request,
    converse_reply,
    converse_stream,
    converse_count,
    converse_errors,
)
DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
OF_PROVIDERS: Final[Mapping[str, ProviderDialect]] = MappingProxyType({**DIALECTS, _CONVERSE.name: _CONVERSE})


def unspeakable(request: ChatRequest, dialects: Iterable[str]) -> dict[str, str]:
    """Return, for each of some dialects in which a request would be answered wrongly, the reason why."""
    reasons = {name: OF_PROVIDERS[name].request.unfit(request) for name in dialects if name != request.dialect}
    return {name: reason for name, reason in reasons.items() if reason is not None}
