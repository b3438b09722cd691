"""`keystead token …`: admin tokens."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment, confirm
from keystead.cli.output import Column, fields, local, say, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("state", lambda item: item["state"]),
    Column("member", lambda item: item["member"]),
    Column("expires", lambda item: local(item["expires_at"])),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("token")
def command() -> None:
    """Admin tokens: create, list, revoke."""


@command.command("create")
@click.argument("name")
@click.option("--member", required=True, help="Whom it signs in (id or name).")
@click.option("--expires", type=Moment(ahead=True), help="When: 30d, a date, or RFC 3339. Default: never.")
@connected
def create(session: Session, *, name: str, member: str, expires: str | None) -> None:
    """Issue an admin token named NAME. It is shown this once, alone on standard output."""
    answer = session.client().post("admin-tokens", body={"name": name, "member": member, "expires_at": expires})
    write(session, answer, lambda: _tell(answer))


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, newest first.")
@connected
def list_all(session: Session, *, limit: int | None) -> None:
    """List the admin tokens."""
    items = list(session.client().items("admin-tokens", limit=limit))
    write_list(session, items, _LIST, empty="There is no admin token.")


@command.command("revoke")
@click.argument("token_id")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, *, token_id: str, yes: bool) -> None:
    """Revoke the admin token TOKEN_ID (`adm_…`) for good."""
    confirm(f"Revoke {token_id}?", yes=yes)
    answer = session.client().post("admin-tokens", token_id, "revoke")
    write(session, answer, lambda: fields([("admin token", answer["name"]), ("state", answer["state"])]))


def _tell(answer: Json) -> None:
    shown = answer["admin_token"]
    say(f"Admin token {shown['name']} ({shown['id']}), shown this once:", err=True)
    click.echo(answer["token"])
