"""`keystead connect CLIENT`: what a client must be told, to be copied; or written into its own files."""

import os
from pathlib import Path

import click
import msgspec

from keystead.cli.output import write
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected, default_url, settings
from keystead.cli.settings_file import put
from keystead.connect.client import KEY_VARIABLE, Client
from keystead.connect.clients import CLIENTS
from keystead.connect.render import Rendered, RenderedFile, Shell, Target, rendered, target
from keystead.domain.errors import InvalidRequestError


@click.command("connect")
@click.argument("client", type=click.Choice(list(CLIENTS)), metavar="CLIENT")
@click.option(
    "--model", default="", help="As the gateway knows it, `provider/model` or a route. Default: CLIENT's own."
)
@click.option("--shell", type=click.Choice(["sh", "fish", "powershell"]), default="sh", show_default=True)
@click.option("--key-from-env", is_flag=True, help=f"{KEY_VARIABLE} is set: print no placeholder for the key.")
@click.option("--write", "writes", is_flag=True, help="Write CLIENT's own files; what was there is kept beside them.")
@connected
def command(session: Session, *, client: str, model: str, shell: Shell, key_from_env: bool, writes: bool) -> None:
    """Print what CLIENT needs to use this gateway: variables, files, code.

    CLIENT is one of: claude-code, codex, gemini-cli, opencode, open-webui, cursor, cline, continue, aider, zed,
    openai-python, openai-js, anthropic-python, anthropic-js, google-genai, langchain, llamaindex, vercel-ai, curl.

    Standard output is what to copy or run; where it belongs is said beside it. The key is always read from
    KEYSTEAD_KEY and never written to a file.
    """
    row = CLIENTS[client]
    found = rendered(row, target_of(session, row, model), shell=shell, key_is_set=key_from_env)
    written = [_write(row, file, number) for number, file in enumerate(found.files)] if writes else []
    if writes and not found.files:
        raise click.UsageError(f"{found.title} has no settings file to write: use what is printed without --write.")
    write(session, msgspec.to_builtins(found) | {"written": written}, lambda: _show(found, shell, writes=writes))


def target_of(session: Session, client: Client, model: str) -> Target:
    """Return what a client is connected to: the gateway of this session.

    Raises:
        CommandError: its address, or the model's name, is not valid.
    """
    url = session.url or default_url(settings())
    try:
        return target(client, url=url, model=model)
    except InvalidRequestError as error:
        raise CommandError(error.message, fault="caller", next_step=error.next_step, code=error.code) from error


def _write(client: Client, file: RenderedFile, number: int) -> str:
    path = path_of(client, file, number)
    kept = put(path, file)
    click.echo(f"{path} is written{f'; what was there is in {kept}' if kept else ''}.", err=True)
    return str(path)


def path_of(client: Client, file: RenderedFile, number: int) -> Path:
    """Return where a file is on this machine, which a variable may have moved."""
    row = client.files[number]
    moved = os.environ.get(row.folder_variable, "") if row.folder_variable else ""  # noqa: TID251 - the client's own
    return Path(moved) / row.name if moved else Path(file.path).expanduser()


def _show(found: Rendered, shell: Shell, *, writes: bool) -> None:
    if found.install:
        _say(f"{found.title}, unless it is there: {found.install}")
    if not writes:
        for file in found.files:
            if file.needed:
                _say(f"{file.path} (or --write):")
                click.echo(file.text)
    if found.language in {"python", "javascript"}:
        _say(f"In the shell ({shell}):")
        click.echo(found.environment, err=True)
        _say("The program:")
        click.echo(found.code, nl=False)
    elif found.environment or found.code:
        _say(f"In the shell ({shell}):")
        click.echo(found.environment + found.code, nl=False)
    for step in found.steps:
        click.echo(f"- {step}")
    if found.program:
        _say(f"Then start it: {found.program}")
    for note in found.notes:
        _say(note)


def _say(words: str) -> None:
    click.echo(f"# {words}", err=True)
