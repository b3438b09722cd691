"""Starts `keystead` processes from one that has imported the program already: that is most of what a start costs.

    process = await forked.start(["serve"], environment, stderr=log)

`first` names a function that a child calls before the program, and what it is told.

The nursery is a Python of its own, one for each process that runs tests. It has no thread and no event loop, and
runs nothing of Keystead until it has forked; a child takes the environment, the output and the arguments it is given
and goes on as any started process would, to the end of the interpreter.
"""

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, NoReturn

_MOST_BYTES = 1 << 20
_STATUS = struct.Struct("i")


class ForkedProcess:
    """A child of the nursery, with the part of `asyncio.subprocess.Process` that tests use."""

    def __init__(self, pid: int, stdout: "_Pipe", ended: "_Pipe") -> None:
        self.pid = pid
        self.stdout = stdout.reader
        self.returncode: int | None = None
        self._stdout = stdout
        self._ended = ended

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has been waited for."""
        if self.returncode is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Return the exit code (minus the signal's number), once the process has ended."""
        if self.returncode is None:
            status = _STATUS.unpack(await self._ended.reader.readexactly(_STATUS.size))[0]
            self.returncode = os.waitstatus_to_exitcode(status)
            self._stdout.transport.close()
            self._ended.transport.close()
        return self.returncode


async def start(
    arguments: Sequence[str], environment: Mapping[str, str], *, stderr: IO[bytes], first: tuple[str, str] | None = None
) -> ForkedProcess:
    """Start `keystead` with `arguments` and nothing but `environment`.

    `first`: a function (`module:name`) and the text it is called with before the program begins.
    """
    output, output_end = os.pipe()
    ended, ended_end = os.pipe()
    order = json.dumps([list(arguments), dict(environment), first]).encode()
    assert len(order) < _MOST_BYTES
    nursery = _nursery()
    socket.send_fds(nursery, [order], [output_end, stderr.fileno(), ended_end])
    os.close(output_end)
    os.close(ended_end)
    pid = int(nursery.recv(32))
    return ForkedProcess(pid, await _Pipe.open(output), await _Pipe.open(ended))


class _Pipe:
    """The reading end of a pipe."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self.reader = reader
        self.transport = transport

    @classmethod
    async def open(cls, descriptor: int) -> "_Pipe":
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
        )
        return cls(reader, transport)


@functools.cache
def _nursery() -> socket.socket:
    """Start the nursery; it ends when this process does, whatever the reason."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for either in (ours, theirs):
        either.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
    program = f"from tests.fakes.forked import _fork_on_demand; _fork_on_demand({theirs.fileno()})"
    program += "; from keystead.cli import main; main()"
    nursery = subprocess.Popen([sys.executable, "-c", program], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()

    def end() -> None:
        ours.close()
        nursery.wait()

    atexit.register(end)
    return ours


def _fork_on_demand(descriptor: int) -> None:
    """Fork for each order on the socket. Returns in the child; in the nursery itself never."""
    for name in ("keystead.app", "keystead.cli.serve", "aiosqlite", "alembic.command", "asyncpg", "uvloop"):
        importlib.import_module(name)  # to have it

    gc.collect()
    gc.freeze()  # the collector's marks would make a child copy every page
    orders = socket.socket(fileno=descriptor)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which closes the socket
    running: dict[int, int] = {}
    """Process → where its end is told."""
    while True:
        for ready in select.select([orders.fileno(), wake], [], [])[0]:
            if ready == wake:
                os.read(wake, 4096)
                _tell_ended(running)
                continue
            order, descriptors, _, _ = socket.recv_fds(orders, _MOST_BYTES, 3)
            if not order:
                _end(running)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for other in (wake, woken, *running.values()):
                    os.close(other)
                orders.close()
                arguments, environment, first = json.loads(order)
                _become(arguments, environment, *descriptors)
                if first is not None:
                    module, _, name = first[0].partition(":")
                    getattr(importlib.import_module(module), name)(first[1])
                return
            running[pid] = descriptors[2]
            for each in descriptors[:2]:
                os.close(each)
            orders.send(str(pid).encode())


def _become(arguments: list[str], environment: dict[str, str], stdout: int, stderr: int, ended: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for each in (stdout, stderr, ended):
        os.close(each)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments


def _tell_ended(running: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with contextlib.suppress(BrokenPipeError):
                os.write(running[pid], _STATUS.pack(status))
            os.close(running.pop(pid))


def _end(running: dict[int, int]) -> NoReturn:
    """Leave nobody behind."""
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)
