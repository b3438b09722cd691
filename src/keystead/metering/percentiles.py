"""Percentiles of durations that are known only by the bucket (`domain.durations`). Pure.

Where in its bucket a percentile lies is not known: it is interpolated, as if what is in a bucket lay evenly over it, and
given with the bucket's bounds, between which the true one is for certain.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec

from keystead.domain.durations import BOUNDS_US

PERCENTS: Final = (50, 95, 99)
LEAST: Final = 20
"""Of fewer no percentile says much."""


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """The time within which so many of a hundred were done."""

    at_us: int
    """Interpolated between the bounds; the lower one if there is none above."""
    from_us: int
    """The true one is at least this."""
    to_us: int | None
    """And less than this; null beyond the last bucket."""
    few: bool
    """It stands on fewer than 20, or none or one lies above it: a single one may have made it."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long things took."""

    count: int
    p50: Percentile
    p95: Percentile
    p99: Percentile
    buckets: tuple[int, ...]
    """How many took so long, by the bounds of the report; the last bucket has none above. They may be added up."""


def times_of(buckets: Sequence[int]) -> Times | None:
    """Return what the counts of buckets say; None of nothing."""
    if not any(buckets):
        return None
    up_to = list(accumulate(buckets))
    p50, p95, p99 = [_percentile(buckets, up_to, percent) for percent in PERCENTS]
    return Times(count=up_to[-1], p50=p50, p95=p95, p99=p99, buckets=tuple(buckets))


def percentile(buckets: Sequence[int], percent: int) -> Percentile:
    """Return the percentile of what is counted in `buckets`, which are not all empty: the nearest rank's."""
    return _percentile(buckets, list(accumulate(buckets)), percent)


def _percentile(buckets: Sequence[int], up_to: Sequence[int], percent: int) -> Percentile:
    count = up_to[-1]
    rank = -(-count * percent // 100)
    number = bisect_left(up_to, rank)
    found = buckets[number]
    from_us = BOUNDS_US[number - 1] if number else 0
    to_us = BOUNDS_US[number] if number < len(BOUNDS_US) else None
    wide = 0 if to_us is None else to_us - from_us
    return Percentile(
        # The middle of the place that the rank has among the bucket's own, so that it is never on a bound.
        at_us=from_us + wide * (2 * (rank - up_to[number] + found) - 1) // (2 * found),
        from_us=from_us,
        to_us=to_us,
        few=count < LEAST or count - rank < 1,
    )
