"""Time, injected: rooms ask a `Clock`, tests turn it by hand."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

import msgspec

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 in JSON; a time without an offset is refused, because nobody could say which hour it means."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Wall time for records, monotonic time for durations (a clock that jumps must not give a negative latency)."""

    def now_us(self) -> int:
        """Return Unix time in microseconds."""

    def monotonic_us(self) -> int:
        """Return a monotonic reading in microseconds."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        """Return Unix time in microseconds."""
        return time.time_ns() // 1000  # noqa: TID251 - the one place that reads the wall clock

    def monotonic_us(self) -> int:
        """Return a monotonic reading in microseconds."""
        return time.monotonic_ns() // 1000


def hour_of(instant_us: int) -> int:
    """Return the start of the UTC hour that holds `instant_us`, in Unix microseconds."""
    return instant_us - instant_us % HOUR_US


def utc(instant_us: int) -> datetime:
    """Return Unix microseconds as a UTC datetime, exactly."""
    return _EPOCH + timedelta(microseconds=instant_us)
