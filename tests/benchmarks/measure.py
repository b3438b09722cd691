"""Measure one proxy: the same scenarios, in the same order, for each."""

from typing import Final

import msgspec

from tests.benchmarks.load import Sample, WrongAnswerError, drive, quantile, render
from tests.benchmarks.process import cpu_us, memory_bytes
from tests.benchmarks.scenarios import LARGE_BODY_BYTES, SMALL_BODY_BYTES, Scale, chat_body
from tests.benchmarks.targets import Running

FIRST_EVENT_STREAM: Final = 3
"""Events of a stream that is only asked for its first one."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one proxy. Times in microseconds, memory in bytes."""

    cpu_us: float
    """CPU time of the proxy per request, whole answer, 1 KB in."""
    database_cpu_us: float | None
    """CPU time of the database server per request, where there is one."""
    requests_per_s: float
    p50_us: int
    p99_us: int
    lone_p50_us: int
    """Latency of a request that is alone."""
    lone_p99_us: int
    large_cpu_us: float
    """As `cpu_us`, 64 KB in."""
    streams: "StreamFigures | None"
    """None when the proxy did not pass streams on."""
    memory_before: int
    memory_after: int


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one proxy's streams. Times in microseconds."""

    event_cpu_us: float
    """CPU time per event, the request's own share included."""
    first_p50_us: int
    """Time to the first event of a stream that is alone."""
    first_p99_us: int


class Meter:
    """CPU time of a proxy and its database between two looks."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._before = self._now()

    def _now(self) -> tuple[int, int]:
        proxy = cpu_us(self._running.pid) if self._running.pid else 0
        database = cpu_us(self._running.database_pid) if self._running.database_pid else 0
        return proxy, database

    def since(self) -> tuple[int, int]:
        """Return the microseconds of proxy and database since the meter was made."""
        proxy, database = self._now()
        return proxy - self._before[0], database - self._before[1]


async def measure(running: Running, scale: Scale) -> Figures:
    """Drive one proxy through every scenario.

    Raises:
        WrongAnswerError: it did not answer as the provider did.
    """
    await _ask(running, scale.warm_up, scale.connections)
    memory_before = memory_bytes(running.pid) if running.pid else 0
    lone = await _ask(running, scale.lone_requests, 1)

    meter = Meter(running)
    busy = await _ask(running, scale.requests, scale.connections)
    busy_cpu_us, database_cpu_us = meter.since()

    meter = Meter(running)
    await _ask(running, scale.large_requests, scale.connections, size=LARGE_BODY_BYTES)
    large_cpu_us, _ = meter.since()

    return Figures(
        cpu_us=busy_cpu_us / scale.requests,
        database_cpu_us=database_cpu_us / scale.requests if running.database_pid else None,
        requests_per_s=scale.requests * 1e6 / busy.wall_us,
        p50_us=quantile(busy.latencies_us, 0.5),
        p99_us=quantile(busy.latencies_us, 0.99),
        lone_p50_us=quantile(lone.latencies_us, 0.5),
        lone_p99_us=quantile(lone.latencies_us, 0.99),
        large_cpu_us=large_cpu_us / scale.large_requests,
        streams=await _measure_streams(running, scale),
        memory_before=memory_before,
        memory_after=memory_bytes(running.pid) if running.pid else 0,
    )


async def watch_memory(running: Running, *, total: int, step: int, connections: int) -> list[tuple[int, int]]:
    """Send `total` requests; return (requests sent, bytes of memory) after each `step` of them."""
    seen = []
    for sent in range(step, total + 1, step):
        await _ask(running, step, connections)
        seen.append((sent, memory_bytes(running.pid)))
    return seen


async def _measure_streams(running: Running, scale: Scale) -> StreamFigures | None:
    try:
        first = await _ask(running, scale.lone_streams, 1, events=FIRST_EVENT_STREAM)
        meter = Meter(running)
        await _ask(running, scale.streams, scale.stream_connections, events=scale.events)
    except WrongAnswerError as error:
        print(f"  streams were not passed on: {error}")
        return None
    cpu_us, _ = meter.since()
    return StreamFigures(
        event_cpu_us=cpu_us / (scale.streams * scale.events),
        first_p50_us=quantile(first.first_events_us, 0.5),
        first_p99_us=quantile(first.first_events_us, 0.99),
    )


async def _ask(
    running: Running, total: int, connections: int, *, size: int = SMALL_BODY_BYTES, events: int = 0
) -> Sample:
    request = render(running.port, running.path, running.headers, chat_body(size=size, events=events))
    return await drive(running.port, request, total=total, connections=connections, events=events)
