"""The stage for black-box tests: a real gateway process on each engine, and a fake provider on a real socket."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import javascript
from tests.acceptance.faults import Faults, faults_on
from tests.acceptance.seeded import chromium, inside, seeded, tab
from tests.acceptance.storage import Storage, storage_on
from tests.conftest import ENGINES, PostgresServer
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

__all__ = ["chromium", "inside", "seeded", "tab"]

OPENAI_KEY = "sk-proj-canary-OPENAI-7f3b1c9d5e2a4860"
ANTHROPIC_KEY = "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a"
GOOGLE_KEY = "AIzaSycanaryGOOGLE7f3b1c9d5e2a4860b1c9d"


@pytest.fixture(scope="session")
def node() -> str:
    """The node program, with the locked packages installed."""
    return javascript.installed_node()


class Stage(msgspec.Struct, frozen=True):
    """One gateway with a credential of each big provider, all bound to one fake."""

    gateway: Gateway
    fake: FakeProvider


@pytest.fixture(scope="module", params=ENGINES)
def database_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a gateway on each engine, with a database of its own."""
    return _on_engine(request)


@pytest.fixture(params=ENGINES)
def own_database_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The same, with a database for each test."""
    return _on_engine(request)


def _on_engine(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"stage_{secrets.token_hex(6)}"
    return {"database_url": asyncio.run(server.create_database(name))}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    home = tmp_path_factory.mktemp("stage") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1", **database_settings) as gateway:
        for name, secret in (("openai", OPENAI_KEY), ("anthropic", ANTHROPIC_KEY), ("google", GOOGLE_KEY)):
            await gateway.add_credential(f"my-{name}", name, secret, origin=fake.origin)
        fake.calls.clear()
        yield Stage(gateway, fake)


@pytest.fixture(scope="module", params=ENGINES)
def fault_storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return storage_on(request.param, request, tmp_path_factory.mktemp("faults"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faults(fault_storage: Storage) -> AsyncIterator[Faults]:
    """The stage of the fault table, on each engine."""
    async with faults_on(fault_storage) as started:
        yield started
