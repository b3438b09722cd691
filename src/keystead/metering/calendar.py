"""What sums by the hour come to by local days, cost centres and tags: which day, centre and value an hour counts to."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, FromClause, Subquery, and_, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.errors import InvalidRequestError
from keystead.storage.governance import team_cost_centers, virtual_key_tags
from keystead.storage.schema import teams

_DAY_US: Final = 24 * HOUR_US
_EVER: Final = 2**62
"""Unix microseconds beyond every date."""

_IN_ORDER: Final[dict[str, Any]] = {
    "partition_by": team_cost_centers.c.team_id,
    "order_by": team_cost_centers.c.valid_from,
}
CENTERS: Final = select(
    team_cost_centers.c.team_id,
    team_cost_centers.c.cost_center,
    # What a team did before its first cost centre was written goes there too.
    case((func.row_number().over(**_IN_ORDER) == 1, 0), else_=team_cost_centers.c.valid_from).label("from_at"),
    func.coalesce(func.lead(team_cost_centers.c.valid_from).over(**_IN_ORDER), _EVER).label("until_at"),
).subquery("centers")
"""Where each team's cost goes, from when until when."""


def with_centers(sums: FromClause, at: ColumnElement[int]) -> FromClause:
    """Join sums by team with the cost centre they go to: the one of the team at the time they begin."""
    joined = and_(CENTERS.c.team_id == sums.c.team_id, at >= CENTERS.c.from_at, at < CENTERS.c.until_at)
    return sums.outerjoin(CENTERS, joined)


async def changes_of_center(conn: AsyncConnection, organization_id: str) -> Sequence[int]:
    """Return when the cost centre of any team changed, in Unix microseconds: no sum over such an instant has one."""
    of_ours = select(teams.c.id).where(teams.c.organization_id == organization_id)
    query = select(CENTERS.c.from_at).where(CENTERS.c.from_at > 0, CENTERS.c.team_id.in_(of_ours)).distinct()
    return (await conn.execute(query)).scalars().all()


def values_of(tag: str, organization_id: str) -> Subquery:
    """Return which value of a tag each virtual key has, from when until when; an empty one is none."""
    table = virtual_key_tags.c
    following = func.lead(table.valid_from).over(partition_by=table.virtual_key_id, order_by=table.valid_from)
    return (
        select(
            table.virtual_key_id,
            table.value,
            table.valid_from.label("from_at"),
            func.coalesce(following, _EVER).label("until_at"),
        )
        .where(table.organization_id == organization_id, table.tag == tag)
        .subquery()
    )


def with_values(
    sums: FromClause, values: Subquery, virtual_key_id: ColumnElement[str], at: ColumnElement[int]
) -> FromClause:
    """Join sums by virtual key with the value of the tag that the key has at the time they begin."""
    mine = values.c.virtual_key_id == virtual_key_id
    return sums.outerjoin(values, and_(mine, at >= values.c.from_at, at < values.c.until_at))


async def changes_of_tags(conn: AsyncConnection, organization_id: str, tags: Collection[str]) -> Sequence[int]:
    """Return when any of these tags changed on any virtual key, in Unix microseconds."""
    table = virtual_key_tags.c
    query = select(table.valid_from).where(table.organization_id == organization_id, table.tag.in_(tags))
    return (await conn.execute(query.where(table.valid_from > 0).distinct())).scalars().all()


def days_between(zone: ZoneInfo, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the local days that hold the hours from `begin` until `end`: the first hour of each, and of the next."""
    date = datetime.fromtimestamp(begin // 1_000_000, zone).date()
    days, at = [], _first_hour(date, zone)
    while at < end:
        date += timedelta(days=1)
        following = _first_hour(date, zone)
        if following > at:  # a date that a zone left out has no hour (Samoa, 30 December 2011)
            days.append((at, following))
        at = following
    return days


def month_of(at: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first hour of the local month that holds an instant, and of the one after it."""
    day = datetime.fromtimestamp(at // 1_000_000, zone).date()
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return _first_hour(day.replace(day=1), zone), _first_hour(following, zone)


def _first_hour(date: date, zone: ZoneInfo) -> int:
    midnight = int(datetime(date.year, date.month, date.day, tzinfo=zone).timestamp()) * 1_000_000
    return hour_of(midnight + HOUR_US - 1)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        InvalidRequestError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(
            "There is no such time zone.", param="time_zone", next_step="Give an IANA name, as Europe/Berlin."
        ) from error


def local_day(at: ColumnElement[int], zone: ZoneInfo, begin: int, end: int) -> ColumnElement[Any]:
    """Return the local day of an instant between `begin` and `end`, as the instant at which UTC has that date's midnight.

    Where clocks change in between, each part has its own offset. The numbers are written as literals: GROUP BY must be
    the same text as the column, and two parameters are not.
    """
    parts = offsets(zone, begin, end)
    local = at + literal_column(str(parts[-1][1]))
    if len(parts) > 1:
        local = at + case(
            *((at < literal_column(str(until)), literal_column(str(offset))) for until, offset in parts[:-1]),
            else_=literal_column(str(parts[-1][1])),
        )
    return local - local % literal_column(str(_DAY_US))


def offsets(zone: ZoneInfo, begin: int, end: int) -> list[tuple[int, int]]:
    """Return (until when, offset from UTC) for each part of a span between two changes of the clocks, in microseconds."""
    parts = []
    at, offset = begin, _offset(zone, begin)
    while at < end:
        later = min(at + _DAY_US, end)
        if _offset(zone, later) != offset:
            while later - at > HOUR_US:  # sums are by the hour: which hours begin after the change
                middle = at + (later - at) // HOUR_US // 2 * HOUR_US
                at, later = (middle, later) if _offset(zone, middle) == offset else (at, middle)
            parts.append((later, offset))
            offset = _offset(zone, later)
        at = later
    return [*parts, (end, offset)]


def begins_at(date_at: int, zone: ZoneInfo) -> int:
    """Return when the day of `local_day` begins, in Unix microseconds."""
    date = datetime.fromtimestamp(date_at // 1_000_000, UTC)
    return int(date.replace(tzinfo=zone).timestamp()) * 1_000_000


def _offset(zone: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at // 1_000_000, zone).utcoffset() or timedelta(0)
    return int(offset.total_seconds()) * 1_000_000
