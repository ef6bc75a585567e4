"""The control plane over HTTP: what ``pointsman replay`` and ``pointsman drill`` say, for programs.

    POST /control/v1/replay    a question (``control/replay/question``) as JSON -> what ``pointsman replay --json`` prints
    POST /control/v1/drill     {"vendor": NAME, "since_ms": ..., "until_ms": ...} -> one drill of ``pointsman drill --json``

Strategy: the control process answers, at its low priority, in a thread beside its other work; nobody is called and nothing
is written.

Laws: nothing is answered without an admin key, which is never a client's; each question is written down with the key that
asked it; one question at a time, and who comes meanwhile is told when to come again; a mistake in one says what it is.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from time import time_ns
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.control.config import ControlRules
from pointsman.control.replay.question import Question, QuestionError
from pointsman.core.errors import ConfigError, GatewayError, PointsmanError, StoreError
from pointsman.core.keys import Key
from pointsman.core.snapshot import Limits
from pointsman.gateway.admission import Keyring
from pointsman.gateway.answer import refuse
from pointsman.gateway.heads import JSON
from pointsman.gateway.server.listener import Server
from pointsman.gateway.server.message import Client, Head, Incoming, line
from pointsman.serve.replaying import drilled, replay
from pointsman.serve.workspace import Workspace
from pointsman.wire.dialects import DIALECTS

HOST: Final = "127.0.0.1"
LIMITS: Final = Limits(body_bytes=256 * 1024, total_s=30.0)
_AGAIN_S: Final = 5.0
_CONNECTIONS: Final = 64
_BODIES: Final = 16 * 1024 * 1024


class _Asked(Question, frozen=True, forbid_unknown_fields=True):
    """A question in a request."""


class _Loss(Struct, frozen=True, forbid_unknown_fields=True):
    """A drill in a request."""

    vendor: str
    since_ms: int | None = None
    until_ms: int | None = None


_question = msgspec.json.Decoder(_Asked)
_loss = msgspec.json.Decoder(_Loss)


class ControlApi:
    """The application of the control listener."""

    def __init__(self, workspace: Workspace, key: Key | None, say: Callable[[str], None]) -> None:
        self._say = say
        self._workspace = workspace
        self._keyring = Keyring(workspace.store.keys, admin=True)
        self._keyring.configure(() if key is None else (key,))
        self._paths: dict[str, Callable[[bytes], bytes]] = {
            "/control/v1/replay": self._replay,
            "/control/v1/drill": self._drill,
        }
        self._working: asyncio.Future[bytes] | None = None

    def admits(self, head: Head, client: Client) -> None:
        """See whether somebody may send a body (``server.message.Gate``). Raises GatewayError."""
        self._asked(head, client)

    async def __call__(self, incoming: Incoming, client: Client) -> None:
        """Answer one request."""
        try:
            client.answer(200, [JSON], await self._answer(incoming, client))
        except GatewayError as error:
            more = [line(b"allow", b"POST")] if error.status == 405 else []
            refuse(client, error, DIALECTS["openai_chat"].errors, more)

    async def _answer(self, incoming: Incoming, client: Client) -> bytes:
        work, key = self._asked(incoming.head, client)
        if self._working is not None and not self._working.done():
            raise GatewayError(429, "busy", "another question is being answered", retry_after=_AGAIN_S)
        # A thread cannot be stopped: whoever hangs up leaves it to its end, and the next one waits for that.
        self._note(key, incoming.head.path)
        self._working = asyncio.ensure_future(asyncio.to_thread(work, incoming.body))
        try:
            return await asyncio.shield(self._working)
        except (QuestionError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise GatewayError(400, "invalid_question", str(error)) from error
        except PointsmanError as error:
            raise GatewayError(503, "unavailable", str(error), retry_after=_AGAIN_S) from error

    def _asked(self, head: Head, client: Client) -> tuple[Callable[[bytes], bytes], Key]:
        """Return what answers a path, and the key of its sender. Raises GatewayError."""
        try:
            self._keyring.refresh()
        except StoreError as error:  # what it knows stays in force, and nothing at all lets nobody in
            self._say(f"the keys cannot be read: {error}")
        key = self._keyring.admit(head, client.peer)
        if key is None:
            raise GatewayError(401, "missing_api_key", "the control API is closed without a key")
        work = self._paths.get(head.path)
        if work is None:
            raise GatewayError(404, "not_found", f"there is nothing at {head.path!r}: POST to {', '.join(self._paths)}")
        if head.method != "POST":
            raise GatewayError(405, "method_not_allowed", f"{head.path} takes POST, not {head.method}")
        return work, key

    def _note(self, key: Key, path: str) -> None:
        """Write down who asked for what. Raises GatewayError: nothing is done that cannot be written down."""
        try:
            self._workspace.store.audit.note("control API", path, at_ms=time_ns() // 1_000_000, actor=f"key:{key.name}")
        except StoreError as error:
            raise GatewayError(503, "unavailable", str(error), retry_after=_AGAIN_S) from error

    def _replay(self, body: bytes) -> bytes:
        return msgspec.json.encode(replay(self._workspace, _question.decode(body)))

    def _drill(self, body: bytes) -> bytes:
        asked = _loss.decode(body)
        question = Question(since_ms=asked.since_ms, until_ms=asked.until_ms)
        return msgspec.json.encode(drilled(self._workspace, asked.vendor, question))


@contextlib.asynccontextmanager
async def listening(workspace: Workspace, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Listen while the block runs, where the configuration wants it. Where the port is taken, ``say`` so and go without."""
    rules = _rules(workspace)
    bound = None if rules is None else _bound(rules.port, say)
    if rules is None or bound is None:
        yield
        return
    api = ControlApi(workspace, rules.key, say)
    server = Server(api, lambda: LIMITS, connections=_CONNECTIONS, bodies=_BODIES, gate=api.admits)
    await server.start(bound)
    say(f"answers programs at http://{HOST}:{bound.getsockname()[1]}/control/v1")
    try:
        yield
    finally:
        await server.stop(0)


def _rules(workspace: Workspace) -> ControlRules | None:
    try:
        return workspace.config.control
    except ConfigError:  # whoever follows the file says what is wrong with it
        return None


def _bound(port: int, say: Callable[[str], None]) -> socket.socket | None:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        say(f"cannot listen on {HOST}:{port} ({reason}); choose another port under [control] and start again")
        return None
