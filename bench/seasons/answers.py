"""Canary prompts in the simulated year: the owner's file, and the calls by which the product asks them.

A prompt's text is its place among the bank's: the world knows what an answer costs, and draws whether it is right by the
chance of the day. So the product's own ``Canaries`` reads the file, asks, grades and counts, and only the model is missing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from pointsman.control.calls import Answer, Copied
from pointsman.control.config.values import CanaryRules
from pointsman.core.chat import Usage
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from seasons.bank import FEATURES
from seasons.world import DAY_MS, START_MS, Year, chance, length

PROMPTS: Final = 20
ASKED_ABOUT: Final = "extraction"  # short, and what every model is used for
EACH_NANO: Final = 500_000  # $0.0005 a day for each deployment
CAP_NANO: Final = 1_000_000_000
_RIGHT: Final = "right"


class Answers:
    """The models as ``control/canaries`` calls them; ``spent_nano`` is what they were paid."""

    def __init__(self, year: Year, column: Mapping[str, int], now_ms: Callable[[], int], seed: int = 0) -> None:
        self._year, self._column, self._now_ms = year, column, now_ms
        self._rng = np.random.default_rng([seed, 91])
        known = np.flatnonzero(year.bank.feature == FEATURES.index(ASKED_ABOUT))
        self._prompts = self._rng.choice(known, PROMPTS, replace=False)
        self.spent_nano = 0

    def rules(self, file: Path) -> CanaryRules:
        """Write the owner's file, and return what he says of it."""
        lines = [msgspec.json.encode({"prompt": f"{prompt}", "expected": _RIGHT}) for prompt in self._prompts]
        file.write_bytes(b"\n".join(lines))
        return CanaryRules(str(file), "*", cap_nano=CAP_NANO, each_nano=EACH_NANO)

    async def ask(
        self, snapshot: Snapshot, name: str, copied: Copied, _purse: object, _occasion: object, *_demands: object
    ) -> Answer:
        """Return what a deployment answers today."""
        year, day = self._year, (self._now_ms() - START_MS) // DAY_MS
        prompt, model = np.array([int(copied.fields["messages"][0]["content"])]), year.models[self._column[name]]
        effort = 0.2 + 0.8 * year.bank.difficulty[prompt]
        usage = Usage(int(year.bank.input_tokens[prompt][0]), int(length(year.bank, model, prompt, effort)[0]))
        price = snapshot.deployments[name].price
        cost = amount(usage, price) if price is not None else 0
        self.spent_nano += cost
        right = self._rng.random() < chance(year.bank, model, prompt, np.array([day]))[0]
        return Answer(_RIGHT if right else "wrong", usage=usage, cost_nano=cost)
