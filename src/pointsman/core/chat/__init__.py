"""What a client asked for and what came back, whatever dialect either was written in: the canonical pair.

``ChatRequest`` is a whole request; a reply, whole or streamed, is a sequence of ``StreamEvent``. Every dialect decodes
into these and encodes from them.

Laws: what two dialects have a word for is a field here. What only one has stays with the value that it belongs to,
verbatim, in ``own``: written back in that dialect, named as lost in any other. Text that a machine wrote (tool arguments,
schemas, signatures, encrypted reasoning) is kept as the characters that came.

parts     turns and what they are made of
request   what a client asks for
events    what comes back
"""

from pointsman.core.chat.events import (
    CitationDelta,
    End,
    Failed,
    Finish,
    FinishReason,
    Logprobs,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.chat.parts import (
    CacheMark,
    Media,
    Message,
    Opaque,
    Own,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pointsman.core.chat.request import (
    ChatRequest,
    Output,
    Reasoning,
    Tool,
    ToolChoice,
)

__all__ = [
    "CacheMark",
    "ChatRequest",
    "CitationDelta",
    "End",
    "Failed",
    "Finish",
    "FinishReason",
    "Logprobs",
    "Media",
    "Message",
    "Opaque",
    "Output",
    "Own",
    "Part",
    "Reasoning",
    "Refusal",
    "RefusalDelta",
    "Start",
    "StreamEvent",
    "Text",
    "TextDelta",
    "Thinking",
    "ThinkingDelta",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolResult",
    "Usage",
    "Used",
    "WholePart",
]
