"""A streamed reply on its way from one dialect to another: what is named of it."""

from pointsman.core.chat import ChatRequest
from pointsman.gateway.translation import Translation
from pointsman.wire.dialect import Stamp
from pointsman.wire.dialects import DIALECTS


def test_what_the_provider_said_and_nobody_understood_is_named_too() -> None:
    chat, messages = DIALECTS["openai_chat"], DIALECTS["anthropic"]
    encoder = chat.stream.encoder(ChatRequest("m", ()), Stamp("x", 1, "m"))
    relay = Translation("d", messages.stream.decoder(), encoder, chat.errors, choices=1)
    relay.take(b'data: {"type":"message_start","message":{"id":"msg_1","mood":1}}\n\ndata: {"type":"new_event"}\n\n')
    relay.take(b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a","tone":1}}\n\n')
    assert relay.lost == {"mood", "new_event", "tone"}
