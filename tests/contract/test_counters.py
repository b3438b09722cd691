"""Counters of periods that ended long ago are deleted, and no others."""

from collections.abc import Iterable

from sqlalchemy import insert, select

from keystead.limits.checks import MAX_ROLLING_HOURS
from keystead.limits.periods import span_at
from keystead.storage.counters import KEPT_US, forget_counters
from keystead.storage.database import Database
from keystead.storage.governance import counters
from tests.fakes.clock import START_US, FakeClock

LONG_AGO = START_US - KEPT_US - 1


async def keep(database: Database, rows: Iterable[tuple[str, int, int]]) -> None:
    async with database.write() as conn:
        values = [
            {"counter_id": counter, "bucket_at": at, "organization_id": "org_1", "spent": 7, "held": held}
            for counter, at, held in rows
        ]
        await conn.execute(insert(counters), values)


async def left(database: Database) -> list[tuple[str, int]]:
    async with database.read() as conn:
        found = await conn.execute(select(counters.c.counter_id, counters.c.bucket_at).order_by(counters.c.counter_id))
        return [(row.counter_id, row.bucket_at) for row in found]


async def test_what_still_counts_is_kept(database: Database, clock: FakeClock) -> None:
    kept = [("a", 0, 0), ("b", 0, 5), ("c", LONG_AGO, 5), ("d", LONG_AGO + 1, 0), ("e", START_US, 0)]
    await keep(database, [*kept, ("f", LONG_AGO, 0), ("a", LONG_AGO, 0), ("con_1:day", 1, 0)])
    assert await forget_counters(database, clock.now_us()) == 3
    assert await left(database) == [(counter, at) for counter, at, _ in kept]
    assert await forget_counters(database, clock.now_us()) == 0


async def test_more_than_one_transaction_takes_are_deleted(database: Database, clock: FakeClock) -> None:
    await keep(database, (("hourly", number + 1, 0) for number in range(2_300)))
    await keep(database, [("hourly", 0, 0)])
    assert await forget_counters(database, clock.now_us()) == 2_300
    assert await left(database) == [("hourly", 0)]


def test_the_longest_period_there_is_is_kept() -> None:
    assert span_at("rolling", MAX_ROLLING_HOURS, START_US, "UTC").since_at > LONG_AGO
