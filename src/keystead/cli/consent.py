"""`keystead consent …`: the recorded permission to fall back from own keys to platform credentials."""

import click

from keystead.cli.inputs import Moment, confirm
from keystead.cli.output import Column, local, words, write_list
from keystead.cli.session import Session, connected

_LIST = (
    Column("teams", lambda item: words(item["teams"], none="all")),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("data classes", lambda item: words(item["data_classes"], none="")),
    Column("after", lambda item: words(item["reasons"], none="").replace("_", " ")),
    Column("a day", lambda item: item["daily_cap"], "right"),
    Column("a month", lambda item: item["monthly_cap"], "right"),
    Column("state", lambda item: item["state"]),
    Column("until", lambda item: local(item["expires_at"])),
    Column("given by", lambda item: item["created_by"]),
    Column("note", lambda item: item["note"]),
    Column("id", lambda item: item["id"]),
)
_REASONS = click.Choice(["throttled", "down", "out_of_funds"])


@click.group("consent")
def command() -> None:
    """Consents (when platform credentials may step in for own keys): give, list, revoke.

    Without one, no request falls back to platform credentials.
    """


@command.command("give")
@click.option("--team", "teams", multiple=True, help="A team and the teams below it. Default: all.")
@click.option("--model", "models", multiple=True, help="A model of the platform's, or a pattern. Default: all.")
@click.option("--data-class", "data_classes", multiple=True, required=True, help="A class it covers.")
@click.option("--reason", "reasons", multiple=True, required=True, type=_REASONS, help="Why an own key cannot serve.")
@click.option("--daily-cap", required=True, help="The most credits a day.")
@click.option("--monthly-cap", required=True, help="The most credits a month.")
@click.option(
    "--expires", "expires_at", required=True, type=Moment(ahead=True), help="A span from now (90d), at most a year."
)
@click.option("--note", default="", help="Such as who decided it.")
@connected
def give(
    session: Session,
    *,
    teams: tuple[str, ...],
    models: tuple[str, ...],
    data_classes: tuple[str, ...],
    reasons: tuple[str, ...],
    daily_cap: str,
    monthly_cap: str,
    expires_at: str,
    note: str,
) -> None:
    """Let platform credentials step in for own keys, within bounds. It is recorded as yours."""
    body = {
        "teams": teams or None,
        "models": models or None,
        "data_classes": data_classes,
        "reasons": reasons,
        "daily_cap": daily_cap,
        "monthly_cap": monthly_cap,
        "expires_at": expires_at,
        "note": note,
    }
    write_list(session, [session.client().post("consents", body=body)], _LIST, empty="")


@command.command("list")
@click.option("--in-force", is_flag=True, help="Only those that count now.")
@connected
def list_all(session: Session, *, in_force: bool) -> None:
    """List consents, newest first."""
    found = list(session.client().items("consents", in_force=in_force or None))
    write_list(session, found, _LIST, empty="There is no consent: nothing falls back to platform credentials.")


@command.command("revoke")
@click.argument("consent")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, *, consent: str, yes: bool) -> None:
    """Withdraw the consent CONSENT (id)."""
    confirm(f"Withdraw the consent {consent}?", yes=yes)
    write_list(session, [session.client().post("consents", consent, "revoke")], _LIST, empty="")
