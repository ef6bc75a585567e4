"""Who answered a conversation last, and who holds what a provider keeps of it.

A conversation is known by the client's own id, by what a known harness sends (Claude Code: the session in
``metadata.user_id``; Codex: the ``session_id`` header), by a prompt cache key, or by a keyed hash of its first turns.

Laws: bounded, the least recently used goes first; what is not remembered is not known, and never guessed; a hash of text
never leaves this memory. (It is Python's own, keyed anew in each process unless PYTHONHASHSEED says otherwise: a tenth of a
cryptographic one's cost, and where two ever fell together, one conversation would merely be taken for the other.)
"""

import re
from collections import OrderedDict
from typing import Final

from pointsman.core.chat import ChatRequest

_LIMIT: Final = 100_000
_READ: Final = 4096  # characters of each of the first turns
_CLAUDE_CODE: Final = re.compile(r"session_?(?:id)?[\"':\s_]*([0-9a-fA-F-]{36})")
_HEADERS: Final = (b"x-claude-code-session-id", b"session_id", b"session-id", b"conversation_id")


class Conversations:
    """The memory of one worker: conversations and replies by name, each with the deployment that has it.

    A name is a text, or, of a conversation that has none, the hash of its first turns.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._held: OrderedDict[str | int, str] = OrderedDict()

    def holder(self, name: str | int) -> str | None:
        """Return the deployment that answered under this name last, None where none is remembered."""
        found = self._held.get(name) if name else None
        if found is not None:
            self._held.move_to_end(name)
        return found

    def remember(self, name: str | int, deployment: str) -> None:
        """Note who answered."""
        if not name:
            return
        self._held[name] = deployment
        self._held.move_to_end(name)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def name(self, named: str, request: ChatRequest, *, plain: bool, whose: str = "") -> str | int:
        """Return the name under which a conversation is remembered, empty where nothing could depend on it.

        ``named`` is what the client calls it, if anything; ``plain``: only Chat Completions is spoken, where nothing is
        sealed. ``whose`` is the key's name: what one key calls a conversation says nothing of another key's. No name that a
        client chooses is ever that of a reply or a file.
        """
        if named:
            return f"conversation:{whose}\n{named}" if whose else f"conversation:{named}"
        return "" if plain else self.first_turns(request, whose)

    def first_turns(self, request: ChatRequest, whose: str = "") -> int:
        """Return a hash of what instructs and of the first turn that does not: the same all through a conversation."""
        said = [whose]
        for message in request.messages:
            said.append(message.role)
            said.append(message.text[:_READ])
            if not message.instructs:
                break
        return hash(tuple(said))


def harness_of(headers: dict[bytes, bytes]) -> str | None:
    """Return the name that a known harness gives a conversation in a header, None where none does."""
    for name in _HEADERS:
        if name in headers:
            return headers[name].decode("latin-1")
    return None


def stated(request: ChatRequest) -> str:
    """Return the name that a known harness or a prompt cache key gives a conversation in its body, empty where none does."""
    if request.user:
        session = _CLAUDE_CODE.search(request.user)
        if session is not None:
            return session.group(1)
    return request.cache_key
