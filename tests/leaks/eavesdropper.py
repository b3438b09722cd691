"""A gateway that cannot say anything without its being kept."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from click.testing import CliRunner

from keystead.cli import main
from tests.fakes.gateway import Gateway, Reply


class Heard(msgspec.Struct, frozen=True):
    """One answer as a client saw it, whole or as far as it came."""

    request: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def data(self) -> bytes:
        return "\n".join(f"{name}: {value}" for name, value in self.headers).encode() + b"\n\n" + self.body


class Eavesdropper(Gateway):
    """A gateway whose every answer is kept."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(home, environment)
        self.heard: list[Heard] = []
        self.printed = b""
        """What the command line, and the gateway itself after its welcome, wrote."""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        shown = self.virtual_key if key is None else key
        sent = {"Authorization": f"Bearer {shown}"} if shown else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method, self.url + path, data=data, headers={**sent, **(headers or {})}, allow_redirects=False
        ) as response:
            received = b""
            with contextlib.suppress(aiohttp.ClientPayloadError):
                async for part in response.content.iter_any():
                    received += part
            self.heard.append(Heard(f"{method} {path}", response.status, list(response.headers.items()), received))
            return Reply(response.status, dict(response.headers), received)

    async def command(self, *words: str, stdin: str = "", expect: int | None = 0) -> None:
        """Run `keystead …`, and keep what it writes."""
        environment = {"KEYSTEAD_HOME": str(self.home), "KEYSTEAD_URL": self.url}
        result = await asyncio.to_thread(CliRunner(env=environment).invoke, main, list(words), input=stdin)
        assert expect is None or result.exit_code == expect, result.output
        self.printed += result.output.encode() + result.stderr.encode()

    async def stop(self, *, within_s: float = 60.0) -> int | None:
        process = self._process
        code = await super().stop(within_s=within_s)
        if process is not None and process.stdout is not None:
            welcome = await process.stdout.read()
            # The command to try holds the first key, which the welcome shows this once.
            assert welcome.count(self.virtual_key.encode()) == 1
            self.printed += welcome.replace(self.virtual_key.encode(), b"")
        return code
