"""Gateways that are forked from a process which has imported the program already.

Importing it is most of a start, and a test that kills a gateway hundreds of times starts one as often. Everything after
the imports is `keystead serve` as anybody runs it.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from keystead.cli import main
from tests.chaos.doom import Doom, befall
from tests.fakes.gateway import Gateway

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["keystead.cli.serve", "keystead.app"])


class ForkedGateway(Gateway):
    """A `Gateway` that starts in a fraction of the time, and that `doom` befalls."""

    doom = Doom()
    """Of its next start."""

    async def spawn(self, environment: Mapping[str, str]) -> "ForkedProcess":
        return await ForkedProcess.start(environment, self.log, self.doom)


class ForkedProcess:
    """What `Gateway` needs of `asyncio.subprocess.Process`."""

    def __init__(self, process: "multiprocessing.context.ForkServerProcess", stdout: asyncio.StreamReader) -> None:
        self.stdout = stdout
        self._process = process

    @classmethod
    async def start(cls, environment: Mapping[str, str], log: Path, doom: Doom) -> "ForkedProcess":
        read, write = _SERVER.Pipe(duplex=False)
        process = _SERVER.Process(target=_serve, args=(dict(environment), log, doom, write), daemon=True)
        process.start()
        write.close()
        stdout = asyncio.StreamReader()
        pipe = os.fdopen(os.dup(read.fileno()), "rb", buffering=0)
        read.close()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), pipe)
        return cls(process, stdout)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def wait(self) -> int:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _serve(environment: dict[str, str], log: Path, doom: Doom, stdout: Connection) -> None:
    """Be a gateway: called in the forked process."""
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(stdout.fileno(), 1)
    stdout.close()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the process that forks ignores it
    befall(doom)
    sys.argv = ["keystead", "serve"]
    main()
