"""What the control process does again and again, step by step.

Laws: a step that fails is said, once while it stays so, and keeps no other from its turn; one that is taken sparingly takes
one part in ``PARTS`` of the time at most.
"""

import time
from collections.abc import Callable
from typing import Final

from pointsman.core.errors import PointsmanError

PARTS: Final = 20


class Steps:
    """Steps by name. ``say`` tells the operator; ``clock`` is in seconds, and only measures."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._wrong: dict[str, str] = {}
        self._rest_until: dict[str, float] = {}

    @property
    def failing(self) -> tuple[str, ...]:
        """The names of the steps that failed when they were last taken."""
        return tuple(self._wrong)

    def take(self, name: str, step: Callable[[], object]) -> None:
        """Take a step."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps are not to suffer for it
            self.failed(name, error)
        else:
            self.went_well(name)

    def take_sparingly(self, name: str, step: Callable[[], object]) -> None:
        """Take a step that may read much of the journal, unless it has to rest for the time that it took."""
        began = self._clock()
        if began < self._rest_until.get(name, began):
            return
        self.take(name, step)
        ended = self._clock()
        self._rest_until[name] = ended + (PARTS - 1) * (ended - began)

    def failed(self, name: str, error: Exception) -> None:
        """Say why a step failed, unless that was said already. What several fail of is said once."""
        problem = str(error) if isinstance(error, PointsmanError) else f"{name} failed: {error!r}"
        if problem not in self._wrong.values():
            self._say(problem)
        self._wrong[name] = problem

    def went_well(self, name: str) -> None:
        """Forget what was wrong with a step."""
        self._wrong.pop(name, None)
