"""What a provider is asked for requests that use most of their dialect, against the schema that the provider publishes.

The answer does not matter here; ``upstream`` checks each request when its test ends.
"""

from typing import Any, Final

import pytest

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import text, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.test_schema import ask

DOT: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
PAPER: Final = "JVBERi0xLjQKJSVFT0YK"
PDF: Final = {"type": "base64", "media_type": "application/pdf", "data": PAPER}
NAMED: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
_USER: Final = {"role": "user", "content": "Go"}
REQUESTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "openai_chat": {
        "sampling": {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "And kind."}, _USER],
            "temperature": 0.5, "top_p": 0.9, "max_tokens": 50, "stop": ["END"], "user": "u1", "metadata": {"a": "b"},
            "seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2,
        },
        "reasoning": {"messages": [_USER], "reasoning_effort": "low", "max_completion_tokens": 2000},
        "schema": {
            "messages": [_USER],
            "response_format": {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": NAMED}},
        },
        "media": {
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"}},
            ]}],
        },
        "tools": {
            "messages": [
                _USER,
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
                    {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
                {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "sun"}]},
                {"role": "user", "content": "And?"},
            ],
            "tool_choice": "required", "parallel_tool_calls": False,
        },
    },
    "openai_responses": {
        "sampling": {
            "instructions": "Be brief.", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 50, "user": "u1",
            "metadata": {"a": "b"}, "store": False, "truncation": "disabled", "text": {"verbosity": "low"},
        },
        "reasoning": {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        "schema": {"text": {"format": {"type": "json_schema", "name": "city", "strict": True, "schema": NAMED}}},
        "media": {
            "input": [{"role": "user", "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{DOT}", "detail": "high"},
                {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"},
            ]}],
        },
        "tools": {
            "input": [
                _USER,
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'},
                {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wet."}]},
                _USER,
            ],
            "tool_choice": {"type": "function", "name": "weather"},
        },
    },
    "anthropic": {
        "sampling": {
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [_USER], "temperature": 0.5, "top_k": 5, "stop_sequences": ["END"], "metadata": {"user_id": "u1"},
        },
        "reasoning": {"messages": [_USER], "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 3000},
        "schema": {"messages": [_USER], "output_config": {"format": {"type": "json_schema", "schema": NAMED}}},
        "media": {
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                {"type": "document", "title": "a", "source": PDF},
            ]}],
        },
        "tools": {
            "messages": [
                _USER,
                {"role": "assistant", "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                        {"type": "text", "text": "rain"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}},
                    ]},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "broken", "is_error": True},
                    {"type": "text", "text": "And?"},
                ]},
            ],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
    },
    "gemini": {
        "sampling": {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {
                "temperature": 0.5, "topP": 0.9, "topK": 5, "maxOutputTokens": 50, "stopSequences": ["END"], "seed": 7,
            },
        },
        "reasoning": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}},
        "schema": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": NAMED}},
        "media": {
            "contents": [{"role": "user", "parts": [
                {"text": "Look"},
                {"inlineData": {"mimeType": "image/png", "data": DOT}},
                {"inlineData": {"mimeType": "application/pdf", "data": PAPER}},
            ]}],
        },
        "tools": {
            "contents": [
                {"role": "user", "parts": [{"text": "Go"}]},
                {"role": "model", "parts": [
                    {"text": "Hm.", "thought": True},
                    {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2VhbGVk"},
                    {"functionCall": {"name": "clock", "args": {}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "weather", "response": {"output": "rain"}}},
                    {"functionResponse": {"name": "clock", "response": {"error": "broken"}}},
                ]},
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["sampling", "reasoning", "schema", "media", "tools"])
def test_a_request(cell: Cell, upstream: Upstream, speaks: str, kind: str, *, stream: bool) -> None:
    upstream.play(turn(text("Yes.")))
    ask(cell, speaks, stream=stream, more=REQUESTS[speaks][kind])
