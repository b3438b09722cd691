"""Catalogue updates that were applied. Owns the table `catalogue_updates`, which belongs to no organization.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches the
snapshot's revision. An update is never changed and never deleted: what was booked names it.
"""

from collections.abc import Collection

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.catalogue import catalogue_updates as _updates


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """An update that counts from the instant it was applied (Unix microseconds)."""

    id: str
    applied_at: int
    applied_by: str
    """The member."""
    key_id: str
    """Of the key that signed it."""
    sha256: str
    """Of what was signed."""
    prices_version: str
    """Empty: it holds no price list."""
    models_version: str
    """Empty: it holds no models."""


class UpdateWithDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An update with what was signed."""

    update: Update
    document: bytes


_FACTS = tuple(_updates.c[name] for name in Update.__struct_fields__)


async def add(conn: AsyncConnection, update: Update, document: bytes) -> None:
    """Keep an update."""
    await conn.execute(insert(_updates).values({**msgspec.structs.asdict(update), "document": document.decode()}))


async def all_applied(conn: AsyncConnection) -> list[Update]:
    """Return all updates, the last one applied first."""
    rows = await conn.execute(select(*_FACTS).order_by(_updates.c.applied_at.desc(), _updates.c.id.desc()))
    return [Update(**row) for row in rows.mappings()]


async def unknown(conn: AsyncConnection, known: Collection[str]) -> list[UpdateWithDocument]:
    """Return the updates whose ids are not `known`, in the order in which they were applied."""
    ids = (await conn.execute(select(_updates.c.id))).scalars().all()
    wanted = [identifier for identifier in ids if identifier not in known]
    if not wanted:
        return []
    query = select(_updates).where(_updates.c.id.in_(wanted)).order_by(_updates.c.applied_at, _updates.c.id)
    return [
        UpdateWithDocument(
            update=Update(**{name: row[name] for name in Update.__struct_fields__}), document=row["document"].encode()
        )
        for row in (await conn.execute(query)).mappings()
    ]
