"""Run the process: uvicorn, its workers, the welcome, and an end that drains."""

import asyncio
import contextlib
import os
import resource
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import click
import uvicorn

from keystead import __version__
from keystead.app.first_start import FirstStart, prepare
from keystead.app.passthrough_file import load_passthrough
from keystead.app.process import Process, shared_metrics_folder
from keystead.domain.clock import SystemClock
from keystead.domain.errors import InvalidRequestError
from keystead.settings import SETTINGS, Settings, load
from keystead.telemetry import configure_logging
from keystead.web.edge import EdgeProtocol, SessionProtocol

_BACKLOG = 2048


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then let answers in flight finish.

    Raises:
        KeysteadError: the process cannot start; the message says what to mend.
    """
    configure_logging(settings.log_level)
    _raise_file_limit()
    _check_address(settings)
    load_passthrough(settings.passthrough_file)  # so that a slip in it is told before anything is made
    first = asyncio.run(prepare(settings, SystemClock()))
    # uvicorn ends by raising the signal it was stopped with: a clean end is not a traceback.
    with contextlib.suppress(KeyboardInterrupt):
        if settings.workers == 1:
            _Server(_config(settings, Process(settings)), settings, first).run()
        else:
            _announce(settings, settings.port, first)
            _tell_workers(settings)
            uvicorn.run("keystead.app.server:create", factory=True, workers=settings.workers, **_options(settings))


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have.

    A caller takes one, and its call to the provider another. The usual soft limit of 1,024 is there for programs
    that use select(); a thousand slow connections would keep everybody else out.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # where "unlimited" is more than the kernel grants
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _check_address(settings: Settings) -> None:
    """Find out that the address is taken before the first start makes secrets, which are shown once it listens."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        reason = (error.strerror or "").partition(" (")[0]
        raise InvalidRequestError(
            f"Keystead cannot listen on {settings.host}:{settings.port}: {reason}.",
            code="cannot_listen",
            next_step="Stop what listens there, or set KEYSTEAD_PORT (and KEYSTEAD_HOST) to what is free.",
        ) from None


def create() -> Process:
    """Make one worker's application (uvicorn calls this in each worker process)."""
    settings = load()
    configure_logging(settings.log_level)
    EdgeProtocol.header_timeout_s = settings.header_timeout_s
    return Process(settings)


def _tell_workers(settings: Settings) -> None:
    """Pass on to the worker processes what they cannot read from this one's environment.

    They keep their metrics in one folder, so that whichever is asked tells all of them; prometheus_client decides
    that by its variable when it is imported, which they do after this.
    """
    folder = shared_metrics_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ["KEYSTEAD_WORKERS"] = str(settings.workers)  # noqa: TID251 - written, not read: it may be an option's
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # noqa: TID251 - the library's own switch, not a setting


def _config(settings: Settings, app: Process) -> uvicorn.Config:
    EdgeProtocol.header_timeout_s = settings.header_timeout_s
    return uvicorn.Config(app, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": EdgeProtocol,
        "ws": SessionProtocol,
        "ws_max_size": settings.max_body_bytes,
        "ws_per_message_deflate": False,  # what unpacks to more than it was is a bomb
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        # X-Forwarded-For and -Proto are a caller's words; nothing here decides by them.
        "proxy_headers": False,
        "backlog": _BACKLOG,
        # Longer than nginx's and most load balancers' own idle time, so that they close first and not mid-request.
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": int(settings.drain_timeout_s),
    }


class _Server(uvicorn.Server):
    """uvicorn's server, with a welcome when it listens."""

    def __init__(self, config: uvicorn.Config, settings: Settings, first: FirstStart | None) -> None:
        super().__init__(config)
        self._settings = settings
        self._first = first

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            port = self.servers[0].sockets[0].getsockname()[1]
            _announce(self._settings, port, self._first)

    async def shutdown(self, sockets: Any = None) -> None:
        click.echo("Draining: answers in flight may finish, new requests are refused.", err=True)
        await super().shutdown(sockets)


def _announce(settings: Settings, port: int, first: FirstStart | None) -> None:
    url = f"http://{_reachable(settings.host)}:{port}"
    click.echo(f"Keystead {__version__} at {url}   (Ctrl-C stops)")
    if first is None:
        return
    key = first.virtual_key.reveal()
    click.echo(
        f"""
Your first virtual key, shown this once:

  {key}

Try it. The sandbox answers without any account:

  curl {url}/v1/chat/completions \\
    -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"model": "sandbox/echo", "messages": [{{"role": "user", "content": "Hello, Keystead!"}}]}}'

See it in the console. The link works once, for a day:

  {url}/console/link/{first.console_link.reveal()}

Then bring a key of your own there, or in another terminal (it is asked for, never an argument):

  {_command(settings, port)} credential add my-openai --provider openai

  Root key       {first.kek_file}   (back it up: without it no key opens)
  Admin token    {first.admin_token_file}   (the command line reads it)
"""
    )


def _reachable(host: str) -> str:
    """Return how a caller on this machine writes the address that is listened on."""
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _command(settings: Settings, port: int) -> str:
    """Return how this installation's command is called from here, for this gateway."""
    given = {"KEYSTEAD_HOME": str(settings.home), "KEYSTEAD_PORT": str(port)}
    usual = {row.variable: str(row.parse(row.default)) for row in SETTINGS if row.variable in given}
    words = [f"{name}={shlex.quote(value)}" for name, value in given.items() if value != usual[name]]
    program = Path(sys.argv[0])
    with contextlib.suppress(ValueError):
        return " ".join([*words, f"./{program.resolve().relative_to(Path.cwd())}"])
    return " ".join([*words, program.name])
