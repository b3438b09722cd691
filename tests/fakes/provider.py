"""A fake provider on a real socket: answers like the real ones, fails on command, and writes down every call.

Three ways to use it:

    async with FakeProvider() as fake:                 # in this event loop
        fake.next(Answer(status=429, ...))             # once; or fake.always(...)
        ... fake.origin ... fake.calls ...

    async with FakeProvider.process(record=path) as fake:   # in a process of its own, survives a kill -9 of ours
        ... fake.origin ... fake.recorded()

    python -m tests.fakes.provider --port 0 --record calls.jsonl

In a process of its own it takes its orders from the model name: see `tests.fakes.scripts`. Any other model gets
a plausible answer of the dialect its path belongs to: see `tests.fakes.answers`.
"""

import argparse
import asyncio
import contextlib
import functools
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Self, cast

import msgspec
import uvloop

from tests.fakes import answers, scripts
from tests.fakes.wire import RESET, STALL, Answer, Call, Framing, Step

_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}
_MARKER = re.compile(rb"marker[-:= ]([A-Za-z0-9_-]{1,64})")
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]{0,200})"')
_PATH_MODEL = re.compile(r"/(?:models|deployments)/([^/:]+)")
_AUTH_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


class FakeProvider:
    """The server; an async context manager."""

    def __init__(
        self, *, port: int = 0, record: Path | None = None, keep: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen on `port` (0: a free one). `record`: file that gets one JSON line per call. `keep`: fill `calls`."""
        self.calls: list[Call] = []
        self.connections = 0
        """Connections accepted so far."""
        self.cut_by_peer = asyncio.Event()
        """Set when a peer closed a connection while it was being answered."""
        self._port = port
        self._tls = tls
        self._keep = keep
        self._record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if record else None
        self._queue: deque[Answer] = deque()
        self._always: Answer | Callable[[Call], Answer] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._playing: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    def next(self, *given: Answer) -> None:
        """Give these answers to the next calls, in order."""
        self._queue.extend(given)

    def always(self, answer: Answer | Callable[[Call], Answer] | None) -> None:
        """Give this answer (or what it returns for a call) to every call that has no `next`; None: the default."""
        self._always = answer

    async def arrived(self, count: int) -> list[Call]:
        """Wait until `count` calls have come in all, and return them."""
        if len(self.calls) < count:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((count, waiter))
            await waiter
        return self.calls

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, ssl=self._tls, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        await self._server.wait_closed()
        if self._record is not None:
            os.close(self._record)

    @classmethod
    @contextlib.asynccontextmanager
    async def process(cls, *, record: Path, port: int = 0) -> "AsyncIterator[FakeProcess]":
        """Run the fake in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.fakes.provider",
            "--port",
            str(port),
            "--record",
            str(record),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        try:
            line = await process.stdout.readline()
            yield FakeProcess(origin=line.decode().split()[-1], record=record, pid=process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def received(self, call: Call) -> Answer:
        """Note the call and choose its answer."""
        if self._record is not None:
            os.write(self._record, _recorded_line(call))
        if self._keep:
            self._keep_call(call)
        if self._queue:
            return self._queue.popleft()
        if self._always is not None:
            return self._always(call) if callable(self._always) else self._always
        return scripts.answer_for(call) or answers.answer_for(call)

    def opened(self, connection: "_Connection") -> None:
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: "_Connection", *, answering: bool) -> None:
        self._open.discard(connection)
        if answering:
            self.cut_by_peer.set()

    def play(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)
        return task

    def _keep_call(self, call: Call) -> None:
        self.calls.append(call)
        for count, waiter in self._waiting:
            if len(self.calls) >= count and not waiter.done():
                waiter.set_result(None)


class FakeProcess(msgspec.Struct, frozen=True):
    """A fake in another process."""

    origin: str
    record: Path
    pid: int

    def recorded(self) -> list[dict[str, Any]]:
        """Return what it has received so far, oldest first."""
        return [json.loads(line) for line in self.record.read_bytes().splitlines()] if self.record.exists() else []


def _recorded_line(call: Call) -> bytes:
    return (
        json.dumps(
            {
                "at": call.at,
                "method": call.method,
                "path": call.path,
                "model": call.model,
                "auth": call.auth,
                "marker": call.marker,
                "digest": hashlib.sha256(call.body).hexdigest(),
                "bytes": len(call.body),
            }
        ).encode()
        + b"\n"
    )


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: read a request, answer it, read the next."""

    def __init__(self, fake: FakeProvider) -> None:
        self._fake = fake
        self._buffer = b""
        self._answering: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by inheritance
        self._fake.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        busy = self._answering is not None and not self._answering.done()
        if self._answering is not None:
            self._answering.cancel()
        self._transport = None
        self._fake.closed(self, answering=busy)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.startswith(b"\x16") and self._transport is not None:  # a TLS greeting
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()
            return
        self._next()

    def _next(self) -> None:
        while self._transport is not None and (self._answering is None or self._answering.done()):
            call = self._read()
            if call is None:
                return
            self._answer(self._fake.received(call))

    def _read(self) -> Call | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end].decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:])]
        by_name = dict(headers)
        length = int(by_name.get("content-length", "0"))
        if len(self._buffer) < end + 4 + length:
            return None
        body = self._buffer[end + 4 : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        path, _, query = target.partition("?")
        marker = _MARKER.search(body)
        return Call(
            at=time.time_ns() // 1000,
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            model=_model(path, body),
            marker=marker[1].decode() if marker else "",
            auth=next((by_name[name] for name in _AUTH_HEADERS if name in by_name), ""),
        )

    def _answer(self, answer: Answer) -> None:
        assert self._transport is not None
        if answer.plain:
            self._transport.write(_plain(answer))
            if answer.close:
                self._transport.close()
            return
        self._answering = self._fake.play(self._play(answer))

    async def _play(self, answer: Answer) -> None:
        transport = self._transport
        assert transport is not None
        chunked = answer.framing is Framing.CHUNKED
        if answer.framing is not Framing.RAW:
            framing = "transfer-encoding: chunked" if chunked else "connection: close"
            if answer.framing is Framing.LENGTH:
                framing = f"content-length: {answer.declared_length}"
            transport.write(_head(answer, framing))
        for step in _rechunked(answer.steps, answer.chunk_size):
            if not await self._take(step, chunked=chunked):
                return
        if chunked and not answer.close:
            transport.write(b"0\r\n\r\n")
            self._answering = None
            asyncio.get_running_loop().call_soon(self._next)
        else:
            transport.close()

    async def _take(self, step: Step, *, chunked: bool) -> bool:
        """Carry out one step; False when nothing comes after it."""
        transport = self._transport
        if transport is None:
            return False
        if isinstance(step, bytes):
            transport.write(b"%x\r\n%s\r\n" % (len(step), step) if chunked else step)
            await self._writable.wait()
            await asyncio.sleep(0)
            return True
        if step is STALL:
            await asyncio.Event().wait()
        if step is RESET:
            peer = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
            return False
        assert isinstance(step, float)
        await asyncio.sleep(step)
        return True


def _model(path: str, body: bytes) -> str:
    if (match := _PATH_MODEL.search(path)) is not None:
        return match[1]
    found = _MODEL.search(body)
    return found[1].decode() if found else ""


@functools.lru_cache(maxsize=256)
def _plain(answer: Answer) -> bytes:
    body = b"".join(step for step in answer.steps if isinstance(step, bytes))
    return _head(answer, f"content-length: {len(body)}") + body


def _head(answer: Answer, framing: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return ("\r\n".join((*lines, framing)) + "\r\n\r\n").encode("latin-1")


def _rechunked(steps: Iterable[Step], size: int | None) -> Iterable[Step]:
    for step in steps:
        if size is None or not isinstance(step, bytes):
            yield step
        else:
            yield from (step[at : at + size] for at in range(0, len(step), size))


async def _serve(port: int, record: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with FakeProvider(port=port, record=record, keep=False) as fake:
        print(f"listening on {fake.origin}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A fake AI provider.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, default=None)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(arguments.port, arguments.record))
