"""How long an organization keeps its requests; those that are older are forgotten.

What is forgotten is each request with its attempts: who asked for what, when, with which key. The sums by the hour and by
the day stay, and with them every report of usage, cost and latency; so do the ledger and the audit of administrative acts.
A request that is open is never forgotten: every intent ends first.
"""

from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import DAY_US
from keystead.domain.traffic import State
from keystead.storage.database import Database
from keystead.storage.schema import attempts, organizations, requests

LEAST_DAYS: Final = 40
"""So far back look a month's digest and budgets, and whoever continues a response that its provider keeps for 30 days."""
MOST_DAYS: Final = 3660
COUNTED: Final = 10_000
"""Requests that are counted before anybody is told how many would be forgotten; more are only said to be more."""
_AT_ONCE: Final = 200
"""Requests forgotten in one transaction: on SQLite whoever writes meanwhile waits for it, some 25 ms."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of days would forget now."""

    before_at: int
    """Requests that began before this instant (Unix µs)."""
    requests: int
    more: bool
    """There are more than were counted."""


async def keep(conn: AsyncConnection, organization_id: str, days: int | None) -> None:
    """Keep the organization's requests for so many days from now on; None keeps them for ever."""
    mine = update(organizations).where(organizations.c.id == organization_id)
    await conn.execute(mine.values(keep_requests_days=days))


async def oldest(conn: AsyncConnection, organization_id: str) -> int | None:
    """Return when the oldest request that is kept began; None if there is none."""
    at = requests.c.started_at
    first = select(at).where(requests.c.organization_id == organization_id).order_by(at).limit(1)
    return (await conn.execute(first)).scalar_one_or_none()


async def would_forget(conn: AsyncConnection, organization_id: str, *, days: int, now: int) -> Forgotten:
    """Return what a number of days would forget, were it set now."""
    before = now - days * DAY_US
    some = select(requests.c.id).where(*_old(organization_id, before)).limit(COUNTED + 1).subquery()
    count: int = (await conn.execute(select(func.count()).select_from(some))).scalar_one()
    return Forgotten(before_at=before, requests=min(count, COUNTED), more=count > COUNTED)


async def forget(database: Database, now: int, *, most: int) -> int:
    """Forget up to `most` requests that are older than their organization keeps them, the oldest first; return how many."""
    kept = organizations.c
    async with database.read() as conn:
        asked = select(kept.id, kept.keep_requests_days).where(kept.keep_requests_days.is_not(None)).order_by(kept.id)
        rules = [(row[0], now - row[1] * DAY_US) for row in await conn.execute(asked)]
    done = 0
    for organization_id, before in rules:
        while done < most:
            count = await _forget_some(database, organization_id, before, min(_AT_ONCE, most - done))
            done += count
            if count < _AT_ONCE:
                break
    return done


async def _forget_some(database: Database, organization_id: str, before: int, most: int) -> int:
    at = requests.c.started_at
    async with database.read() as conn:  # what has ended stays so: nobody needs to wait while it is looked for
        oldest_first = select(requests.c.id, at).where(*_old(organization_id, before)).order_by(at).limit(most)
        found = (await conn.execute(oldest_first)).all()
    if not found:
        return 0
    ids = [row[0] for row in found]
    first, last = found[0][1], found[-1][1]
    async with database.write() as conn:
        await conn.execute(
            delete(attempts).where(attempts.c.request_id.in_(ids), attempts.c.request_started_at.between(first, last))
        )
        await conn.execute(delete(requests).where(requests.c.id.in_(ids), at.between(first, last)))
    return len(found)


def _old(organization_id: str, before: int) -> tuple[ColumnElement[bool], ...]:
    return (
        requests.c.organization_id == organization_id,
        requests.c.started_at < before,
        requests.c.state != State.INTENT.value,
    )
