"""`keystead platform-credential …`: what the platform sells."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.output import Column, percent, words, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("provider", lambda item: item["provider"]),
    Column("region", lambda item: item["region"]),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("margin", lambda item: percent(item["margin_ppm"]), "right"),
    Column("id", lambda item: item["id"]),
)


@click.group("platform-credential")
def command() -> None:
    """Platform credentials, paid for with credits: list."""


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the credentials of the platform that a grant may name."""
    items = list(session.client().get("platform-credentials")["items"])
    write_list(session, items, _LIST, empty="The platform offers no credentials.")
