"""Time, injected: rooms ask a `Clock`, tests turn it by hand."""

import time
from typing import Protocol

HOUR_US = 3_600_000_000


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
