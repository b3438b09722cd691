"""How much a Gemini model is told to think. Pure.

Gemini 2.5 is given a budget of tokens, models since Gemini 3 a level; both in one request are refused, and so is what a
model does not know (ai.google.dev and docs.cloud.google.com, "Thinking", as of November 2026). A name that tells no
version is taken for that of a new model.
"""

import re
from typing import Any, Final

import msgspec

from keystead.domain.chat import Reasoning

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high")
_BUDGETS: Final = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
"""Tokens that an effort stands for: what Google's own OpenAI surface takes."""
_MOST: Final = ((0, "none"), (1024, "low"), (8192, "medium"))
"""And the other way round; more is `high`."""
_LEVELS: Final = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}


class _Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes."""

    budgets: range | None = None
    """Tokens, for a model that takes budgets."""
    may_be_off: bool = False
    """A budget of 0 switches thinking off."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Those that it has a level for, least first; empty: it does not think."""


_MODELS: Final = (
    (re.compile(r"gemini-(?:1|2\.0)|gemini-2\.5-flash-(?:image|preview-tts)|gemma-[123]"), _Taken(efforts=())),
    (re.compile(r"gemini-2\.5-pro"), _Taken(budgets=range(128, 32768 + 1))),
    (re.compile(r"gemini-2\.5-flash-lite"), _Taken(budgets=range(512, 24576 + 1), may_be_off=True)),
    (re.compile(r"gemini-2\.5"), _Taken(budgets=range(1, 24576 + 1), may_be_off=True)),
    (re.compile(r"gemini-3-pro"), _Taken(efforts=("low", "high"))),
    (re.compile(r"gemini-3(?:\.[15])?-flash"), _Taken(efforts=("minimal", "low", "medium", "high"))),
)


def thinking(reasoning: Reasoning, model: str) -> dict[str, Any] | None:
    """Return `thinkingConfig`; None for a model that does not think."""
    taken = next((taken for pattern, taken in _MODELS if pattern.search(model)), _Taken())
    if not taken.efforts:
        return None
    asked = _budget(reasoning, taken) if taken.budgets is not None else _level(reasoning, taken.efforts)
    shown = {} if reasoning.visible is None else {"includeThoughts": reasoning.visible}
    return {**asked, **shown}


def _budget(reasoning: Reasoning, taken: _Taken) -> dict[str, int]:
    assert taken.budgets is not None, "it takes budgets"
    tokens = reasoning.budget_tokens
    if reasoning.effort and (tokens is None or tokens < 0):
        tokens = _BUDGETS.get(reasoning.effort, _BUDGETS["high"])
    if tokens is None or tokens < 0:
        return {} if tokens is None else {"thinkingBudget": -1}
    if tokens == 0 and taken.may_be_off:
        return {"thinkingBudget": 0}
    return {"thinkingBudget": min(max(tokens, taken.budgets[0]), taken.budgets[-1])}


def _level(reasoning: Reasoning, known: tuple[str, ...]) -> dict[str, str]:
    tokens, effort = reasoning.budget_tokens, reasoning.effort
    if tokens == 0 or (not effort and tokens is not None and tokens > 0):
        effort = next((name for most, name in _MOST if tokens <= most), "high")
    if not effort:
        return {}
    rank = _EFFORTS.index(effort) if effort in _EFFORTS else len(_EFFORTS)
    return {"thinkingLevel": _LEVELS[next((name for name in known if _EFFORTS.index(name) >= rank), known[-1])]}
