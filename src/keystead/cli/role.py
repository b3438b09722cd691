"""`keystead role …`: what roles may do, and roles of your own."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, write, write_list
from keystead.cli.session import Session, connected
from keystead.domain.access import PLATFORM, Permission

Json = Mapping[str, Any]

_PERMISSIONS = click.Choice([permission.value for permission in Permission if permission not in PLATFORM])
_LIST = (
    Column("name", lambda item: item["name"]),
    Column("kind", lambda item: "built in" if item["built_in"] else "own"),
    Column("permissions", lambda item: ", ".join(item["permissions"])),
    Column("id", lambda item: "" if item["built_in"] else item["id"]),
)


@click.group("role")
def command() -> None:
    """Roles: list, create, change, delete."""


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the roles, the built-in ones first."""
    write_list(session, session.client().get("roles")["items"], _LIST, empty="There is no role.")


@command.command("create")
@click.argument("name")
@click.option("--permission", "permissions", multiple=True, required=True, type=_PERMISSIONS, help="May be repeated.")
@connected
def create(session: Session, *, name: str, permissions: tuple[str, ...]) -> None:
    """Create the role NAME. You must hold all that it holds."""
    _write(session, session.client().post("roles", body={"name": name, "permissions": permissions}))


@command.command("change")
@click.argument("role")
@click.option("--permission", "permissions", multiple=True, required=True, type=_PERMISSIONS, help="May be repeated.")
@connected
def change(session: Session, *, role: str, permissions: tuple[str, ...]) -> None:
    """Let ROLE (id or name) hold these permissions instead of those it holds."""
    _write(session, session.client().post("roles", role, "change", body={"permissions": permissions}))


@command.command("delete")
@click.argument("role")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, *, role: str, yes: bool) -> None:
    """Delete ROLE (id or name), which nobody has."""
    confirm(f"Delete {role}?", yes=yes)
    answer = session.client().post("roles", role, "delete")
    write(session, answer, lambda: fields([("role", answer["name"]), ("state", "deleted")]))


def _write(session: Session, answer: Json) -> None:
    pairs = [("role", f"{answer['name']}  {answer['id']}"), ("permissions", ", ".join(answer["permissions"]))]
    write(session, answer, lambda: fields(pairs))
