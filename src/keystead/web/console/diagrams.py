"""The geometry of a route's diagram: its name on the left, what is tried on the right, and what leads where.

A page draws it as SVG by itself, so that it prints, needs no script, and follows a form as it is filled in. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

WIDTH: Final = 760
_NAME_WIDTH: Final = 190
_LEFT: Final = 300
_BOX: Final = 50
_GAP: Final = 12
_FALL: Final = 26
"""Between targets of which one is tried after the other: there is room for an arrow and its words."""
_CUT_NAME: Final = 21
_CUT_MODEL: Final = 50
_CUT_SAID: Final = 62
_THICKEST: Final = 5.0
_AT_WILL: Final = {"cheapest": "the cheapest first", "fastest": "the fastest first"}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is tried."""

    model: str
    on: str
    """Where, in words: `openai-research`, `any key of OpenAI`."""
    weight: int = 1
    patience: str = ""
    """How long the first byte is waited for, in words; empty: as long as the gateway does."""
    means: str = ""
    """Of a family: the model that it is now."""
    broken: str = ""
    """Why it cannot be used now; empty if it can."""


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A target as drawn."""

    y: float
    number: int
    model: str
    said: str
    """The second line."""
    whole: str
    """Both in full."""
    broken: bool


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A line from the name to a target."""

    path: str
    width: float
    y: float
    """Where it ends."""
    label: str
    label_y: float


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """An arrow from a target to the one that is tried after it."""

    x: float
    y: float
    end: float


class Diagram(msgspec.Struct, frozen=True, kw_only=True):
    """A route, ready to be drawn in a box of WIDTH by `height`."""

    height: float
    name: str
    name_y: float
    said: str
    """How it is chosen, under the name."""
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    falls: tuple[Fall, ...]
    words: tuple[str, ...]
    """The same for who does not see it: one sentence for each target, in order."""
    then: str
    """What comes of a target that fails, in words."""


def diagram(name: str, strategy: str, targets: Sequence[Target]) -> Diagram:
    """Lay out a route."""
    gap = _FALL if strategy == "ordered" else _GAP
    height = max(1, len(targets)) * (_BOX + gap) - gap + 2
    middle = height / 2
    total = sum(target.weight for target in targets) or 1
    centres = [1 + index * (_BOX + gap) + _BOX / 2 for index in range(len(targets))]
    shares = [_share(target.weight, total) for target in targets]
    start = centres[0] if strategy == "ordered" and centres else middle
    led = centres[:1] if strategy == "ordered" else centres
    return Diagram(
        height=height,
        name=_cut(name, _CUT_NAME),
        name_y=start - _BOX / 2,
        said={"ordered": "in this order", "weighted": "by weight"}.get(strategy) or _AT_WILL.get(strategy, strategy),
        boxes=tuple(
            _box(number, target, centre)
            for number, (target, centre) in enumerate(zip(targets, centres, strict=True), 1)
        ),
        edges=tuple(
            Edge(
                path=_curve(start, centre),
                width=_width(strategy, target.weight / total),
                label=share if strategy == "weighted" else "",
                y=centre,
                label_y=centre - 7 if centre <= start else centre + 17,  # on the side where the line does not come from
            )
            for centre, target, share in zip(led, targets, shares, strict=False)
        ),
        falls=tuple(
            Fall(x=_LEFT + 28, y=centre + _BOX / 2, end=centre + _BOX / 2 + gap)
            for centre in centres[:-1]
            if gap == _FALL
        ),
        words=tuple(_words(target, share, strategy) for target, share in zip(targets, shares, strict=True)),
        then=_then(strategy, len(targets)),
    )


def _box(number: int, target: Target, centre: float) -> Box:
    said = _said(target)
    return Box(
        y=centre - _BOX / 2,
        number=number,
        model=_cut(target.model or "no model yet", _CUT_MODEL),
        said=_cut(said, _CUT_SAID),
        whole=f"{target.model} {said}",
        broken=bool(target.broken),
    )


def _said(target: Target) -> str:
    parts = [f"on {target.on}"]
    if target.means:
        parts.append(f"now {target.means}")
    if target.patience:
        parts.append(f"first byte within {target.patience}")
    if target.broken:
        parts.append(target.broken)
    return " · ".join(parts)


def _words(target: Target, share: str, strategy: str) -> str:
    of = f", {share} of the requests" if strategy == "weighted" else ""
    return f"{target.model or 'no model yet'} {_said(target)}{of}"


def _then(strategy: str, count: int) -> str:
    if count < 2:
        return "There is nothing to fall back on."
    return {
        "ordered": "If one fails before its answer has begun, the next is tried.",
        "weighted": "If one fails before its answer has begun, another is drawn from the rest by weight.",
        "cheapest": "If one fails before its answer has begun, the next dearer is tried; what has no price comes last.",
        "fastest": "If one fails before its answer has begun, the next slower is tried, by the time to the first byte.",
    }.get(strategy, "")


def _share(weight: int, total: int) -> str:
    percent = weight * 100 / total
    return f"{percent:.0f} %" if percent >= 1 else "< 1 %"


def _width(strategy: str, share: float) -> float:
    return round(1.25 + (_THICKEST - 1.25) * share, 2) if strategy == "weighted" else 1.5


def _curve(start: float, end: float) -> str:
    bend = (_NAME_WIDTH + _LEFT) / 2
    return f"M{_NAME_WIDTH} {start:g}C{bend:g} {start:g} {bend:g} {end:g} {_LEFT - 7:g} {end:g}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
