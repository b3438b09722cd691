"""Failed sign-ins by address: after a few, the next ones wait. In memory, bounded, per process.

256-bit secrets cannot be guessed; this keeps noise out of the logs and a scanner from costing CPU. A good key is
never refused because of somebody else's bad ones: only the pair of address and key id that failed is slowed.
"""

from typing import Final

from keystead.domain.clock import Clock

LIMIT: Final = 20
"""Failures of one address with one key id in a window before 429."""

WRONG_PASSWORDS: Final = 5
"""Wrong passwords for one address from one place in a minute, before it is told to wait: those can be guessed."""

WINDOW_US: Final = 60_000_000
_ID_LENGTH: Final = 30
"""Characters that hold the id of a key or token (`ksa_` and 26) and nothing of its secret, which a guess varies."""
_MAX_PAIRS: Final = 10_000


class Failures:
    """Counts failed sign-ins in fixed windows of a minute."""

    def __init__(self, clock: Clock, *, limit: int = LIMIT) -> None:
        """Start with none, and let `limit` pass."""
        self._clock = clock
        self._limit = limit
        self._window = 0
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, address: str, shown: str) -> bool:
        """Count a failure; return True when this pair has failed too often and should be told to wait."""
        self._turn()
        pair = (address, shown[:_ID_LENGTH])
        self._counts[pair] = self._counts.get(pair, 0) + 1
        return self._counts[pair] > self._limit

    def forgive(self, address: str, shown: str) -> None:
        """Take back what was counted before it was known to be good."""
        pair = (address, shown[:_ID_LENGTH])
        if self._counts.get(pair, 0) > 0:
            self._counts[pair] -= 1

    def _turn(self) -> None:
        """Begin to count anew with each window, and when there is too much to remember."""
        window = self._clock.monotonic_us() // WINDOW_US
        if window != self._window or len(self._counts) >= _MAX_PAIRS:
            self._window = window
            self._counts.clear()
