"""Counting what is shared between processes, and is not money: how many in the last minute, how many at once.

Two kinds of counters, kept in memory (one process) or in Redis (any number), by the same rules:

- a *window* counts amounts over the last minute in buckets of five seconds. The twelve whole buckets before the
  current one count, so in no sixty seconds is there more than the limit; what was counted leaves again after 60 to
  65 seconds. Two weighted windows or a leaky bucket would need less memory, and let up to twice the limit pass.
- *slots* are leases that expire. Who holds one renews it while he lives, so a process that dies gives them back.

`take` is all or nothing: if one counter has no room, none is changed.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

BUCKET_US: Final = 5_000_000
BUCKETS: Final = 12
"""Whole buckets that count beside the current one: sixty seconds."""
LEASE_US: Final = 60_000_000
"""For how long a slot is held without being renewed."""
NEVER: Final = -1
"""The wait for room that will not come: more is wanted than there ever is."""
SLOT_WAIT_US: Final = 1_000_000
"""When to look again for a free slot; nobody knows when a stream ends."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of one counter."""

    kind: Literal["window", "slots"]
    key: str
    most: int
    amount: int = 1
    """Of slots, always one."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What one counter has."""

    left: int
    """After what was taken, if it was."""
    wait_us: int
    """0 if there was room; else how long until there may be, or `NEVER`."""


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """What is given back to one counter, or taken in addition."""

    kind: Literal["window", "slots"]
    key: str
    taken_at: int
    """When it was taken, Unix microseconds."""
    change: int = 0
    """Of a window: what is to be added. What was too much leaves the bucket it was counted in; what was too little is
    counted now, when it is known."""


class CountersAwayError(Exception):
    """The counters cannot be reached now."""


class Counters(Protocol):
    """Windows and slots, by key."""

    async def take(self, demands: Sequence[Demand], *, lease: str, now_us: int) -> tuple[Room, ...]:
        """Take everything that is demanded, or nothing if one room says to wait.

        Args:
            demands: at least one; keys are different.
            lease: names the holder of slots.
            now_us: Unix microseconds.

        Raises:
            CountersAwayError: nobody knows.
        """

    async def give_back(self, returns: Sequence[Return], *, lease: str, now_us: int) -> None:
        """Give slots back and correct windows. What has left its counter already changes nothing.

        Raises:
            CountersAwayError: it may not have been done.
        """

    async def renew(self, held: Mapping[str, Sequence[str]], *, now_us: int) -> None:
        """Hold the slots in `held` (lease → keys) for another `LEASE_US`, also if they were lost.

        Raises:
            CountersAwayError: it may not have been done.
        """

    async def close(self) -> None:
        """Let go of connections."""
