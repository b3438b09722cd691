"""The journal when things break: full disks, lost servers, killed processes."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from keystead.domain.clock import SystemClock
from keystead.domain.errors import NotRecordedError
from keystead.domain.records import AttemptIntent, RequestIntent
from keystead.storage import postgres_sink
from keystead.storage.database import Database
from keystead.storage.postgres import open_postgres
from keystead.storage.schema import requests
from keystead.storage.sink import StorageAwayError
from keystead.storage.sqlite import open_sqlite
from keystead.storage.sqlite_sink import SqliteSink
from keystead.storage.statements import POSTGRES_HOLDS
from tests.conftest import PostgresServer
from tests.fakes.books import check_books, pay_in, standing
from tests.fakes.clock import START_US, FakeClock
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement
from tests.fakes.storage_process import acknowledged_by, storage_process
from tests.fakes.stored import assert_consistent, request_of

Pair = tuple[RequestIntent, AttemptIntent]


def pair(clock: FakeClock) -> Pair:
    return request_intent(clock), attempt_intent(clock)


async def until_healthy(database: Database) -> None:
    async with asyncio.timeout(20):
        while not database.journal.healthy():
            await asyncio.sleep(0.005)


# --- SQLite -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def sqlite(sqlite_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_sqlite(sqlite_path, clock=clock)
    yield opened
    await opened.close()


async def limit_pages(database: Database, more: int) -> None:
    """Leave room for `more` pages in the file, as a full disk does (0: any number)."""
    sink: SqliteSink = database.journal._sink  # type: ignore[attr-defined]

    def limit() -> None:
        connection = sink._open()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + more if more else 1_000_000}")

    await sink._in_thread(limit)


async def test_a_full_disk_refuses_intents_and_keeps_settlements_until_there_is_room(
    sqlite: Database, clock: FakeClock
) -> None:
    open_before = [pair(clock) for _ in range(50)]
    await asyncio.gather(*[sqlite.journal.intend(*each) for each in open_before])
    await limit_pages(sqlite, 5)
    refused: list[RequestIntent] = []
    while not refused:
        request, attempt = pair(clock)
        try:
            await sqlite.journal.intend(request, attempt)
        except NotRecordedError:
            refused.append(request)
    assert not sqlite.journal.healthy()
    settling = asyncio.gather(*[sqlite.journal.settle(settlement(clock, *each)) for each in open_before])
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(settling), 0.2)
    await limit_pages(sqlite, 0)
    assert await settling == [True] * 50
    assert sqlite.journal.healthy()
    async with sqlite.read() as connection:
        assert (await connection.execute(select(requests).where(requests.c.id == refused[0].id))).first() is None
    await assert_consistent(sqlite, "org_1")


async def test_another_process_in_a_transaction_is_waited_for(
    sqlite: Database, sqlite_path: Path, clock: FakeClock
) -> None:
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    intending = asyncio.ensure_future(sqlite.journal.intend(*pair(clock)))
    await asyncio.sleep(0.05)
    assert not intending.done()
    other.execute("COMMIT")
    other.close()
    await intending
    assert sqlite.journal.healthy()


async def test_a_database_file_that_was_taken_away_is_an_error_and_not_a_new_file(
    sqlite: Database, sqlite_path: Path, clock: FakeClock
) -> None:
    await sqlite.journal.intend(*pair(clock))
    moved = sqlite_path.rename(sqlite_path.with_suffix(".moved"))
    with pytest.raises(NotRecordedError):
        await sqlite.journal.intend(*pair(clock))
    assert not sqlite_path.exists()
    moved.rename(sqlite_path)
    await until_healthy(sqlite)
    await sqlite.journal.intend(*pair(clock))


# --- PostgreSQL -------------------------------------------------------------------------------------------------


@pytest.fixture
async def postgres(postgres_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_postgres(postgres_url, clock=clock)
    yield opened
    await opened.close()


async def cut_journals(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'keystead journal' AND datname = current_database()"
        )
    finally:
        await connection.close()


async def test_cut_connections_lose_nothing_that_was_acknowledged_and_count_nothing_twice(
    postgres: Database, postgres_url: str, clock: FakeClock
) -> None:
    acknowledged: list[RequestIntent] = []
    settled: list[RequestIntent] = []
    await pay_in(postgres, 10_000)

    async def trip() -> None:
        request = request_intent(clock)
        attempt = attempt_intent(clock, holds=(budget_hold(limit=10**6), credit_hold()))
        try:
            await postgres.journal.intend(request, attempt)
        except NotRecordedError:
            await asyncio.sleep(0.01)
            return
        acknowledged.append(request)
        await postgres.journal.settle(settlement(clock, request, attempt, posts=(7, 3)))
        settled.append(request)

    async def caller() -> None:
        while len(settled) < 400:
            await trip()

    async def cutter() -> None:
        for cut in range(20):
            while len(settled) < 20 * cut:
                await asyncio.sleep(0.001)
            await cut_journals(postgres_url)

    await asyncio.gather(*[caller() for _ in range(8)], cutter())
    await until_healthy(postgres)
    await postgres.journal.settle(settlement(clock, *pair(clock)))  # behind the voids of intents that failed
    assert len(acknowledged) == len(settled)
    async with postgres.read() as connection:
        states = {row.id: row.state for row in (await connection.execute(select(requests))).all()}
    assert {states[request.id] for request in acknowledged} == {"settled"}
    assert set(states.values()) <= {"settled", "failed_unsent"}
    await assert_consistent(postgres, "org_1")
    async with postgres.read() as connection:
        await check_books(connection)
    assert await standing(postgres, "bud_1", START_US) == (7 * len(settled), 0)
    assert await standing(postgres, "acc_1") == (3 * len(settled), 0)


async def test_a_stopped_server_refuses_intents_and_keeps_settlements_until_it_is_back(
    postgres: Database, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    request, attempt = pair(clock)
    await postgres.journal.intend(request, attempt)
    await asyncio.to_thread(postgres_server.stop)
    try:
        with pytest.raises(NotRecordedError):
            await postgres.journal.intend(*pair(clock))
        assert not postgres.journal.healthy()
        settling = asyncio.ensure_future(postgres.journal.settle(settlement(clock, request, attempt)))
        await asyncio.sleep(0.1)
        assert not settling.done()
    finally:
        await asyncio.to_thread(postgres_server.start)
    async with asyncio.timeout(20):
        assert await settling
    assert postgres.journal.healthy()
    assert (await request_of(postgres, request)).state == "settled"
    await postgres.journal.intend(*pair(clock))


async def test_a_worker_that_freezes_in_the_middle_of_a_batch_does_not_keep_counters_locked(
    postgres: Database, postgres_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_sink._SESSION, "idle_in_transaction_session_timeout", "200ms")
    frozen, thawed = asyncio.Event(), asyncio.Event()

    async def freeze(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute(POSTGRES_HOLDS.lock_counter, "bud_1", "org_1")
            frozen.set()
            await thawed.wait()

    sink = postgres_sink.PostgresSink(postgres_url, clock=clock)
    freezing = asyncio.ensure_future(sink._attempt(freeze))
    await frozen.wait()
    async with asyncio.timeout(20):
        await postgres.journal.intend(request_intent(clock), attempt_intent(clock, holds=(budget_hold(),)))
    thawed.set()
    with pytest.raises(StorageAwayError):
        await freezing
    await sink.close()


# --- Processes --------------------------------------------------------------------------------------------------


async def states(database: Database) -> dict[str, Any]:
    async with database.read() as connection:
        return {row.id: row.state for row in (await connection.execute(select(requests))).all()}


async def test_kill_9_loses_nothing_that_was_acknowledged(database_url: str) -> None:
    async with storage_process("write", database_url, "1000000") as process:
        seen = await acknowledged_by(process, at_most=500)
        os.kill(process.pid, signal.SIGKILL)
        rest = await acknowledged_by(process)
        intents, settled = (seen[what] | rest[what] for what in ("intent", "settled"))
    clock = SystemClock()
    database = await open_url(database_url, clock)
    try:
        before = await states(database)
        assert intents <= before.keys()
        assert {before[identifier] for identifier in settled} == {"settled"}
        left = [state for state in before.values() if state == "intent"]
        assert await database.recover("ins_me", clock.now_us()) == len(left)
        after = await states(database)
        assert set(after.values()) <= {"settled", "unknown"}
        await assert_consistent(database, "org_1")
    finally:
        await database.close()


async def test_two_processes_write_one_database(database_url: str, clock: FakeClock) -> None:
    command = ("write", database_url, "300")
    async with storage_process(*command) as first, storage_process(*command) as second:
        seen = await asyncio.gather(acknowledged_by(first), acknowledged_by(second))
        assert [await first.wait(), await second.wait()] == [0, 0]
    database = await open_url(database_url, clock)
    try:
        expected = seen[0]["settled"] | seen[1]["settled"]
        assert len(expected) == 600
        assert await states(database) == dict.fromkeys(expected, "settled")
        await assert_consistent(database, "org_1")
    finally:
        await database.close()
