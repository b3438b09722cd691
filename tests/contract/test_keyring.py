"""Root keys on every engine: made once, opened by their own KEK only, kept in memory for five minutes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import IntegrityError, VaultError
from keystead.storage import schema
from keystead.storage.database import Database
from keystead.vault.envelope import Binding, open_sealed, seal
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import CACHE_US, DEPLOYMENT, Keyring
from tests.fakes.clock import FakeClock

SCOPE = "org_1"
BINDING = Binding(
    organization_id=SCOPE, table="t", record_id="r", field="f", version=1, provider="p", destination="https://d"
)


@pytest.fixture
def kek(tmp_path: Path) -> LocalKek:
    return LocalKek.create(tmp_path / "test-root.key")


@pytest.fixture
def keyring(database: Database, kek: LocalKek, clock: FakeClock) -> Keyring:
    return Keyring(database, kek, clock)


class Counted:
    """A database that counts how often it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.reads += 1
        async with self._database.read() as connection:
            yield connection


class Together:
    """A database whose first reads end together, so that every reader has seen the table empty before any writes."""

    def __init__(self, database: Database, barrier: asyncio.Barrier) -> None:
        self._database = database
        self._barrier = barrier
        self._first = True

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._database.read() as connection:
            yield connection
        if self._first:
            self._first = False
            await self._barrier.wait()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        async with self._database.write() as connection:
            yield connection


async def count_rows(database: Database) -> int:
    async with database.read() as connection:
        count: int = (await connection.execute(select(func.count()).select_from(schema.root_keys))).scalar_one()
        return count


async def test_a_scope_gets_one_root_key_however_often_it_is_ensured(keyring: Keyring, database: Database) -> None:
    for _ in range(3):
        await keyring.ensure(SCOPE)

    assert await count_rows(database) == 1
    assert set(await keyring.root_keys(SCOPE)) == {1}


async def test_processes_that_start_at_once_agree_on_one_root_key(
    database: Database, kek: LocalKek, clock: FakeClock
) -> None:
    barrier = asyncio.Barrier(3)
    keyrings = [Keyring(Together(database, barrier), kek, clock) for _ in range(3)]  # type: ignore[arg-type]

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for keyring in keyrings:
            group.create_task(keyring.ensure(SCOPE))

    assert await count_rows(database) == 1
    blob = seal((await keyrings[0].root_keys(SCOPE))[1], 1, BINDING, b"key")
    assert [open_sealed(await keyring.root_keys(SCOPE), BINDING, blob) for keyring in keyrings] == [b"key"] * 3


async def test_scopes_have_root_keys_of_their_own(keyring: Keyring) -> None:
    await keyring.ensure(SCOPE)
    await keyring.ensure("org_2")

    blob = seal((await keyring.root_keys(SCOPE))[1], 1, BINDING, b"key")
    with pytest.raises(IntegrityError):
        open_sealed(await keyring.root_keys("org_2"), BINDING, blob)


async def test_another_process_with_the_same_kek_opens_the_root_key(
    keyring: Keyring, database: Database, kek: LocalKek, clock: FakeClock
) -> None:
    await keyring.ensure(SCOPE)

    blob = seal((await keyring.root_keys(SCOPE))[1], 1, BINDING, b"key")
    assert open_sealed(await Keyring(database, kek, clock).root_keys(SCOPE), BINDING, blob) == b"key"


async def test_a_scope_without_a_root_key_is_an_error_and_not_a_new_key(keyring: Keyring, database: Database) -> None:
    with pytest.raises(VaultError) as error:
        await keyring.root_keys(SCOPE)

    assert error.value.code == "root_key_missing"
    assert await count_rows(database) == 0


async def test_another_kek_is_told_which_one_is_needed(
    keyring: Keyring, database: Database, kek: LocalKek, clock: FakeClock, tmp_path: Path
) -> None:
    await keyring.ensure(SCOPE)
    stranger = Keyring(database, LocalKek.create(tmp_path / "other.key"), clock)

    for attempt in (stranger.ensure, stranger.root_keys):
        with pytest.raises(VaultError, match=f"wrapped by the KEK {kek.id}") as error:
            await attempt(SCOPE)
        assert error.value.code == "wrong_kek"


@pytest.mark.parametrize("change", [{"scope": "org_2"}, {"version": 2}])
async def test_a_root_key_moved_to_another_row_does_not_open(
    keyring: Keyring, database: Database, change: dict[str, str | int]
) -> None:
    await keyring.ensure(SCOPE)
    async with database.write() as connection:
        await connection.execute(update(schema.root_keys).values(change))

    keyring._held.clear()
    with pytest.raises(IntegrityError):
        await keyring.root_keys(str(change.get("scope", SCOPE)))


async def test_root_keys_are_read_once_in_five_minutes(
    keyring: Keyring, database: Database, kek: LocalKek, clock: FakeClock
) -> None:
    await keyring.ensure(SCOPE)
    counted = Counted(database)
    cached = Keyring(counted, kek, clock)  # type: ignore[arg-type]

    for _ in range(3):
        await cached.root_keys(SCOPE)
        clock.advance(99.9)
    assert counted.reads == 1

    clock.advance(0.3)
    await cached.root_keys(SCOPE)
    assert counted.reads == 2


async def test_what_is_older_than_five_minutes_leaves_memory_with_the_next_read(
    keyring: Keyring, clock: FakeClock
) -> None:
    await keyring.ensure(SCOPE)
    await keyring.ensure("org_2")
    assert set(keyring._held) == {SCOPE, "org_2"}

    clock.advance(CACHE_US / 1_000_000)
    await keyring.root_keys("org_2")

    assert set(keyring._held) == {"org_2"}


async def test_a_transaction_reads_root_keys_on_its_own_connection(
    keyring: Keyring, database: Database, kek: LocalKek, clock: FakeClock
) -> None:
    await keyring.ensure(SCOPE)
    counted = Counted(database)

    async with database.write() as connection:
        assert set(await Keyring(counted, kek, clock).root_keys(SCOPE, connection)) == {1}  # type: ignore[arg-type]
    assert counted.reads == 0


async def test_the_pepper_is_one_and_the_same_and_no_organizations_key(
    keyring: Keyring, database: Database, kek: LocalKek, clock: FakeClock
) -> None:
    await keyring.ensure(DEPLOYMENT)
    await keyring.ensure(SCOPE)
    pepper = await keyring.pepper()

    assert len(pepper) == 32
    assert pepper == await Keyring(database, kek, clock).pepper()
    assert pepper != (await keyring.root_keys(SCOPE))[1].subkey(b"virtual-key")
    assert pepper != (await keyring.root_keys(DEPLOYMENT))[1].subkey(b"enc")


async def test_the_pepper_outlives_new_root_keys(keyring: Keyring, database: Database, kek: LocalKek) -> None:
    await keyring.ensure(DEPLOYMENT)
    before = await keyring.pepper()
    wrapped = kek.wrap(b"n" * 32, keyring_context(DEPLOYMENT, 2))
    async with database.write() as connection:
        await connection.execute(
            schema.root_keys.insert().values(scope=DEPLOYMENT, version=2, kek_id=kek.id, wrapped=wrapped, created_at=1)
        )

    keyring._held.clear()
    assert set(await keyring.root_keys(DEPLOYMENT)) == {1, 2}
    assert await keyring.pepper() == before


def keyring_context(scope: str, version: int) -> bytes:
    """The context as it is written in every database that exists: changing it would close them all."""
    parts = [b"root_keys", scope.encode(), str(version).encode()]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
