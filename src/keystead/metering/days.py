"""Days of usage, gathered from the hourly roll-ups by one dimension at a time, so that a report over months is quick.

An organization with some dozens of keys and models makes hundreds of roll-up rows an hour; a quarter of a year has
most of a million. A page asks for one dimension over days, for which a handful of rows a day is enough.

The figures are the same to the last digit. A day is a local one, in the organization's time zone. It is gathered from one consistent view, up to an hour that ended a while
ago (`BEHIND_US`), and the day's row in `usage_days` says so; a report adds the hours beside it. Whatever is settled
later still, such as a batch or what was recovered after a crash, takes that row away in its own transaction
(`storage.batch.late`): the report then reads the day's hours, until housekeeping has gathered the day anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.money import MAX_PICO
from keystead.metering.calendar import days_between, zone_of
from keystead.storage.batch import LATE_US
from keystead.storage.database import Database
from keystead.storage.schema import organizations
from keystead.storage.statements import LOCK_DAYS
from keystead.storage.sums import exact_sum, whole
from keystead.storage.usage_tables import ROLLUP_SUMS, ROLLUP_TIMES, daily_usage, rollups, usage_days

BEHIND_US: Final = LATE_US + HOUR_US
"""How old the youngest hour is that is gathered: an hour older than what is said to be late, as clocks differ."""
_GATHERED: Final = ("principal", "virtual_key", "credential", "provider", "model", "owner", "outcome")
_COLUMNS: Final = {name: rollups.c[f"{name}_id" if f"{name}_id" in rollups.c else name] for name in _GATHERED}
Row = dict[str, Any]
_Key = tuple[str, str, str, str]
"""A value, whose the key was, the currency, and the team."""


class Span(msgspec.Struct, frozen=True):
    """From an instant on, before another (Unix microseconds)."""

    since: int
    until: int


class _Day(msgspec.Struct, frozen=True, kw_only=True):
    """A local day that is to be gathered; instants are hours."""

    organization_id: str
    zone: str
    at: int
    next_at: int
    until: int
    """Up to which hour: the day may not be over."""


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """A span taken apart."""

    spans: tuple[Span, ...]
    """Days that are gathered."""
    beside: tuple[Span, ...]
    """All else of it, in hours."""


def dimension_name(dimension: str, *, by_team: bool) -> str:
    """Return what a dimension is called in `daily_usage`."""
    return f"{dimension}@team" if by_team else dimension


async def covered(
    conn: AsyncConnection, organization_id: str, span: Span, *, zone: str | None, but: Sequence[int]
) -> Covered:
    """Take a span of whole hours apart into days that are gathered and the hours beside them.

    Args:
        conn: where to read.
        organization_id: whose.
        span: the span.
        zone: only days of this time zone; any, if it does not matter where days begin.
        but: no day that holds such an instant after its beginning.
    """
    table = usage_days.c
    query = (
        select(table.day_at, table.next_at, table.until_at)
        .where(table.organization_id == organization_id)
        .where(table.day_at >= span.since, table.until_at <= span.until)
        .where(*([] if zone is None else [table.time_zone == zone]))
        .order_by(table.day_at)
    )
    spans: list[Span] = []
    beside: list[Span] = []
    at = span.since
    for day_at, next_at, until_at in await conn.execute(query):
        if any(day_at < torn < until_at for torn in but):
            continue
        if day_at > at:
            beside.append(Span(at, day_at))
        if spans and spans[-1].until == day_at:
            spans[-1] = Span(spans[-1].since, next_at)
        else:
            spans.append(Span(day_at, next_at))
        at = until_at
    if at < span.until:
        beside.append(Span(at, span.until))
    return Covered(spans=tuple(spans), beside=tuple(beside))


async def gather(database: Database, now: int, *, most: int) -> int:
    """Gather up to `most` days that are not, the newest first; return how many were."""
    edge = hour_of(now) - BEHIND_US + HOUR_US
    async with database.read() as conn:
        wanted = await _wanted(conn, edge)
    done = 0
    for day in wanted[:most]:
        done += await _gather(database, day)
    return done


async def _wanted(conn: AsyncConnection, edge: int) -> Sequence[_Day]:
    """Return the days of every organization that are not gathered up to `edge`, the newest first."""
    first = select(rollups.c.hour_at).where(rollups.c.organization_id == organizations.c.id)
    begins = first.order_by(rollups.c.hour_at).limit(1).scalar_subquery()
    found = (await conn.execute(select(organizations.c.id, organizations.c.time_zone, begins))).all()
    days = usage_days.c
    query = select(days.organization_id, days.time_zone, days.day_at, days.until_at)
    done = {(row[0], row[1], row[2]): row[3] for row in await conn.execute(query)}
    wanted = [
        _Day(organization_id=organization_id, zone=zone, at=at, next_at=next_at, until=min(next_at, edge))
        for organization_id, zone, begin in found
        if begin is not None
        for at, next_at in days_between(zone_of(zone), begin, edge)
        if done.get((organization_id, zone, at), 0) < min(next_at, edge)
    ]
    return sorted(wanted, key=lambda day: (-day.at, day.organization_id))


async def _gather(database: Database, day: _Day) -> bool:
    """Read the day, then write it if nothing was added meanwhile: so nobody waits while it is added up."""
    async with database.read() as conn:
        seen = await _seen(conn, day)
        rows = [row for dimension in _GATHERED for row in await _summed(conn, day, dimension)]
    async with database.write() as conn:
        if conn.dialect.name == "postgresql":
            await conn.execute(text(LOCK_DAYS))
        if await _seen(conn, day) != seen:
            return False
        await _forget_other_zones(conn, day)
        for table in (daily_usage, usage_days):
            await conn.execute(
                delete(table).where(table.c.organization_id == day.organization_id, table.c.day_at == day.at)
            )
        if rows:
            await conn.execute(insert(daily_usage), rows)
        done = {
            "organization_id": day.organization_id,
            "day_at": day.at,
            "next_at": day.next_at,
            "until_at": day.until,
            "time_zone": day.zone,
        }
        await conn.execute(insert(usage_days).values(done))
    return True


async def _forget_other_zones(conn: AsyncConnection, day: _Day) -> None:
    """Days of two time zones would hold the same hours twice: those of the one before count no more."""
    table = usage_days.c
    others = table.organization_id == day.organization_id, table.time_zone != day.zone
    if (await conn.execute(select(table.day_at).where(*others).limit(1))).first() is not None:
        await conn.execute(delete(daily_usage).where(daily_usage.c.organization_id == day.organization_id))
        await conn.execute(delete(usage_days).where(table.organization_id == day.organization_id))


async def _seen(conn: AsyncConnection, day: _Day) -> tuple[str, int, int]:
    """Return where days begin, and what grows with all that is added: each settlement is of a request or an attempt."""
    zone = select(organizations.c.time_zone).where(organizations.c.id == day.organization_id).scalar_subquery()
    query = select(zone, func.coalesce(func.sum(rollups.c.requests), 0), func.coalesce(func.sum(rollups.c.attempts), 0))
    row = (await conn.execute(query.where(*_within(day)))).one()
    return str(row[0]), int(row[1]), int(row[2])


async def _summed(conn: AsyncConnection, day: _Day, dimension: str) -> list[Row]:
    column = _COLUMNS[dimension]
    halves = [half for name in ROLLUP_SUMS for half in exact_sum(rollups.c[name])]
    counts = [func.sum(rollups.c[name]) for name in ROLLUP_TIMES]
    keys = (column, rollups.c.owner, rollups.c.currency, rollups.c.team_id)
    query = select(*keys, *halves, *counts).where(*_within(day)).group_by(*keys)
    by_team: dict[_Key, list[int]] = {}
    of_all: dict[_Key, list[int]] = {}
    for value, owner, currency, team_id, *found in await conn.execute(query):
        sums = [whole(found[at], found[at + 1]) for at in range(0, len(halves), 2)] + list(
            map(int, found[len(halves) :])
        )
        by_team[value, owner, currency, team_id] = sums
        before = of_all.get((value, owner, currency, ""))
        of_all[value, owner, currency, ""] = (
            sums if before is None else [a + b for a, b in zip(before, sums, strict=True)]
        )
    common = {"organization_id": day.organization_id, "day_at": day.at}
    return [
        *_rows(of_all, common | {"dimension": dimension_name(dimension, by_team=False)}),
        *_rows(by_team, common | {"dimension": dimension_name(dimension, by_team=True)}),
    ]


def _rows(found: Mapping[_Key, list[int]], common: Row) -> list[Row]:
    return [
        common
        | {"value": value, "owner": owner, "currency": currency, "team_id": team_id}
        | {name: min(number, MAX_PICO) for name, number in zip(ROLLUP_SUMS + ROLLUP_TIMES, sums, strict=True)}
        for (value, owner, currency, team_id), sums in found.items()
    ]


def _within(day: _Day) -> tuple[Any, ...]:
    at = rollups.c.hour_at
    return rollups.c.organization_id == day.organization_id, at >= day.at, at < day.until


async def forget(conn: AsyncConnection, organization_id: str) -> None:
    """Forget what is gathered of an organization: reports read the hours, and housekeeping gathers it anew."""
    await conn.execute(delete(usage_days).where(usage_days.c.organization_id == organization_id))
