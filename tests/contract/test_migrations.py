"""Migrations on both engines: from nothing, from several processes at once, and to exactly what `schema` says."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from keystead.domain.errors import GatewayError
from keystead.storage import governance, migrations
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.storage.partitions import MONTHS_AHEAD, PARTITIONED, months
from keystead.storage.postgres import open_postgres
from keystead.storage.schema import requests, snapshot_revision
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, request_intent, settlement
from tests.fakes.stored import request_of


@pytest.fixture
async def migrated(empty_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_url(empty_url, clock)
    await opened.migrate()
    yield opened
    await opened.close()


def differences(connection: Connection) -> list[object]:
    def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _against: object) -> bool:
        # A partition is a table of its own in PostgreSQL's catalogue.
        return not (kind == "table" and name is not None and name.startswith(("requests_", "attempts_")))

    options = {"compare_type": True, "include_object": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_head_is_the_newest_revision() -> None:
    script = ScriptDirectory(Path(migrations.__file__).parent)
    assert script.get_current_head() == migrations.HEAD


async def test_a_migrated_database_is_what_the_schema_says(migrated: Database) -> None:
    assert governance.grants.metadata is metadata, "both modules of tables count"
    async with migrated.read() as connection:
        assert await connection.run_sync(differences) == []
        assert (await connection.execute(select(snapshot_revision))).one() == (1, 0)


async def test_the_comparison_sees_a_difference(migrated: Database) -> None:
    async with migrated.write() as connection:
        await connection.execute(text("ALTER TABLE teams ADD COLUMN surplus TEXT"))
    async with migrated.read() as connection:
        assert len(await connection.run_sync(differences)) == 1


async def test_migrating_again_changes_nothing_and_does_not_load_alembic(
    migrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "alembic"]:
        monkeypatch.setitem(sys.modules, module, None)  # an import of it now fails
    await migrated.migrate()


async def test_four_processes_may_start_at_once(empty_url: str, clock: FakeClock) -> None:
    command = (sys.executable, "-m", "tests.fakes.storage_process", "migrate", empty_url)
    processes = [
        await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=os.environ) for _ in range(4)
    ]
    outcomes = await asyncio.gather(*[process.communicate() for process in processes])
    assert [(process.returncode, stderr) for process, (_, stderr) in zip(processes, outcomes, strict=True)] == [
        (0, b"")
    ] * 4
    database = await open_url(empty_url, clock)
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_a_database_of_a_newer_version_is_left_alone(migrated: Database) -> None:
    async with migrated.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(GatewayError) as failed:
        await migrated.migrate()
    assert failed.value.code == "schema_too_new"


# --- Partitions (PostgreSQL) ------------------------------------------------------------------------------------


@pytest.fixture
async def postgres(postgres_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_postgres(postgres_url, clock=clock)
    yield opened
    await opened.close()


async def partition_of(database: Database, request_id: str) -> str:
    async with database.read() as connection:
        query = text("SELECT tableoid::regclass::text FROM requests WHERE id = :id")
        return str((await connection.execute(query, {"id": request_id})).scalar_one())


async def partitions(database: Database) -> set[str]:
    async with database.read() as connection:
        query = text(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY(ARRAY[:a, :b]::regclass[])"
        )
        return set((await connection.execute(query, {"a": "requests", "b": "attempts"})).scalars())


async def test_the_months_ahead_have_partitions(postgres: Database, clock: FakeClock) -> None:
    await postgres.ensure_partitions(clock.now_us())
    expected = {
        f"{table}_{name}" for table, _ in PARTITIONED for name, _, _ in months(clock.now_us(), MONTHS_AHEAD + 1)
    }
    assert expected | {"requests_default", "attempts_default"} <= await partitions(postgres)
    request = request_intent(clock)
    await postgres.journal.intend(request, attempt_intent(clock))
    assert await partition_of(postgres, request.id) == "requests_2026_01"


async def test_a_request_outside_every_month_is_kept_and_moved_when_its_month_is_made(
    postgres: Database, clock: FakeClock
) -> None:
    clock.jump(-400 * 86_400)
    request, attempt = request_intent(clock), attempt_intent(clock)
    await postgres.journal.intend(request, attempt)
    assert await partition_of(postgres, request.id) == "requests_default"
    await asyncio.gather(*[postgres.ensure_partitions(clock.now_us()) for _ in range(2)])
    assert await partition_of(postgres, request.id) == "requests_2024_11"
    assert await postgres.journal.settle(settlement(clock, request, attempt))
    assert (await request_of(postgres, request)).state == "settled"
    async with postgres.write() as connection:
        for table, _ in PARTITIONED:
            for name, _, _ in months(clock.now_us(), MONTHS_AHEAD + 1):
                await connection.execute(text(f"DROP TABLE {table}_{name}"))


async def test_partitions_can_be_made_under_load(postgres: Database, clock: FakeClock) -> None:
    clock.jump(400 * 86_400)

    async def trip() -> bool:
        request, attempt = request_intent(clock), attempt_intent(clock)
        await postgres.journal.intend(request, attempt)
        return await postgres.journal.settle(settlement(clock, request, attempt))

    async def load() -> list[bool]:
        return [await trip() for _ in range(30)]

    *settled, _ = await asyncio.gather(load(), load(), load(), postgres.ensure_partitions(clock.now_us()))
    assert settled == [[True] * 30] * 3
    async with postgres.read() as connection:
        assert len((await connection.execute(select(requests.c.id))).all()) == 90
    async with postgres.write() as connection:
        await connection.execute(text("DELETE FROM requests"))
        for table, _ in PARTITIONED:
            for name, _, _ in months(clock.now_us(), MONTHS_AHEAD + 1):
                await connection.execute(text(f"DROP TABLE {table}_{name}"))
