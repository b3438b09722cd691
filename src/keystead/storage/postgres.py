"""PostgreSQL: one database shared by any number of replicas."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.storage.journal import GroupJournal
from keystead.storage.postgres_sink import PostgresSink
from keystead.storage.relational import Connections, RelationalDatabase

_CONNECT_TIMEOUT_S: Final = 5.0
_COMMAND_TIMEOUT_S: Final = 60.0
_POOL_SIZE: Final = 4
_OVERFLOW: Final = 4
"""Admin pages and housekeeping only: the hot path has its own connection, and so has what is vital."""
_VITAL: Final = 2


async def open_postgres(url: str, *, clock: Clock) -> RelationalDatabase:
    """Open the database at a libpq URL (`postgresql://user@host/name?sslmode=verify-full`, or `host=/socket/folder`).

    Connections are made when first needed.
    """

    async def connect() -> Any:
        # asyncpg reads the URL for both the pool and the journal, so that both understand the same one.
        try:
            return await asyncpg.connect(
                url,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_COMMAND_TIMEOUT_S,
                server_settings={"application_name": "keystead"},
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionError(str(error)) from error
        except ValueError:
            # Without its cause: asyncpg's message holds what it took for a port, which may be the password.
            raise InvalidRequestError(
                "KEYSTEAD_DATABASE_URL cannot be read.",
                next_step="Set it to postgresql://user:password@host:port/database, with other signs in it as %XX.",
            ) from None

    return RelationalDatabase(
        engine_name="postgresql",
        connections=_connections(connect, size=_POOL_SIZE, overflow=_OVERFLOW),
        vital=_connections(connect, size=_VITAL, overflow=0),
        journal=GroupJournal(PostgresSink(url, clock=clock), clock=clock),
        clock=clock,
    )


def _connections(connect: Callable[[], Awaitable[Any]], *, size: int, overflow: int) -> Connections:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=10,
        pool_pre_ping=True,
    )
    reader = engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return Connections(reader=reader, writer=engine, turn=nullcontext)
