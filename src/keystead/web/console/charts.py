"""The geometry of charts. A page draws them as SVG by itself, so that they print, need no script, and can be read aloud.

Stacked columns over time: what one looks for is how much, of what, and when it changed. Pure.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

import msgspec

WIDTH: Final = 720
HEIGHT: Final = 180
_LEFT: Final = 66
_BOTTOM: Final = 22
_TOP: Final = 12
_MOST_STEPS: Final = 5
SERIES: Final = 5
"""Colours there are; whoever has more to show sums up the rest."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What one chart shows at one time: a value of each series."""

    label: str
    values: tuple[Decimal, ...]
    said: str
    """The column in words."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One rectangle."""

    x: float
    y: float
    width: float
    height: float
    series: int


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """One column as drawn: its pieces, and the strip one points at."""

    pieces: tuple[Piece, ...]
    x: float
    width: float
    said: str


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A line across, and what it stands for."""

    at: float
    value: Decimal


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart, ready to be drawn in a box of WIDTH by HEIGHT."""

    columns: tuple[Drawn, ...]
    shapes: tuple[tuple[int, str], ...]
    """All pieces of a series as one path: a rectangle each would be most of a page."""
    ticks: tuple[Tick, ...]
    labels: tuple[tuple[float, str], ...]
    base: float
    left: float


def stacked(columns: Sequence[Column]) -> Chart:
    """Lay out columns of stacked values, none of which is negative."""
    sums = [sum(column.values, Decimal(0)) for column in columns]
    whole = all(value == int(value) for value in sums)
    step, count = nice(max(sums, default=Decimal(0)), least=Decimal(int(whole)))
    base = float(HEIGHT - _BOTTOM)
    scale = (base - _TOP) / float(step * count)
    width = (WIDTH - _LEFT) / max(1, len(columns))
    drawn = tuple(_drawn(column, _LEFT + index * width, width, base, scale) for index, column in enumerate(columns))
    ticks = tuple(Tick(at=base - float(step * number) * scale, value=step * number) for number in range(count + 1))
    every = max(1, -(-len(columns) // 8))
    labels = tuple(
        (_LEFT + index * width + width / 2, column.label) for index, column in enumerate(columns) if index % every == 0
    )
    return Chart(columns=drawn, shapes=_shapes(drawn), ticks=ticks, labels=labels, base=base, left=float(_LEFT))


def strokes(values: Sequence[int | None]) -> tuple[str, ...]:
    """Return the lines through values over time, in a box of 100 by 20; where there is none (None), a line ends."""
    top = max((value for value in values if value is not None), default=0) or 1
    step = 100 / max(1, len(values))
    runs: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        y = 19 - 18 * value / top
        # A stroke as wide as its column's middle, so that one alone is seen as well.
        runs[-1] += [f"{(index + part) * step:.1f},{y:.1f}" for part in (0.3, 0.7)]
    return tuple(" ".join(run) for run in runs if run)


def nice(value: Decimal, *, least: Decimal = Decimal(0)) -> tuple[Decimal, int]:
    """Return the step of an axis that reaches `value`, and how many it takes: three to five.

    A step is 1, 2 or 5 times a power of ten, and never smaller than `least` (what is counted has no halves), for which
    there may be fewer.
    """
    if value <= 0:
        return Decimal(1), 1
    tenth = Decimal(1).scaleb(value.adjusted() - 1)
    steps = (tenth * factor for factor in (1, 2, 5, 10, 20))
    step = max(least, next(step for step in steps if step * _MOST_STEPS >= value))
    return step, int((value / step).to_integral_value(ROUND_CEILING))


def _drawn(column: Column, x: float, step: float, base: float, scale: float) -> Drawn:
    gap = min(6.0, step * 0.2)
    pieces = []
    at = base
    for series, value in enumerate(column.values):
        height = float(value) * scale
        if height > 0:
            at -= height
            pieces.append(Piece(x=x + gap / 2, y=at, width=step - gap, height=height, series=series))
    return Drawn(pieces=tuple(pieces), x=x, width=step, said=column.said)


def _shapes(columns: Sequence[Drawn]) -> tuple[tuple[int, str], ...]:
    paths: dict[int, list[str]] = {}
    for column in columns:
        for one in column.pieces:
            outline = f"M{one.x:.2f} {one.y:.2f}h{one.width:.2f}v{one.height:.2f}h-{one.width:.2f}z"
            paths.setdefault(one.series, []).append(outline)
    return tuple((series, "".join(paths[series])) for series in sorted(paths))
