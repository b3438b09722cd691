"""What waits to be written by the journal, and what it adds up to. Pure."""

import asyncio
from collections.abc import Iterable
from operator import add
from typing import Final

import msgspec

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.records import AttemptIntent, RequestIntent, Settlement
from keystead.storage import rows
from keystead.storage.rows import RollupKey, RollupSums
from keystead.storage.usage_tables import ROLLUP_TIMES


class Intent(msgspec.Struct, eq=False):
    """An intent that waits to be written."""

    request: RequestIntent
    attempt: AttemptIntent
    done: asyncio.Future[None]


class Ending(msgspec.Struct, eq=False):
    """A settlement that waits to be written."""

    settlement: Settlement
    done: asyncio.Future[bool] | None
    """None when nobody waits for it."""
    reduced: bool = False
    """Whether this is what was left of a settlement that could not be written."""


LATE_US: Final = 2 * HOUR_US
"""How long after an hour began something of it is late: what was gathered of that hour counts no more."""

Record = Intent | Ending
"""Written in the order given."""


def added(ended: Iterable[tuple[Settlement, bool]]) -> list[tuple[RollupKey, RollupSums]]:
    """Return what settlements add to the roll-ups, one entry a row, sorted by key: `ROLLUP_SUMS`, `ROLLUP_TIMES`.

    Each settlement comes with whether it ended its request. Sorted, because workers that take the same rows in the
    same order cannot block each other.
    """
    sums: dict[RollupKey, RollupSums] = {}
    times: dict[RollupKey, list[int]] = {}
    for settlement, ends_request in ended:
        key = rows.rollup_key(settlement)
        more = rows.rollup_sums(settlement, ends_request=ends_request)
        before = sums.get(key)
        if before is None:
            sums[key] = more
            times[key] = [0] * len(ROLLUP_TIMES)
        else:
            sums[key] = tuple(map(add, before, more))
        counted = times[key]
        for place in rows.rollup_times(settlement):
            counted[place] += 1
    return [(key, (*_bounded(sums[key]), *times[key])) for key in sorted(sums)]


def _bounded(sums: RollupSums) -> RollupSums:
    return sums if max(sums) <= rows.MAX_COUNT else tuple([min(value, rows.MAX_COUNT) for value in sums])


def late(ended: Iterable[tuple[Settlement, bool]], now: int) -> list[tuple[str, int]]:
    """Return (organization, hour) of the hours that settlements add to late, each once, sorted.

    `now` is when it is written, not when it ended: in between the storage may have been away for hours.
    """
    found = set()
    for settlement, _ in ended:
        hour_at = hour_of(settlement.request.started_at)
        if hour_at + LATE_US <= now:
            found.add((settlement.request.organization_id, hour_at))
    return sorted(found)
