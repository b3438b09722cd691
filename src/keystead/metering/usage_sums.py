"""What a report of usage adds up: whole days from `daily_usage`, the hours beside them from the roll-ups.

Both hold the same sums (see `metering.days`), so a report has the same figures whichever it is read from.
"""

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, Table, func, literal_column, or_, select, union_all
from sqlalchemy.engine import RowMapping
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


_TIMES: Final = ("attempts", *ROLLUP_TIMES)
"""Each settlement adds at most one to each: their sums fit."""
_MOST_APART: Final = 8
_Columns = dict[str, ColumnElement[Any]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is asked for."""

    organization_id: str
    dimensions: tuple[str, ...]
    span: Span
    """Of whole hours."""
    zone: ZoneInfo
    team_ids: frozenset[str] | None
    """Of these teams only; None for all."""
    credential_id: str | None
    """Of this credential only; None for all."""
    most: int
    """Lines that are read."""
    times: bool = False
    """Read `attempts` and `ROLLUP_TIMES`, in place of all other sums."""


async def sums_of(conn: AsyncConnection, asked: Asked) -> FromClause:
    """Return the sums asked for: each dimension as `by_…`, the currency, and the sums (see `whole_sums`)."""
    days = await _days(conn, asked)
    # Each span by itself is a walk of an index: for several in one condition SQLite would look at every hour there is.
    apart = [[span] for span in days.beside] if len(days.beside) <= _MOST_APART else [days.beside]
    parts = [_by_hours(asked, spans) for spans in apart]
    if days.spans:
        parts.append(_by_days(asked, days.spans))
    if len(parts) == 1:
        return parts[0].limit(asked.most).subquery()
    both = union_all(*parts).subquery()
    keys = [both.c[f"by_{name}"] for name in asked.dimensions] + [both.c.currency]
    halves = [column for column in both.c if column.name not in {key.name for key in keys}]
    added = [func.sum(column).label(column.name) for column in halves]
    return select(*keys, *added).group_by(*keys).limit(asked.most).subquery()


def whole_sums(row: RowMapping) -> dict[str, int]:
    """Return a row's sums, put together from their halves (see `sums`)."""
    return {name: whole(row[f"{name}_q"], row[f"{name}_r"]) for name in ROLLUP_SUMS}


def times_in(row: RowMapping) -> dict[str, int]:
    """Return what a row has of `attempts` and `ROLLUP_TIMES`."""
    return {name: int(row[name]) for name in _TIMES}


async def _days(conn: AsyncConnection, asked: Asked) -> Covered:
    """Return which days can be read gathered: none for hours, for one credential, or for two dimensions that need both."""
    if "hour" in asked.dimensions or asked.credential_id is not None or len(_gathered_by(asked)) > 1:
        return Covered(spans=(), beside=(asked.span,))
    zone = asked.zone.key if "day" in asked.dimensions else None
    tags = [tag for name in asked.dimensions if (tag := tag_of(name)) is not None]
    torn = list(await changes_of_tags(conn, asked.organization_id, tags) if tags else ())
    if "cost_center" in asked.dimensions:
        torn += await changes_of_center(conn, asked.organization_id)
    return await covered(conn, asked.organization_id, asked.span, zone=zone, but=torn)


def _gathered_by(asked: Asked) -> set[str]:
    """Return the dimensions that days must be gathered by; a tag follows from a virtual key and a time."""
    names = {"virtual_key" if tag_of(name) is not None else name for name in asked.dimensions}
    return names - {"day", "owner"} - _BY_TEAM


def _by_hours(asked: Asked, spans: Sequence[Span]) -> Select[Any]:
    columns = _Columns({name: rollups.c[column] for name, column in _COLUMNS.items()}, hour=rollups.c.hour_at)
    return _summed(asked, rollups, rollups.c.hour_at, columns, spans)


def _by_days(asked: Asked, spans: Sequence[Span]) -> Select[Any]:
    table = daily_usage.c
    by_team = asked.team_ids is not None or not _BY_TEAM.isdisjoint(asked.dimensions)
    # Any dimension adds up to the whole, and the owner has the fewest values.
    single = next(iter(_gathered_by(asked)), "owner")
    columns = _Columns({"team": table.team_id, "owner": table.owner, single: table.value})
    gathered = table.dimension == dimension_name(single, by_team=by_team)
    return _summed(asked, daily_usage, table.day_at, columns, spans).where(gathered)


def _summed(
    asked: Asked, table: Table, at: ColumnElement[int], columns: _Columns, spans: Sequence[Span]
) -> Select[Any]:
    source: FromClause = table
    if "day" in asked.dimensions:
        columns["day"] = local_day(at, asked.zone, asked.span.since, asked.span.until)
    if "cost_center" in asked.dimensions:
        source, columns["cost_center"] = with_centers(table, at), _CENTER
    for name in asked.dimensions:
        if (tag := tag_of(name)) is not None:
            values = values_of(tag, asked.organization_id)
            source = with_values(source, values, columns["virtual_key"], at)
            columns[name] = func.coalesce(values.c.value, literal_column("''"))
    by = [columns[name] for name in asked.dimensions]
    groups = [column.label(f"by_{name}") for name, column in zip(asked.dimensions, by, strict=True)]
    return (
        select(
            *groups,
            table.c.currency.label("currency"),
            *(
                [func.sum(table.c[name]).label(name) for name in _TIMES]
                if asked.times
                else [half for name in ROLLUP_SUMS for half in _halves(table.c[name])]
            ),
        )
        .select_from(source)
        .where(table.c.organization_id == asked.organization_id)
        .where(or_(*((at >= span.since) & (at < span.until) for span in spans)))
        .where(*([] if asked.team_ids is None else [table.c.team_id.in_(asked.team_ids)]))
        .where(*([] if asked.credential_id is None else [table.c.credential_id == asked.credential_id]))
        .group_by(*by, table.c.currency)
    )


def _halves(column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    quotients, remainders = exact_sum(column)
    return quotients.label(f"{column.key}_q"), remainders.label(f"{column.key}_r")
