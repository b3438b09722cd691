"""Finding and inserting rows that belong to one organization.

What belongs to another organization is not found, in the same words as what never existed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import ConflictError, NotFoundError


async def find(conn: AsyncConnection, table: Table, organization_id: str, id_or_name: str, *, noun: str) -> RowMapping:
    """Return the row with this id, else with this name.

    Raises:
        NotFoundError: the organization has neither.
    """
    found = await conn.execute(
        select(table).where(
            table.c.organization_id == organization_id, or_(table.c.id == id_or_name, table.c.name == id_or_name)
        )
    )
    rows = found.mappings().all()
    for row in rows:
        if row["id"] == id_or_name:
            return row
    if not rows:
        raise NotFoundError(f"There is no {noun} {id_or_name!r}.")
    return rows[0]


async def names(conn: AsyncConnection, table: Table, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Return id → name of those rows among `ids` that the organization has."""
    wanted = set(ids)
    if not wanted:
        return {}
    found = await conn.execute(
        select(table.c.id, table.c.name).where(table.c.organization_id == organization_id, table.c.id.in_(wanted))
    )
    return {row.id: row.name for row in found}


async def insert_row(
    conn: AsyncConnection, table: Table, organization_id: str, values: Mapping[str, Any], *, noun: str
) -> None:
    """Insert a row.

    Raises:
        ConflictError: its name is taken.
    """
    try:
        await conn.execute(insert(table).values(organization_id=organization_id, **values))
    except IntegrityError as error:
        raise _name_taken(noun, values["name"]) from error


async def rename_row(conn: AsyncConnection, table: Table, identifier: str, name: str, *, noun: str) -> None:
    """Give a row another name.

    Raises:
        ConflictError: it is taken.
    """
    try:
        await conn.execute(update(table).where(table.c.id == identifier).values(name=name))
    except IntegrityError as error:
        raise _name_taken(noun, name) from error


def _name_taken(noun: str, name: str) -> ConflictError:
    return ConflictError(
        f"There is a {noun} named {name!r} already.",
        code="name_taken",
        param="name",
        next_step="Choose another name.",
    )
