"""A sink for the journal that a test holds in its hand."""

import asyncio
from collections.abc import Callable, Sequence

from keystead.storage.batch import Intent, Record
from keystead.storage.sink import Outcome, StorageAwayError


class FakeSink:
    """Keeps the batches written; can be held, broken, and made to refuse records."""

    most_at_once = 16

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.away = False
        self.full = False
        """Nothing can be added; what is there can still be changed."""
        self.refuses: Callable[[Record], bool] = lambda record: False
        self.outcome: Callable[[Record], Outcome] = lambda record: True
        self.entered = asyncio.Event()
        """Set when a write begins."""
        self.closed = False
        self.probes = 0
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Let writes begin and not end."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    @property
    def written(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]

    async def write(self, batch: Sequence[Record]) -> Sequence[Outcome]:
        self.entered.set()
        await self._open.wait()
        if self.away or (self.full and any(isinstance(record, Intent) for record in batch)):
            raise StorageAwayError("away")
        if any(self.refuses(record) for record in batch):
            raise ValueError("a record is not valid")
        self.batches.append(list(batch))
        return [self.outcome(record) for record in batch]

    async def probe(self) -> None:
        self.probes += 1
        if self.away or self.full:
            raise StorageAwayError("away")

    async def close(self) -> None:
        self.closed = True
