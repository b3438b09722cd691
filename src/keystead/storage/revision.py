"""The number that says "the snapshot's tables have changed": processes compare it, once a second, with theirs."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.schema import snapshot_revision


async def touch(connection: AsyncConnection) -> None:
    """Count a change, in the transaction that makes it."""
    await connection.execute(update(snapshot_revision).values(revision=snapshot_revision.c.revision + 1))


async def current(connection: AsyncConnection) -> int:
    """Return the number of changes so far."""
    revision: int = (await connection.execute(select(snapshot_revision.c.revision))).scalar_one()
    return revision
