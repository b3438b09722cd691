"""How long answers took, for a page: beside the span before, over time, and line by line. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from keystead.metering.latency import LatencyLine
from keystead.metering.percentiles import Percentile, Times, together
from keystead.web.console import words
from keystead.web.console.charts import Column, stacked, strokes
from keystead.web.console.pages import sums
from keystead.web.console.pages.periods import Span

_SERIES: Final = ("p50", "p95")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long the answers of one team, model … took; None is not measured."""

    name: str
    attempts: int
    duration: Times | None
    before: Times | None
    """The same in the span before."""
    first_token: Times | None
    strokes: tuple[str, ...]
    """The p95 of each column, as lines."""

    @property
    def change(self) -> str:
        """How much longer the p95 is than before."""
        return change(self.duration, self.before, "p95")


def paces(
    lines: Iterable[LatencyLine], before: Iterable[LatencyLine], span: Span, *, most: int
) -> tuple[list[Pace], int]:
    """Return a line for each value of the second dimension (the first is time), what was asked most first.

    Of these, `most` at most; and how many more there are.
    """
    found: dict[str, list[LatencyLine]] = {}
    for line in lines:
        if line.keys[1].id:  # without: nothing was sent
            found.setdefault(line.keys[1].id, []).append(line)
    was = {line.keys[0].id: line.duration for line in before}
    ordered = sorted(
        found.items(), key=lambda entry: (-sum(line.attempts for line in entry[1]), entry[1][0].keys[1].name)
    )
    return [_pace(some, was.get(key), span) for key, some in ordered[:most]], max(0, len(ordered) - most)


def numbers(lines: Iterable[LatencyLine], before: Iterable[LatencyLine]) -> list[dict[str, Any]]:
    """Return the figures of the whole, each beside the span before."""
    now, was = _whole(lines), _whole(before)
    return [
        {
            "title": f"{title} {name}",
            "kind": "percentile",
            "value": _named(now[measure], name),
            "change": change(now[measure], was[measure], name),
        }
        for measure, title in (("duration", "Whole answer"), ("first_token", "First token"))
        for name in _SERIES
    ]


def change(now: Times | None, before: Times | None, name: str) -> str:
    """Return how much longer a percentile is than before; empty where one of both is unknown, of few or has no end."""
    this, that = _named(now, name), _named(before, name)
    if this is None or that is None or any(one.few or one.to_us is None for one in (this, that)):
        return ""
    return words.change(this.at_us, that.at_us)


def over_time(lines: Iterable[LatencyLine], span: Span, measure: str, title: str) -> sums.Charted | None:
    """Return the chart of one `measure` of all lines: half were within the first colour, 95 of 100 within both."""
    columns = {at: together(some) for at, some in _by_time(lines, measure, span).items()}
    if not any(columns.values()):
        return None
    chart = stacked([_column(at, times, span) for at, times in columns.items()])
    return sums.Charted(measure=title, unit=words.SPAN, series=list(_SERIES), chart=chart)


def _pace(lines: Sequence[LatencyLine], before: Times | None, span: Span) -> Pace:
    at = {datetime.fromisoformat(line.keys[0].id): line.duration for line in lines}
    columns = [at.get(start) for start in span.columns()]
    return Pace(
        name=sums.named(lines[0].keys[1].name),
        attempts=sum(line.attempts for line in lines),
        duration=together(line.duration for line in lines),
        before=before,
        first_token=together(line.first_token for line in lines),
        strokes=strokes([None if times is None else times.p95.at_us for times in columns]),
    )


def _whole(lines: Iterable[LatencyLine]) -> Mapping[str, Times | None]:
    some = list(lines)
    return {
        "duration": together(line.duration for line in some),
        "first_token": together(line.first_token for line in some),
    }


def _named(times: Times | None, name: str) -> Percentile | None:
    return None if times is None else getattr(times, name)


def _by_time(lines: Iterable[LatencyLine], measure: str, span: Span) -> dict[datetime, list[Times | None]]:
    found: dict[datetime, list[Times | None]] = {at: [] for at in span.columns()}
    for line in lines:
        column = found.get(datetime.fromisoformat(line.keys[0].id))
        if column is not None:
            column.append(getattr(line, measure))
    return found


def _column(at: datetime, times: Times | None, span: Span) -> Column:
    at = at.astimezone(span.zone)
    label = at.strftime("%H:%M" if span.by == "hour" else "%d %b").lstrip("0")
    said = f"{at:%d %b %H:%M}" if span.by == "hour" else f"{at:%a %d %b}"
    if times is None:
        return Column(label=label, values=(), said=f"{said}: not measured")
    half, most = times.p50, times.p95
    return Column(
        label=label,
        values=(Decimal(half.at_us), Decimal(most.at_us - half.at_us)),
        said=f"{said}: p50 {words.percentile(half)}, p95 {words.percentile(most)}, of {words.whole(times.count)}",
    )
