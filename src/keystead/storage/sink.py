"""What the journal asks of an engine."""

from collections.abc import Sequence
from typing import Protocol

from keystead.domain.means import Hold
from keystead.storage.batch import Record

Outcome = bool | Hold
"""Whether a record took effect; for an intent also the hold that found no room, for which nothing of it was written."""


class StorageAwayError(Exception):
    """Nothing was written, or nobody knows (the connection broke at the commit). It may work later."""


class BatchRefusedError(Exception):
    """Nothing was written, because a record in the batch is not valid. It will not work later."""


class Sink(Protocol):
    """Writes batches, each as one durable transaction."""

    most_at_once: int
    """Records per batch: enough to share one fsync among many, few enough to last milliseconds."""

    async def write(self, batch: Sequence[Record]) -> Sequence[Outcome]:
        """Write all records or none; return, for each, whether it took effect.

        An intent takes no effect when its request has ended or when there is no room for what it holds, a settlement
        when its attempt or request has ended. Settlements are written before intents, so that what they let go is
        there for the intents. A batch holds at most one settlement of a request, and none behind an intent of it.

        Raises:
            StorageAwayError: the storage cannot be written to.
            BatchRefusedError: a record is not valid.
        """

    async def probe(self) -> None:
        """Write something of no effect, to see whether the storage works again.

        Raises:
            StorageAwayError: it does not.
        """

    async def close(self) -> None:
        """Let go of the storage."""
