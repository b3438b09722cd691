"""Background work that is not lost: every task has an owner, a name and a place where its failure is told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from keystead.domain.clock import Clock

log = structlog.get_logger(__name__)


class Rounds(msgspec.Struct, frozen=True, kw_only=True):
    """How the rounds of one task went so far. Instants are Unix microseconds."""

    name: str
    every_s: float
    """From the end of one round to the beginning of the next."""
    begun_at: int
    """Since when the task is there."""
    done_at: int | None = None
    """When the last round that went well ended; None: none has yet."""
    took_us: int | None = None
    """The last round, however it ended."""
    failures: int = 0
    """Rounds in a row that failed, up to the last one."""


class Tasks:
    """A group of background tasks that lives as long as the process."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; take the time of rounds from `clock`."""
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._rounds: dict[str, Rounds] = {}

    @property
    def rounds(self) -> tuple[Rounds, ...]:
        """How everything that comes round again went so far, in the order in which it was begun."""
        return tuple(self._rounds.values())

    def spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work` once, on its own; a failure is logged under `name`."""
        task = asyncio.get_running_loop().create_task(self._guard(name, work), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` again and again, `seconds` after the end of the last run; a failure is logged and tried again."""
        self._rounds[name] = Rounds(name=name, every_s=seconds, begun_at=self._clock.now_us())

        async def loop() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self._round(name, work)

        self.spawn(name, loop)

    async def _round(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        before, begun = self._rounds[name], self._clock.monotonic_us()
        try:
            await work()
        except Exception:  # a supervisor: one failed round must not end the service
            log.exception("background_round_failed", task=name)
            said: dict[str, int] = {"failures": before.failures + 1}
        else:
            said = {"failures": 0, "done_at": self._clock.now_us()}
        took_us = self._clock.monotonic_us() - begun
        self._rounds[name] = msgspec.structs.replace(before, took_us=took_us, **said)

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
