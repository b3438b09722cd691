"""`keystead launch AGENT -- …`: run a coding agent through the gateway, without changing its files."""

import os
import secrets

import click
import msgspec

from keystead.cli.connect import path_of, target_of
from keystead.cli.inputs import Moment
from keystead.cli.problem import CommandError
from keystead.cli.session import TOKEN_VARIABLE, Session, connected
from keystead.cli.settings_file import is_in
from keystead.connect.client import KEY_VARIABLE, Client
from keystead.connect.clients import LAUNCHED
from keystead.connect.render import Target, arguments, environment, file_text, rendered


@click.command("launch", context_settings={"ignore_unknown_options": True})
@click.argument("agent", type=click.Choice(list(LAUNCHED)))
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS…]")
@click.option("--model", default="", help="As the gateway knows it, `provider/model` or a route. Default: AGENT's own.")
@click.option("--mint", is_flag=True, help=f"Issue a virtual key for it, of yours, instead of reading {KEY_VARIABLE}.")
@click.option(
    "--expires", type=Moment(ahead=True), default="12h", show_default=True, help="With --mint: the key's end."
)
@connected
def command(session: Session, *, agent: str, rest: tuple[str, ...], model: str, mint: bool, expires: str) -> None:
    """Run AGENT (claude, codex, gemini, opencode) through this gateway; its exit code is the command's.

    It is told everything by environment variables and arguments; no file is changed. The admin token is not passed on.
    """
    client = LAUNCHED[agent]
    to = target_of(session, client, model)
    told = _settings(client, to)
    told |= environment(client, to, key=_mint(session, agent, expires) if mint else _key())
    withheld = {*client.unset, TOKEN_VARIABLE}
    here = {name: value for name, value in os.environ.items() if name not in withheld}  # noqa: TID251 - the agent's
    try:
        os.execvpe(agent, [agent, *arguments(client, to), *rest], here | told)  # noqa: S606 - no shell: as it is meant
    except OSError as error:
        raise CommandError(
            f"{client.title} cannot be started: {error.strerror}.",
            fault="caller",
            next_step=f"Install it (`{client.install}`), or put `{agent}` on the PATH.",
        ) from error


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()  # noqa: TID251 - a secret of the command line
    if not key:
        raise CommandError(
            f"{KEY_VARIABLE} is not set.",
            fault="caller",
            next_step="Put a virtual key there (`keystead key create`), or say --mint.",
        )
    return key


def _mint(session: Session, agent: str, expires: str) -> str:
    """Issue a key for who is signed in; it ends by itself."""
    client = session.client()
    me = client.get("self")
    body = {
        "name": f"launch-{agent}-{secrets.token_hex(4)}",
        "team": me["team_id"],
        "member": me["member_id"],
        "expires_at": expires,
    }
    return str(client.post("virtual-keys", body=body)["key"])


def _settings(client: Client, to: Target) -> dict[str, str]:
    """Return the variable that stands for the client's settings file, if it has one.

    Raises:
        CommandError: nothing stands for it, and the file is not as it must be.
    """
    assert client.launch is not None, "it can be launched"
    if client.launch.needs_files:
        for number, file in enumerate(rendered(client, to).files):
            if not is_in(path := path_of(client, file, number), file):
                raise CommandError(
                    f"{client.title} needs a line in {path} first.",
                    fault="caller",
                    next_step=f"Run `keystead connect {client.name} --write` once: it keeps what is there.",
                )
    if not client.launch.settings_variable:
        return {}
    text = file_text(client.files[0], client, to)
    return {client.launch.settings_variable: msgspec.json.format(text.encode(), indent=-1).decode()}
