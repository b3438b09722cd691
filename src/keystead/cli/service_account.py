"""`keystead service-account …`: the programs that act with virtual keys."""

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.session import Session, connected

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("state", lambda item: "disabled" if item["disabled_at"] else "active"),
    Column("team", lambda item: item["team"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("service-account")
def command() -> None:
    """Service accounts (programs): create, list, disable."""


@command.command("create")
@click.argument("name")
@click.option("--team", required=True, help="Id or name.")
@connected
def create(session: Session, *, name: str, team: str) -> None:
    """Create the service account NAME, which can act once a key is issued to it (`keystead key create`)."""
    answer = session.client().post("service-accounts", body={"name": name, "team": team})
    pairs = [("service account", f"{answer['name']}  {answer['id']}"), ("team", answer["team"])]
    write(session, answer, lambda: fields(pairs))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the service accounts."""
    items = list(session.client().items("service-accounts"))
    write_list(session, items, _LIST, empty="There is no service account.")


@command.command("disable")
@click.argument("service_account")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def disable(session: Session, *, service_account: str, yes: bool) -> None:
    """Disable SERVICE_ACCOUNT (id or name): its keys stop at once."""
    confirm(f"Disable {service_account}? There is no way back.", yes=yes)
    answer = session.client().post("service-accounts", service_account, "disable")
    pairs = [("service account", answer["name"]), ("disabled", local(answer["disabled_at"]))]
    write(session, answer, lambda: fields(pairs))
