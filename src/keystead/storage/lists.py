"""Lists of what belongs to one organization: newest first, a page at a time, and no longer than they may be.

An id begins with the instant it was made at, so that it is both the order of a list and the place to go on from.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import ConflictError


async def page(
    conn: AsyncConnection,
    table: Table,
    organization_id: str,
    *narrowed: ColumnElement[bool],
    before: str | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return up to `limit` rows, newest first; `before` is the last id of the page before."""
    conditions = [table.c.organization_id == organization_id, *narrowed]
    if before is not None:
        conditions.append(table.c.id < before)
    found = await conn.execute(select(table).where(*conditions).order_by(table.c.id.desc()).limit(limit))
    return found.mappings().all()


async def require_room(
    conn: AsyncConnection, table: Table, organization_id: str, *narrowed: ColumnElement[bool], most: int
) -> None:
    """Refuse one more row than an organization may have.

    Raises:
        ConflictError: it has `most` already.
    """
    count = select(func.count()).select_from(table).where(table.c.organization_id == organization_id, *narrowed)
    if (await conn.execute(count)).scalar_one() >= most:
        raise ConflictError(
            f"There are {most:,} {table.name.replace('_', ' ')} already, as many as there may be.",
            code="too_many",
            next_step="Remove what is not needed, or say the same with fewer.",
        )
