"""How full budgets and the caps of consents are, and whom budgets have refused. Only reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

from sqlalchemy import and_, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.grants import Consent
from keystead.domain.means import Budget, Period
from keystead.limits.periods import bucket
from keystead.limits.store import IN_TEAMS, standings
from keystead.limits.views import CapUse, Refused, RefusedKey, Standing
from keystead.storage import governance
from keystead.storage.schema import requests, teams, virtual_keys

T = TypeVar("T")

_AT_ONCE: Final = 200
"""Budgets or caps in one statement: SQLite takes an expression of a thousand terms, and no more."""
_CAPS: Final[tuple[Period, ...]] = ("day", "month")

_counters = governance.counters


async def budgets_standing(
    conn: AsyncConnection, budgets: Sequence[Budget], *, now_us: int, time_zone: str
) -> list[tuple[Budget, Standing]]:
    """Return how each of some budgets of one time zone stands, however many there are."""
    found: list[tuple[Budget, Standing]] = []
    for some in _parts(budgets):
        found += zip(some, await standings(conn, some, now_us, time_zone), strict=True)
    return found


async def refused_since(conn: AsyncConnection, since: Mapping[str, int]) -> dict[str, Refused]:
    """Return what budgets refused after an instant, by budget; `since` is the instant of each that is asked for."""
    columns = requests.c
    found: dict[str, Refused] = {}
    for some in _parts(since.items()):
        after = or_(*(and_(columns.refused_by == budget_id, columns.started_at > at) for budget_id, at in some))
        query = (
            select(columns.refused_by, func.count(), func.min(columns.started_at), func.max(columns.started_at))
            .where(columns.refused_by.is_not(None), after)
            .group_by(columns.refused_by)
        )
        for budget_id, count, first_at, last_at in await conn.execute(query):
            found[budget_id] = Refused(count=count, first_at=first_at, last_at=last_at)
    return found


async def keys_refused(conn: AsyncConnection, budget_id: str, since: int, *, most: int) -> list[RefusedKey]:
    """Return with which virtual keys requests were made that a budget refused from an instant on, the most often first."""
    columns, count = requests.c, func.count()
    sums = (
        select(
            columns.virtual_key_id, columns.team_id, count.label("count"), func.max(columns.started_at).label("last_at")
        )
        .where(columns.refused_by == budget_id, columns.started_at >= since)
        .group_by(columns.virtual_key_id, columns.team_id)
        .order_by(count.desc(), columns.virtual_key_id)
        .limit(most)
        .subquery()
    )
    named = (
        select(
            *sums.c,
            func.coalesce(virtual_keys.c.name, sums.c.virtual_key_id).label("virtual_key"),
            func.coalesce(teams.c.name, sums.c.team_id).label("team"),
        )
        .outerjoin_from(sums, virtual_keys, virtual_keys.c.id == sums.c.virtual_key_id)
        .outerjoin(teams, teams.c.id == sums.c.team_id)
        .order_by(sums.c.count.desc(), sums.c.virtual_key_id)
    )
    return [RefusedKey(**row) for row in (await conn.execute(named)).mappings()]


async def caps_used(
    conn: AsyncConnection, consents: Sequence[Consent], *, now_us: int, time_zone: str
) -> dict[str, tuple[CapUse, ...]]:
    """Return how much of the caps of some consents of one time zone is spent, by consent: of the day, of the month."""
    spent: dict[str, int] = {}
    at = {period: bucket(period, 0, now_us, time_zone)[0] for period in _CAPS}
    for some in _parts(consents):
        keys = [
            and_(_counters.c.counter_id == f"{consent.id}:{period}", _counters.c.bucket_at == at[period])
            for consent in some
            for period in _CAPS
        ]
        rows = await conn.execute(select(_counters.c.counter_id, _counters.c.spent).where(or_(*keys)))
        spent |= {row.counter_id: row.spent for row in rows}
    return {
        consent.id: tuple(
            CapUse(period=period, spent=spent.get(f"{consent.id}:{period}", 0), cap=cap)
            for period, cap in zip(_CAPS, (consent.daily_cap_pico, consent.monthly_cap_pico), strict=True)
        )
        for consent in consents
    }


async def teams_of(conn: AsyncConnection, budgets: Iterable[Budget]) -> dict[str, str]:
    """Return budget → the team that it is about, or that what it is about belongs to; without those of no team."""
    asked = list(budgets)
    teams = {budget.id: budget.scope_id for budget in asked if budget.scope_kind == "team"}
    owned = {budget.scope_id for budget in asked if budget.scope_kind in IN_TEAMS}
    team_of: dict[str, str] = {}
    for some in _parts(owned):
        of_each = (select(table.c.id, table.c.team_id).where(table.c.id.in_(some)) for table in IN_TEAMS.values())
        team_of |= {row.id: row.team_id for row in await conn.execute(union_all(*of_each))}
    teams |= {budget.id: team_of[budget.scope_id] for budget in asked if budget.scope_id in team_of}
    return teams


def _parts(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while part := list(islice(left, _AT_ONCE)):
        yield part
