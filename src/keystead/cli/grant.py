"""`keystead grant …`: who may use which credentials for what."""

from collections.abc import Mapping
from typing import Any, Final

import click

from keystead.cli.inputs import Moment, Stated, confirm
from keystead.cli.output import Column, fields, local, words, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_EVERYONE: Final = "everyone"


def _whom(item: Json) -> str:
    kind = item["subject_kind"]
    return _EVERYONE if kind == "organization" else f"{kind.replace('_', ' ')} {item['subject'] or item['subject_id']}"


def _credentials(item: Json) -> str:
    return words(item["credentials"], none="all own ones" if item["effect"] == "allow" else "all")


_LIST = (
    Column("effect", lambda item: item["effect"]),
    Column("for", _whom),
    Column("credentials", _credentials),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("endpoints", lambda item: words(item["endpoints"], none="all")),
    Column("when", lambda item: item["condition"]),
    Column("state", lambda item: item["state"]),
    Column("expires", lambda item: local(item["expires_at"])),
    Column("note", lambda item: item["note"]),
    Column("id", lambda item: item["id"]),
)


@click.group("grant")
def command() -> None:
    """Grants (who may use which credentials for what): create, list, show, revoke.

    Without a grant nothing is allowed; a deny wins over every allow.
    """


@command.command("create")
@click.option("--deny", is_flag=True, help="Forbid instead of allowing.")
@click.option("--team", help="For a team and the teams below it (id or name).")
@click.option("--member", help="For a member (id or name).")
@click.option("--service-account", help="For a service account (id or name).")
@click.option("--everyone", is_flag=True, help="For the whole organization.")
@click.option("--credential", "credentials", multiple=True, help="Only this credential. Default: all own ones.")
@click.option("--model", "models", multiple=True, help="Only this model, or pattern: gpt-5*, openai/*.")
@click.option("--endpoint", "endpoints", multiple=True, help="Only this endpoint: chat, messages, embeddings …")
@click.option("--when", "condition", type=Stated(), help="Only under this condition in CEL: 'hour >= 8 && hour < 18'.")
@click.option("--note", default="", help="Why; whoever is refused reads it.")
@click.option("--expires", "expires_at", type=Moment(ahead=True), help="A span from now (30d), a date, or RFC 3339.")
@connected
def create(
    session: Session,
    *,
    deny: bool,
    team: str | None,
    member: str | None,
    service_account: str | None,
    everyone: bool,
    credentials: tuple[str, ...],
    models: tuple[str, ...],
    endpoints: tuple[str, ...],
    condition: str | None,
    note: str,
    expires_at: str | None,
) -> None:
    """Let somebody use credentials, or forbid it."""
    if sum((bool(team), bool(member), bool(service_account), everyone)) != 1:
        raise click.UsageError("Say for whom: one of --team, --member, --service-account and --everyone.")
    body = {
        "effect": "deny" if deny else "allow",
        "team": team,
        "member": member,
        "service_account": service_account,
        "everyone": everyone,
        "credentials": credentials or None,
        "models": models or None,
        "endpoints": endpoints or None,
        "condition": condition or "",
        "note": note,
        "expires_at": expires_at,
    }
    answer = session.client().post("grants", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("list")
@click.option("--in-force", is_flag=True, help="Only those that count now.")
@connected
def list_all(session: Session, *, in_force: bool) -> None:
    """List grants, newest first."""
    found = list(session.client().items("grants", in_force=in_force or None))
    write_list(session, found, _LIST, empty="There is no grant: nobody may use anything.")


@command.command("show")
@click.argument("grant")
@connected
def show(session: Session, *, grant: str) -> None:
    """Show the grant GRANT (id)."""
    answer = session.client().get("grants", grant)
    write(session, answer, lambda: _show(answer))


@command.command("revoke")
@click.argument("grant")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, *, grant: str, yes: bool) -> None:
    """Revoke the grant GRANT (id)."""
    confirm(f"Revoke the grant {grant}?", yes=yes)
    answer = session.client().post("grants", grant, "revoke")
    write(session, answer, lambda: _show(answer))


def _show(item: Json) -> None:
    fields(
        [
            ("grant", item["id"]),
            ("effect", item["effect"]),
            ("for", _whom(item)),
            ("credentials", _credentials(item)),
            ("models", words(item["models"], none="all")),
            ("endpoints", words(item["endpoints"], none="all")),
            ("when", item["condition"] or "always"),
            ("note", item["note"]),
            ("state", item["state"]),
            ("created", f"{local(item['created_at'])} by {item['created_by']}"),
            ("expires", local(item["expires_at"])),
            ("revoked", local(item["revoked_at"])),
        ]
    )
