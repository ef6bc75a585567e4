"""The gateway as a raw ASGI 3 application: paths, methods, and the floor under every error.

    POST /v1/chat/completions    one exchange (see ``exchange``)
    GET  /v1/models              routes and deployments, as OpenAI lists models; /v1/models/NAME shows one
    GET  /healthz                200 while the process lives
    GET  /readyz                 200 with the snapshot's hash and the journal's counters; 503 without a snapshot

Laws: ``answer.refuse`` is the only way to an error reply; overload is said at once, never queued.
"""

from collections.abc import MutableMapping
from typing import Any

import msgspec

from pointsman.core.errors import GatewayError, WireError
from pointsman.gateway.admission import admit, read_body
from pointsman.gateway.answer import Send, answer, refuse
from pointsman.gateway.exchange import Equipment, Exchange
from pointsman.gateway.heads import JSON
from pointsman.gateway.live import Current, Live
from pointsman.gateway.watch import ClientGone, Receive

Scope = MutableMapping[str, Any]

_CHAT = "/v1/chat/completions"
_MODELS = "/v1/models"
_METHODS = {_CHAT: "POST", _MODELS: "GET", "/healthz": "GET", "/readyz": "GET"}
_OVERLOAD_RETRY_S = 1.0
_encode = msgspec.json.Encoder().encode


class Gateway:
    """The data plane of one worker. ``under_way`` is the number of exchanges that are being served."""

    def __init__(self, live: Live, equipment: Equipment) -> None:
        self._live = live
        self._equipment = equipment
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection. Only HTTP is spoken: start the server without lifespan and without web sockets."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the gateway does not speak {scope['type']!r}")
        path, method = scope["path"], scope["method"]
        try:
            if path == _CHAT and method == "POST":
                await self._chat(scope, receive, send)
            else:
                await self._look(path, method, scope, send)
        except GatewayError as error:
            await refuse(send, error)
        except WireError as error:
            await refuse(send, GatewayError(400, "invalid_request", str(error), param=error.param))
        except ClientGone:
            return

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        current = self._current()
        limits = current.snapshot.limits
        if self.under_way >= limits.concurrent:
            reason = f"this gateway is serving {limits.concurrent} requests already"
            raise GatewayError(503, "overloaded", reason, retry_after=_OVERLOAD_RETRY_S)
        self.under_way += 1
        try:
            headers: dict[bytes, bytes] = dict(scope["headers"])
            key = admit(current.keys, headers)
            body = await read_body(receive, headers, limits)
            await Exchange(self._equipment, current, headers, key, body).serve(receive, send)
        finally:
            self.under_way -= 1

    async def _look(self, path: str, method: str, scope: Scope, send: Send) -> None:
        """Answer everything that is not a chat."""
        known = _METHODS.get("/v1/models" if path.startswith(_MODELS + "/") else path)
        if known is None:
            paths = ", ".join(f"{verb} {name}" for name, verb in _METHODS.items())
            raise GatewayError(404, "not_found", f"there is nothing at {path!r}: this gateway answers {paths}")
        if method != known:
            raise GatewayError(405, "method_not_allowed", f"{path} takes {known}, not {method}")
        if path == "/healthz":
            await answer(send, 200, b'{"status":"alive"}', [JSON])
        elif path == "/readyz":
            await self._ready(send)
        else:
            current = self._current()
            admit(current.keys, dict(scope["headers"]))
            await answer(send, 200, _models(current, path), [JSON])

    async def _ready(self, send: Send) -> None:
        current = self._live.current
        state = {
            "status": "ready" if current else "no snapshot",
            "snapshot": current.hash if current else None,
            "problem": self._live.problem,
            "under_way": self.under_way,
            "journal": self._equipment.journal.state,
        }
        await answer(send, 200 if current else 503, _encode(state), [JSON])

    def _current(self) -> Current:
        current = self._live.current
        if current is None:
            raise GatewayError(
                503, "not_ready", f"no snapshot is in use yet. {self._live.problem}".strip(), retry_after=_OVERLOAD_RETRY_S
            )
        return current


def _models(current: Current, path: str) -> bytes:
    if path == _MODELS:
        return current.models
    name = path[len(_MODELS) + 1 :]
    model = current.model_list.get(name)
    if model is None:
        raise GatewayError(404, "model_not_found", f"the model {name!r} does not exist here: see {_MODELS}", param="model")
    return _encode(model)
