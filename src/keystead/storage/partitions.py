"""Monthly range partitions of `requests` and `attempts` on PostgreSQL, so that old months can be dropped whole."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.database import Database
from keystead.storage.migrate import lock_schema
from keystead.storage.row_security import protection

PARTITIONED: Final = (("requests", "started_at"), ("attempts", "request_started_at"))
"""Each partitioned table and its partition key (Unix µs)."""
MONTHS_AHEAD: Final = 2
_Partition = tuple[str, str, int, int]
"""Table, partition key, first instant, end."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def ensure(database: Database, now: int) -> None:
    """Create the partitions of the month that holds `now` (Unix µs) and of the next two, where they are missing.

    A row for which there is no month goes to the default partition, so that an insert never fails for the want of
    housekeeping; it is moved when its month is made.
    """
    wanted = {
        f"{table}_{name}": (table, key, first, end)
        for table, key in PARTITIONED
        for name, first, end in months(now, MONTHS_AHEAD + 1)
    }
    async with database.read() as connection:
        missing = [name for name in wanted if not await _exists(connection, name)]
    for name in missing:
        async with database.write() as connection:
            await lock_schema(connection)
            if not await _exists(connection, name):
                await _create(connection, name, wanted[name])


def months(now: int, count: int) -> list[tuple[str, int, int]]:
    """Return name (`2026_12`), first instant and end (Unix µs) of the month that holds `now` and those after it."""
    day = (_EPOCH + timedelta(microseconds=now)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    for _ in range(count):
        after = (day + timedelta(days=32)).replace(day=1)
        found.append((f"{day:%Y_%m}", _micros(day), _micros(after)))
        day = after
    return found


def _micros(day: datetime) -> int:
    return (day - _EPOCH) // timedelta(microseconds=1)


async def _exists(connection: AsyncConnection, name: str) -> bool:
    # Asked of the catalogue's rows: to_regclass may answer from a cache that a wait for a lock does not refresh.
    return await connection.run_sync(lambda sync: inspect(sync).has_table(name))


async def _create(connection: AsyncConnection, name: str, partition: _Partition) -> None:
    # Made apart and then attached: that does not lock the table against writers, as CREATE … PARTITION OF would.
    # The parts are our own names and numbers; DDL takes no parameters.
    table, key, first, end = partition
    month = f"{key} >= {first} AND {key} < {end}"
    for statement in (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
        *protection(name),
        f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE",
        f"INSERT INTO {name} SELECT * FROM {table}_default WHERE {month}",  # noqa: S608 - as said above
        f"DELETE FROM {table}_default WHERE {month}",  # noqa: S608
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
    ):
        await connection.execute(text(statement))
