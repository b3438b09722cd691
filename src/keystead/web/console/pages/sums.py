"""Lines of usage reports added up for a page: one currency is shown beside the other, never added to it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from keystead.metering.usage_views import UsageLine
from keystead.web.console import words
from keystead.web.console.charts import SERIES, Chart, Column, stacked
from keystead.web.console.pages.months import Days
from keystead.web.console.pages.periods import Span

OTHERS: Final = "others"
REFUSED: Final = "refused, nothing sent"
_NOTHING: Final = Decimal(0)


class Charted(msgspec.Struct, frozen=True, kw_only=True):
    """A chart, and what it is of."""

    measure: str
    unit: str
    """A currency, or `words.SPAN`; empty where things are counted."""
    series: list[str]
    chart: Chart


def charted(largest: Sequence[UsageLine], whole: Sequence[UsageLine], span: Span | Days, currency: str) -> Charted:
    """Return the chart of the cost over time, or of requests while nothing costs.

    Args:
        largest: lines by time and one more dimension, whose values are the series.
        whole: lines by time and whatever else; what they have more than `largest` is drawn as all others.
        span: the time.
        currency: lines in other currencies are left out.
    """
    found, whole = ([line for line in lines if line.currency == currency] for lines in (largest, whole))
    costs = any(Decimal(line.cost) for line in (*found, *whole))
    amount = _cost if costs else _requests
    measured = [(line.keys[0].id, named(line.keys[1].name), amount(line)) for line in found]
    others: dict[str, Decimal] = {}
    for line in whole:
        others[line.keys[0].id] = others.get(line.keys[0].id, _NOTHING) + amount(line)
    for at, _, value in measured:
        others[at] = others.get(at, _NOTHING) - value
    # Below zero is what was settled after the whole had been read.
    measured += [(at, OTHERS, value) for at, value in others.items() if value > 0]
    return over_time(measured, span, measure="Spend" if costs else "Requests", unit=currency if costs else "")


def _cost(line: UsageLine) -> Decimal:
    return Decimal(line.cost)


def _requests(line: UsageLine) -> Decimal:
    return Decimal(line.requests)


def over_time(
    measured: Sequence[tuple[str, str, Decimal]],
    span: Span | Days,
    *,
    measure: str,
    unit: str = "",
    series: Sequence[str] = (),
) -> Charted:
    """Return the chart of values: each with the instant at which its column begins, and the name of its series.

    The largest series come first and all others last, or (`series`) they have their own order; what there is no colour
    for is one of the others.
    """
    sizes: dict[str, Decimal] = {}
    found: dict[tuple[str, str], Decimal] = {}
    for at, name, value in measured:
        sizes[name] = sizes.get(name, _NOTHING) + value
        found[at, name] = found.get((at, name), _NOTHING) + value
    ordered = [name for name in series if sizes.get(name)] or sorted(
        (name for name in sizes if sizes[name]), key=lambda name: (name == OTHERS, -sizes[name])
    )
    shown = ordered if len(ordered) <= SERIES else [*ordered[: SERIES - 1], OTHERS]
    values: dict[datetime, list[Decimal]] = {at: [_NOTHING] * len(shown) for at in span.columns()}
    for (at, name), value in found.items():
        column = values.get(datetime.fromisoformat(at))
        if column is not None and value:
            column[shown.index(name if name in shown else OTHERS)] += value
    columns = [_column(at.astimezone(span.zone), parts, span, shown, unit) for at, parts in values.items()]
    return Charted(measure=measure, unit=unit, series=shown, chart=stacked(columns))


def named(name: str) -> str:
    """Return the name of a line; one without is of requests that were refused before anything was sent."""
    return name or REFUSED


def _column(at: datetime, values: list[Decimal], span: Span | Days, series: list[str], unit: str) -> Column:
    parts = [f"{name} {words.written(value, unit)}" for name, value in zip(series, values, strict=True) if value]
    said = f"{at:%d %b %H:%M}" if span.by == "hour" else f"{at:%a %d %b}"
    return Column(
        label=at.strftime("%-H:%M" if span.by == "hour" else "%-d %b"),
        values=tuple(values),
        said=f"{said}: {words.written(sum(values, _NOTHING), unit)}"
        + (f" ({', '.join(parts)})" if parts and unit != words.SPAN else ""),
    )
