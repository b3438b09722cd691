"""How much a Claude model is told to think. Pure.

Since Claude 4.6 models decide themselves (`adaptive`) and are told an effort; older ones are given a budget, which must
be less than `max_tokens`, and then take neither a forced tool nor a tool loop that began without their own thinking
(platform.claude.com, "Thinking in tool and multi-turn workflows").
"""

from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages.models import Taken
from keystead.domain.chat import ChatRequest, Loss, Reasoning

_LEAST_BUDGET: Final = 1024
_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
_EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
_NAMED: Final = Loss(field="reasoning_effort", grave=False)


class Thought(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says about thinking, and the limit that goes with it."""

    thinking: dict[str, Any] | None = None
    effort: str = ""
    max_tokens: int
    losses: tuple[Loss, ...] = ()

    @property
    def by_budget(self) -> bool:
        """Whether the model thinks to a budget."""
        return self.thinking is not None and self.thinking["type"] == "enabled"


def reasoning(request: ChatRequest, model: Taken, *, thoughtless_loop: bool, default_limit: int) -> Thought:
    """Return what to say about thinking; `thoughtless_loop`: the last message with calls does not begin with a thought.

    Thinking counts towards `max_tokens`. A caller's own limit is kept, because it is also what the answer may cost, and
    thinking is fitted into it; a default one grows by what thinking may take.
    """
    asked = request.reasoning
    limit = default_limit if request.max_output_tokens is None else request.max_output_tokens
    if asked is None:
        return Thought(max_tokens=limit)
    effort = _effort(asked, model)
    if asked.budget_tokens == 0 or asked.effort == "none":
        if model.always_thinks:
            return Thought(effort=model.efforts[0], max_tokens=limit, losses=(_NAMED,))
        return Thought(thinking={"type": "disabled"}, effort=effort, max_tokens=limit)
    budget = max(_budget(asked), _LEAST_BUDGET)
    if request.max_output_tokens is None:
        limit = min(limit + budget, model.most_limit or limit + budget)
    if model.adaptive:
        return Thought(thinking={"type": "adaptive", **_display(asked)}, effort=effort, max_tokens=limit)
    if budget >= limit:
        budget = limit // 2
    if budget < _LEAST_BUDGET or _is_forced(request) or thoughtless_loop:
        return Thought(effort=effort, max_tokens=limit, losses=(_NAMED,))
    thinking = {"type": "enabled", "budget_tokens": budget, **_display(asked)}
    return Thought(thinking=thinking, effort=effort, max_tokens=limit)


def _budget(asked: Reasoning) -> int:
    if asked.budget_tokens is not None and asked.budget_tokens > 0:
        return asked.budget_tokens
    return _BUDGETS.get(asked.effort, _BUDGETS["medium"])


def _effort(asked: Reasoning, model: Taken) -> str:
    """Return the model's word for an effort: the nearest it knows that is not more, or its least."""
    effort = asked.effort
    if not effort and model.adaptive and (asked.budget_tokens or 0) > 0:
        effort = next((name for name in reversed(_EFFORTS) if _BUDGETS[name] <= (asked.budget_tokens or 0)), "low")
    if effort not in _EFFORTS or not model.efforts:
        return ""
    wanted = _EFFORTS.index(effort)
    return ([model.efforts[0], *(name for name in model.efforts if _EFFORTS.index(name) <= wanted)])[-1]


def _display(asked: Reasoning) -> dict[str, str]:
    if asked.visible is None:
        return {}
    return {"display": "summarized" if asked.visible else "omitted"}


def _is_forced(request: ChatRequest) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode in {"required", "named"}
