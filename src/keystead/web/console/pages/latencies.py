"""How long answers took, for a page: beside the span before, over time, and line by line. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from keystead.metering.latency import LatencyLine
from keystead.metering.percentiles import Percentile, Times
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
    lines: Sequence[LatencyLine], before: Iterable[LatencyLine], over_time: Iterable[LatencyLine], span: Span
) -> list[Pace]:
    """Return how long answers took, line by line.

    Args:
        lines: by one dimension.
        before: the same in the span before.
        over_time: by the columns of the span and this dimension.
        span: the span.
    """
    was = {line.keys[0].id: line.duration for line in before}
    columns: dict[str, dict[datetime, Times | None]] = {}
    for line in over_time:
        at, key = line.keys
        columns.setdefault(key.id, {})[datetime.fromisoformat(at.id)] = line.duration
    return [_pace(line, was.get(line.keys[0].id), columns.get(line.keys[0].id, {}), span) for line in lines]


def numbers(now: LatencyLine, before: LatencyLine) -> list[dict[str, Any]]:
    """Return the figures of the whole, each beside the span before."""
    return [
        {
            "title": f"{title} {name}",
            "kind": "percentile",
            "value": _named(getattr(now, measure), name),
            "change": change(getattr(now, measure), getattr(before, measure), name),
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
    """Return the chart of one `measure`, by time: half were within the first colour, 95 of 100 within both."""
    found = {datetime.fromisoformat(line.keys[0].id): getattr(line, measure) for line in lines}
    columns = [(at, found.get(at)) for at in span.columns()]
    if not any(times for _, times in columns):
        return None
    chart = stacked([_column(at, times, span) for at, times in columns])
    return sums.Charted(measure=title, unit=words.SPAN, series=list(_SERIES), chart=chart)


def _pace(line: LatencyLine, before: Times | None, over_time: Mapping[datetime, Times | None], span: Span) -> Pace:
    columns = [over_time.get(start) for start in span.columns()]
    return Pace(
        name=sums.named(line.keys[0].name),
        attempts=line.attempts,
        duration=line.duration,
        before=before,
        first_token=line.first_token,
        strokes=strokes([None if times is None else times.p95.at_us for times in columns]),
    )


def _named(times: Times | None, name: str) -> Percentile | None:
    return None if times is None else getattr(times, name)


def _column(at: datetime, times: Times | None, span: Span) -> Column:
    at = at.astimezone(span.zone)
    label = at.strftime("%-H:%M" if span.by == "hour" else "%-d %b")
    said = f"{at:%d %b %H:%M}" if span.by == "hour" else f"{at:%a %d %b}"
    if times is None:
        return Column(label=label, values=(), said=f"{said}: not measured")
    half, most = times.p50, times.p95
    return Column(
        label=label,
        values=(Decimal(half.at_us), Decimal(most.at_us - half.at_us)),
        said=f"{said}: p50 {words.percentile(half)}, p95 {words.percentile(most)}, of {words.whole(times.count)}",
    )
