"""`keystead object …`: what lies at providers."""

from typing import Final

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.session import Session, connected
from keystead.domain.stored import ObjectKind

_LIST: Final = (
    Column("kind", lambda item: item["kind"].replace("_", " ")),
    Column("name", lambda item: item["upstream_id"]),
    Column("credential", lambda item: item["credential_id"]),
    Column("owner", lambda item: item["principal_id"]),
    Column("work", lambda item: item["work"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("object")
def command() -> None:
    """What lies at providers (files, batches, caches): list, delete."""


@command.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in ObjectKind]), help="Only of this kind.")
@click.option("--credential", help="Only with this credential (id).")
@connected
def list_all(session: Session, *, kind: str | None, credential: str | None) -> None:
    """List what lies at providers, newest first."""
    found = session.client().items("stored-objects", kind=kind, credential=credential)
    write_list(session, list(found), _LIST, empty="Nothing lies at a provider.")


@command.command("delete")
@click.argument("stored_object")
@click.option("--at-provider", is_flag=True, help="Delete the object itself too, not only its owner's way to it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, *, stored_object: str, at_provider: bool, yes: bool) -> None:
    """Delete STORED_OBJECT (id)."""
    confirm(f"Delete {stored_object}{' at its provider too' if at_provider else ''}?", yes=yes)
    body = {"at_provider": at_provider}
    answer = session.client().post("stored-objects", stored_object, "delete", body=body)
    write(session, answer, lambda: fields([("object", answer["upstream_id"]), ("state", "deleted")]))
