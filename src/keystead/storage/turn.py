"""Taking turns at writing one SQLite file.

SQLite has one writer at a time, and the others poll its lock with growing pauses: under load, four processes keep one
of them waiting for half a second and more. The kernel queues those who wait for a lock file, so that the longest wait
is a few transactions. The file decides who is next and nothing else: that writes do not mix is SQLite's own doing.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path


@contextmanager
def turn(database: Path) -> Iterator[None]:
    """Wait for the turn to write `database`, in a thread that may block, and keep it while the block lasts."""
    # Opened anew each time (microseconds): the lock belongs to this opening alone, and ends with it.
    file = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


class AsyncTurn:
    """The same for the tasks of an event loop, which first take turns among themselves: one thread waits at most."""

    def __init__(self, database: Path, *, timeout_s: float) -> None:
        """Name the database file, and how long to wait for a turn."""
        self._database = database
        self._timeout_s = timeout_s
        self._task = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Wait for the turn and keep it while the block lasts.

        Raises:
            TimeoutError: it did not come.
        """
        async with self._task:
            taken = turn(self._database)
            waiting = asyncio.get_running_loop().run_in_executor(None, taken.__enter__)
            try:
                async with asyncio.timeout(self._timeout_s):
                    await asyncio.shield(waiting)
            except BaseException:  # cancelled or timed out: the thread waits on; the turn is given back when it comes
                waiting.add_done_callback(lambda _: taken.__exit__(None, None, None))
                raise
            try:
                yield
            finally:
                taken.__exit__(None, None, None)
