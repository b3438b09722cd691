"""`keystead recognizer …`: what requests are searched for, and what becomes of those that hold it."""

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, local, write_list
from keystead.cli.session import Session, connected

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("kind", lambda item: item["kind"]),
    Column("pattern", lambda item: item["pattern"]),
    Column("does", lambda item: f"raise to {item['data_class']}" if item["data_class"] else item["action"]),
    Column("added", lambda item: local(item["created_at"])),
    Column("by", lambda item: item["created_by"]),
    Column("id", lambda item: item["id"]),
)
_KINDS = click.Choice(["secret", "payment_card", "iban", "national_id", "health_id", "email", "pattern"])


@click.group("recognizer")
def command() -> None:
    """Recognisers (what requests are searched for): add, list, remove."""


@command.command("add")
@click.argument("name")
@click.option("--kind", type=_KINDS, help="What to look for. Default: pattern, with --pattern.")
@click.option("--pattern", default="", help="Your own expression, in RE2's syntax; it is looked for in every line.")
@click.option("--block", "action", flag_value="block", help="Refuse such requests.")
@click.option("--redact", "action", flag_value="redact", help="Send them without what was found.")
@click.option("--raise-to", "data_class", default="", help="Raise them to this data class.")
@connected
def add(session: Session, *, name: str, kind: str | None, pattern: str, action: str | None, data_class: str) -> None:
    """Look for something in every request, under the name NAME."""
    if (action is None) is not bool(data_class):
        raise click.UsageError("Say what to do: one of --block, --redact and --raise-to.")
    if kind is None and not pattern:
        raise click.UsageError("Say what to look for: --kind or --pattern.")
    body = {
        "name": name,
        "kind": kind or "pattern",
        "pattern": pattern,
        "action": action or "raise",
        "data_class": data_class,
    }
    write_list(session, [session.client().post("recognizers", body=body)], _LIST, empty="")


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the recognisers."""
    found = session.client().get("recognizers")["items"]
    write_list(session, found, _LIST, empty="There is no recogniser: requests are not looked into.")


@command.command("remove")
@click.argument("recognizer")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def remove(session: Session, *, recognizer: str, yes: bool) -> None:
    """No longer look for what RECOGNIZER (id or name) looks for."""
    confirm(f"Remove the recogniser {recognizer}?", yes=yes)
    write_list(session, [session.client().post("recognizers", recognizer, "remove")], _LIST, empty="")
