"""How long the console's pages take over a long past: each is asked for through a socket, by who is signed in.

    python -m tests.benchmarks.pages [--requests N] [--times T] [--months M] [--looks L] [--postgresql] [--home FOLDER]

The past is made up by `keystead demo seed`, and on SQLite written `T` times over (`multiply`). In `--home` it is kept,
and is there the next time.
"""

import argparse
import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import func, select

from keystead.domain.clock import SystemClock
from keystead.storage.engine import open_database
from keystead.storage.schema import requests
from keystead.storage.usage_tables import daily_usage, rollups
from tests.benchmarks import targets
from tests.benchmarks.load import WrongAnswerError, quantile
from tests.benchmarks.multiply import multiply
from tests.benchmarks.process import cores, cpu_us, free_port, started
from tests.benchmarks.targets import ROOT

PATHS: Final = (
    "",
    "?span=24h",
    "?span=7d&by=provider",
    "?span=90d",
    "?span=90d&by=model",
    "?span=90d&by=credential",
    "speed",
    "speed?span=90d&by=model",
    "spend",
    "spend?by=cost_center",
    "spend?by=principal",
    "spend?by=model",
    "spend?by=tag:project",
    "requests",
    "requests?state=rejected",
    "requests?provider=openai&state=settled",
    "requests/{request}",
    "vault",
    "vault/{credential}",
    "keys",
    "people",
    "permissions",
    "budgets",
    "rate-limits",
    "credits",
    "consents",
    "models",
    "routes",
    "playground",
    "connect",
    "audit",
    "alerts",
    "find?q=search",
    "settings",
    "account",
)
_FILE: Final = re.compile(rb'(?:href|src)="(/console/static/[^"]+)"|from "(/console/static/[^"]+)"')
_PROGRAM: Final = Path(sys.executable).with_name("keystead")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one page."""

    path: str
    first_us: int
    """The first time it was asked for."""
    times_us: list[int]
    """The times after."""
    cpu_us: float
    """The gateway's own, for each of these."""
    page_bytes: int
    load_bytes: int
    """With the files that a browser fetches which was never there before."""


class Visitor:
    """A browser that somebody has signed in with, as far as time and bytes go."""

    def __init__(self, port: int, pid: int) -> None:
        """Talk to the gateway on `port`, whose process is `pid`."""
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._origin = f"http://127.0.0.1:{port}"
        self._pid = pid
        self._cookie = ""

    def sign_in(self, token: str) -> None:
        """Come in as whoever has the admin token, by a one-time link."""
        member = self.admin("GET", "/self", token)["member_id"]
        link = self.admin("POST", f"/members/{member}/sign-in-link", token)["path"]
        answer, _ = self._ask(
            "POST",
            link,
            {"content-type": "application/x-www-form-urlencoded", "origin": self._origin},
            urlencode({"email": "bench@example.com", "password": "correct horse battery"}),
        )
        self._cookie = (answer.getheader("set-cookie") or "").partition(";")[0]

    def admin(self, method: str, path: str, token: str) -> Any:
        """Make an admin call."""
        sent = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return json.loads(self._ask(method, f"/admin/v1{path}", sent, "{}" if method == "POST" else None)[1])

    def look(self, path: str, times: int) -> Look:
        """Ask for a page once, and then `times` times."""
        first_us, page, sent = self._page(path)
        before = cpu_us(self._pid)
        times_us = [self._page(path)[0] for _ in range(times)]
        return Look(
            path=path,
            first_us=first_us,
            times_us=times_us,
            cpu_us=(cpu_us(self._pid) - before) / times,
            page_bytes=len(page),
            load_bytes=sent + self._files(page, set()),
        )

    def _page(self, path: str) -> tuple[int, bytes, int]:
        began = time.perf_counter_ns()
        answer, page = self._ask("GET", f"/console/{path}", {"cookie": self._cookie})
        took_us = (time.perf_counter_ns() - began) // 1000
        if answer.status != 200 or b'id="main"' not in page:
            raise WrongAnswerError(f"/console/{path} answered {answer.status}")
        return took_us, page, _size(answer, page)

    def _files(self, content: bytes, seen: set[str]) -> int:
        """Return the bytes of what the content refers to, and of what that refers to."""
        total = 0
        for linked, imported in _FILE.findall(content):
            path = (linked or imported).decode()
            if path not in seen:
                seen.add(path)
                answer, body = self._ask("GET", path, {"accept-encoding": "gzip"})
                packed = answer.getheader("content-encoding") == "gzip"
                total += _size(answer, body) + self._files(gzip.decompress(body) if packed else body, seen)
        return total

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[HTTPResponse, bytes]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise WrongAnswerError(f"{method} {path} answered {answer.status}: {content[:200]!r}")
        return answer, content


def main() -> None:
    """Measure every page and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pages", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="that are made up")
    parser.add_argument("--times", type=int, default=1, help="that each of them is written (SQLite)")
    parser.add_argument("--months", type=int, default=6, help="that they are spread over")
    parser.add_argument("--looks", type=int, default=10, help="at each page")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--home", type=Path, help="a folder that the data stays in")
    asked = parser.parse_args()
    results = ROOT / "var" / "bench"
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results) as folder, _database(asked, Path(folder)) as (home, environment):
        token = _made(asked, home, environment)
        port = free_port()
        environment |= {"KEYSTEAD_PORT": str(port), "KEYSTEAD_URL": f"http://127.0.0.1:{port}"}
        with started(
            [_PROGRAM, "serve"], port=port, log=home / "gateway.log", where=cores()[0], environment=environment
        ) as pid:
            visitor = Visitor(port, pid)
            visitor.sign_in(token)
            some = {
                name: visitor.admin("GET", f"/{name}s", token)["items"][0]["id"] for name in ("request", "credential")
            }
            print(f"… {asyncio.run(_counted(home, environment))}", flush=True)
            looks = [visitor.look(path.format(**some), asked.looks) for path in PATHS]
    print(markdown(looks))


def markdown(looks: list[Look]) -> str:
    """Return a Markdown table, one row a page."""
    rows = [
        f"| `/console/{template}` | {look.first_us / 1000:,.0f} | {quantile(look.times_us, 0.5) / 1000:,.0f} |"
        f" {max(look.times_us) / 1000:,.0f} | {look.cpu_us / 1000:,.0f} | {look.page_bytes / 1000:,.0f} |"
        f" {look.load_bytes / 1000:,.0f} |"
        for template, look in zip(PATHS, looks, strict=True)
    ]
    head = ["| page | first ms | median ms | worst ms | CPU ms | page kB | first load kB |", "| --- |" + " --: |" * 6]
    return "\n".join([*head, *rows])


@contextmanager
def _database(asked: argparse.Namespace, folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Lend the folder of the data and the settings that lead to it."""
    home: Path = (asked.home or folder / "home").resolve()
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "KEYSTEAD_HOME": str(home), "KEYSTEAD_LOG_LEVEL": "warning"}
    if not asked.postgresql:
        yield home, environment
        return
    with targets.postgresql(home / "postgresql") as (url, _):
        yield home, environment | {"KEYSTEAD_DATABASE_URL": url}


def _made(asked: argparse.Namespace, home: Path, environment: dict[str, str]) -> str:
    """Make the past if it is not there, and return its owner's admin token."""
    kept = home / "seeded.json"
    if not kept.exists():
        wish = ["--requests", str(asked.requests), "--months", str(asked.months), "--output", "json"]
        made = subprocess.run([_PROGRAM, "demo", "seed", *wish], env=environment, stdout=subprocess.PIPE, check=True)
        if asked.times > 1 and not asked.postgresql:
            multiply(home / "keystead.db", asked.times)
        kept.write_bytes(made.stdout)
    token: str = json.loads(kept.read_bytes())["admin_token"]
    return token


async def _counted(home: Path, environment: dict[str, str]) -> str:
    """Say how much there is."""
    url = environment.get("KEYSTEAD_DATABASE_URL", "")
    database = await open_database(database_url=url, home=home, clock=SystemClock(), synchronous="normal")
    try:
        async with database.read() as conn:
            counts = [
                (await conn.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (requests, rollups, daily_usage)
            ]
    finally:
        await database.close()
    return "{:,} requests, {:,} rows of sums by the hour, {:,} by the day".format(*counts)


def _size(answer: HTTPResponse, body: bytes) -> int:
    """Return how many bytes an answer was, head and all."""
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
    return head + len(body) + len("HTTP/1.1 200 OK\r\n\r\n")


if __name__ == "__main__":
    main()
