"""`keystead organization identity-provider …`."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]
_PATH = "identity-provider"
_CHECKS = (
    Column("what", lambda item: item["name"]),
    Column("state", lambda item: item["state"]),
    Column("found", lambda item: f"{item['message']} {item['next_step']}".rstrip()),
)


@click.group("identity-provider")
def command() -> None:
    """Where your organization's people sign in (OpenID Connect): show, try, set, remove."""


@command.command("show")
@connected
def show(session: Session) -> None:
    """Show the identity provider; its client secret is never shown."""
    answer = session.client().get(_PATH)
    write(session, answer, lambda: _tell(answer))


@command.command("set")
@click.option("--issuer", required=True, help="As the provider calls itself, to the letter.")
@click.option("--client-id", required=True, help="Of the application that you registered there.")
@click.option("--keep-secret", is_flag=True, help="Keep the client secret; issuer and client id must be the same.")
@click.option("--domain", "domains", multiple=True, required=True, help="Of your e-mail addresses; can be repeated.")
@click.option("--team", help="Where people unknown so far become members, as developers. Without it, nobody does.")
@click.option("--trusts-mfa", is_flag=True, help="Let a second factor that the provider asked for count here.")
@connected
def set_identity_provider(
    session: Session,
    *,
    issuer: str,
    client_id: str,
    keep_secret: bool,
    domains: tuple[str, ...],
    team: str | None,
    trusts_mfa: bool,
) -> None:
    """Let your organization's people sign in at an identity provider. The client secret is asked for."""
    body = {
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": None if keep_secret else click.prompt("Client secret", hide_input=True, err=True),
        "domains": list(domains),
        "team": team,
        "trusts_mfa": trusts_mfa,
    }
    answer = session.client().post(_PATH, "set", body=body)
    write(session, answer, lambda: _tell(answer))


@command.command("try")
@click.argument("issuer")
@connected
def try_out(session: Session, *, issuer: str) -> None:
    """Look at what the identity provider ISSUER says of itself, before it is set. Nothing is kept."""
    answer = session.client().post(_PATH, "try", body={"issuer": issuer})
    write_list(session, answer["checks"], _CHECKS, empty="")


@command.command("remove")
@connected
def remove(session: Session) -> None:
    """Let nobody sign in at the identity provider any more. Sessions in force go on."""
    answer = session.client().post(_PATH, "remove")
    write(session, answer, lambda: _tell(answer))


def _tell(answer: Json) -> None:
    found = answer["identity_provider"]
    if found is None:
        click.echo("Your organization has no identity provider: its people sign in with passwords.")
        return
    fields(
        [
            ("issuer", found["issuer"]),
            ("client id", found["client_id"]),
            ("domains", ", ".join(found["domains"])),
            ("new members", f"in team {found['team_id']}" if found["team_id"] else "none"),
            ("its second factor", "counts" if found["trusts_mfa"] else "does not count"),
            ("sign in at", found["sign_in_path"]),
            ("redirect URI", found["return_path"]),
            ("changed", local(found["changed_at"])),
        ]
    )
