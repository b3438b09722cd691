"""`keystead team …`."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment, Stated
from keystead.cli.output import Column, fields, local, table, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("part of", lambda item: item["parent"] or ""),
    Column("cost center", lambda item: item["cost_center"]),
    Column("data class", lambda item: item["data_class"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)
_COST_CENTERS = (
    Column("cost center", lambda item: item["cost_center"]),
    Column("from", lambda item: local(item["valid_from"])),
)


@click.group("team")
def command() -> None:
    """Teams: create, list, show, rename, move, cost-center, data-class."""


@command.command("create")
@click.argument("name")
@click.option("--under", "parent", help="The team it is part of (id or name).")
@click.option("--cost-center", help="Where its cost goes. Default: where its parent's goes.")
@click.option("--data-class", type=Stated(), help="How sensitive its requests are, unless they say more.")
@connected
def create(session: Session, *, name: str, parent: str | None, cost_center: str | None, data_class: str | None) -> None:
    """Create the team NAME."""
    body = {"name": name, "parent": parent, "cost_center": cost_center, "data_class": data_class or ""}
    _write(session, session.client().post("teams", body=body))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the teams."""
    write_list(session, list(session.client().items("teams")), _LIST, empty="There is no team.")


@command.command("show")
@click.argument("team")
@connected
def show(session: Session, *, team: str) -> None:
    """Show TEAM (id or name), with where its cost went and will go."""
    _write(session, session.client().get("teams", team))


@command.command("rename")
@click.argument("team")
@click.argument("name")
@connected
def rename(session: Session, *, team: str, name: str) -> None:
    """Give TEAM (id or name) the name NAME."""
    _write(session, session.client().post("teams", team, "rename", body={"name": name}))


@command.command("move")
@click.argument("team")
@click.option("--under", "parent", help="The team it becomes part of (id or name).")
@click.option("--top", is_flag=True, help="Let it be part of no other team.")
@connected
def move(session: Session, *, team: str, parent: str | None, top: bool) -> None:
    """Put TEAM (id or name) elsewhere in the tree of teams. It takes an owner."""
    if (parent is None) is not top:
        raise click.UsageError("Say where it goes: --under TEAM, or --top.")
    _write(session, session.client().post("teams", team, "move", body={"parent": parent, "top": top}))


@command.command("cost-center")
@click.argument("team")
@click.argument("cost_center")
@click.option("--from", "valid_from", type=Moment(ahead=True), help="When: 30d, a date, or RFC 3339. Default: now.")
@connected
def cost_center(session: Session, *, team: str, cost_center: str, valid_from: str | None) -> None:
    """Let the cost of TEAM (id or name) go to COST_CENTER."""
    body = {"cost_center": cost_center, "valid_from": valid_from}
    _write(session, session.client().post("teams", team, "cost-center", body=body))


@command.command("data-class")
@click.argument("team")
@click.argument("data_class", type=Stated(), required=False)
@connected
def data_class(session: Session, *, team: str, data_class: str | None) -> None:
    """Say how sensitive the requests of TEAM (id or name) are; without DATA_CLASS, as its parent's."""
    _write(session, session.client().post("teams", team, "data-class", body={"data_class": data_class or ""}))


def _write(session: Session, answer: Json) -> None:
    write(session, answer, lambda: _tell(answer))


def _tell(answer: Json) -> None:
    fields(
        [
            ("team", f"{answer['name']}  {answer['id']}"),
            ("part of", answer["parent"] or ""),
            ("cost center", answer["cost_center"]),
            ("data class", answer["data_class"]),
            ("created", local(answer["created_at"])),
        ]
    )
    if len(answer["cost_centers"]) > 1:
        click.echo()
        table(answer["cost_centers"], _COST_CENTERS, empty="")
