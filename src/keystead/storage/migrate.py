"""Migrations, run by the program itself: no command to forget, no second tool to install."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, String, column, func, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import GatewayError
from keystead.storage import migrations
from keystead.storage.columns import metadata
from keystead.storage.database import Database

SCHEMA_LOCK: Final = 0x6B737464  # "kstd"
"""The advisory lock (PostgreSQL) of whoever changes tables or partitions."""

_log = structlog.stdlib.get_logger(__name__)
_MAY_TAKE_LONG: Final = "On a large database this may take a while. Nothing is served until it is done: let it go on."

_version = table("alembic_version", column("version_num", String))


async def to_newest(database: Database) -> None:
    """Bring the schema to the newest revision.

    Any number of processes may call this at once: one works, the others wait for it. When there is nothing to do,
    which is nearly always, Alembic is not even loaded: a start must be quick. Each step of an older database is logged
    as it begins.

    Raises:
        GatewayError: the database was migrated by a newer Keystead.
    """
    async with database.read() as connection:
        if await connection.run_sync(_revision) == migrations.HEAD:
            return
    async with database.write() as connection:  # on SQLite this is the lock
        await lock_schema(connection)
        await connection.run_sync(_upgrade)


async def lock_schema(connection: AsyncConnection) -> None:
    """Wait until no other process changes the schema; held until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(SCHEMA_LOCK)))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.execute(select(_version.c.version_num)).scalar()


def _upgrade(connection: Connection) -> None:
    # Imported here because it costs a third of a second, and a start with nothing to migrate does not need it.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    script = ScriptDirectory(Path(migrations.__file__).parent)
    found = _revision(connection)
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise GatewayError(
            "The database was migrated by a newer Keystead.",
            code="schema_too_new",
            next_step="Run the newer version again, or restore the backup made before the upgrade.",
        )

    def steps(revision: Any, _context: Any) -> Iterator[Any]:
        for step in script._upgrade_revs(migrations.HEAD, revision):  # noqa: SLF001 - as alembic.command.upgrade does
            if found is not None:  # an empty database is not worth a word
                _log.info("migrating", revision=step.revision.revision, what=step.revision.doc, note=_MAY_TAKE_LONG)
            yield step

    with EnvironmentContext(Config(), script, fn=steps, destination_rev=migrations.HEAD) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()
