"""`keystead budget …`: how much may be spent, and how it stands."""

from collections.abc import Mapping
from typing import Any, Final

import click

from keystead.cli.inputs import Moment, confirm
from keystead.cli.output import Column, fields, local, write, write_list
from keystead.cli.scope_options import scope_body, scope_options, scope_text
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_CREDITS: Final = "XCR"


def _period(item: Json) -> str:
    return f"{item['rolling_hours']} hours" if item["period"] == "rolling" else str(item["period"])


def _amount(item: Json, amount: str) -> str:
    return f"{amount} {'credits' if item['currency'] == _CREDITS else item['currency']}"


def _state(item: Json) -> str:
    return str(item["standing"]["state"]) if item["state"] == "active" else "ended"


_LIST = (
    Column("name", lambda item: item["name"]),
    Column("for", scope_text),
    Column("per", _period),
    Column("limit", lambda item: _amount(item, item["limit"]), "right"),
    Column("spent", lambda item: item["standing"]["spent"], "right"),
    Column("held", lambda item: item["standing"]["held"] if item["standing"]["held"] != "0" else "", "right"),
    Column("remaining", lambda item: item["standing"]["remaining"], "right"),
    Column("state", _state),
    Column("kind", lambda item: "hard" if item["hard"] else "soft"),
    Column("ends", lambda item: local(item["ends_at"])),
    Column("id", lambda item: item["id"]),
)
_PERIODS = click.Choice(["day", "week", "month", "rolling"])
_UNPRICED = click.Choice(["refuse", "hold", "allow"])
_UNPRICED_HELP = "Requests whose model has no price: refuse, hold an amount, or allow."
_ALERT = click.IntRange(1, 100)


@click.group("budget")
def command() -> None:
    """Budgets (how much may be spent): create, list, show, change, end."""


@command.command("create")
@click.argument("name")
@click.option("--limit", required=True, help="The most to spend in a period: 100, 12.5.")
@click.option(
    "--currency",
    type=click.Choice(["USD", _CREDITS]),
    default="USD",
    show_default=True,
    help="USD: what providers bill; XCR: credits.",
)
@scope_options
@click.option("--period", type=_PERIODS, required=True, help="Of the calendar, in the organization's time zone.")
@click.option("--rolling-hours", type=int, help="The length of a rolling period.")
@click.option("--soft", is_flag=True, help="Only tell, refuse nothing.")
@click.option("--alert", type=_ALERT, default=80, show_default=True, help="Per cent of the limit that are near it.")
@click.option("--unpriced", type=_UNPRICED, default="refuse", show_default=True, help=_UNPRICED_HELP)
@click.option("--unpriced-hold", help="With --unpriced hold: the amount.")
@click.option("--ends", "ends_at", type=Moment(ahead=True), help="A span from now (90d), a date, or RFC 3339.")
@connected
def create(
    session: Session,
    /,
    *,
    name: str,
    limit: str,
    currency: str,
    period: str,
    rolling_hours: int | None,
    soft: bool,
    alert: int,
    unpriced: str,
    unpriced_hold: str | None,
    ends_at: str | None,
    **scope: Any,
) -> None:
    """Create the budget NAME for exactly one of the things that can be counted."""
    body = scope_body(scope) | {
        "name": name,
        "limit": limit,
        "currency": currency,
        "period": period,
        "rolling_hours": rolling_hours or 0,
        "hard": not soft,
        "alert_percent": alert,
        "unpriced": unpriced,
        "unpriced_hold": unpriced_hold,
        "ends_at": ends_at,
    }
    answer = session.client().post("budgets", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("list")
@click.option("--in-force", is_flag=True, help="Only those that count now.")
@connected
def list_all(session: Session, *, in_force: bool) -> None:
    """List budgets and how they stand, newest first."""
    found = list(session.client().items("budgets", in_force=in_force or None))
    write_list(session, found, _LIST, empty="There is no budget.")


@command.command("show")
@click.argument("budget")
@connected
def show(session: Session, *, budget: str) -> None:
    """Show the budget BUDGET (id or name) and how it stands."""
    answer = session.client().get("budgets", budget)
    write(session, answer, lambda: _show(answer))


@command.command("change")
@click.argument("budget")
@click.option("--limit", help="The most to spend in a period; what was spent in this one stays counted.")
@click.option("--hard/--soft", default=None, help="Refuse what would go over, or only tell.")
@click.option("--alert", type=_ALERT, help="Per cent of the limit that are near it.")
@click.option("--unpriced", type=_UNPRICED, help=_UNPRICED_HELP)
@click.option("--unpriced-hold", help="With --unpriced hold: the amount.")
@click.option("--ends", "ends_at", type=Moment(ahead=True), help="A span from now (90d), a date, or RFC 3339.")
@click.option("--no-end", is_flag=True, help="Take the end away.")
@connected
def change(
    session: Session,
    *,
    budget: str,
    limit: str | None,
    hard: bool | None,
    alert: int | None,
    unpriced: str | None,
    unpriced_hold: str | None,
    ends_at: str | None,
    no_end: bool,
) -> None:
    """Change the budget BUDGET (id or name); what is not said stays."""
    if ends_at and no_end:
        raise click.UsageError("Say --ends or --no-end, not both.")
    body = {
        "limit": limit,
        "hard": hard,
        "alert_percent": alert,
        "unpriced": unpriced,
        "unpriced_hold": unpriced_hold,
        "ends_at": ends_at,
        "endless": no_end or None,
    }
    if all(value is None for value in body.values()):
        raise click.UsageError("Say what to change: --limit, --hard, --soft, --alert, --unpriced, --ends, --no-end.")
    answer = session.client().post("budgets", budget, "change", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("end")
@click.argument("budget")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def end(session: Session, *, budget: str, yes: bool) -> None:
    """End the budget BUDGET (id or name) for good: it counts and refuses nothing more."""
    confirm(f"End the budget {budget}?", yes=yes)
    answer = session.client().post("budgets", budget, "end")
    write(session, answer, lambda: _show(answer))


def _show(item: Json) -> None:
    standing = item["standing"]
    hold = f", {_amount(item, item['unpriced_hold'])}" if item["unpriced_hold"] else ""
    fields(
        [
            ("budget", f"{item['name']}  {item['id']}"),
            ("for", scope_text(item)),
            ("limit", f"{_amount(item, item['limit'])} per {_period(item)}, {'hard' if item['hard'] else 'soft'}"),
            ("state", _state(item)),
            ("since", local(standing["period_starts_at"])),
            ("spent", _amount(item, standing["spent"])),
            ("held", _amount(item, standing["held"]) if standing["held"] != "0" else ""),
            ("remaining", _amount(item, standing["remaining"])),
            ("near from", f"{item['alert_percent']} %"),
            ("unpriced", f"{item['unpriced']}{hold}"),
            ("ends", local(item["ends_at"])),
            ("ended", local(item["ended_at"])),
        ]
    )
