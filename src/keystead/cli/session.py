"""What every command that talks to a gateway needs: its address, the token, and how to write the answer."""

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, Literal, ParamSpec
from urllib.parse import urlsplit

import click
import msgspec

from keystead.cli.client import AdminClient
from keystead.cli.problem import CommandError
from keystead.settings import Settings, SettingsError, load

TOKEN_FILE: Final = "admin.token"  # noqa: S105 - a file's name
TOKEN_VARIABLE: Final = "KEYSTEAD_ADMIN_TOKEN"  # noqa: S105 - a variable's name
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

P = ParamSpec("P")
Output = Literal["table", "json"]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a command."""

    url: str
    output: Output

    def client(self) -> AdminClient:
        """Return a client for the gateway, with the administrator's token."""
        url = self.url or default_url(settings())
        return AdminClient(url, admin_token(url))


def connected(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Give a command the options `--url` and `--output`, and its function a Session as first argument."""

    @click.option("--url", envvar="KEYSTEAD_URL", default="", help="The gateway's address. [KEYSTEAD_URL]")
    @click.option(
        "--output",
        "-o",
        envvar="KEYSTEAD_OUTPUT",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to write the answer. [KEYSTEAD_OUTPUT]",
    )
    @functools.wraps(function)
    def run(*args: Any, url: str, output: Output, **options: Any) -> None:
        try:
            function(Session(url=url, output=output), *args, **options)
        except CommandError as error:
            error.as_json = output == "json"
            raise

    return run


def settings() -> Settings:
    """Return the settings of this machine: where a gateway started here would keep its data and listen."""
    try:
        return load()
    except SettingsError as error:
        raise CommandError(str(error), fault="caller", next_step="Set it right, or unset it.") from error


def default_url(here: Settings) -> str:
    """Return the address of a gateway that runs on this machine."""
    return f"http://127.0.0.1:{here.port}"


def admin_token(url: str) -> str:
    """Return the token from the environment, else from the data folder's file.

    The file's token is that of a gateway on this machine, so it is never sent to another one.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")  # noqa: TID251 - a secret of the command line, not a setting of the server
    if token:
        return token.strip()
    if (urlsplit(url).hostname or "") not in _LOOPBACK:
        raise CommandError(
            f"There is no admin token for {url}.",
            fault="caller",
            next_step=f"Set {TOKEN_VARIABLE}; the token file of this machine is not sent elsewhere.",
        )
    return _read_token(settings().home / TOKEN_FILE)


def _read_token(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CommandError(
            f"There is no admin token: {TOKEN_VARIABLE} is not set, and {path} cannot be read ({error.strerror}).",
            fault="caller",
            next_step=f"Start the gateway once (`keystead serve`), or set {TOKEN_VARIABLE} or KEYSTEAD_HOME.",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CommandError(
            f"Others on this machine can read the admin token in {path}.",
            fault="caller",
            next_step=f"Run `chmod 600 {path}`; if others may have read it, revoke it with `keystead token revoke`.",
        )
    return token
