"""A closed-loop HTTP/1.1 client on raw protocols: it must cost less than what it measures.

Each connection sends its next request when the last answer is whole. Every answer is checked, so that a proxy
that fails fast does not look fast.
"""

import asyncio
import re
import time
from typing import Final, cast

import msgspec

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


class WrongAnswerError(Exception):
    """The proxy did not give the answer the provider gave."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one run saw, in microseconds."""

    latencies_us: list[int]
    first_events_us: list[int]
    """Time to the first event of each stream; empty for whole answers."""
    wall_us: int


class Run:
    """One run: how many requests are left to send, and what came back."""

    def __init__(self, request: bytes, *, total: int, events: int) -> None:
        self.request = request
        self.events = events
        self.latencies_us: list[int] = []
        self.first_events_us: list[int] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unsent = total
        self._total = total

    def take(self) -> bool:
        """Say whether one more request is to be sent, and count it as sent."""
        if self._unsent == 0:
            return False
        self._unsent -= 1
        return True

    def answered(self, latency_us: int) -> None:
        """Note one whole answer."""
        self.latencies_us.append(latency_us)
        if len(self.latencies_us) == self._total and not self.done.done():
            self.done.set_result(None)

    def failed(self, reason: str) -> None:
        """End the run: a wrong answer makes every figure meaningless."""
        if not self.done.done():
            self.done.set_exception(WrongAnswerError(reason))


class Connection(asyncio.Protocol):
    """One connection of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._received = bytearray()
        self._sent_ns = 0
        self._head_end = 0
        self._end = 0
        self._chunked = False
        self._waiting = False
        self._first_event_seen = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting:
            self._run.failed(f"connection closed before the answer was whole: {error}")

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._head_end == 0 and not self._read_head():
            return
        if self._run.events and not self._first_event_seen and b"data:" in data:
            self._first_event_seen = True
            self._run.first_events_us.append((time.perf_counter_ns() - self._sent_ns) // 1000)
        whole = self._received.endswith(_LAST_CHUNK) if self._chunked else len(self._received) >= self._end
        if whole:
            self._finish()

    def _send(self) -> None:
        if not self._run.take():
            return
        assert self._transport is not None
        self._received.clear()
        self._head_end = 0
        self._first_event_seen = False
        self._waiting = True
        self._sent_ns = time.perf_counter_ns()
        self._transport.write(self._run.request)

    def _read_head(self) -> bool:
        self._head_end = self._received.find(b"\r\n\r\n") + 4
        if self._head_end < 4:
            self._head_end = 0
            return False
        length = _LENGTH.search(self._received, 0, self._head_end)
        self._chunked = length is None
        self._end = self._head_end + int(length[1]) if length else 0
        return True

    def _finish(self) -> None:
        latency_us = (time.perf_counter_ns() - self._sent_ns) // 1000
        self._waiting = False
        if not self._received.startswith(b"HTTP/1.1 200"):
            self._run.failed(bytes(self._received[:600]).decode(errors="replace"))
        elif self._run.events and (seen := _count_events(self._received[self._head_end :])) <= self._run.events:
            # More is fine: a gateway that makes the events anew may add one for the role or the usage.
            self._run.failed(f"{seen} events instead of {self._run.events} and [DONE]")
        else:
            self._run.answered(latency_us)
            self._send()

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.abort()


def _count_events(body: bytearray) -> int:
    """Count the events in a chunked body; a proxy may have cut the chunks anywhere."""
    content = bytearray()
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end].partition(b";")[0], 16)
        if size == 0:
            return content.count(b"data: ")
        content += body[line_end + 2 : line_end + 2 + size]
        at = line_end + 2 + size + 2


def render(port: int, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return the bytes of one request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def drive(
    port: int, request: bytes, *, total: int, connections: int, events: int = 0, timeout_s: float = 120
) -> Sample:
    """Send `request` `total` times over `connections` connections to 127.0.0.1.

    Raises:
        WrongAnswerError: an answer was not the provider's.
        TimeoutError: the run did not end in `timeout_s`.
    """
    run = Run(request, total=total, events=events)
    loop = asyncio.get_running_loop()
    began_ns = time.perf_counter_ns()
    opened = [
        (await loop.create_connection(lambda: Connection(run), "127.0.0.1", port))[1]
        for _ in range(min(connections, total))
    ]
    try:
        async with asyncio.timeout(timeout_s):
            await run.done
    finally:
        for connection in opened:
            connection.close()
    wall_us = (time.perf_counter_ns() - began_ns) // 1000
    return Sample(latencies_us=run.latencies_us, first_events_us=run.first_events_us, wall_us=wall_us)


def quantile(values: list[int], share: float) -> int:
    """Return the value that `share` of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
