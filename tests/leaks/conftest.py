"""One long, eventful life of a gateway on each engine, with everything it gave off kept for the search."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from tests.conftest import ENGINES, PostgresServer
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Call
from tests.leaks import scenario
from tests.leaks.canaries import Canary
from tests.leaks.eavesdropper import Eavesdropper, Heard

SETTINGS = {
    "log_level": "debug",
    "header_timeout_s": "1",
    "body_timeout_s": "1",
    "first_byte_timeout_s": "0.4",
    "idle_timeout_s": "0.4",
    "total_timeout_s": "1.2",
    "drain_timeout_s": "1",
    "max_response_bytes": "90000",
    "max_body_bytes": "80000",
}


class Life(msgspec.Struct, frozen=True):
    """What was given off, by place."""

    engine: str
    canaries: tuple[Canary, ...]
    evidence: dict[str, bytes]
    heard: list[Heard]
    calls: list[Call]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sqlite_life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    home = tmp_path_factory.mktemp("leaks") / "home"
    life = await _live(home, "sqlite", {})
    life.evidence.update({f"file {path.name}": path.read_bytes() for path in home.glob("keystead.db*")})
    assert "file keystead.db" in life.evidence
    return life


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql_life(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Life:
    name, password = f"leaks_{secrets.token_hex(6)}", f"canary-database-{secrets.token_hex(12)}"
    await postgres_server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    await postgres_server.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = postgres_server.url_of(name, role=name).replace(f"{name}:@", f"{name}:{password}@", 1)
    assert password in url
    life = await _live(
        tmp_path_factory.mktemp("leaks") / "home",
        "postgresql",
        {"database_url": url},
        Canary("database password", password, len("canary-database-")),
    )
    life.evidence["database"] = await _dump(url)
    return life


@pytest.fixture(params=ENGINES)
def life(request: pytest.FixtureRequest) -> Life:
    found: Life = request.getfixturevalue(f"{request.param}_life")
    return found


async def _live(home: Path, engine: str, settings: Mapping[str, str], *more: Canary) -> Life:
    async with _running(home, settings) as (gateway, fake):
        told = await scenario.play(gateway, fake)
        process = Path(f"/proc/{gateway.pid}/cmdline").read_bytes()
        canaries = (*told, *_own_secrets(gateway), *more)
    evidence = {"log": gateway.log.read_bytes(), "printed": gateway.printed, "command line": process}
    return Life(engine, canaries, evidence, gateway.heard, list(fake.calls))


@contextlib.asynccontextmanager
async def _running(home: Path, settings: Mapping[str, str]) -> AsyncIterator[tuple[Eavesdropper, FakeProvider]]:
    async with (
        FakeProvider() as fake,
        Eavesdropper.running(home, egress_allow=f"127.0.0.1:{fake.port}", **SETTINGS, **settings) as gateway,
    ):
        yield gateway, fake


def _own_secrets(gateway: Gateway) -> tuple[Canary, ...]:
    first = gateway.virtual_key
    return (
        Canary("first virtual key", first, first.index("_", 3) + 1),
        Canary("first admin token", gateway.admin_token, gateway.admin_token.index("_", 4) + 1),
        Canary("root key", (gateway.home / "root.key").read_text().split()[-1]),
    )


async def _dump(url: str) -> bytes:
    """Return every value of every table, text as it is and bytes both as they are and in hexadecimal."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        parts = []
        for row in names:
            for record in await connection.fetch(f"SELECT * FROM {row['name']}"):
                for value in record.values():
                    parts.append(value if isinstance(value, bytes) else str(value).encode())
                    if isinstance(value, bytes):
                        parts.append(value.hex().encode())
        assert len(parts) > 1000
        return b"\n".join(parts)
    finally:
        await connection.close()
