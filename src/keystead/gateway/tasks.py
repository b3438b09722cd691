"""Background work that is not lost: every task has an owner, a name and a place where its failure is told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Tasks:
    """A group of background tasks that lives as long as the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work` once, on its own; a failure is logged under `name`."""
        task = asyncio.get_running_loop().create_task(self._guard(name, work), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` again and again, `seconds` after the end of the last run; a failure is logged and tried again."""

        async def loop() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except Exception:  # a supervisor: one failed round must not end the service
                    log.exception("background_round_failed", task=name)

        self.spawn(name, loop)

    async def stop(self) -> None:
        """Cancel what runs and wait for it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    @staticmethod
    async def _guard(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:  # a supervisor: told here, since nobody awaits the task
            log.exception("background_task_failed", task=name)
