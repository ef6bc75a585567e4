"""The ways in which an upstream misbehaves: each a coroutine that gets the line to the gateway and what was asked.

A behaviour says what it generated before it breaks something (``Line.generated``), and what usage it reported.
"""

from faults.behaviours.line import Behaviour, Line
from faults.behaviours.replies import REPLIES
from faults.behaviours.streams import STREAMS

BEHAVIOURS: dict[str, Behaviour] = {**REPLIES, **STREAMS}

__all__ = ["BEHAVIOURS", "Line"]
