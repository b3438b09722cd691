"""Whether there is room for holds now, as the journal would decide. Only reads `counters`."""

from collections.abc import Sequence

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.means import Hold
from keystead.storage.admission import Room, Standing, Window, window_of
from keystead.storage.governance import counters
from keystead.storage.sums import exact_sum, whole


async def full(conn: AsyncConnection, holds: Sequence[Hold]) -> Hold | None:
    """Return the first of `holds` for which there is no room; None if there is room for all."""
    standings = {window: await _standing(conn, window) for window in map(window_of, holds)}
    return Room(standings).admit(holds)


async def _standing(conn: AsyncConnection, window: Window) -> Standing:
    counter_id, bucket_at, since_at = window
    table = counters.c
    here = table.bucket_at == bucket_at
    of_bucket = (func.max(case((here, column))) for column in (table.ceiling, table.spent, table.held))
    query = select(*exact_sum(table.spent), *exact_sum(table.held), *of_bucket).where(
        table.counter_id == counter_id, table.bucket_at >= since_at
    )
    *halves, ceiling, spent, held = (await conn.execute(query)).one()
    counted = whole(*halves[:2]) + whole(*halves[2:])
    return Standing(counted=counted, ceiling=ceiling or 0, spent=spent or 0, held=held or 0)
