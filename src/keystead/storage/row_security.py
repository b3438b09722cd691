"""Row-level security on PostgreSQL: the wall behind the statements, each of which names its organization by itself.

Every table with rows of organizations has the policy `organization`. A transaction that is narrowed to an organization
sees, changes and adds rows of that organization and no others, whatever its statements forget to say. One that is not
narrowed sees all: the record, the snapshot, recovery, and the operator's work.

It is a wall against our own mistakes. Whoever can make the gateway run SQL of theirs can also widen the transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import column, func, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.database import Lender

SETTING: Final = "keystead.organization"
"""Holds the organization that the transaction is narrowed to. Unset and empty mean the same: after the first
transaction that set it for itself, PostgreSQL keeps it as empty."""

POLICY: Final = "organization"

# In a sub-select it is read once per statement and not once per row. `coalesce` lets the planner expect half of the
# rows; an OR would have it expect next to none, and choose plans for that. No organization_id is ever null.
_VISIBLE: Final = f"coalesce(organization_id = (SELECT nullif(current_setting('{SETTING}', true), '')), true)"

_policies: Final = table("pg_policy", column("polname"), column("polrelid"), schema="pg_catalog")


class OrganizationView:
    """Lends connections that see one organization. On SQLite, which has no such thing, they are plain ones."""

    def __init__(self, database: Lender, organization_id: str) -> None:
        """Narrow what `database` lends to the organization.

        Raises:
            ValueError: the id is empty, which would mean every organization.
        """
        if not organization_id:
            raise ValueError("a view is of one organization")
        self._database = database
        self._organization_id = organization_id

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection for reading."""
        async with self._database.read() as connection:
            await self._narrow(connection)
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction."""
        async with self._database.write() as connection:
            await self._narrow(connection)
            yield connection

    async def _narrow(self, connection: AsyncConnection) -> None:
        if connection.dialect.name == "postgresql":
            # For the transaction alone (the last argument), so that the pool gets a plain connection back.
            await connection.execute(select(func.set_config(SETTING, self._organization_id, True)))


def protection(partition: str) -> tuple[str, ...]:
    """Return the statements that give a new partition the policy of its table, for whoever reads it directly.

    Through its table a partition is under the table's policy, and needs none of its own.
    """
    return (
        f"ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {POLICY} ON {partition} USING ({_VISIBLE})",
    )


async def is_enforced(connection: AsyncConnection) -> bool:
    """Say whether the policies bind this database role: a superuser, and a role with BYPASSRLS, pass them by."""
    active = func.bool_and(func.row_security_active(_policies.c.polrelid))
    query = select(func.coalesce(active, False)).where(_policies.c.polname == POLICY)
    enforced: bool = (await connection.execute(query)).scalar_one()
    return enforced
