"""What models take that are spoken to in this dialect, by their names. Pure.

Anthropic changed how thinking is asked for with Claude 4.6 and takes no sampling parameters since 4.7
(platform.claude.com: "Adaptive thinking", "Effort", "Migration guide"). A Claude whose name tells no version is taken
for the newest. Other makers' models, served by look-alikes, know what Claude took before.
"""

import re
from typing import Final, Literal

import msgspec

_VERSION: Final = re.compile(r"claude[.-](?:[a-z]+-)?(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)")
_ALWAYS_THINKING: Final = re.compile(r"claude-(?:fable|mythos)")
_NEWEST: Final = (99, 0)


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes."""

    adaptive: bool = False
    """It decides itself how much to think; others are given a budget."""
    always_thinks: bool = False
    """Thinking cannot be switched off."""
    sampling: Literal["all", "one", "none"] = "all"
    """Whether `temperature` and `top_p` are taken; "one": not both, and none while it thinks to a budget."""
    efforts: tuple[str, ...] = ()
    """The values of `output_config.effort`, from the least; empty: it knows none."""
    limit: int = 0
    """Tokens to ask for where the caller sets no limit: coding agents write long files. 0: not known."""
    most_limit: int = 0
    """More tokens than these are refused."""


def taken_by(model: str) -> Taken:
    """Return what a model takes."""
    if "claude" not in model:
        return Taken()
    found = _VERSION.search(model)
    version = (int(found[1]), int(found[2] or 0)) if found else _NEWEST
    limit, most_limit = _limits(version, opus="opus" in model)
    return Taken(
        adaptive=version >= (4, 6),
        always_thinks=_ALWAYS_THINKING.search(model) is not None,
        sampling="one" if version < (4, 7) else "none",
        efforts=_efforts(version, opus="opus" in model),
        limit=limit,
        most_limit=most_limit,
    )


def _limits(version: tuple[int, int], *, opus: bool) -> tuple[int, int]:
    if version < (3, 5):
        return 4096, 4096
    if version < (3, 7):
        return 8192, 8192
    return 32_000, 32_000 if opus and version < (4, 5) else 64_000


def _efforts(version: tuple[int, int], *, opus: bool) -> tuple[str, ...]:
    if version >= (4, 7):
        return ("low", "medium", "high", "xhigh", "max")
    if version == (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if opus and version == (4, 5) else ()
