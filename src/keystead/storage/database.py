"""The protocols that both engines fulfil, held to by one contract suite."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.records import AttemptIntent, RequestIntent, Settlement


class Journal(Protocol):
    """The hot writes: group-committed, off the event loop.

    Every method returns when its record is durable, and raises `NotRecordedError` when it is not and will not be.
    """

    async def intend(self, request: RequestIntent, attempt: AttemptIntent) -> None:
        """Make the intent durable. Until this returns, no provider may see a key.

        An attempt numbered from 2 on belongs to a request that is open: its earlier attempts have been settled with
        `ends_request=False`. Should the caller stop waiting, the intent ends as `failed_unsent` if it was written.

        What the attempt holds is held from then on, in the same transaction; whether there is room for it is decided
        there, exactly, whoever else writes. An attempt holds of one prepaid account at most.

        Raises:
            HoldRefusedError: there is no room for one of the holds. Nothing was written.
        """

    async def settle(self, settlement: Settlement) -> bool:
        """End an attempt, and with `ends_request` its request, and add to the roll-ups, in one transaction.

        The request's totals are those of all its attempts. A settlement whose `attempt` is None ends the request
        itself: it inserts a refused one, or ends one that was left between two attempts. What the attempt held is let
        go and what is posted is spent, in the same transaction; `attempt` is the one that was intended.

        Returns False, changing nothing, if the attempt (or request) had ended already or was never intended. The
        record is queued before this first suspends, and is written even if the caller stops waiting. While the
        storage is away it waits in memory and is tried again, in order: an answer that was given is never dropped
        because of a slow disk.
        """

    def backlog(self) -> int:
        """Return how many records wait to be written."""

    def healthy(self) -> bool:
        """Say whether the last write succeeded."""

    def dropped(self) -> int:
        """Return how many records were given up: invalid even when reduced, or unwritten when the journal closed."""

    async def close(self) -> None:
        """Write what waits, for a bounded time, then close."""


class Lender(Protocol):
    """Lends connections."""

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection for reading."""

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection in a transaction: committed when the block ends well, rolled back otherwise.

        A change to a table that the snapshot is compiled from calls `storage.revision.touch` inside the block.
        """


class Database(Lender, Protocol):
    """An open database."""

    engine_name: str
    """`sqlite` or `postgresql`."""
    journal: Journal

    @property
    def vital(self) -> Lender:
        """Lends connections that nobody else can take, while reports may keep all others busy.

        They are for what a process must do to go on: say that it lives, and see what was revoked.
        """

    async def migrate(self) -> None:
        """Bring the schema to the newest revision; safe when several processes start at once."""

    async def heartbeat(self, instance_id: str) -> None:
        """Say that this process lives."""

    async def living(self, since: int) -> int:
        """Return how many processes have said since `since` (Unix µs) that they live; this one counts."""

    async def eldest(self, since: int) -> str | None:
        """Return which living process began first: for work that one of them does."""

    async def recover(self, instance_id: str, dead_before: int) -> int:
        """End as `unknown` the intents of processes without a heartbeat since `dead_before` (Unix µs).

        Returns how many. Roll-ups are kept in the same transaction; a request ends once whoever recovers it.
        """

    async def remove_instance(self, instance_id: str) -> None:
        """Say that this process stops: what it left open is recovered at once by whoever looks next."""

    async def ensure_partitions(self, now: int) -> None:
        """Create the time partitions of the month that holds `now` (Unix µs) and the next ones, where they exist.

        `migrate` does it too; housekeeping repeats it, because a process may run for months.
        """

    async def close(self) -> None:
        """Write what waits, then close."""
