"""Lines of usage reports added up for a page: one currency is shown beside the other, never added to it. Pure."""

from collections.abc import Iterable, Sequence
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


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What a span comes to, in one currency."""

    currency: str
    cost: Decimal = _NOTHING
    charge: Decimal = _NOTHING
    """Credits."""
    requests: int = 0
    input_total: int = 0
    output_total: int = 0
    unpriced: int = 0
    unknown: int = 0
    duration_us: int = 0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list, with its part of the whole."""

    id: str
    name: str
    total: Total
    percent: int
    """Of the dearest one's cost, for a bar beside it."""


class Charted(msgspec.Struct, frozen=True, kw_only=True):
    """A chart, and what it is of."""

    measure: str
    unit: str
    """A currency, or `words.SPAN`; empty where things are counted."""
    series: list[str]
    chart: Chart


def totals(lines: Iterable[UsageLine]) -> list[Total]:
    """Return a total for each currency, the dearest first."""
    found: dict[str, list[UsageLine]] = {}
    for line in lines:
        found.setdefault(line.currency, []).append(line)
    return sorted((_total(currency, some) for currency, some in found.items()), key=lambda one: -one.cost)


def rows(lines: Sequence[UsageLine], *, limit: int | None = None) -> list[Row]:
    """Return the lines of a report by one dimension, the dearest first."""
    ordered = sorted(lines, key=lambda line: (-Decimal(line.cost), -line.requests))[:limit]
    top = max((Decimal(line.cost) for line in ordered), default=_NOTHING)
    return [
        Row(
            id=line.keys[0].id,
            name=named(line.keys[0].name),
            total=_total(line.currency, [line]),
            percent=int(Decimal(line.cost) * 100 / top) if top else 0,
        )
        for line in ordered
    ]


def charted(lines: Sequence[UsageLine], span: Span | Days, currency: str) -> Charted:
    """Return the chart of a report by time and one more dimension: of the cost, or of requests while nothing costs."""
    chosen = [line for line in lines if line.currency == currency]
    costs = any(Decimal(line.cost) for line in chosen)
    measured = [
        (line.keys[0].id, named(line.keys[1].name), Decimal(line.cost) if costs else Decimal(line.requests))
        for line in chosen
    ]
    return over_time(measured, span, measure="Spend" if costs else "Requests", unit=currency if costs else "")


def over_time(
    measured: Sequence[tuple[str, str, Decimal]],
    span: Span | Days,
    *,
    measure: str,
    unit: str = "",
    series: Sequence[str] = (),
) -> Charted:
    """Return the chart of values: each with the instant at which its column begins, and the name of its series.

    The largest series come first, or (`series`) they have their own order; what there is no colour for is summed up.
    """
    sizes: dict[str, Decimal] = {}
    found: dict[tuple[str, str], Decimal] = {}
    for at, name, value in measured:
        sizes[name] = sizes.get(name, _NOTHING) + value
        found[at, name] = found.get((at, name), _NOTHING) + value
    ordered = [name for name in series if sizes.get(name)] or sorted(sizes, key=lambda name: -sizes[name])
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
        label=at.strftime("%H:%M" if span.by == "hour" else "%d %b").lstrip("0"),
        values=tuple(values),
        said=f"{said}: {words.written(sum(values, _NOTHING), unit)}"
        + (f" ({', '.join(parts)})" if parts and unit != words.SPAN else ""),
    )


def _total(currency: str, lines: Iterable[UsageLine]) -> Total:
    some = list(lines)
    return Total(
        currency=currency,
        cost=sum((Decimal(line.cost) for line in some), _NOTHING),
        charge=sum((Decimal(line.charge) for line in some), _NOTHING),
        requests=sum(line.requests for line in some),
        input_total=sum(line.input_total for line in some),
        output_total=sum(line.output_total for line in some),
        unpriced=sum(line.unpriced for line in some),
        unknown=sum(line.unknown for line in some),
        duration_us=sum(line.duration_us for line in some),
    )
