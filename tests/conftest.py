"""For all tests: how fast an example runs says something about the machine, not about the code, so it fails no property."""

from hypothesis import settings

settings.register_profile("pointsman", deadline=None)
settings.load_profile("pointsman")
