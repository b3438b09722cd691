"""Usage, summed by the dimensions one asks for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import FromClause, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of, utc
from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import to_text
from keystead.domain.tags import UNTAGGED, tag_of
from keystead.domain.usage import COUNTS, INPUT_COUNTS
from keystead.metering.calendar import begins_at, zone_of
from keystead.metering.days import Span
from keystead.metering.request_log import PRINCIPALS
from keystead.metering.usage_sums import DIMENSIONS, Asked, Row, rows_of
from keystead.metering.usage_views import UsageKey, UsageLine, UsageReport
from keystead.storage.schema import credentials, teams, virtual_keys
from keystead.storage.usage_tables import ROLLUP_SUMS

MAX_LINES: Final = 10_000
"""Lines of one report; more are not for reading, and the caller is asked to narrow it."""

NOT_NARROWED: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})
_NAMED: Final[dict[str, FromClause]] = {
    "team": teams,
    "principal": PRINCIPALS,
    "virtual_key": virtual_keys,
    "credential": credentials,
}
Sums = tuple[int, ...]
Line = tuple[tuple[UsageKey, ...], Row]
"""What a row of sums is about, and the row."""

_IDS_AT_ONCE: Final = 10_000
"""A statement takes some 32,000 values on either engine."""
_REQUESTS: Final = ROLLUP_SUMS.index("requests")
_COST: Final = ROLLUP_SUMS.index("cost_pico")
_TIME_FORMATS: Final = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d"}


async def usage_by(
    conn: AsyncConnection,
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None = None,
    only: Mapping[str, frozenset[str]] = NOT_NARROWED,
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
        only: of these values (ids, as the lines' keys have them) of a dimension only, which need not be one that the lines are by.
        time_zone: where days begin. An hour that a day begins within counts to the day in which the hour began.
        most: lines of the report.

    Raises:
        InvalidRequestError: an unknown or repeated dimension, values of a time, an empty span, no such time zone, or too many lines.
    """
    asked = asked_for(
        organization_id=organization_id,
        dimensions=dimensions,
        from_at=from_at,
        to_at=to_at,
        team_ids=team_ids,
        only=only,
        time_zone=time_zone,
        most=most,
    )
    lines = await lines_of(conn, asked)
    return UsageReport(
        from_at=asked.span.since,
        to_at=asked.span.until,
        dimensions=asked.dimensions,
        lines=tuple(_line(keys, row.keys[-1], row.sums) for keys, row in ordered(lines, asked, _dearest)),
        totals=tuple(
            _line((), currency, added(row.sums for _, row in lines if row.keys[-1] == currency))
            for currency in sorted({row.keys[-1] for _, row in lines})
        ),
    )


def asked_for(
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None,
    only: Mapping[str, frozenset[str]],
    time_zone: str,
    most: int = MAX_LINES,
    times: bool = False,
) -> Asked:
    """Return what a report is asked for, once it is seen to make sense; for what is raised see `usage_by`."""
    _check_dimensions(dimensions)
    _check_narrowed(only)
    span = Span(hour_of(from_at), hour_of(to_at + HOUR_US - 1))
    if span.since >= span.until:
        raise InvalidRequestError("The span must end after it begins.", param="to")
    return Asked(
        organization_id=organization_id,
        dimensions=tuple(dimensions),
        span=span,
        zone=zone_of(time_zone),
        team_ids=team_ids,
        only=only,
        most=most + 1,
        times=times,
    )


async def lines_of(conn: AsyncConnection, asked: Asked) -> list[Line]:
    """Read a report's sums, with what they are by.

    Raises:
        InvalidRequestError: too many lines.
    """
    rows = await rows_of(conn, asked)
    if len(rows) == asked.most:
        raise InvalidRequestError(
            f"The report would have more than {asked.most - 1} lines.",
            code="report_too_long",
            next_step="Ask for a shorter span or for fewer dimensions.",
        )
    keys: list[dict[Any, UsageKey]] = []
    for number, dimension in enumerate(asked.dimensions):
        values = list({row.keys[number] for row in rows})
        names = await _names(conn, dimension, values)
        keys.append({value: _key(dimension, value, names, asked.zone) for value in values})
    return [(tuple(made[value] for made, value in zip(keys, row.keys, strict=False)), row) for row in rows]


async def _names(conn: AsyncConnection, dimension: str, ids: Sequence[str]) -> Mapping[str, str]:
    """Return the names behind the ids of a dimension that has them."""
    if dimension not in _NAMED:
        return {}
    named = _NAMED[dimension].c
    found: dict[str, str] = {}
    for at in range(0, len(ids), _IDS_AT_ONCE):
        some = select(named.id, named.name).where(named.id.in_(ids[at : at + _IDS_AT_ONCE]))
        found.update((row.id, row.name) for row in await conn.execute(some))
    return found


def _check_dimensions(dimensions: Sequence[str]) -> None:
    unknown = next((name for name in dimensions if not _is_dimension(name)), None)
    if unknown is not None or len(set(dimensions)) != len(dimensions):
        raise InvalidRequestError(
            f"There is no dimension {unknown[:64]!r}." if unknown is not None else "A dimension is given twice.",
            param="by",
            next_step=f"Use each at most once: {', '.join(DIMENSIONS)}, and tags as tag:project.",
        )


def _check_narrowed(only: Mapping[str, frozenset[str]]) -> None:
    wrong = next((name for name in only if name in _TIME_FORMATS or not _is_dimension(name)), None)
    if wrong is not None:
        raise InvalidRequestError(
            f"There are no values of a dimension {wrong[:64]!r} to choose from.",
            param="only",
            next_step="Write each as dimension:id, of any dimension that is not a time; another span is `since` and `until`.",
        )


def _is_dimension(name: str) -> bool:
    return name in DIMENSIONS or tag_of(name) is not None


def added(many: Iterable[Sums]) -> Sums:
    """Return the sums of rows, added up."""
    return tuple(map(sum, zip(*many, strict=True)))


def _key(dimension: str, value: Any, names: Mapping[str, str], zone: ZoneInfo) -> UsageKey:
    """Return what a row is about in one dimension."""
    if dimension in _TIME_FORMATS:
        name = datetime.fromtimestamp(value // 1_000_000, UTC).strftime(_TIME_FORMATS[dimension])
        at = utc(begins_at(value, zone) if dimension == "day" else value)
        return UsageKey(dimension=dimension, id=at.isoformat().replace("+00:00", "Z"), name=name)
    if tag_of(dimension) is not None:
        return UsageKey(dimension=dimension, id=value, name=value or UNTAGGED)
    return UsageKey(dimension=dimension, id=value, name=names.get(value) or value)


def ordered(lines: Iterable[Line], asked: Asked, size: Callable[[Sums], tuple[int, ...]]) -> list[Line]:
    """Return lines by time where that is a dimension, then by `size`, then by the names."""
    times = [number for number, dimension in enumerate(asked.dimensions) if dimension in _TIME_FORMATS]

    def place(line: Line) -> tuple[Any, ...]:
        keys, row = line
        return [row.keys[number] for number in times], size(row.sums), [key.name for key in keys]

    return sorted(lines, key=place)


def _dearest(sums: Sums) -> tuple[int, ...]:
    return -sums[_COST], -sums[_REQUESTS]


def _line(keys: tuple[UsageKey, ...], currency: str, sums: Sums) -> UsageLine:
    # In the order of `ROLLUP_SUMS`, where input counts are before output counts.
    requests, attempts, *counts, cost, charge, priced, estimated, unpriced, unknown, duration_us = sums
    return UsageLine(
        keys=keys,
        currency=currency,
        requests=requests,
        attempts=attempts,
        input_total=sum(counts[: len(INPUT_COUNTS)]),
        output_total=sum(counts[len(INPUT_COUNTS) :]),
        tokens={name: count for name, count in zip(COUNTS, counts, strict=True) if count},
        cost=to_text(cost),
        charge=to_text(charge),
        priced=priced,
        estimated=estimated,
        unpriced=unpriced,
        unknown=unknown,
        duration_us=duration_us,
    )
