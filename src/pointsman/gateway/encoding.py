"""What the owner's sentence encoder makes of a request: in time, or not at all.

Strategy: an encoder is asked only where a policy acts that was learned with it, and for as long as the owner allows
(``Encoder.within_ms``); a request that has no encoding by then is decided by what was learned without. One that failed
``PATIENCE`` times in a row is left alone for ``REST_S``, so that an encoder that is down costs next to nothing.

Laws: no request fails or waits longer for an encoder's sake, and no snapshot is refused for it; who names a model never
waits for one; where the owner says who may see requests (``allow``), texts do not go to an address.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.routing import Route
from pointsman.core.snapshot import Encoder
from pointsman.policy import encoding
from pointsman.policy.model import Policy
from pointsman.policy.naming import plan_for
from pointsman.upstream.interfaces import Encodes

PATIENCE: Final = 3
REST_S: Final = 5.0

logger = logging.getLogger("pointsman.gateway")


class TimelyEncoder:
    """The encoder of one snapshot. ``made`` and ``missed`` count encodings that came in time, and that did not."""

    def __init__(self, configured: Encoder, encoder: Encodes, policies: Mapping[str, Policy]) -> None:
        self._within_s = configured.within_ms / 1e3
        self._remote = bool(configured.url)
        self._encoder = encoder
        self._policies = {name: policy for name, policy in policies.items() if policy.encoder == encoder.name}
        self._failures = 0
        self._rests_until = 0.0
        self.made = self.missed = 0

    async def encode(self, route: Route | None, feature: str, request: ChatRequest, *, here: bool = False) -> bytes:
        """Return the encoding that deciding for a route will read; empty where there is none to read, or none in time.

        ``here``: the text may not leave this machine for it, because a data policy says who may see it.
        """
        if route is None or (here and self._remote) or not self._wanted(route, feature):
            return b""
        now = asyncio.get_running_loop().time
        if now() < self._rests_until:
            self.missed += 1
            return b""
        try:
            async with asyncio.timeout(self._within_s):
                numbers = await self._encoder.encode([encoding.text_of(request)])
            found: bytes = encoding.packed(self._encoder.name, numbers)[0].tobytes()
        except (TimeoutError, UpstreamError, ValueError) as error:
            self._missed(error, now())
            return b""
        self._failures = 0
        self.made += 1
        return found

    @property
    def counts(self) -> dict[str, object]:
        """The counters, for people and probes."""
        return {"name": self._encoder.name, "made": self.made, "missed": self.missed}

    def _wanted(self, route: Route, feature: str) -> bool:
        plan = plan_for(route, feature)
        learned = (plan.policy or route.name) in self._policies
        return learned and plan.acts and not (self._remote and plan.allow)

    def _missed(self, error: Exception, now: float) -> None:
        self.missed += 1
        self._failures += 1
        if self._failures >= PATIENCE:
            self._rests_until = now + REST_S
            reason = "it was too slow" if isinstance(error, TimeoutError) else str(error)
            logger.warning("the encoder is left alone for %.0f s, and requests are decided without: %s", REST_S, reason)


def timely(
    configured: Encoder | None, opened: Callable[[Encoder], Encodes], policies: Mapping[str, Policy]
) -> TimelyEncoder | None:
    """Open the encoder that is configured, and say which policies were learned with another.

    One that cannot be opened is said, and requests are decided without.
    """
    encoder = None
    if configured is not None:
        try:
            encoder = opened(configured)
        except ConfigError as error:
            logger.warning("the encoder is not in use, and requests are decided without: %s", error)
            return None
    for sentence in unread(policies, "" if encoder is None else encoder.name):
        logger.warning(sentence)
    return None if configured is None or encoder is None else TimelyEncoder(configured, encoder, policies)


def unread(policies: Mapping[str, Policy], encoder: str) -> list[str]:
    """Return a sentence for each policy that was learned with another encoder than the one of this name (empty: none)."""
    return [
        f"what was learned for {name} decides without encodings: it was learned with {policy.encoder}, and "
        f"{encoder or 'none'} is configured; learn it again with `pointsman learn`, or configure that encoder"
        for name, policy in policies.items()
        if policy.encoder not in ("", encoder)
    ]
