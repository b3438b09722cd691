"""How long an answer can be where the request does not limit it: one small table, each row with its source. Pure.

The price list knows context windows and not this. What is not in the table may fill its context window.
"""

from fnmatch import fnmatchcase
from typing import Final

import msgspec


class OutputRule(msgspec.Struct, frozen=True, kw_only=True):
    """The most tokens, reasoning included, that some models of a maker write in one answer."""

    providers: tuple[str, ...]
    models: tuple[str, ...]
    tokens: int
    source: str


_OPENAI: Final = ("openai", "azure")

RULES: Final = (
    OutputRule(
        providers=_OPENAI,
        models=("gpt-5*-pro", "gpt-5*-pro-20*"),
        tokens=272_000,
        source="https://developers.openai.com/api/docs/models/gpt-5-pro",
    ),
    OutputRule(
        providers=_OPENAI,
        models=("gpt-5*", "gpt-6*"),
        tokens=128_000,
        source="https://developers.openai.com/api/docs/models/gpt-6.2-sol",
    ),
    OutputRule(
        providers=_OPENAI,
        models=("o1*", "o3*", "o4-mini*"),
        tokens=100_000,
        source="https://developers.openai.com/api/docs/models/o3",
    ),
    OutputRule(
        providers=_OPENAI,
        models=("gpt-4.1*",),
        tokens=32_768,
        source="https://developers.openai.com/api/docs/models/gpt-4.1",
    ),
    OutputRule(
        providers=_OPENAI,
        models=(
            "gpt-realtime",
            "gpt-realtime-2025-*",
            "gpt-realtime-mini*",
            "gpt-4o-realtime*",
            "gpt-4o-mini-realtime*",
        ),
        tokens=4_096,
        source="https://developers.openai.com/api/docs/models/gpt-realtime",
    ),
    OutputRule(
        providers=_OPENAI,
        models=("gpt-4o*", "chatgpt-4o*"),
        tokens=16_384,
        source="https://developers.openai.com/api/docs/models/gpt-4o",
    ),
    OutputRule(
        providers=("google", "vertex"),
        models=("gemini-2.5-*", "gemini-3*"),
        tokens=65_536,
        source="https://ai.google.dev/gemini-api/docs/models",
    ),
)
"""Of several rows that match, the first one counts."""


def most_output(provider: str, model: str) -> int | None:
    """Return the most tokens that a model writes in one answer, or None if that is not known."""
    name = model.lower().removeprefix("models/")
    return next(
        (
            rule.tokens
            for rule in RULES
            if provider in rule.providers and any(fnmatchcase(name, pattern) for pattern in rule.models)
        ),
        None,
    )
