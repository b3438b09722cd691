"""`keystead config …`: the organization's rules as one YAML document."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import msgspec

from keystead.cli.document_file import DocumentFile, read_document, write_yaml
from keystead.cli.inputs import confirm
from keystead.cli.output import progress, say, write
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

DRIFT: Final = 2
"""The exit code of `drift` when there is some."""

_SIGNS: Final = {"create": "+", "change": "~", "remove": "-", "keep": "="}
_file = click.argument("file")
_prune = click.option(
    "--prune", is_flag=True, help="In the sections that the document has, take away what is not in it."
)


@click.group("config")
def command() -> None:
    """Configuration as code: export, plan, apply, drift.

    FILE is YAML, or - for standard input. A section that it does not have is not touched.
    """


@command.command("export")
@connected
def export(session: Session) -> None:
    """Write what is in force as a document: all that you may see, and no secret."""
    answer = session.client().get("config")
    write(session, answer, lambda: click.echo(write_yaml(answer), nl=False))


@command.command("plan")
@_file
@_prune
@connected
def plan(session: Session, *, file: str, prune: bool) -> None:
    """Say what applying FILE would change."""
    answer = _planned(session, read_document(file), prune=prune)
    write(session, answer, lambda: _show(answer))


@command.command("apply")
@_file
@_prune
@click.option("--dry-run", is_flag=True, help="Try everything, permissions included, and keep nothing.")
@click.option("--force", is_flag=True, help="Use keys of which the probe proved nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before something is removed.")
@connected
def apply(session: Session, *, file: str, prune: bool, dry_run: bool, force: bool, yes: bool) -> None:
    """Put FILE in force, all of it or nothing.

    Keys are fetched from where the document says (${NAME} in the environment, or file:/path): those of new credentials,
    and those of credentials that say `rotate`, which become the next version if they are not the one in use.
    """
    source = read_document(file)
    planned = _planned(session, source, prune=prune)
    body: dict[str, Any] = {"document": source.as_json(), "prune": prune, "dry_run": dry_run, "force": force}
    if not dry_run:
        removed = [one for one in planned["differences"] if one["action"] == "remove"]
        if removed:
            _show(planned)
            confirm(f"Apply, and with it remove {len(removed)}?", yes=yes)
        body["keys"] = source.keys((*planned["keys"], *planned["rotating"]))
    try:
        with progress("Applying …"):
            answer = session.client().post("config", "apply", body=body)
    except CommandError as error:
        raise source.located(error) from None
    write(session, answer, lambda: _show(answer, done=not dry_run))


@command.command("drift")
@_file
@_prune
@click.pass_context
@connected
def drift(session: Session, context: click.Context, *, file: str, prune: bool) -> None:
    """Say what is in force otherwise than FILE says; the exit code is then 2."""
    answer = _planned(session, read_document(file), prune=prune)
    write(session, answer, lambda: _show(answer))
    if answer["differences"]:
        context.exit(DRIFT)


def _planned(session: Session, source: DocumentFile, *, prune: bool) -> Json:
    try:
        return session.client().post("config", "plan", body={"document": source.as_json(), "prune": prune})
    except CommandError as error:
        raise source.located(error) from None


def _show(answer: Json, *, done: bool = False) -> None:
    found = answer["differences"]
    for one in found:
        for line in _lines(one):
            say(line)
    for place in answer["ended"]:
        say(f"  {place} has ended, and is left out.")
    counts = {action: sum(one["action"] == action for one in found) for action in _SIGNS}
    if not found:
        click.echo("Nothing differs.")
    elif done:
        click.echo(f"Applied: {counts['create']} created, {counts['change']} changed, {counts['remove']} removed.")
    else:
        click.echo(f"{counts['create']} to create, {counts['change']} to change, {counts['remove']} to remove.")
    if answer["keys"] and not done:
        click.echo(f"Keys to bring: {', '.join(answer['keys'])}.")


def _lines(one: Json) -> Iterator[str]:
    name = one["section"] if not one["name"] else f"{one['section']}.{one['name']}"
    yield f"{_SIGNS[one['action']]} {name}"
    for field in one["fields"]:
        before = "" if one["action"] == "create" else f"{_text(field['before'])} → "
        yield f"    {field['field']}: {before}{_text(field['after'])}"
    if one["problem"]:
        yield f"    {'' if one['action'] == 'keep' else 'Not possible: '}{one['problem']}"


def _text(value: Any) -> str:
    return "–" if value is None else msgspec.json.encode(value).decode()
