"""What waits to be written by the journal, and what it adds up to. Pure."""

import asyncio
from collections.abc import Iterable
from operator import add

import msgspec

from keystead.domain.records import AttemptIntent, RequestIntent, Settlement
from keystead.storage import rows
from keystead.storage.rows import RollupKey, RollupSums


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


Record = Intent | Ending
"""Written in the order given."""


def added(ended: Iterable[tuple[Settlement, bool]]) -> list[tuple[RollupKey, RollupSums]]:
    """Return what settlements add to the roll-ups, one entry a row, sorted by key.

    Each settlement comes with whether it ended its request. Sorted, because workers that take the same rows in the
    same order cannot block each other.
    """
    sums: dict[RollupKey, RollupSums] = {}
    for settlement, ends_request in ended:
        key = rows.rollup_key(settlement)
        more = rows.rollup_sums(settlement, ends_request=ends_request)
        before = sums.get(key)
        sums[key] = more if before is None else tuple(map(add, before, more))
    return [(key, _bounded(sums[key])) for key in sorted(sums)]


def _bounded(sums: RollupSums) -> RollupSums:
    return sums if max(sums) <= rows.MAX_COUNT else tuple([min(value, rows.MAX_COUNT) for value in sums])
