"""What a room may rely on when it borrows a connection, on both engines."""

import asyncio
import contextlib
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from keystead.domain.errors import GatewayError, InvalidRequestError, NotRecordedError
from keystead.storage import journal, revision
from keystead.storage.database import Database
from keystead.storage.engine import SQLITE_FILE, open_database
from keystead.storage.postgres import open_postgres
from keystead.storage.schema import organizations
from keystead.storage.sqlite import open_sqlite
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, request_intent

ORGANIZATION = {"id": "org_1", "name": "One", "currency": "USD", "created_at": 1}
AN_ORGANIZATION = insert(organizations).values(ORGANIZATION)
HOW_MANY = select(func.count()).select_from(organizations)


async def test_a_write_block_that_ends_well_is_committed(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(AN_ORGANIZATION)
    async with database.read() as connection:
        assert (await connection.execute(HOW_MANY)).scalar_one() == 1


async def test_a_write_block_that_fails_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(AN_ORGANIZATION)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.read() as connection:
        assert (await connection.execute(HOW_MANY)).scalar_one() == 0


async def test_an_error_of_the_block_itself_is_not_taken_for_the_databases(database: Database) -> None:
    with pytest.raises(FileNotFoundError):
        async with database.read():
            raise FileNotFoundError


async def test_a_duplicate_is_told_apart(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(AN_ORGANIZATION)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(AN_ORGANIZATION)


async def test_what_a_process_must_do_to_go_on_waits_for_no_report(database: Database) -> None:
    async with AsyncExitStack() as reports:
        with contextlib.suppress(TimeoutError):
            while True:  # until there is no connection left
                async with asyncio.timeout(0.2):
                    _ = await reports.enter_async_context(database.read())
        async with asyncio.timeout(2):
            await database.heartbeat("ins_1")
            assert await database.living(0) == 1
            async with database.vital.read() as connection:
                assert await revision.current(connection) == 0


async def test_a_connection_lent_for_reading_does_not_write(database: Database) -> None:
    with pytest.raises(GatewayError):
        async with database.read() as connection:
            await connection.execute(AN_ORGANIZATION)
    async with database.write() as connection:  # and the pool gives out one that does
        await connection.execute(AN_ORGANIZATION)


async def test_a_read_block_sees_one_state_throughout(database: Database) -> None:
    async with database.read() as connection:
        assert (await connection.execute(HOW_MANY)).scalar_one() == 0
        async with database.write() as writer:
            await writer.execute(AN_ORGANIZATION)
        assert (await connection.execute(HOW_MANY)).scalar_one() == 0
    async with database.read() as connection:
        assert (await connection.execute(HOW_MANY)).scalar_one() == 1


async def test_many_writers_take_turns(database: Database, database_url: str, clock: FakeClock) -> None:
    second = await open_url(database_url, clock)

    async def count(owner: Database) -> None:
        async with owner.write() as connection:
            await revision.touch(connection)

    try:
        await asyncio.gather(*[count(owner) for owner in (database, second) * 10])
    finally:
        await second.close()
    async with database.read() as connection:
        assert await revision.current(connection) == 20


async def test_the_revision_is_counted_in_the_transaction_that_changes_something(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as connection:
            await revision.touch(connection)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.read() as connection:
        assert await revision.current(connection) == 0


async def test_the_engine_says_its_name(database: Database, database_url: str) -> None:
    assert database.engine_name == ("sqlite" if database_url.startswith("sqlite") else "postgresql")


async def test_closing_twice_is_closing_once(database: Database) -> None:
    await database.close()
    await database.close()


async def test_an_empty_url_means_sqlite_in_the_data_folder(tmp_path: Path, clock: FakeClock) -> None:
    home = tmp_path / "var"
    database = await open_database(database_url="", home=home, clock=clock)
    await database.migrate()
    await database.journal.intend(request_intent(clock), attempt_intent(clock))
    async with database.write() as connection:
        await connection.execute(AN_ORGANIZATION)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert files == {f"{SQLITE_FILE}{end}": 0o600 for end in ("", "-wal", "-shm", "-turn")}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    await database.close()


async def test_a_data_file_that_others_may_read_is_closed_to_them(sqlite_path: Path, clock: FakeClock) -> None:
    sqlite_path.chmod(0o644)
    database = await open_sqlite(sqlite_path, clock=clock)
    await database.close()
    assert stat.S_IMODE(sqlite_path.stat().st_mode) == 0o600


@pytest.mark.parametrize("synchronous", ["full", "normal"])
async def test_sqlite_commits_as_durably_as_it_is_told_to(
    sqlite_path: Path, clock: FakeClock, synchronous: str
) -> None:
    database = await open_sqlite(sqlite_path, clock=clock, synchronous=synchronous)  # type: ignore[arg-type]
    expected = {"normal": 1, "full": 2}[synchronous]
    async with database.write() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == expected
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"
    sink = database.journal._sink  # type: ignore[attr-defined]
    assert await sink._in_thread(lambda: sink._open().execute("PRAGMA synchronous").fetchone()) == (expected,)
    await database.close()


async def test_the_journal_on_postgresql_waits_for_the_disk(postgres_url: str, clock: FakeClock) -> None:
    database = await open_postgres(postgres_url, clock=clock)
    await database.journal.intend(request_intent(clock), attempt_intent(clock))
    connection = database.journal._sink._connection  # type: ignore[attr-defined]
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await database.close()


async def test_a_database_that_is_away_is_an_error_of_ours_that_names_no_host(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "CLOSE_PATIENCE_S", 0.01)
    database = await open_database(
        database_url="postgresql://someone:hunter2@127.0.0.1:1/none", home=Path("unused"), clock=clock
    )
    for borrowed in (database.read, database.write):
        with pytest.raises(GatewayError) as failed:
            async with borrowed():
                pass
        assert failed.value.code == "storage_unavailable"
        assert "127.0.0.1" not in failed.value.message
    with pytest.raises(NotRecordedError):
        await database.journal.intend(request_intent(clock), attempt_intent(clock))
    await database.close()


async def test_a_url_of_another_kind_is_refused_without_repeating_its_password(clock: FakeClock) -> None:
    with pytest.raises(InvalidRequestError) as failed:
        await open_database(database_url="mysql://root:hunter2@db/keystead", home=Path("unused"), clock=clock)
    assert "hunter2" not in str(failed.value)
