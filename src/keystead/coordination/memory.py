"""Counters in this process. No method suspends, so each is atomic."""

from collections.abc import Mapping, Sequence

from keystead.coordination import BUCKET_US, BUCKETS, LEASE_US, NEVER, SLOT_WAIT_US, Demand, Return, Room


class MemoryCounters:
    """Windows and slots of one process; see `Counters`."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._windows: dict[str, dict[int, int]] = {}
        self._slots: dict[str, dict[str, int]] = {}

    async def take(self, demands: Sequence[Demand], *, lease: str, now_us: int) -> tuple[Room, ...]:
        """See `Counters.take`."""
        rooms = tuple(
            self._room_in_window(demand, now_us) if demand.kind == "window" else self._room_for_slot(demand, now_us)
            for demand in demands
        )
        if any(room.wait_us for room in rooms):
            return rooms
        for demand in demands:
            if demand.kind == "window":
                self._count(demand.key, now_us // BUCKET_US, demand.amount)
            else:
                self._slots.setdefault(demand.key, {})[lease] = now_us + LEASE_US
        return tuple(
            Room(left=room.left - demand.amount, wait_us=0) for room, demand in zip(rooms, demands, strict=True)
        )

    async def give_back(self, returns: Sequence[Return], *, lease: str, now_us: int) -> None:
        """See `Counters.give_back`."""
        for each in returns:
            if each.kind == "slots":
                self._slots.get(each.key, {}).pop(lease, None)
            elif each.change > 0:
                self._count(each.key, now_us // BUCKET_US, each.change)
            else:
                bucket, counts = each.taken_at // BUCKET_US, self._windows.get(each.key, {})
                if bucket in counts:
                    counts[bucket] = max(0, counts[bucket] + each.change)

    async def renew(self, held: Mapping[str, Sequence[str]], *, now_us: int) -> None:
        """See `Counters.renew`; also forgets counters that nobody uses any more."""
        for lease, keys in held.items():
            for key in keys:
                self._slots.setdefault(key, {})[lease] = now_us + LEASE_US
        for key in list(self._slots):
            if not self._leases(key, now_us):
                del self._slots[key]
        for key in list(self._windows):
            if not self._counts(key, now_us):
                del self._windows[key]

    async def close(self) -> None:
        """See `Counters.close`; there are none."""

    def _room_in_window(self, demand: Demand, now_us: int) -> Room:
        counts = self._counts(demand.key, now_us)
        used = sum(counts.values())
        over = used + demand.amount - demand.most
        left = max(demand.most - used, 0)
        if over <= 0:
            return Room(left=left, wait_us=0)
        for bucket in sorted(counts):
            over -= counts[bucket]
            if over <= 0:
                return Room(left=left, wait_us=(bucket + BUCKETS + 1) * BUCKET_US - now_us)
        return Room(left=left, wait_us=NEVER)

    def _room_for_slot(self, demand: Demand, now_us: int) -> Room:
        left = max(demand.most - len(self._leases(demand.key, now_us)), 0)
        return Room(left=left, wait_us=0 if left else SLOT_WAIT_US)

    def _counts(self, key: str, now_us: int) -> dict[int, int]:
        """Return what counts in a window, and forget the rest, also what a clock that was set back left behind."""
        counts = self._windows.get(key, {})
        current = now_us // BUCKET_US
        for bucket in [bucket for bucket in counts if abs(bucket - current) > BUCKETS]:
            del counts[bucket]
        return counts

    def _leases(self, key: str, now_us: int) -> dict[str, int]:
        leases = self._slots.get(key, {})
        for lease in [lease for lease, until in leases.items() if until <= now_us]:
            del leases[lease]
        return leases

    def _count(self, key: str, bucket: int, amount: int) -> None:
        counts = self._windows.setdefault(key, {})
        counts[bucket] = counts.get(bucket, 0) + amount
