"""What a report of usage adds up: whole days from `daily_usage`, the hours beside them from the roll-ups.

Both hold the same sums (see `metering.days`), so a report has the same figures whichever it is read from.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    column,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.tags import tag_of
from keystead.metering.calendar import (
    CENTERS,
    changes_of_center,
    changes_of_tags,
    local_day,
    values_of,
    with_centers,
    with_values,
)
from keystead.metering.days import Covered, Span, covered, dimension_name
from keystead.storage.sums import exact_sum, whole
from keystead.storage.usage_tables import ROLLUP_SUMS, ROLLUP_TIMES, daily_usage, rollups

_COLUMNS: Final = {
    "team": "team_id",
    "principal": "principal_id",
    "virtual_key": "virtual_key_id",
    "credential": "credential_id",
    "provider": "provider",
    "model": "model",
    "owner": "owner",
    "outcome": "outcome",
}
DIMENSIONS: Final = ("hour", "day", "cost_center", *_COLUMNS)
"""What a usage report can be by, beside tags of virtual keys (`tag:…`). `day` is of the time zone asked for."""

_BY_TEAM: Final = frozenset({"team", "cost_center"})
"""What follows from a team and a time."""
_CENTER: Final = func.coalesce(CENTERS.c.cost_center, literal_column("'default'"))

_COUNTED: Final = ("attempts", *ROLLUP_TIMES)
"""Each settlement adds at most one to each: their sums fit."""
_MOST_APART: Final = 8
_Columns = dict[str, ColumnElement[Any]]


# Made once: to make them anew takes longer than to read the rows of a month.
_SUMS: Final = tuple(func.sum(column(name, BigInteger)) for name in ROLLUP_SUMS)
_HALVES: Final = tuple(half for name in ROLLUP_SUMS for half in exact_sum(column(name, BigInteger)))
_COUNTS: Final = tuple(func.sum(column(name, BigInteger)) for name in _COUNTED)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is asked for."""

    organization_id: str
    dimensions: tuple[str, ...]
    span: Span
    """Of whole hours."""
    zone: ZoneInfo
    team_ids: frozenset[str] | None
    """Of these teams only; None for all."""
    only: Mapping[str, frozenset[str]]
    """Of these values of a dimension only."""
    most: int
    """Lines that are read."""
    times: bool = False
    """Read `attempts` and `ROLLUP_TIMES`, of all currencies together, in place of all other sums."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What a row is by."""
        return self.dimensions if self.times else (*self.dimensions, "currency")

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The dimensions that rows must tell: those they are by, and those of which some values are asked for."""
        return tuple(dict.fromkeys((*self.dimensions, *self.only)))


class Row(NamedTuple):
    """A row of sums."""

    keys: tuple[Any, ...]
    """As `Asked.keys`: text; an hour or a day is a number."""
    sums: tuple[int, ...]
    """As `ROLLUP_SUMS`, or `attempts` and `ROLLUP_TIMES`."""


async def rows_of(conn: AsyncConnection, asked: Asked) -> list[Row]:
    """Read the sums asked for."""
    every, count = _every(asked, await _days(conn, asked)), len(asked.keys)
    try:
        found = await conn.execute(_summed(asked, every, _COUNTS if asked.times else _SUMS))
    except OperationalError:
        if asked.times:
            raise
        # A sum that does not fit 63 bits fails on SQLite; in halves it fits. If it was anything else, that happens again.
        halves = (await conn.execute(_summed(asked, every, _HALVES))).all()
        return [Row(row[:count], tuple(map(whole, row[count::2], row[count + 1 :: 2]))) for row in halves]
    rows = found.all()
    if rows and isinstance(rows[0][-1], int):
        return [Row(row[:count], row[count:]) for row in rows]
    return [Row(row[:count], tuple(map(int, row[count:]))) for row in rows]  # on PostgreSQL a sum is a Decimal


def _summed(asked: Asked, every: FromClause, sums: Sequence[ColumnElement[Any]]) -> Select[Any]:
    keys: list[ColumnElement[Any]] = [column(f"by_{number}") for number in range(len(asked.keys))]
    return select(*keys, *sums).select_from(every).group_by(*keys).limit(asked.most)


def _every(asked: Asked, days: Covered) -> FromClause:
    """Return all rows that are to be added up."""
    # Each span by itself is a walk of an index: for several in one condition SQLite would look at every hour there is.
    apart = [[span] for span in days.beside] if len(days.beside) <= _MOST_APART else [days.beside]
    parts = [_of_hours(asked, spans) for spans in apart]
    if days.spans:
        parts.append(_of_days(asked, days.spans))
    return (parts[0] if len(parts) == 1 else union_all(*parts)).subquery("every")


async def _days(conn: AsyncConnection, asked: Asked) -> Covered:
    """Return which days can be read gathered: none for hours, or for two dimensions that need both."""
    if "hour" in asked.dimensions or len(_gathered_by(asked)) > 1:
        return Covered(spans=(), beside=(asked.span,))
    zone = asked.zone.key if "day" in asked.dimensions else None
    tags = [tag for name in asked.looked_at if (tag := tag_of(name)) is not None]
    torn = list(await changes_of_tags(conn, asked.organization_id, tags) if tags else ())
    if "cost_center" in asked.looked_at:
        torn += await changes_of_center(conn, asked.organization_id)
    return await covered(conn, asked.organization_id, asked.span, zone=zone, but=torn)


def _gathered_by(asked: Asked) -> set[str]:
    """Return the dimensions that days must be gathered by; a tag follows from a virtual key and a time."""
    names = {"virtual_key" if tag_of(name) is not None else name for name in asked.looked_at}
    return names - {"day", "owner"} - _BY_TEAM


def _of_hours(asked: Asked, spans: Sequence[Span]) -> Select[Any]:
    columns = _Columns({name: rollups.c[of] for name, of in _COLUMNS.items()}, hour=rollups.c.hour_at)
    return _rows(asked, rollups, rollups.c.hour_at, columns, spans)


def _of_days(asked: Asked, spans: Sequence[Span]) -> Select[Any]:
    table = daily_usage.c
    by_team = asked.team_ids is not None or not _BY_TEAM.isdisjoint(asked.looked_at)
    # Any dimension adds up to the whole, and the owner has the fewest values.
    single = next(iter(_gathered_by(asked)), "owner")
    columns = _Columns({"team": table.team_id, "owner": table.owner, single: table.value})
    gathered = table.dimension == dimension_name(single, by_team=by_team)
    return _rows(asked, daily_usage, table.day_at, columns, spans).where(gathered)


def _rows(asked: Asked, table: Table, at: ColumnElement[int], columns: _Columns, spans: Sequence[Span]) -> Select[Any]:
    source: FromClause = table
    columns["currency"] = table.c.currency
    if "day" in asked.dimensions:
        columns["day"] = local_day(at, asked.zone, asked.span.since, asked.span.until)
    if "cost_center" in asked.looked_at:
        source, columns["cost_center"] = with_centers(table, at), _CENTER
    for name in asked.looked_at:
        if (tag := tag_of(name)) is not None:
            values = values_of(tag, asked.organization_id)
            source = with_values(source, values, columns["virtual_key"], at)
            columns[name] = func.coalesce(values.c.value, literal_column("''"))
    return (
        select(
            *(columns[name].label(f"by_{number}") for number, name in enumerate(asked.keys)),
            *(table.c[name] for name in (_COUNTED if asked.times else ROLLUP_SUMS)),
        )
        .select_from(source)
        .where(table.c.organization_id == asked.organization_id)
        .where(or_(*((at >= span.since) & (at < span.until) for span in spans)))
        .where(*([] if asked.team_ids is None else [table.c.team_id.in_(asked.team_ids)]))
        .where(*(columns[name].in_(values) for name, values in asked.only.items()))
    )
