"""SQLite in WAL mode: one file in the data folder, shared by the workers of one machine."""

import asyncio
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from keystead.domain.clock import Clock
from keystead.storage.journal import GroupJournal
from keystead.storage.relational import Connections, RelationalDatabase
from keystead.storage.sqlite_sink import SqliteSink
from keystead.storage.turn import AsyncTurn

Synchronous = Literal["full", "normal"]

BUSY_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another process's transaction, which lasts milliseconds."""
_READERS: Final = 4


async def open_sqlite(path: Path, *, clock: Clock, synchronous: Synchronous = "full") -> RelationalDatabase:
    """Open the database file, creating it (mode 600, in a folder of mode 700) if it is not there.

    `synchronous="full"` makes every commit survive power loss; `normal` survives a process crash only.
    """
    await asyncio.to_thread(_prepare, path)
    # One connection is enough: writers take turns.
    writer = _engine(path, begin="BEGIN IMMEDIATE", size=1, pragma=f"PRAGMA synchronous = {synchronous}")
    turn = AsyncTurn(path, timeout_s=BUSY_TIMEOUT_S)

    def connections(*, readers: int) -> Connections:
        reader = _engine(path, begin="BEGIN", size=readers, pragma="PRAGMA query_only = ON")
        return Connections(reader=reader, writer=writer, turn=turn)

    return RelationalDatabase(
        engine_name="sqlite",
        connections=connections(readers=_READERS),
        vital=connections(readers=1),
        journal=GroupJournal(SqliteSink(path, synchronous=synchronous, clock=clock), clock=clock),
        clock=clock,
    )


def _prepare(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created by us and not by SQLite, which would leave the mode to the umask; the -wal and -shm files inherit it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                # The change of mode takes the file alone and does not wait by itself: workers that start together
                # meet here, once in the life of the file.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
    finally:
        connection.close()


def _engine(path: Path, *, begin: str, size: int, pragma: str) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},  # we say BEGIN ourselves, below
        pool_size=size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
