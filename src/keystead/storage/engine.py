"""Which engine: said by the database URL."""

from pathlib import Path

from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.storage.database import Database
from keystead.storage.postgres import open_postgres
from keystead.storage.sqlite import Synchronous, open_sqlite

SQLITE_FILE = "keystead.db"


async def open_database(*, database_url: str, home: Path, clock: Clock, synchronous: Synchronous = "full") -> Database:
    """Open the database that `database_url` names: `postgresql://…`, or SQLite in `home` when it is empty.

    Raises:
        InvalidRequestError: the URL is of another kind.
    """
    if not database_url:
        return await open_sqlite(home / SQLITE_FILE, clock=clock, synchronous=synchronous)
    if database_url.startswith(("postgresql://", "postgres://")):
        return await open_postgres(database_url, clock=clock)
    # The URL holds a password: it is not repeated.
    raise InvalidRequestError(
        "KEYSTEAD_DATABASE_URL is neither empty nor a postgresql:// URL.",
        next_step="Set it to postgresql://user@host/database, or leave it empty for SQLite.",
    )
