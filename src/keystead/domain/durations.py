"""Durations counted into buckets that double, so that counts of parts add up to the count of the whole."""

from typing import Final

FIRST_BOUND_US: Final = 50_000
BOUNDS_US: Final = tuple(FIRST_BOUND_US << number for number in range(12))
"""Where buckets end, each excluded: 50 ms, 100 ms … 102.4 s. The last bucket, beyond them, has no end."""
BUCKETS: Final = len(BOUNDS_US) + 1


def bucket_of(duration_us: int) -> int:
    """Return the number of the bucket that a duration is counted in."""
    return min((duration_us // FIRST_BOUND_US).bit_length(), BUCKETS - 1) if duration_us > 0 else 0
