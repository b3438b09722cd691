"""`keystead team …`."""

import click

from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.session import Session, connected

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("cost center", lambda item: item["cost_center"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("team")
def command() -> None:
    """Teams: create, list."""


@command.command("create")
@click.argument("name")
@click.option("--cost-center", default="default", show_default=True, help="Where its cost goes.")
@connected
def create(session: Session, *, name: str, cost_center: str) -> None:
    """Create the team NAME."""
    answer = session.client().post("teams", body={"name": name, "cost_center": cost_center})
    pairs = [("team", f"{answer['name']}  {answer['id']}"), ("cost center", answer["cost_center"])]
    write(session, answer, lambda: fields(pairs))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the teams."""
    write_list(session, list(session.client().items("teams")), _LIST, empty="There is no team.")
