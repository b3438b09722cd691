"""A real `keystead serve` process on a free port, for black-box tests, and a thin client for its APIs."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import aiohttp
import msgspec

from tests.fakes import forked

_AT = re.compile(r"at (http://\S+)")
_KEY = re.compile(r"^  (ks_\S+)$", re.MULTILINE)

STARTUP_S = 90


class DidNotStartError(AssertionError):
    """The process ended before it listened."""


class Reply(msgspec.Struct, frozen=True):
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ServerProcess(Protocol):
    """What is needed of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    def send_signal(self, signal: int, /) -> None: ...

    async def wait(self) -> int: ...


class Gateway:
    """A running gateway. `home` keeps its data between starts; the first start's secrets are kept beside it."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = dict(environment or {})
        self.url = ""
        self.virtual_key = ""
        self.log = home.parent / f"{home.name}.log"
        self._process: ServerProcess | None = None
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls, home: Path, environment: Mapping[str, str] | None = None, /, **settings: str
    ) -> AsyncIterator[Self]:
        """Start on a free port with `settings` (`egress_allow="…"` becomes KEYSTEAD_EGRESS_ALLOW), stop at the end.

        `environment` holds variables beside the settings, under their own names.
        """
        named = {f"KEYSTEAD_{name.upper()}": value for name, value in settings.items()}
        async with cls(home, {**(environment or {}), **named}) as gateway:
            await gateway.start()
            yield gateway

    async def __aenter__(self) -> Self:
        """Promise that it is stopped at the end, however often it starts until then."""
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def admin_token(self) -> str:
        return (self.home / "admin.token").read_text().strip()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        return self._session

    async def start(self) -> None:
        """Start and wait until it listens."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home.parent),
            "KEYSTEAD_HOME": str(self.home),
            "KEYSTEAD_PORT": "0",
            "KEYSTEAD_LOG_LEVEL": "debug",
            "KEYSTEAD_MODELS_REFRESH_H": "0",  # fakes count what they are asked
            **self.environment,
        }
        self._process = await self.spawn(environment)
        text = ""
        assert self._process.stdout is not None
        async with asyncio.timeout(STARTUP_S):
            while not (found := _AT.search(text)):
                line = await self._process.stdout.readline()
                if not line:
                    raise DidNotStartError(f"the gateway did not start:\n{text}\n{self.log.read_text()}")
                text += line.decode()
            self.url = found[1]
            if not self.virtual_key and not (self.home.parent / "first.key").exists():
                while not (key := _KEY.search(text)):
                    text += (await self._process.stdout.readline()).decode()
                (self.home.parent / "first.key").write_text(key[1])
        self.virtual_key = (self.home.parent / "first.key").read_text()

    async def spawn(self, environment: Mapping[str, str]) -> ServerProcess:
        """Make the process; its errors go to the log."""
        with self.log.open("ab") as log:
            if "PYTHONPATH" not in environment:
                return await forked.start(["serve"], environment, stderr=log)
            # What it names is to be there before anything of the program.
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from keystead.cli import main; main()",
                "serve",
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self.close()

    async def died(self, *, within_s: float = 60.0) -> int:
        """Wait for an end that nobody asks it for here; return how it came."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def stop(self, *, within_s: float = 60.0) -> int | None:
        """SIGTERM, and wait for the end."""
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- calls ---------------------------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one call with a virtual key (the first one by default; "" for none)."""
        shown = self.virtual_key if key is None else key
        sent = {"Authorization": f"Bearer {shown}"} if shown else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method, self.url + path, data=data, headers={**sent, **(headers or {})}, allow_redirects=False
        ) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    async def chat(self, model: str, text: str = "Hello", **more: Any) -> Reply:
        """Ask a chat model."""
        headers = more.pop("headers", None)
        key = more.pop("key", None)
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return await self.call("POST", "/v1/chat/completions", body, headers=headers, key=key)

    async def admin(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """Make one admin call below /admin/v1; return its JSON (None if it has no body)."""
        reply = await self.call(method, f"/admin/v1{path}", body, key=self.admin_token)
        if expect is not None and reply.status != expect:
            raise AssertionError(f"{method} {path}: {reply.status} {reply.body.decode()}")
        if expect is None and reply.status >= 400:
            raise AssertionError(f"{method} {path}: {reply.status} {reply.body.decode()}")
        return reply.json() if reply.body else None

    async def add_credential(self, name: str, provider: str, secret: str, **more: Any) -> Any:
        """Add an active credential, without a probe unless `probe=True`."""
        body = {"name": name, "provider": provider, "key": secret, "force": True, **more}
        return await self.admin("POST", "/credentials", body)
