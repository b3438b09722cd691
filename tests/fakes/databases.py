"""A database by its name, also for a process that knows nothing of tests."""

from pathlib import Path

from keystead.domain.clock import Clock
from keystead.storage.database import Database
from keystead.storage.postgres import open_postgres
from keystead.storage.sqlite import open_sqlite


async def open_url(url: str, clock: Clock) -> Database:
    """Open what the fixture `database_url` names: a PostgreSQL URL, or `sqlite:` and a path."""
    if url.startswith("sqlite:"):
        return await open_sqlite(Path(url.removeprefix("sqlite:")), clock=clock)
    return await open_postgres(url, clock=clock)
