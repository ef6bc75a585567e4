"""The zoo, which counts what it would bill: by customer, from the moment that a request has come in whole."""

import re
import threading
from collections import Counter

from pointsman.core.chat import Usage
from pointsman.core.price import Price
from pointsman.policy import cost
from pointsman.upstream.simulated.dialect import Asked, Reply
from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.zoo import Zoo

_CUSTOMER = re.compile(r"customer (\w+)")


class Billing(Zoo):
    """A zoo with a bill. ``billed`` is in nano-dollars by customer, ``calls`` counts calls."""

    def __init__(self, *, speed: float) -> None:
        super().__init__(speed=speed)
        self.billed: Counter[str] = Counter()
        self.calls = 0
        self._lock = threading.Lock()

    def reply(self, asked: Asked, fault: Fault | None = None) -> Reply:
        """Return a reply, which is on the bill from now on, whether or not anybody reads it."""
        found = super().reply(asked, fault)
        rates, named = self.rates(asked.model), _CUSTOMER.search(asked.user)
        assert rates is not None
        assert named is not None
        used = Usage(input=found.usage.input, output=found.usage.output, cached=found.usage.cached)
        with self._lock:
            self.billed[named[1]] += cost.amount(used, Price(rates))
            self.calls += 1
        return found
