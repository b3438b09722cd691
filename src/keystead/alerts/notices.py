"""What the operator's webhook is still to be told. Owns `notices`.

A notice is put down in the transaction of what it tells, and kept until it was taken or given up: it is told at least
once, and its id is the same each time.
"""

from typing import Final

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.alerts.store import KEPT_US
from keystead.domain.clock import DAY_US, HOUR_US, utc
from keystead.domain.ids import new_id
from keystead.storage.governance import notices as _notices

PATIENCE_US: Final = 3 * DAY_US
"""How long a notice that is not taken is tried again."""

_FIRST_WAIT_US: Final = 15_000_000
_LONGEST_WAIT_US: Final = HOUR_US

_waits: Final = (_notices.c.sent_at.is_(None), _notices.c.given_up_at.is_(None))


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that waits."""

    id: str
    body: str
    made_at: int
    tries: int
    """So far."""


async def put_down(
    conn: AsyncConnection, *, organization_id: str, event: str, subject_id: str, content: msgspec.Struct, now: int
) -> None:
    """Put a notice down, to be told as soon as may be.

    Args:
        conn: in the transaction of what is told.
        organization_id: whose it is.
        event: `alert.opened`, `alert.resolved` or `digest`.
        subject_id: what it is about; of each event there is one notice about it.
        content: what is told, under the event's first word.
        now: Unix microseconds.
    """
    notice_id = new_id("ntc", now)
    told = {"id": notice_id, "event": event, "organization": organization_id, "at": utc(now)}
    row = {
        "id": notice_id,
        "organization_id": organization_id,
        "event": event,
        "subject_id": subject_id,
        "body": msgspec.json.encode(told | {event.partition(".")[0]: content}).decode(),
        "made_at": now,
        "tries": 0,
        "next_at": now,
    }
    await conn.execute(insert(_notices).values(row))


async def put_down_since(conn: AsyncConnection, event: str, *, since: int) -> set[tuple[str, str]]:
    """Return (organization, subject) of the notices of an event that were put down since an instant."""
    query = select(_notices.c.organization_id, _notices.c.subject_id)
    found = await conn.execute(query.where(_notices.c.event == event, _notices.c.made_at >= since))
    return {(row.organization_id, row.subject_id) for row in found}


async def due(conn: AsyncConnection, *, now: int, limit: int) -> list[Notice]:
    """Return up to `limit` notices that may be told now, oldest first."""
    columns = [_notices.c[name] for name in Notice.__struct_fields__]
    query = select(*columns).where(*_waits, _notices.c.next_at <= now).order_by(_notices.c.id).limit(limit)
    return [Notice(**row) for row in (await conn.execute(query)).mappings()]


async def taken(conn: AsyncConnection, notice: Notice, *, now: int) -> None:
    """Note that a notice was taken."""
    await _change(conn, notice, {"sent_at": now})


async def refused(conn: AsyncConnection, notice: Notice, *, now: int) -> bool:
    """Note that a notice was not taken: it is tried again later, or given up. Return whether it is given up."""
    given_up = now - notice.made_at >= PATIENCE_US
    wait_us = min(_FIRST_WAIT_US << min(notice.tries, 20), _LONGEST_WAIT_US)
    await _change(conn, notice, {"given_up_at": now} if given_up else {"next_at": now + wait_us})
    return given_up


async def forget(conn: AsyncConnection, *, now: int) -> int:
    """Delete the notices that were told or given up long ago; return how many."""
    ended = or_(_notices.c.sent_at.is_not(None), _notices.c.given_up_at.is_not(None))
    return (await conn.execute(delete(_notices).where(ended, _notices.c.made_at < now - KEPT_US))).rowcount


async def _change(conn: AsyncConnection, notice: Notice, values: dict[str, int]) -> None:
    await conn.execute(update(_notices).where(_notices.c.id == notice.id).values(tries=notice.tries + 1, **values))
