"""How much to think, both ways: ``thinking`` and ``output_config.effort``.

Models until Claude 4.5 think where ``thinking`` gives them a budget, of 1024 tokens at least and less than ``max_tokens``;
later ones think as they like (``adaptive``), guided by an effort, and refuse budgets. So what another dialect asks for is
written in the form that the model takes. What came in this dialect goes back as it was.
(platform.claude.com/docs/en/build-with-claude/extended-thinking, adaptive-thinking, effort)
"""

import re
from typing import Final

from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, Own, Reasoning, ToolResult
from pointsman.wire.shapes import Misread, Shape, kind_of

LEAST_BUDGET: Final = 1024

_EFFORTS: Final = frozenset(("low", "medium", "high", "xhigh", "max"))
_NO_EFFORT: Final = "none"
_NEAREST: Final = {"minimal": "low"}
_BUDGETS: Final = {"low": 2048, "medium": 8192, "high": 16384, "xhigh": 32000, "max": 32000}
_DISPLAYS: Final = {b'"summarized"': True, b'"omitted"': False}
_ADAPTIVE: Final = re.compile(r"claude-(?!instant|2|3|(?:opus|sonnet|haiku)-4(?:[-.][015]\b|-2|@|$))")


class _Enabled(Struct, tag="enabled", tag_field="type", forbid_unknown_fields=True):
    budget_tokens: int


class _Adaptive(Struct, tag="adaptive", tag_field="type", forbid_unknown_fields=True):
    pass


class _Disabled(Struct, tag="disabled", tag_field="type", forbid_unknown_fields=True):
    pass


_enabled, _adaptive, _disabled = Shape(_Enabled), Shape(_Adaptive), Shape(_Disabled)


class Written(Struct, frozen=True):
    """``thinking`` as it is written (None: not at all), the effort, and what could not be said."""

    thinking: object = None
    effort: str = ""
    lost: tuple[str, ...] = ()

    @property
    def thinks(self) -> bool:
        """Whether the model is asked to think."""
        return isinstance(self.thinking, dict) and self.thinking["type"] != "disabled"


def read(raw: Raw, effort: str) -> tuple[Reasoning | None, Own]:
    """Return what ``thinking`` and an effort ask for. A form of thinking that is not known stays what it is."""
    plain = Reasoning(effort) if effort else None
    if bytes(raw) in (b"", b"null"):
        return plain, {}
    try:
        budget, own = _budget(raw)
    except Misread:
        return plain, {"thinking": raw}
    shown = _DISPLAYS.get(bytes(own.get("display", b"")))
    if shown is not None:
        del own["display"]
    return Reasoning(effort, budget, shown, own=own), {}


def _budget(raw: Raw) -> tuple[int, Own]:
    kind = kind_of(raw)
    if kind == "adaptive":
        return -1, _adaptive.read(raw)[1]
    if kind == "disabled":
        return 0, _disabled.read(raw)[1]
    wire, own = _enabled.read(raw)
    if wire.budget_tokens < 1:
        raise Misread("is no budget", "budget_tokens")
    return wire.budget_tokens, own


def native(request: ChatRequest) -> Written:
    """Return the thinking of a request that came in this dialect."""
    asked = request.reasoning
    if asked is None:
        return Written()
    if asked.budget is None:
        return Written(effort=asked.effort)
    thinking: dict[str, object]
    if asked.budget > 0:
        thinking = {"type": "enabled", "budget_tokens": asked.budget}
    else:
        thinking = {"type": "adaptive" if asked.budget < 0 else "disabled"}
    return Written({**thinking, **_display(asked), **asked.own}, asked.effort)


def translated(request: ChatRequest) -> Written:
    """Return the thinking that another dialect asks for, as the request's model takes it."""
    asked = request.reasoning
    if asked is None:
        return Written()
    lost = [f"reasoning.{name}" for name in asked.own]
    if asked.summary not in ("", "auto"):
        lost.append("reasoning.summary")
    effort = _NEAREST.get(asked.effort, asked.effort)
    if effort != asked.effort or effort not in _EFFORTS | {"", _NO_EFFORT}:
        lost.append("reasoning.effort")
        effort = effort if effort in _EFFORTS else ""
    if asked.budget == 0 or effort == _NO_EFFORT:
        return Written({"type": "disabled"}, lost=tuple(lost))
    if not effort and asked.budget is None:
        return Written(lost=(*lost, *(["reasoning.shown"] if asked.shown else [])))
    if request.tool_choice is not None and request.tool_choice.mode in ("any", "named"):
        return Written(lost=(*lost, "reasoning"))  # a forced call and thinking exclude each other
    if _ADAPTIVE.search(request.model):
        if asked.budget is not None and asked.budget > 0:
            lost.append("reasoning.budget")
        return Written({"type": "adaptive", **_display(asked)}, effort, tuple(lost))
    return _budgeted(request, asked, effort, lost)


def _budgeted(request: ChatRequest, asked: Reasoning, effort: str, lost: list[str]) -> Written:
    if _under_way(request):
        return Written(lost=(*lost, "reasoning"))  # a turn of calls that began without thinking cannot go on with it
    wanted = asked.budget if asked.budget is not None and asked.budget > 0 else _BUDGETS.get(effort, _BUDGETS["medium"])
    budget = max(wanted, LEAST_BUDGET)
    if request.max_output_tokens is not None:
        budget = min(budget, request.max_output_tokens - 1)
    if budget < LEAST_BUDGET:
        return Written(lost=(*lost, "reasoning"))
    if asked.budget is not None and asked.budget > 0 and budget != asked.budget:
        lost.append("reasoning.budget")
    return Written({"type": "enabled", "budget_tokens": budget, **_display(asked)}, lost=tuple(lost))


def _under_way(request: ChatRequest) -> bool:
    return any(isinstance(part, ToolResult) for part in request.messages[-1].parts)


def _display(asked: Reasoning) -> dict[str, object]:
    return {} if asked.shown is None else {"display": "summarized" if asked.shown else "omitted"}
