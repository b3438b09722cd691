"""The record cannot be kept: the database is away, hangs, or the disk is full. Then no provider is called.

No record, no request: 503 `record_unavailable`, and `/readyz` says so. Answers that are under way are finished, and
their records are written when the storage is back, so that nothing is lost.
"""

import asyncio
import contextlib
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest

from tests.acceptance.dialects import told
from tests.conftest import ENGINES, PostgresServer
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

CALLS_UNTIL_FULL = 500
"""Requests that may still find room: in the write-ahead log, or on the disk's last page."""

Step = Callable[[], Awaitable[None]]


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


@pytest.fixture(params=ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "sqlite":
        return Storage({}, tmp_path / "home")
    return _on_postgres(request.getfixturevalue("postgres_server"), tmp_path)


def _on_postgres(server: PostgresServer, folder: Path) -> Storage:
    name = f"away_{secrets.token_hex(6)}"
    asyncio.run(server.execute(f"CREATE DATABASE {name}"))
    return Storage({"database_url": server.url_of(name)}, folder / "home", server, name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "home"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.asynccontextmanager
async def _running(home: Path, settings: dict[str, str]) -> AsyncIterator[tuple[Gateway, FakeProvider]]:
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1", **settings) as gateway:
        await gateway.add_credential("main", "openai", f"sk-proj-{secrets.token_hex(20)}", origin=fake.origin)
        fake.calls.clear()
        yield gateway, fake


async def test_without_a_database_nothing_is_sent_and_nothing_is_lost(storage: Storage) -> None:
    async with _running(storage.home, storage.settings) as (gateway, fake):
        await _outage(gateway, fake, begin=storage.leave, end=storage.come_back)


async def test_on_a_full_disk_nothing_is_sent_and_nothing_is_lost(small_disk: Path) -> None:
    filler = small_disk / "filler"

    async def fill() -> None:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    async def free() -> None:
        filler.unlink()

    async with _running(small_disk, {}) as (gateway, fake):
        await _outage(gateway, fake, begin=fill, end=free)


async def _outage(gateway: Gateway, fake: FakeProvider, *, begin: Step, end: Step) -> None:
    """Take the storage away in the middle of a stream, and give it back before the stream's record is due."""
    assert (await gateway.chat("gpt-5", "before")).status == 200
    async with _stream(gateway) as response:
        await response.content.readline()
        await begin()
        await _until_refused(gateway)
        seen = len(fake.calls)
        refused = [await _refused(gateway) for _ in range(3)]
        assert len(fake.calls) == seen, "no record, no call"
        assert await _readiness(gateway) == (503, "storage_unavailable")
        listed = await gateway.call("GET", "/admin/v1/requests", key=gateway.admin_token)
        assert listed.status in {200, 503}, "the file that is open can still be read; a server cannot"
        while b"[DONE]" not in await response.content.readline():
            pass  # the answer under way goes on
        await end()
        assert await response.content.read() == b"\n"
    await _until_ready(gateway)

    assert (await gateway.chat("gpt-5", "after")).status == 200
    await _check_records(gateway, fake, streamed=response.headers["x-keystead-request-id"], refused=refused)


@contextlib.asynccontextmanager
async def _stream(gateway: Gateway) -> AsyncIterator[aiohttp.ClientResponse]:
    body = {"model": "stream-20-50", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    headers = {"Authorization": f"Bearer {gateway.virtual_key}"}
    async with gateway.session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        yield response


async def _until_refused(gateway: Gateway) -> None:
    for _ in range(CALLS_UNTIL_FULL):
        if (await gateway.chat("gpt-5", "while there is room")).status == 503:
            return
    raise AssertionError("the gateway goes on although the storage is gone")


async def _refused(gateway: Gateway) -> str:
    """Make a call that must be refused; return its request id."""
    reply = await gateway.chat("gpt-5", "refused")
    assert reply.status == 503
    said = told("openai", reply.body)
    assert (said.code, said.fault) == ("record_unavailable", "gateway")
    assert "Nothing was sent or billed" in said.next_step
    return said.request_id


async def _readiness(gateway: Gateway) -> tuple[int, str]:
    reply = await gateway.call("GET", "/readyz", key="")
    return reply.status, reply.json()["reason"]


async def _until_ready(gateway: Gateway) -> None:
    async with asyncio.timeout(10):
        while await _readiness(gateway) != (200, "ready"):
            await asyncio.sleep(0.05)


async def _check_records(gateway: Gateway, fake: FakeProvider, *, streamed: str, refused: list[str]) -> None:
    """Each call that the provider saw has its record, ended; what was refused has none, or one that says so."""
    states: dict[str, str] = {}
    cursor = ""
    while True:
        page = await gateway.admin("GET", f"/requests?limit=200{cursor}")
        states |= {item["id"]: item["state"] for item in page["items"]}
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert states[streamed] == "settled"
    assert sum(state == "settled" for state in states.values()) == len(fake.calls)
    assert {state for state in states.values() if state != "settled"} <= {"failed_unsent"}
    assert all(states.get(request_id, "failed_unsent") == "failed_unsent" for request_id in refused)
    detail: dict[str, Any] = await gateway.admin("GET", f"/requests/{streamed}")
    assert detail["attempts"][0]["usage_source"] == "provider"


@pytest.fixture
def postgres_storage(postgres_server: PostgresServer, tmp_path: Path) -> Storage:
    return _on_postgres(postgres_server, tmp_path)


async def test_a_database_that_hangs_is_not_waited_for(postgres_storage: Storage) -> None:
    async with _running(postgres_storage.home, postgres_storage.settings) as (gateway, fake):
        blocker = await asyncpg.connect(postgres_storage.settings["database_url"])
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(10):
                await _refused(gateway)
            assert await _readiness(gateway) == (503, "storage_unavailable")
            assert fake.calls == []
        await blocker.close()
        await _until_ready(gateway)
        assert (await gateway.chat("gpt-5", "after")).status == 200
        assert len(fake.calls) == 1
