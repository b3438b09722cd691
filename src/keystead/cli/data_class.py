"""`keystead data-class …`: how sensitive requests can be, and what each class asks of a credential's terms."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def asked(requirement: Json) -> str:
    """Return a requirement in words."""
    days = requirement["most_retention_days"]
    parts = (
        f"regions {', '.join(requirement['regions'])}" if requirement["regions"] else "",
        "" if days is None else "zero retention" if days == 0 else f"retention of at most {days} days",
        "no training" if requirement["no_training"] else "",
        "DPA" if requirement["dpa"] else "",
        "BAA" if requirement["baa"] else "",
        "own keys only" if requirement["own_key_only"] else "",
    )
    return ", ".join(part for part in parts if part) or "nothing"


_LIST = (
    Column("name", lambda item: item["name"]),
    Column("rank", lambda item: str(item["rank"]), "right"),
    Column("kind", lambda item: ("built in" if item["built_in"] else "own") + _changed(item)),
    Column("asks for", lambda item: asked(item["requirement"])),
    Column("in effect", lambda item: asked(item["in_effect"])),
)


@click.group("data-class")
def command() -> None:
    """Data classes (how sensitive requests are): list, set, remove.

    A class asks for all that the classes below it ask for, and for what it asks itself.
    """


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the data classes, the least sensitive first."""
    _write(session, session.client().get("data-classes")["items"])


@command.command("set")
@click.argument("name")
@click.option("--rank", type=click.IntRange(1, 1000), help="Where a class of your own stands; restricted is 400.")
@click.option("--region", "regions", multiple=True, help="A region in which data may be processed.")
@click.option("--most-retention", "days", type=click.IntRange(min=0), help="Days; 0 is zero data retention.")
@click.option("--no-training", is_flag=True, help="The provider does not train on the data.")
@click.option("--dpa", is_flag=True, help="There is a data processing agreement.")
@click.option("--baa", is_flag=True, help="There is a business associate agreement.")
@click.option("--own-key-only", is_flag=True, help="Never on a platform credential.")
@connected
def set_(
    session: Session,
    *,
    name: str,
    rank: int | None,
    regions: tuple[str, ...],
    days: int | None,
    no_training: bool,
    dpa: bool,
    baa: bool,
    own_key_only: bool,
) -> None:
    """Make the class NAME, or set what it asks for. What is not said is not asked for."""
    requirement = {
        "regions": regions,
        "most_retention_days": days,
        "no_training": no_training,
        "dpa": dpa,
        "baa": baa,
        "own_key_only": own_key_only,
    }
    body = {"name": name, "rank": rank, "requirement": requirement}
    _write(session, session.client().post("data-classes", body=body)["items"])


@command.command("remove")
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def remove(session: Session, *, name: str, yes: bool) -> None:
    """Remove the class NAME of your own, or your own terms for a built-in one."""
    confirm(f"Remove what you have set for the data class {name}?", yes=yes)
    _write(session, session.client().post("data-classes", name, "remove")["items"])


def _write(session: Session, items: list[Json]) -> None:
    write_list(session, items, _LIST, empty="There is no data class.")


def _changed(item: Json) -> str:
    return ", changed" if item["built_in"] and item["own"] else ""
