"""A database on each engine without any table."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keystead.domain.ids import new_id
from tests.conftest import ENGINES, PostgresServer
from tests.fakes.clock import FakeClock


@pytest.fixture(params=ENGINES)
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'var' / 'keystead.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = new_id("empty", FakeClock().now_us())
    yield await server.create_database(name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
