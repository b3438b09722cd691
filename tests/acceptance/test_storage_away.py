"""The record cannot be kept: the database is away, hangs, or the disk is full. Then no provider is called.

No record, no request: 503 `record_unavailable`, and `/readyz` says so. Answers that are under way are finished, and
their records are written when the storage is back, so that nothing is lost.
"""

import asyncio
import contextlib
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.acceptance.dialects import DIALECTS, PROVIDER_OF, ask, told
from tests.acceptance.small_disk import SmallDisk, small_disk_at
from tests.acceptance.storage import Storage, on_postgres, storage_on
from tests.conftest import ENGINES, PostgresServer, postgres_in
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

CALLS_UNTIL_FULL = 500
"""Requests that may still find room: in the write-ahead log, or on the disk's last page."""
CONNECTIONS = 11
"""The most that a gateway keeps to a PostgreSQL server: the record's own, the vital ones, the pool with its overflow."""

Step = Callable[[], Awaitable[None]]


@pytest.fixture(params=ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return storage_on(request.param, request, tmp_path)


class Caller:
    """Makes small calls in every dialect, and counts what came of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.answered = 0
        self.refused: list[str] = []
        """Request ids."""

    async def call(self, dialect: str) -> bool:
        """Make a call; say whether it was answered. If not, it was refused for want of a record, and for nothing else."""
        reply = await ask(self._gateway, dialect, f"my-{PROVIDER_OF[dialect]}/m-1")
        if reply.status == 200:
            self.answered += 1
            return True
        assert reply.status == 503
        said = told(dialect, reply.body)
        assert (said.code, said.fault) == ("record_unavailable", "gateway")
        assert "Nothing was sent or billed" in said.next_step
        assert not re.search(rb"(?i)canary|sqlite|postgres|asyncpg|disk full|no space|/home", reply.body)
        self.refused.append(said.request_id)
        return False

    async def until_refused(self, dialect: str) -> None:
        for _ in range(CALLS_UNTIL_FULL):
            if not await self.call(dialect):
                return
        raise AssertionError("the gateway goes on although the storage is gone")


@contextlib.asynccontextmanager
async def _running(home: Path, settings: dict[str, str]) -> AsyncIterator[tuple[Gateway, FakeProvider]]:
    secret = f"canary-{secrets.token_hex(20)}"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1", **settings) as gateway:
        for provider in PROVIDER_OF.values():
            await gateway.add_credential(f"my-{provider}", provider, f"{secret}-{provider}", origin=fake.origin)
        fake.calls.clear()
        yield gateway, fake
        assert secret not in gateway.log.read_text()


async def test_without_a_database_nothing_is_sent_and_nothing_is_lost(storage: Storage) -> None:
    async with _running(storage.home, storage.settings) as (gateway, fake):
        await _outage(gateway, fake, begin=storage.leave, end=storage.come_back)


async def test_on_a_full_disk_nothing_is_sent_and_nothing_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with small_disk_at(home, megabytes=8, mode=0o700) as disk:
        async with _running(home, {}) as (gateway, fake):
            # On a full disk SQLite still has the room inside its write-ahead log, each time that begins anew.
            await _outage(gateway, fake, begin=disk.fill, end=disk.free, steady=False)


@pytest.fixture
def small_server() -> Iterator[tuple[PostgresServer, SmallDisk]]:
    """A PostgreSQL server of its own, whose data and write-ahead log share a small disk, as they mostly do."""
    # Not in pytest's own folder: see `postgres_server`.
    with (
        tempfile.TemporaryDirectory(prefix="keystead-small-") as folder,
        small_disk_at(Path(folder), megabytes=128, mode=0o755) as disk,
        postgres_in(disk.folder / "data") as server,
    ):
        yield server, disk


async def test_on_a_servers_full_disk_nothing_is_sent_and_nothing_is_lost(
    small_server: tuple[PostgresServer, SmallDisk], tmp_path: Path
) -> None:
    server, disk = small_server
    async with _running(tmp_path / "home", {"database_url": await server.create_database("small")}) as (gateway, fake):
        await _outage(gateway, fake, begin=disk.fill, end=disk.free)
        assert await _connections(server) <= CONNECTIONS


async def test_a_server_that_its_full_disk_takes_down_is_one_that_is_away(
    small_server: tuple[PostgresServer, SmallDisk], tmp_path: Path
) -> None:
    server, disk = small_server

    async def fill() -> None:
        await disk.fill()
        await _write_until_it_falls(server)

    async def mend() -> None:
        await disk.free()
        server.start()

    async with _running(tmp_path / "home", {"database_url": await server.create_database("small")}) as (gateway, fake):
        await _outage(gateway, fake, begin=fill, end=mend)
        assert await _connections(server) <= CONNECTIONS


async def _write_until_it_falls(server: PostgresServer) -> None:
    """Write what fills the write-ahead log: without room for its next file the server panics, and stays down."""
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        while True:
            await server.execute("SELECT pg_logical_emit_message(false, 'neighbour', repeat('x', 1000000))")
    async with asyncio.timeout(20):
        with contextlib.suppress(FileNotFoundError):
            while True:
                with contextlib.suppress(asyncpg.PostgresError, ConnectionError):
                    await server.execute("SELECT 1")


async def _connections(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.admin_url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keystead%'"
        )
    finally:
        await connection.close()
    return count


async def _outage(gateway: Gateway, fake: FakeProvider, *, begin: Step, end: Step, steady: bool = True) -> None:
    """Take the storage away while requests run and a stream is on its way, and give it back when the stream is over.

    Not `steady`: it may take a record now and then meanwhile.
    """
    caller = Caller(gateway)
    assert await caller.call("openai")
    files = _open_files(gateway)
    async with _stream(gateway) as response:
        await response.content.readline()
        async with asyncio.TaskGroup() as calling:
            for dialect in DIALECTS:
                calling.create_task(caller.until_refused(dialect))
            await begin()
        for dialect in DIALECTS:
            await caller.until_refused(dialect)
        assert len(fake.calls) == caller.answered + 1, "no record, no call"
        for _ in range(50 if steady else 0):  # while the gateway looks again and again whether the storage works
            assert await _readiness(gateway) == (503, "storage_unavailable")
        listed = await gateway.call("GET", "/admin/v1/requests", key=gateway.admin_token)
        assert listed.status in {200, 503}, "what is there can still be read, unless the server is gone"
        while b"[DONE]" not in await response.content.readline():
            pass  # the answer under way goes on
        await end()
        assert await response.content.read() == b"\n"
    await _until_ready(gateway)

    assert await caller.call("openai")
    streamed = response.headers["x-keystead-request-id"]
    await _check_records(gateway, fake, streamed=streamed, refused=caller.refused)
    assert _open_files(gateway) <= files + CONNECTIONS


@contextlib.asynccontextmanager
async def _stream(gateway: Gateway) -> AsyncIterator[aiohttp.ClientResponse]:
    body = {"model": "my-openai/stream-20-50", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    headers = {"Authorization": f"Bearer {gateway.virtual_key}"}
    async with gateway.session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        yield response


def _open_files(gateway: Gateway) -> int:
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


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
    return on_postgres(postgres_server, tmp_path)


async def test_a_database_that_hangs_is_not_waited_for(postgres_storage: Storage) -> None:
    async with _running(postgres_storage.home, postgres_storage.settings) as (gateway, fake):
        caller = Caller(gateway)
        blocker = await asyncpg.connect(postgres_storage.settings["database_url"])
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(10):
                assert not await caller.call("openai")
            assert await _readiness(gateway) == (503, "storage_unavailable")
            assert fake.calls == []
        await blocker.close()
        await _until_ready(gateway)
        assert await caller.call("openai")
        assert len(fake.calls) == 1
