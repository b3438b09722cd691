"""A started deployment: in the tests' own process or, for the command line, as a gateway that really runs."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from keystead.storage.database import Database
from keystead.storage.sqlite import open_sqlite
from tests.conftest import run_apart
from tests.fakes.clock import FakeClock
from tests.fakes.command_line import Run, keystead
from tests.fakes.gateway import Gateway
from tests.integration.admin.world import FirstStart, World, first_start, started


@pytest.fixture(scope="session")
def first(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """The first start, which every world begins with."""

    async def make(home: Path) -> FirstStart:
        database = await open_sqlite(home / "keystead.db", clock=FakeClock())
        try:
            return await first_start(database, FakeClock(), home)
        finally:
            await database.close()

    home = tmp_path_factory.mktemp("first_start")
    shutil.copyfile(sqlite_template, home / "keystead.db")
    return run_apart(make(home))


@pytest.fixture
async def world(database: Database, clock: FakeClock, first: FirstStart) -> World:
    """A deployment on each engine, for what is written and read."""
    return await started(database, clock, first)


@pytest.fixture
async def light_world(sqlite_path: Path, clock: FakeClock, first: FirstStart) -> AsyncIterator[World]:
    """A deployment on SQLite alone, for what does not depend on the engine."""
    database = await open_sqlite(sqlite_path, clock=clock)
    yield await started(database, clock, first)
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway that really runs, for the tests of one module."""
    async with Gateway.running(tmp_path_factory.mktemp("gateway") / "home") as running:
        yield running


@pytest.fixture
def run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`keystead …`, beside that gateway."""
    monkeypatch.setenv("KEYSTEAD_HOME", str(gateway.home))
    monkeypatch.setenv("KEYSTEAD_URL", gateway.url)
    monkeypatch.setenv("COLUMNS", "200")
    return keystead
