"""`keystead audit …`."""

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from keystead.cli.inputs import Moment
from keystead.cli.output import Column, local, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def _details(item: Json) -> str:
    """Return what is not said by the other columns, as `name=value`."""
    shown = {name: value for name, value in item["details"].items() if name != "token" and value is not None}
    return " ".join(
        f"{name}={value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
        for name, value in shown.items()
    )


_LIST = (
    Column("at", lambda item: local(item["at"])),
    Column("actor", lambda item: item["actor"] or item["actor_id"]),
    Column("action", lambda item: item["action"]),
    Column("object", lambda item: item["object_id"]),
    Column("details", _details),
)


@click.group("audit")
def command() -> None:
    """The audit log: list."""


@command.command("list")
@click.option("--action", help="Such as credential.rotated.")
@click.option("--actor", help="A member's id.")
@click.option("--object", "object_id", help="The id of what was changed.")
@click.option("--since", type=Moment(), help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(), help="As --since.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@connected
def list_all(
    session: Session,
    *,
    action: str | None,
    actor: str | None,
    object_id: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List who changed what, newest first."""
    found = session.client().items(
        "audit-events", limit=limit, action=action, actor=actor, object=object_id, since=since, until=until
    )
    write_list(session, list(found), _LIST, empty="There is no such event.")
