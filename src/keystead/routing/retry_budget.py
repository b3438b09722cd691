"""Second tries are a small share of traffic: when everything fails, retries must not double the load. Pure.

A token bucket per credential: every first try earns a tenth of a token, every second try takes a whole one. A small
floor, refilled by time, lets quiet credentials try again as well. A tenant whose provider fails spends its own
tokens and nobody else's. Going on to a route's next attempt is not a second try: the route bounds that.
"""

from typing import Final

MAX_CREDENTIALS: Final = 10_000
"""Buckets kept; beyond that the one longest unused is forgotten, and begins anew with the floor."""

SHARE_MILLI: Final = 100
"""Thousandths of a token that a first try earns: second tries are at most a tenth of them."""

MOST_EARNED_MILLI: Final = 20_000
"""What can be saved up, so that only recent traffic counts: 20 second tries, earned by the last 200 first ones."""

FLOOR_MILLI: Final = 2_000
"""The floor when full: two second tries."""

FLOOR_REFILL_US: Final = 10_000_000
"""The floor earns a token in this time."""

_TOKEN: Final = 1_000


class _Bucket:
    """The tokens of one credential, in thousandths."""

    __slots__ = ("earned", "filled_us", "floor")

    def __init__(self, now_us: int) -> None:
        self.earned = 0
        self.floor = FLOOR_MILLI
        self.filled_us = now_us


class RetryBudget:
    """How many second tries each credential has left.

    `now_us` is a monotonic reading in microseconds.
    """

    def __init__(self) -> None:
        """Begin with the floor for everybody."""
        self._buckets: dict[str, _Bucket] = {}

    def first_try(self, credential_id: str, *, now_us: int) -> None:
        """Count a first try: it earns its share of a second one."""
        bucket = self._bucket(credential_id, now_us)
        bucket.earned = min(bucket.earned + SHARE_MILLI, MOST_EARNED_MILLI)

    def second_try(self, credential_id: str, *, now_us: int) -> bool:
        """Take a second try out of the budget; False if there is none left."""
        bucket = self._bucket(credential_id, now_us)
        refill = (now_us - bucket.filled_us) * _TOKEN // FLOOR_REFILL_US
        bucket.floor = min(bucket.floor + refill, FLOOR_MILLI)
        bucket.filled_us += refill * FLOOR_REFILL_US // _TOKEN
        if bucket.earned >= _TOKEN:
            bucket.earned -= _TOKEN
            return True
        if bucket.floor >= _TOKEN:
            bucket.floor -= _TOKEN
            return True
        return False

    def _bucket(self, credential_id: str, now_us: int) -> _Bucket:
        bucket = self._buckets.pop(credential_id, None)
        if bucket is None:
            if len(self._buckets) >= MAX_CREDENTIALS:
                del self._buckets[next(iter(self._buckets))]
            bucket = _Bucket(now_us)
        self._buckets[credential_id] = bucket  # at the end: used last
        return bucket
