"""The gateway as an application of ``server``: paths, methods, and the floor under every error.

    POST /v1/chat/completions    one exchange (see ``exchange``)
    GET  /v1/models              routes and deployments, as OpenAI lists models; /v1/models/NAME shows one
    GET  /healthz                200 while the process lives
    GET  /readyz                 200 with the snapshot's hash and the journal's counters; 503 without a snapshot

Laws: ``answer.refuse`` is the only way to an error reply; overload is said at once, never queued.
"""

import msgspec

from pointsman.core.errors import GatewayError, WireError
from pointsman.core.snapshot import Limits
from pointsman.gateway.admission import admit
from pointsman.gateway.answer import refuse
from pointsman.gateway.exchange import Equipment, Exchange
from pointsman.gateway.heads import JSON
from pointsman.gateway.live import Current, Live
from pointsman.gateway.server.message import Client, Incoming

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

    def limits(self) -> Limits:
        """Return the bounds in force now."""
        return self._live.current.snapshot.limits if self._live.current else Limits()

    async def __call__(self, incoming: Incoming, client: Client) -> None:
        """Answer one request."""
        try:
            if incoming.path == _CHAT and incoming.method == "POST":
                await self._chat(incoming, client)
            else:
                self._look(incoming, client)
        except GatewayError as error:
            refuse(client, error)
        except WireError as error:
            refuse(client, GatewayError(400, "invalid_request", str(error), param=error.param))

    async def _chat(self, incoming: Incoming, client: Client) -> None:
        current = self._current()
        concurrent = current.snapshot.limits.concurrent
        if self.under_way >= concurrent:
            reason = f"this gateway is serving {concurrent} requests already"
            raise GatewayError(503, "overloaded", reason, retry_after=_OVERLOAD_RETRY_S)
        self.under_way += 1
        try:
            key = admit(current.keys, incoming.headers)
            await Exchange(self._equipment, current, incoming, key).serve(client)
        finally:
            self.under_way -= 1

    def _look(self, incoming: Incoming, client: Client) -> None:
        """Answer everything that is not a chat."""
        path, method = incoming.path, incoming.method
        known = _METHODS.get(_MODELS if path.startswith(_MODELS + "/") else path)
        head = method == "HEAD" and known == "GET"  # the server leaves the body out
        if known is None:
            paths = ", ".join(f"{verb} {name}" for name, verb in _METHODS.items())
            raise GatewayError(404, "not_found", f"there is nothing at {path!r}: this gateway answers {paths}")
        if method != known and not head:
            refuse(
                client,
                GatewayError(405, "method_not_allowed", f"{path} takes {known}, not {method}"),
                [(b"allow", known.encode())],
            )
        elif path == "/healthz":
            client.answer(200, [JSON], b'{"status":"alive"}')
        elif path == "/readyz":
            client.answer(200 if self._live.current else 503, [JSON], self._readiness())
        else:
            current = self._current()
            admit(current.keys, incoming.headers)
            client.answer(200, [JSON], _models(current, path))

    def _readiness(self) -> bytes:
        current = self._live.current
        return _encode(
            {
                "status": "ready" if current else "no snapshot",
                "snapshot": current.hash if current else None,
                "problem": self._live.problem,
                "under_way": self.under_way,
                "journal": self._equipment.journal.state,
            }
        )

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
