"""A gateway's database, and the ways to take it away from it while it runs."""

import asyncio
import secrets
from pathlib import Path

import msgspec
import pytest

from tests.conftest import PostgresServer


class Storage(msgspec.Struct, frozen=True):
    """A gateway's database, and the ways to take it away from it."""

    settings: dict[str, str]
    home: Path
    server: PostgresServer | None = None
    name: str = ""

    async def leave(self) -> None:
        """Be gone: the file is not there, the server refuses connections."""
        if self.server is None:
            (self.home / "keystead.db").rename(self.home / "elsewhere.db")
            return
        await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        await self.server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
        )

    async def come_back(self) -> None:
        """Be there again."""
        if self.server is None:
            (self.home / "elsewhere.db").rename(self.home / "keystead.db")
            return
        await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")


def storage_on(engine: str, request: pytest.FixtureRequest, folder: Path) -> Storage:
    """Return an empty database on `engine`; what else the gateway keeps goes into `folder`."""
    if engine == "sqlite":
        return Storage({}, folder / "home")
    return on_postgres(request.getfixturevalue("postgres_server"), folder)


def on_postgres(server: PostgresServer, folder: Path) -> Storage:
    name = f"away_{secrets.token_hex(6)}"
    return Storage({"database_url": asyncio.run(server.create_database(name))}, folder / "home", server, name)
