"""For all tests: how fast an example runs says something about the machine, not about the code, so it fails no property.

``HYPOTHESIS_PROFILE=long`` (``make fuzz``) draws 100,000 examples for each property; ``EXAMPLES`` says another number.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("pointsman", deadline=None)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "100000")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "pointsman"))
