"""A clock turned by hand."""

START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""


class FakeClock:
    """Wall and monotonic time that pass only when told to."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us
        self._monotonic_us = 0

    def now_us(self) -> int:
        return self._now_us

    def monotonic_us(self) -> int:
        return self._monotonic_us

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_us += round(seconds * 1_000_000)
        self._monotonic_us += round(seconds * 1_000_000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does; no time passes."""
        self._now_us += round(seconds * 1_000_000)
