"""Which attempts find room for what they hold, decided in memory on what their own transaction has read. Pure.

The transaction reads a `Standing` for each window that its holds are judged in, gives back what has ended, admits in
order, and then adds `changes` to the counters: one row for each bucket, however many holds were in it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from keystead.domain.means import Hold
from keystead.domain.money import MAX_PICO

Window = tuple[str, int, int]
"""Counter, the bucket that is held in, and the first bucket that counts."""
Change = tuple[str, int, int, int]
"""Counter, bucket, what is added to `spent`, what is added to `held`."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction has read of a counter."""

    counted: int = 0
    """Spent and held in the window's first bucket and all after it."""
    ceiling: int = 0
    """Of the bucket that is held in, like the rest: what was ever paid in."""
    spent: int = 0
    held: int = 0


class _Bucket:
    """What becomes of a bucket in this transaction."""

    __slots__ = ("before", "held", "spent")

    def __init__(self, before: Standing) -> None:
        self.before = before
        self.spent = 0
        self.held = 0


class Room:
    """What room there is in the counters that a transaction concerns."""

    def __init__(self, standings: Mapping[Window, Standing]) -> None:
        """Take what was read: the window of every hold that will be asked for (see `window_of`)."""
        self._counted = {window: standing.counted for window, standing in standings.items()}
        self._buckets = {window[:2]: _Bucket(standing) for window, standing in standings.items()}
        self._windows: dict[str, list[Window]] = {}
        for window in standings:
            self._windows.setdefault(window[0], []).append(window)

    def let_go(self, hold: Hold, post: int) -> None:
        """Give back what was held, and spend what is posted."""
        self._add(hold, spent=post, held=-hold.amount)

    def admit(self, holds: Iterable[Hold]) -> Hold | None:
        """Hold all of `holds`, or none and return the first that had no room."""
        taken: list[Hold] = []
        for hold in holds:
            if not self._has_room(hold):
                for other in taken:
                    self._add(other, spent=0, held=-other.amount)
                return hold
            self._add(hold, spent=0, held=hold.amount)
            taken.append(hold)
        return None

    def changes(self) -> list[Change]:
        """Return what to add to the counters, sorted."""
        return sorted(
            (counter_id, bucket_at, min(bucket.spent, MAX_PICO), bucket.held)
            for (counter_id, bucket_at), bucket in self._buckets.items()
            if bucket.spent or bucket.held
        )

    def _has_room(self, hold: Hold) -> bool:
        window = window_of(hold)
        bucket = self._buckets[window[:2]]
        before = bucket.before
        held = before.held + bucket.held
        # An amount below zero would make room where there is none, and a column holds 63 bits.
        if hold.amount < 0 or held + hold.amount > MAX_PICO:
            return False
        if hold.kind == "credits" and before.ceiling - before.spent - bucket.spent - held < hold.amount:
            return False
        return hold.limit is None or self._counted[window] + hold.amount <= hold.limit

    def _add(self, hold: Hold, *, spent: int, held: int) -> None:
        key = (hold.counter_id, hold.bucket_at)
        bucket = self._buckets.get(key)
        if bucket is None:  # nothing is asked of this bucket, so nobody has read it
            bucket = self._buckets[key] = _Bucket(Standing())
        bucket.spent += spent
        bucket.held += held
        for window in self._windows.get(hold.counter_id, ()):
            if window[2] <= hold.bucket_at:
                self._counted[window] += spent + held


def window_of(hold: Hold) -> Window:
    """Return the window that a hold is judged in. Its own bucket always counts."""
    return hold.counter_id, hold.bucket_at, min(hold.since_at, hold.bucket_at)
