"""Virtual keys that expire soon, or have just expired. Only reads."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.identity.views import ExpiringKey
from keystead.storage.schema import virtual_keys


async def expiring_keys(conn: AsyncConnection, *, after: int, before: int, lifetime_us: int) -> list[ExpiringKey]:
    """Return every organization's keys that expire between two instants.

    Without those that are revoked, and those that were made for less than `lifetime_us`: that they expire is no news.
    """
    columns = virtual_keys.c
    query = select(*(columns[name] for name in ExpiringKey.__struct_fields__)).where(
        columns.revoked_at.is_(None),
        columns.expires_at > after,
        columns.expires_at < before,
        columns.expires_at - columns.created_at >= lifetime_us,
    )
    return [ExpiringKey(**row) for row in (await conn.execute(query.order_by(columns.id))).mappings()]
