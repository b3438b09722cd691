"""Usage, summed by the dimensions one asks for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import to_text
from keystead.domain.tags import UNTAGGED, tag_of
from keystead.domain.usage import COUNTS, INPUT_COUNTS, OUTPUT_COUNTS
from keystead.metering.calendar import begins_at, zone_of
from keystead.metering.days import Span
from keystead.metering.request_log import PRINCIPALS
from keystead.metering.usage_sums import DIMENSIONS, Asked, sums_of, whole_sums
from keystead.metering.usage_views import UsageKey, UsageLine, UsageReport
from keystead.storage.schema import credentials, teams, virtual_keys
from keystead.storage.usage_tables import ROLLUP_SUMS

MAX_LINES: Final = 10_000
"""Lines of one report; more are not for reading, and the caller is asked to narrow it."""

_NAMED: Final[dict[str, FromClause]] = {
    "team": teams,
    "principal": PRINCIPALS,
    "virtual_key": virtual_keys,
    "credential": credentials,
}
_TIME_FORMATS: Final = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d"}


async def usage_by(
    conn: AsyncConnection,
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None = None,
    credential_id: str | None = None,
    time_zone: str = "UTC",
    most: int = MAX_LINES,
) -> UsageReport:
    """Return usage summed by `dimensions` (see `DIMENSIONS`) and tags (`tag:…`), always split by currency too; of some teams, or of all.

    Args:
        conn: where to read.
        organization_id: whose.
        dimensions: what the lines are by.
        from_at: the first instant that counts; widened to its hour, as `to_at` is.
        to_at: the first that does not.
        team_ids: of these teams only.
        credential_id: of this credential only.
        time_zone: where days begin. An hour that a day begins within counts to the day in which the hour began.
        most: lines of the report.

    Raises:
        InvalidRequestError: an unknown or repeated dimension, an empty span, no such time zone, or too many lines.
    """
    asked = asked_for(
        organization_id=organization_id,
        dimensions=dimensions,
        from_at=from_at,
        to_at=to_at,
        team_ids=team_ids,
        credential_id=credential_id,
        time_zone=time_zone,
        most=most,
    )
    rows = await rows_of(conn, asked)
    summed = [(keys_of(row, asked), row["currency"], whole_sums(row)) for row in rows]
    return UsageReport(
        from_at=asked.span.since,
        to_at=asked.span.until,
        dimensions=asked.dimensions,
        lines=tuple(
            _line(*entry) for entry in sorted(summed, key=lambda entry: key_order(entry[0], _dearest(entry[2])))
        ),
        totals=tuple(
            _line((), currency, _added(sums for _, other, sums in summed if other == currency))
            for currency in sorted({currency for _, currency, _ in summed})
        ),
    )


def asked_for(
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None,
    credential_id: str | None,
    time_zone: str,
    most: int = MAX_LINES,
    times: bool = False,
) -> Asked:
    """Return what a report is asked for, once it is seen to make sense; for what is raised see `usage_by`."""
    _check_dimensions(dimensions)
    span = Span(hour_of(from_at), hour_of(to_at + HOUR_US - 1))
    if span.since >= span.until:
        raise InvalidRequestError("The span must end after it begins.", param="to")
    return Asked(
        organization_id=organization_id,
        dimensions=tuple(dimensions),
        span=span,
        zone=zone_of(time_zone),
        team_ids=team_ids,
        credential_id=credential_id,
        most=most + 1,
        times=times,
    )


async def rows_of(conn: AsyncConnection, asked: Asked) -> Sequence[RowMapping]:
    """Read a report's sums, with the names of what they are by.

    Raises:
        InvalidRequestError: too many lines.
    """
    rows = await _named(conn, await sums_of(conn, asked), asked.dimensions)
    if len(rows) == asked.most:
        raise InvalidRequestError(
            f"The report would have more than {asked.most - 1} lines.",
            code="report_too_long",
            next_step="Ask for a shorter span or for fewer dimensions.",
        )
    return rows


async def _named(conn: AsyncConnection, sums: FromClause, dimensions: Sequence[str]) -> Sequence[RowMapping]:
    """Read the sums, with the names of what they are by."""
    joined: FromClause = sums
    columns: list[ColumnElement[Any]] = list(sums.c)
    for name in dimensions:
        if name in _NAMED:
            joined = joined.outerjoin(_NAMED[name], _NAMED[name].c.id == sums.c[f"by_{name}"])
            columns.append(_NAMED[name].c.name.label(f"name_{name}"))
    return (await conn.execute(select(*columns).select_from(joined))).mappings().all()


def _check_dimensions(dimensions: Sequence[str]) -> None:
    unknown = next((name for name in dimensions if name not in DIMENSIONS and tag_of(name) is None), None)
    if unknown is not None or len(set(dimensions)) != len(dimensions):
        raise InvalidRequestError(
            f"There is no dimension {unknown[:64]!r}." if unknown is not None else "A dimension is given twice.",
            param="by",
            next_step=f"Use each at most once: {', '.join(DIMENSIONS)}, and tags as tag:project.",
        )


def _added(many: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals = dict.fromkeys(ROLLUP_SUMS, 0)
    for sums in many:
        for name, number in sums.items():
            totals[name] += number
    return totals


def keys_of(row: RowMapping, asked: Asked) -> tuple[UsageKey, ...]:
    """Return what a row is about."""
    keys = []
    for dimension in asked.dimensions:
        value = str(row[f"by_{dimension}"])
        if dimension in _TIME_FORMATS:
            name = datetime.fromtimestamp(int(value) // 1_000_000, UTC).strftime(_TIME_FORMATS[dimension])
            value = str(begins_at(int(value), asked.zone)) if dimension == "day" else value
        elif dimension in _NAMED:
            name = row[f"name_{dimension}"] or value
        elif tag_of(dimension) is not None:
            name = value or UNTAGGED
        else:
            name = value
        keys.append(UsageKey(dimension=dimension, id=value, name=name))
    return tuple(keys)


def key_order(keys: tuple[UsageKey, ...], size: tuple[int, ...]) -> tuple[Any, ...]:
    """Return what lines are ordered by: time where that is a dimension, then `size`, then the names."""
    times = tuple(int(key.id) for key in keys if key.dimension in _TIME_FORMATS)
    return times, size, tuple(key.name for key in keys)


def _dearest(sums: Mapping[str, int]) -> tuple[int, ...]:
    return -sums["cost_pico"], -sums["requests"]


def _line(keys: tuple[UsageKey, ...], currency: str, sums: Mapping[str, int]) -> UsageLine:
    return UsageLine(
        keys=keys,
        currency=currency,
        requests=sums["requests"],
        attempts=sums["attempts"],
        input_total=sum(sums[name] for name in INPUT_COUNTS),
        output_total=sum(sums[name] for name in OUTPUT_COUNTS),
        tokens={name: sums[name] for name in COUNTS if sums[name]},
        cost=to_text(sums["cost_pico"]),
        charge=to_text(sums["charge_pico"]),
        priced=sums["priced"],
        estimated=sums["estimated"],
        unpriced=sums["unpriced"],
        unknown=sums["unknown"],
        duration_us=sums["duration_us"],
    )
