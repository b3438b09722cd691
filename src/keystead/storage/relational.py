"""What both engines share: lending connections, migrating, and the life of gateway processes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from keystead.domain.clock import Clock
from keystead.domain.errors import GatewayError
from keystead.storage import instances, migrate, partitions
from keystead.storage.database import Journal


class Connections:
    """Lends connections of one engine to read with and one to write with (which may be the same)."""

    def __init__(
        self, *, reader: AsyncEngine, writer: AsyncEngine, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> None:
        """Own both. A writer first waits for its `turn`, where an engine has such a thing."""
        self._reader = reader
        self._writer = writer
        self._turn = turn

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection for reading: one consistent view while the block lasts; writing through it fails."""
        return _lend(self._reader.connect, nullcontext)

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection in a transaction: committed when the block ends well, rolled back otherwise."""
        return _lend(self._writer.begin, self._turn)

    async def dispose(self) -> None:
        """Close them all."""
        await self._reader.dispose()
        await self._writer.dispose()


class RelationalDatabase:
    """An open database: connections for everybody, vital ones, and the journal (see `Database`)."""

    def __init__(
        self, *, engine_name: str, connections: Connections, vital: Connections, journal: Journal, clock: Clock
    ) -> None:
        """Own them: `close` closes them."""
        self.engine_name = engine_name
        self.journal = journal
        self.vital = vital
        self._connections = connections
        self._clock = clock

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection for reading (see `Connections`)."""
        return self._connections.read()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection in a transaction (see `Connections`)."""
        return self._connections.write()

    async def migrate(self) -> None:
        """Bring the schema to the newest revision; safe when several processes start at once."""
        await migrate.to_newest(self)
        await self.ensure_partitions(self._clock.now_us())

    async def ensure_partitions(self, now: int) -> None:
        """Create the partitions of this month and the next ones (PostgreSQL; nothing to do on SQLite)."""
        if self.engine_name == "postgresql":
            await partitions.ensure(self, now)

    async def heartbeat(self, instance_id: str) -> None:
        """Say that this process lives. Must be called before the process's first intent."""
        await instances.heartbeat(self.vital, instance_id, self._clock.now_us())

    async def living(self, since: int) -> int:
        """Return how many processes have said since `since` (Unix µs) that they live."""
        return await instances.living(self.vital, since)

    async def eldest(self, since: int) -> str | None:
        """Return which of the processes that have said since `since` (Unix µs) that they live began first."""
        return await instances.eldest(self.vital, since)

    async def recover(self, instance_id: str, dead_before: int) -> int:
        """End as `unknown` the intents of processes without a heartbeat since `dead_before` (Unix µs)."""
        return await instances.recover(self, instance_id, dead_before=dead_before, now=self._clock.now_us())

    async def remove_instance(self, instance_id: str) -> None:
        """Say that this process stops; what it left open is recovered at once by whoever looks next."""
        await instances.remove(self, instance_id)

    async def close(self) -> None:
        """Write what waits, then close."""
        await self.journal.close()
        await self._connections.dispose()
        await self.vital.dispose()


@asynccontextmanager
async def _lend(
    open_connection: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
    turn: Callable[[], AbstractAsyncContextManager[None]],
) -> AsyncIterator[AsyncConnection]:
    """Say "the database is away" in our own words, and leave the block's own errors alone."""
    try:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(turn())
                connection = await stack.enter_async_context(open_connection())
            except OSError as error:
                raise _away() from error
            yield connection
    except IntegrityError:
        raise  # a duplicate: the room knows what it means
    except (DBAPIError, PoolTimeoutError) as error:
        raise _away() from error


def _away() -> GatewayError:
    return GatewayError(
        "The database did not answer.",
        code="storage_unavailable",
        next_step="Try again; if it stays, the operator must look at the database.",
    )
