"""A clock that is set by hand, so that what is made up carries the time at which it is said to have happened."""


class Calendar:
    """A `Clock` that stands still until it is set, but for one microsecond at each look: ids stay in order."""

    def __init__(self, at: int) -> None:
        """Begin at `at` (Unix microseconds)."""
        self._at = at

    def set(self, at: int) -> None:
        """Go to an instant; never back."""
        self._at = max(self._at, at)

    def now_us(self) -> int:
        """Return the time, and move on by the least there is."""
        self._at += 1
        return self._at

    def monotonic_us(self) -> int:
        """Return the same: nothing is measured here."""
        return self._at
