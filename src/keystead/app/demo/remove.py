"""Takes the demonstration away again, every row of it, and nothing else."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.app.demo.diary import ACTOR
from keystead.domain.clock import DAY_US, Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.settings import Settings
from keystead.storage import (
    catalogue,
    governance,
    identity_providers,
    revision,
    saved_prompts,
    schema,
    sign_in,
    stored_objects,
    usage_tables,
)
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.storage.engine import open_database

_ALL_TABLES: Final = (
    schema,
    governance,
    catalogue,
    identity_providers,
    saved_prompts,
    sign_in,
    stored_objects,
    usage_tables,
)
"""Imported so that `metadata` knows every table."""
_SLICE_US: Final = DAY_US // 4


async def remove(settings: Settings, clock: Clock, name: str, progress: Callable[[int, int], None]) -> int:
    """Delete the demonstration's organization; return how many requests it had. Told to `progress`: done, of all.

    Its books balance by themselves, so those of the platform still do without it. Who stops it can start it again.

    Raises:
        NotFoundError: there is no organization of that name.
        ConflictError: it was not made by `demo seed`.
    """
    database = await open_database(
        database_url=settings.database_url, home=settings.home, clock=clock, synchronous=settings.sqlite_synchronous
    )
    try:
        async with database.read() as conn:
            organization_id = await _demonstration(conn, name)
            requests = schema.requests.c
            mine = requests.organization_id == organization_id
            first, last, count = (
                await conn.execute(
                    select(func.min(requests.started_at), func.max(requests.started_at), func.count()).where(mine)
                )
            ).one()
        if count:
            await _remove_requests(database, organization_id, first, last, lambda done: progress(done, count))
        async with database.write() as conn:
            await _remove_rest(conn, organization_id)
    finally:
        await database.close()
    return int(count)


async def _demonstration(conn: AsyncConnection, name: str) -> str:
    organizations, events = schema.organizations.c, schema.audit_events.c
    found = (await conn.execute(select(organizations.id).where(organizations.name == name))).scalars().all()
    if not found:
        raise NotFoundError(f"There is no organization named {name!r}.", next_step="Say which with --organization.")
    made = select(events.organization_id).where(
        events.organization_id.in_(found),
        events.actor_kind == "system",
        events.actor_id == ACTOR,
        events.action == "organization.created",
    )
    mine: str | None = (await conn.execute(made.limit(1))).scalar_one_or_none()
    if mine is None:
        raise ConflictError(
            f"The organization {name!r} is not a demonstration: it is left alone.",
            code="not_a_demonstration",
            next_step="Only what `keystead demo seed` made can be removed in this way.",
        )
    return mine


async def _remove_requests(
    database: Database, organization_id: str, first: int, last: int, progress: Callable[[int], None]
) -> None:
    requests, attempts = schema.requests, schema.attempts
    done = 0
    for begin in range(first, last + 1, _SLICE_US):
        within = (
            requests.c.organization_id == organization_id,
            requests.c.started_at.between(begin, begin + _SLICE_US - 1),
        )
        async with database.write() as conn:
            await conn.execute(
                delete(attempts).where(
                    attempts.c.request_id.in_(select(requests.c.id).where(*within)),
                    attempts.c.request_started_at.between(begin, begin + _SLICE_US - 1),
                )
            )
            done += (await conn.execute(delete(requests).where(*within))).rowcount
        progress(done)


async def _remove_rest(conn: AsyncConnection, organization_id: str) -> None:
    for table in reversed(metadata.sorted_tables):
        if "organization_id" in table.c:
            await conn.execute(delete(table).where(table.c.organization_id == organization_id))
    await conn.execute(delete(schema.root_keys).where(schema.root_keys.c.scope == organization_id))
    await conn.execute(delete(schema.organizations).where(schema.organizations.c.id == organization_id))
    await revision.touch(conn)
