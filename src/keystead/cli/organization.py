"""`keystead organization …`."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli import identity_provider
from keystead.cli.output import Column, fields, local, say, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("currency", lambda item: item["currency"]),
    Column("time zone", lambda item: item["time_zone"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("organization")
def command() -> None:
    """Your organization: show, change, identity-provider. For the operator: list, create."""


command.add_command(identity_provider.command)


@command.command("show")
@connected
def show(session: Session) -> None:
    """Show your organization."""
    answer = session.client().get("organization")
    write(session, answer, lambda: _tell(answer))


@command.command("change")
@click.option("--name", help="Its new name.")
@click.option("--time-zone", help="Where its days and months begin: an IANA name, such as Europe/Berlin.")
@click.option(
    "--second-factor",
    type=click.Choice(["required", "optional"]),
    help="Whether whoever signs in to the console with a password must have a second factor.",
)
@connected
def change(session: Session, *, name: str | None, time_zone: str | None, second_factor: str | None) -> None:
    """Rename your organization, set its time zone, or want a second factor of its people; what is not said stays."""
    if name is None and time_zone is None and second_factor is None:
        raise click.UsageError("Say what to change: --name, --time-zone, --second-factor.")
    required = None if second_factor is None else second_factor == "required"
    body = {"name": name, "time_zone": time_zone, "second_factor_required": required}
    answer = session.client().post("organization", "change", body=body)
    write(session, answer, lambda: _tell(answer))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the organizations of the installation (for its operator)."""
    write_list(session, list(session.client().items("organizations")), _LIST, empty="There is no organization.")


@command.command("create")
@click.argument("name")
@click.option("--owner", default="owner", show_default=True, help="The name of its first member, who is its owner.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--time-zone", default="UTC", show_default=True, help="An IANA name, such as Europe/Berlin.")
@click.option(
    "--open", "is_open", is_flag=True, help="Let everybody in it use every credential it brings, to begin with."
)
@connected
def create(session: Session, *, name: str, owner: str, currency: str, time_zone: str, is_open: bool) -> None:
    """Create the organization NAME (for the operator).

    Its owner's admin token is shown this once, alone on standard output.
    """
    body = {"name": name, "owner": owner, "currency": currency, "time_zone": time_zone, "open": is_open}
    answer = session.client().post("organizations", body=body)
    write(session, answer, lambda: _tell_created(answer))


def _tell(answer: Json) -> None:
    fields(
        [
            ("organization", f"{answer['name']}  {answer['id']}"),
            ("currency", answer["currency"]),
            ("time zone", answer["time_zone"]),
            ("second factor", "required" if answer["second_factor_required"] else "optional"),
            ("created", local(answer["created_at"])),
        ]
    )


def _tell_created(answer: Json) -> None:
    organization, owner = answer["organization"], answer["owner"]
    say(f"Organization {organization['name']} ({organization['id']}).", err=True)
    say(f"The admin token of {owner['name']} ({answer['token_id']}), shown this once:", err=True)
    click.echo(answer["token"])
