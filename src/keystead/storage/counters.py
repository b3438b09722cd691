"""What was counted in periods that ended long ago, which nobody asks for any more."""

from typing import Final

from sqlalchemy import delete, select, tuple_

from keystead.storage.database import Lender
from keystead.storage.governance import counters

KEPT_US: Final = 400 * 86_400 * 1_000_000
"""How long: no period is longer than 8,760 hours, a year. What was spent is also in the record and its sums, for good."""

_BATCH: Final = 1_000
"""Rows per transaction: on SQLite everybody who writes waits for it."""


async def forget_counters(database: Lender, now_us: int) -> int:
    """Delete the buckets that began longer than `KEPT_US` before `now_us` and hold nothing; return how many.

    A bucket that still holds something belongs to an attempt that has not ended, or to be recovered.
    """
    key = counters.c.counter_id, counters.c.bucket_at
    old = counters.c.bucket_at > 0, counters.c.bucket_at < now_us - KEPT_US, counters.c.held == 0
    # Of several processes that do this at once, each takes rows of its own.
    some = select(*key).where(*old).order_by(counters.c.bucket_at).limit(_BATCH).with_for_update(skip_locked=True)
    forgotten = 0
    while True:
        async with database.write() as conn:
            found = (await conn.execute(delete(counters).where(tuple_(*key).in_(some)))).rowcount
        forgotten += found
        if found < _BATCH:
            return forgotten
