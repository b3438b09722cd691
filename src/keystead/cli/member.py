"""`keystead member …`."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.session import Session, connected
from keystead.domain.access import Role

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("role", lambda item: item["role"].replace("_", " ")),
    Column("state", lambda item: "disabled" if item["disabled_at"] else "active"),
    Column("team", lambda item: item["team"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("member")
def command() -> None:
    """Members: create, list, disable."""


@command.command("create")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--team", required=True, help="Id or name.")
@connected
def create(session: Session, *, name: str, role: str, team: str) -> None:
    """Create the member NAME, who can act once a token (`keystead token create`) or a key is issued to them."""
    answer = session.client().post("members", body={"name": name, "role": role, "team": team})
    write(session, answer, lambda: _tell(answer))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the members."""
    write_list(session, list(session.client().items("members")), _LIST, empty="There is no member.")


@command.command("disable")
@click.argument("member")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def disable(session: Session, *, member: str, yes: bool) -> None:
    """Disable MEMBER (id or name): their tokens and keys stop at once."""
    confirm(f"Disable {member}? There is no way back.", yes=yes)
    answer = session.client().post("members", member, "disable")
    write(session, answer, lambda: _tell(answer))


def _tell(answer: Json) -> None:
    fields(
        [
            ("member", f"{answer['name']}  {answer['id']}"),
            ("role", answer["role"].replace("_", " ")),
            ("disabled", local(answer["disabled_at"])),
        ]
    )
