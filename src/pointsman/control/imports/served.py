"""Which deployment answered a past call, and what it costs.

Strategy: the snapshot's deployments first, by the name that was asked for and then by the name that answered (which often
has a date in it); where the log tells the provider, its price list on the day of the call; else the name alone, unpriced.

Law: a model is never priced as another one's: without a provider only names in the snapshot count.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from pointsman.control import prices
from pointsman.control.imports.call import Call
from pointsman.core.price import Price
from pointsman.core.snapshot import Snapshot
from pointsman.upstream import providers

# What other programs call the providers that have another name here.
_ALIASES: Final = {
    "azure.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "google": "gemini",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshot",
    "ollama_chat": "ollama",
    "together_ai": "together",
    "x_ai": "xai",
}


class Deployments:
    """Finds the deployment of a call. ``provider`` is assumed where a log tells none."""

    def __init__(self, snapshot: Snapshot | None, provider: str = "") -> None:
        self._deployments = snapshot.deployments if snapshot else {}
        self._provider = provider
        self._by_model: dict[str, list[str]] = {}
        for name, deployment in self._deployments.items():
            self._by_model.setdefault(deployment.model, []).append(name)
        self._listed: dict[tuple[str, str, date], Price | None] = {}

    def find(self, call: Call) -> tuple[str, Price | None]:
        """Return the name of the deployment that answered, and its price where one is known."""
        told = call.provider or self._provider
        provider = _ALIASES.get(told.lower(), told.lower())
        for name in self._names(provider, call):
            if name in self._deployments:
                return name, self._deployments[name].price
        if not provider:
            return call.model, None
        return f"{provider}/{call.model}", self._list_price(provider, call)

    def _names(self, provider: str, call: Call) -> Iterator[str]:
        for model in (call.asked, call.model):
            if provider:
                yield f"{provider}/{model}"
            else:
                yield model
                yield from self._by_model.get(model, ())

    def _list_price(self, provider: str, call: Call) -> Price | None:
        day = datetime.fromtimestamp(call.at_ms / 1000, UTC).date()
        key = (provider, call.model, day)
        if key not in self._listed:
            row = providers.row(provider)
            found = prices.listed(row.price_id, call.model, day) if row and row.price_id else None
            self._listed[key] = found.price if found else None
        return self._listed[key]
