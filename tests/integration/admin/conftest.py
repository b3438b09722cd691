"""A started deployment."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keystead.storage.database import Database
from keystead.storage.sqlite import open_sqlite
from tests.fakes.clock import FakeClock
from tests.integration.admin.world import World, started


@pytest.fixture
async def world(database: Database, clock: FakeClock, tmp_path: Path) -> World:
    """A deployment on each engine, for what is written and read."""
    return await started(database, clock, tmp_path)


@pytest.fixture
async def light_world(sqlite_path: Path, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment on SQLite alone, for what does not depend on the engine."""
    database = await open_sqlite(sqlite_path, clock=clock)
    yield await started(database, clock, tmp_path)
    await database.close()
