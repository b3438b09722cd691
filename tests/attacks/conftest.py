"""The stage for attacks: a running gateway on each engine, its provider, and a service that nobody may reach.

The gateways live as long as the session: an attack that leaves one unable to answer fails the attacks after it too.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.conftest import ENGINES, PostgresServer
from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Framing

OPENAI_KEY = "sk-proj-attack-OPENAI-7f3b1c9d5e2a4860"
ANTHROPIC_KEY = "sk-ant-api03-attack-ANTHROPIC-7f3b1c9d5e2a"
GOOGLE_KEY = "AIzaSyattackGOOGLE7f3b1c9d5e2a4860b1c9d"
AZURE_KEY = "attack0azure0d5e2a4860b1c9d7f3b9"
COHERE_KEY = "attack0cohere0d5e2a4860b1c9d7f3b90"
AZURE_VERSION = "2025-04-01-preview"
CREDENTIALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("openai", OPENAI_KEY, {}),
    ("anthropic", ANTHROPIC_KEY, {}),
    ("google", GOOGLE_KEY, {}),
    # With this setting, the model's name is a part of the path.
    ("azure", AZURE_KEY, {"settings": {"api_version": AZURE_VERSION}}),
    ("cohere", COHERE_KEY, {}),
)

HASTE = {
    "header_timeout_s": "0.5",
    "body_timeout_s": "0.5",
    "first_byte_timeout_s": "0.5",
    "idle_timeout_s": "0.5",
    "total_timeout_s": "4",
    "max_response_bytes": "2000000",
    "max_body_bytes": "100000",
}
"""A patience that ends within a test's."""

# `fake-endless`, in pieces so large that its end is a matter of size or of its reader, and not of a busy machine.
ENDLESS = Answer(
    headers=(("content-type", "text/event-stream"),),
    framing=Framing.CHUNKED,
    steps=itertools.repeat(b'data: {"choices":[]}\n\n' * 3000),
)


class Stage(msgspec.Struct, frozen=True):
    """One gateway with a credential of each big provider, all bound to one fake."""

    gateway: Gateway
    fake: FakeProvider
    """The provider: the only address that the gateway may connect to."""
    internal: FakeProvider
    """Stands for a metadata service: another port on the same address, which is not allowed."""
    engine: str

    def resident_mb(self) -> float:
        """Return the memory that the gateway's process holds now."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    async def recorded(self, reply: Reply) -> tuple[str, str | None]:
        """Return how the record of a call says that it ended: its state, and the code of an error."""
        shown = await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
        return shown["request"]["state"], shown["request"]["error_code"]

    async def last_request(self) -> dict[str, object]:
        """Return the newest record."""
        page = await self.gateway.admin("GET", "/requests?limit=1")
        found: dict[str, object] = page["items"][0]
        return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sqlite_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async for stage in _stage(tmp_path_factory, "sqlite"):
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql_stage(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> AsyncIterator[Stage]:
    settings = await new_database(postgres_server)
    async for stage in _stage(tmp_path_factory, "postgresql", **settings):
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty_sqlite_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async for stage in _stage(tmp_path_factory, "sqlite", **HASTE):
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty_postgresql_stage(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> AsyncIterator[Stage]:
    settings = await new_database(postgres_server)
    async for stage in _stage(tmp_path_factory, "postgresql", **HASTE, **settings):
        yield stage


@pytest.fixture
def stage(sqlite_stage: Stage) -> Stage:
    """A gateway on one engine, for attacks that end before the database."""
    return sqlite_stage


@pytest.fixture
def hasty_stage(hasty_sqlite_stage: Stage) -> Stage:
    """As `stage`, with little patience."""
    return hasty_sqlite_stage


@pytest.fixture(params=ENGINES)
def each_stage(request: pytest.FixtureRequest) -> Stage:
    """A gateway on each engine, for attacks that leave a row, be it the record of a refused request."""
    found: Stage = request.getfixturevalue(f"{request.param}_stage")
    return found


@pytest.fixture
def hasty_stages(hasty_sqlite_stage: Stage, hasty_postgresql_stage: Stage) -> tuple[Stage, Stage]:
    """As `each_stage`, with little patience; both together, since such attacks mostly wait (see `on_each`)."""
    return hasty_sqlite_stage, hasty_postgresql_stage


async def on_each(stages: Iterable[Stage], attack: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    """Make the attack on each gateway at the same time."""
    async with asyncio.TaskGroup() as group:
        for stage in stages:
            group.create_task(attack(stage), name=stage.engine)


async def new_database(server: PostgresServer) -> dict[str, str]:
    """Make a database for one gateway, and return the setting that names it."""
    name = f"attacks_{secrets.token_hex(6)}"
    return {"database_url": await server.create_database(name)}


async def _stage(tmp_path_factory: pytest.TempPathFactory, engine: str, **settings: str) -> AsyncIterator[Stage]:
    home = tmp_path_factory.mktemp("attacks") / "home"
    async with (
        FakeProvider() as fake,
        FakeProvider() as internal,
        # Some attacks leave calls behind that never end; the gateway is not to wait for them.
        Gateway.running(
            home, egress_allow=f"127.0.0.1:{fake.port}", drain_timeout_s="1", disconnect_drain_s="1", **settings
        ) as gateway,
    ):
        for name, key, more in CREDENTIALS:
            await gateway.add_credential(f"my-{name}", name, key, origin=fake.origin, **more)
        yield Stage(gateway, fake, internal, engine)
        # Whatever was tried: nothing reached what must not be reached, and nothing broke inside.
        assert internal.connections == 0
        assert '"event":"defect"' not in gateway.log.read_text()
