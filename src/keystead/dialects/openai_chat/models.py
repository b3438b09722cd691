"""What OpenAI's models do not take, by their names. Pure.

A caller of another dialect cannot know that: coding agents set `temperature` and `top_p` with every request, and ask for
thinking whatever the model. Sources: developers.openai.com, the reasoning guide and "Using GPT-5.2, parameter
compatibility", November 2026. Names that are not OpenAI's, a deployment's at Azure among them, are taken to know all.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Models that take the same."""

    efforts: tuple[str, ...] | None = None
    """The values of `reasoning_effort`, least first; empty: takes none. None: all that its provider knows."""
    sampling: Literal["always", "never", "unless reasoning"] = "always"
    """When it takes `temperature`, `top_p`, penalties and `logprobs`."""


_FAMILIES: Final = (
    (re.compile(r"gpt-[34](?!\d)|chatgpt-|gpt-[\w.-]*-(?:chat|search|audio)\b"), Family(efforts=())),
    (re.compile(r"o\d"), Family(efforts=("low", "medium", "high"), sampling="never")),
    (re.compile(r"gpt-5(?![.\d])"), Family(efforts=("minimal", "low", "medium", "high"), sampling="never")),
    (re.compile(r"gpt-5\.1(?!\d)"), Family(efforts=("none", "low", "medium", "high"), sampling="unless reasoning")),
    (re.compile(r"gpt-\d"), Family(sampling="unless reasoning")),
)
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS: Final = ((0, "none"), (1024, "minimal"), (2048, "low"), (8192, "medium"))
"""Tokens of thinking, and the effort whose name stands for so many; more is `high`."""


def family(model: str) -> Family:
    """Return what a model takes."""
    name = model.removeprefix("ft:")
    return next((known for pattern, known in _FAMILIES if pattern.match(name)), Family())


def effort_of(budget_tokens: int | None) -> str:
    """Return the effort that stands for a budget; empty where the model is to decide."""
    if budget_tokens is None or budget_tokens < 0:
        return ""
    return next((effort for most, effort in _BUDGETS if budget_tokens <= most), "high")


def nearest(effort: str, known: Sequence[str]) -> str:
    """Return the least of the known efforts that is not less than `effort`, or the most; empty if none is known.

    A word of tomorrow passes as it is: the provider will judge it.
    """
    if not known or effort in known or effort not in _EFFORTS:
        return effort if known else ""
    rank = _EFFORTS.index(effort)
    return next((each for each in known if _EFFORTS.index(each) >= rank), known[-1])
