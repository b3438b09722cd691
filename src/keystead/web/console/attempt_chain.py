"""The geometry of a request's attempts: what began when, how long the first byte was waited for, and what came next.

A page draws it as SVG by itself, so that it prints and needs no script. It shows what is recorded and nothing else: an
attempt that has no end yet is drawn as a mark where it began. Pure.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from keystead.web.console import words

WIDTH: Final = 900
LEFT: Final = 250
"""Where the time begins; to the left of it stand names."""
TOP: Final = 26
ROW: Final = 62
_RIGHT: Final = 890
_CUT_NAME: Final = 29
_LEAST: Final = 2.0
"""The narrowest bar that one still sees."""
_TICKS: Final = 5
_MICROSECOND: Final = timedelta(microseconds=1)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a bar."""

    x: float
    width: float


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, or, with the number 0, what came before the first one."""

    number: int
    y: float
    name: str
    on: str
    """The second line of the name."""
    whole: str
    """All of it in words."""
    wait: Span
    """Until the first byte, or until it failed."""
    answer: Span | None
    """From the first byte to the end."""
    failed: bool
    ended: str
    ended_x: float
    from_right: bool
    """The words end there instead of beginning there, so that they stay in the picture."""
    why: str
    """Why it followed the one before."""


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The whole picture."""

    height: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    said: str


def chain_of(request: Any, attempts: Sequence[Any]) -> Chain:
    """Return the picture of a request and its attempts, as the admin API shows them."""
    begin: datetime = request.started_at
    ends = [_us(begin, one.started_at) + (one.duration_us or 0) for one in attempts]
    whole_us = max(request.duration_us or 0, *ends, 1)
    scale = (_RIGHT - LEFT) / whole_us
    bars = [_before(_us(begin, attempts[0].started_at), scale)]
    for row, one in enumerate(attempts, start=1):
        bars.append(_bar(one, _us(begin, one.started_at), row, scale))
    ticks = tuple((LEFT + at * scale, words.span(at) if at else "0") for at in _ticks(whole_us))
    count = len(attempts)
    return Chain(
        height=TOP + ROW * len(bars),
        bars=tuple(bars),
        ticks=ticks,
        said=f"{count} attempt{'s' * (count > 1)} within {words.span(whole_us)}",
    )


def why(attempt: Any) -> str:
    """Say why an attempt followed the one before, and by whose consent; empty for the first one."""
    parts = []
    if attempt.reason:
        parts.append(f"the one before was {attempt.reason.replace('_', ' ')}")
    if attempt.consent_id:
        parts.append("a consent let the platform step in")
    return ", ".join(parts)


def ended(attempt: Any) -> str:
    """Say how an attempt ended."""
    parts = [attempt.state.replace("_", " ")]
    if attempt.error_class:
        parts.append(attempt.error_class.replace("_", " "))
    if attempt.upstream_status:
        parts.append(f"HTTP {attempt.upstream_status}")
    return " · ".join(parts)


def began_us(request: Any, attempt: Any) -> int:
    """Return how long after its request an attempt began."""
    return _us(request.started_at, attempt.started_at)


def _before(us: int, scale: float) -> Bar:
    return Bar(
        number=0,
        y=TOP,
        name="Keystead",
        on="admission and queue",
        whole=f"Before the first attempt: admission and queue, {words.span(us)}",
        wait=Span(x=LEFT, width=max(us * scale, _LEAST)),
        answer=None,
        failed=False,
        ended=words.span(us),
        **_words_at(LEFT, LEFT + us * scale),
        why="",
    )


def _bar(one: Any, at_us: int, row: int, scale: float) -> Bar:
    x = min(LEFT + at_us * scale, _RIGHT - _LEAST)
    took, first = one.duration_us or 0, one.first_byte_us
    end = x + max(took * scale, _LEAST)
    split = end if first is None else min(x + first * scale, end)
    name = f"{one.credential or one.credential_id} v{one.credential_version}"
    times = words.span(one.duration_us) if first is None else f"first byte {words.span(first)} of {words.span(took)}"
    reason = why(one)
    return Bar(
        number=one.number,
        y=TOP + ROW * row,
        name=name if len(name) <= _CUT_NAME else f"{name[: _CUT_NAME - 1]}…",
        on=f"{one.owner} key · {one.provider}",
        whole=f"Attempt {one.number}: {name}, {one.owner} key at {one.provider}, {one.model_sent}; "
        f"began after {words.span(at_us)}; {ended(one)}; {times}{f'; because {reason}' if reason else ''}",
        wait=Span(x=x, width=max(split - x, 0.0)),
        answer=None if first is None else Span(x=split, width=max(end - split, 0.0)),
        failed=one.state != "settled",
        ended=f"{ended(one)} · {times}",
        **_words_at(x, end),
        why=reason,
    )


def _words_at(x: float, end: float) -> dict[str, Any]:
    from_right = x > (LEFT + _RIGHT) / 2
    return {"ended_x": min(end, _RIGHT) if from_right else x, "from_right": from_right}


def _ticks(whole_us: int) -> list[int]:
    """Return round instants, a handful of them, the first one 0."""
    step = 1
    while whole_us > step * _TICKS:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return [step * number for number in range(whole_us // step + 1)]


def _us(begin: datetime, at: datetime) -> int:
    return max((at - begin) // _MICROSECOND, 0)
