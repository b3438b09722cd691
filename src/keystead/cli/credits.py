"""`keystead credits …`: what an organization has and had; for the operator, payments, corrections and the books."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment
from keystead.cli.output import Column, fields, local, table, write
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_LINES = (
    Column("posted", lambda line: local(line["posted_at"])),
    Column("kind", lambda line: line["kind"]),
    Column("credits", lambda line: line["credits"], "right"),
    Column("for", lambda line: line["reference"] or line["request_id"] or ""),
    Column("note", lambda line: line["note"]),
    Column("id", lambda line: line["id"]),
)
_ACCOUNTS = (
    Column("account", lambda line: line["kind"]),
    Column("organization", lambda line: line["organization"] or line["organization_id"]),
    Column("debits", lambda line: line["debits"], "right"),
    Column("credits", lambda line: line["credits"], "right"),
    Column("balance", lambda line: line["balance"], "right"),
    Column("held", lambda line: line["held"] if line["held"] != "0" else "", "right"),
    Column("id", lambda line: line["id"]),
)
_DISAGREEMENTS = (
    Column("account", lambda one: one["account_id"]),
    Column("measure", lambda one: one["measure"].replace("_", " ")),
    Column("running", lambda one: one["running"], "right"),
    Column("transfers say", lambda one: one["replayed"], "right"),
)

_organization = click.option("--organization", help="The organization's id. Default: your own.")


@click.group("credits")
def command() -> None:
    """Prepaid credits: balance, statement; for the operator: top-up, adjust, trial-balance."""


@command.command("balance")
@connected
def balance(session: Session) -> None:
    """Show what your organization's account holds."""
    answer = session.client().get("credits")
    write(session, answer, lambda: _show_balance(answer))


@command.command("statement")
@click.option("--since", type=Moment(), default="30d", show_default=True, help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(ahead=True), help="A date or RFC 3339. Default: now.")
@connected
def statement(session: Session, *, since: str, until: str | None) -> None:
    """Show opening balance, lines and closing balance of your organization's account."""
    client = session.client()
    answer = client.get("credit-statement", since=since, until=until)
    # The very span of the sums, so that the lines add up to them.
    span = {"since": answer["since"], "until": answer["until"]}
    whole = {**answer, "transfers": list(client.items("credit-transfers", **span))}
    write(session, whole, lambda: _show_statement(whole))


@command.command("top-up")
@click.argument("credits_", metavar="CREDITS")
@click.option("--reference", required=True, help="The payment's own id: it is booked once, however often it is sent.")
@_organization
@click.option("--note", default="", help="The organization reads it in its statement.")
@connected
def top_up(session: Session, *, credits_: str, reference: str, organization: str | None, note: str) -> None:
    """Book a payment of CREDITS."""
    body = {"credits": credits_, "reference": reference, "organization": organization, "note": note}
    answer = session.client().post("credit-top-ups", body=body)
    write(session, answer, lambda: _show_booked(answer))


@command.command("adjust")
@click.option("--by", "credits_", required=True, help="Credits with a sign: --by -12.5 takes away.")
@click.option("--reason", required=True, help="The organization reads it in its statement.")
@_organization
@click.option("--reference", help="With one, it is booked once, however often it is sent.")
@connected
def adjust(session: Session, *, credits_: str, reason: str, organization: str | None, reference: str | None) -> None:
    """Put an account right. What is spent or held already is not taken."""
    body = {"credits": credits_, "reason": reason, "organization": organization, "reference": reference}
    answer = session.client().post("credit-adjustments", body=body)
    write(session, answer, lambda: _show_booked(answer))


@command.command("trial-balance")
@connected
def trial_balance(session: Session) -> None:
    """Add up every account of the platform; ends with 1 if the books do not agree."""
    answer = session.client().get("trial-balance")
    write(session, answer, lambda: _show_trial_balance(answer))
    if not answer["agrees"]:
        click.get_current_context().exit(1)


def _show_balance(item: Json) -> None:
    fields(
        [
            ("available", f"{item['available']} credits of {item['credit_value']} {item['currency']}"),
            ("held", item["held"] if item["held"] != "0" else ""),
            ("spent", item["spent"]),
            ("paid in", item["paid_in"]),
            ("organization", item["organization_id"]),
        ]
    )


def _show_statement(item: Json) -> None:
    fields([("from", local(item["since"])), ("until", local(item["until"])), ("opening balance", item["opening"])])
    click.echo()
    table(item["transfers"], _LINES, empty="Nothing was posted.")
    click.echo()
    fields(
        [
            *((name, item[key]) for name, key in _SUMS if item[key] != "0"),
            ("closing balance", item["closing"]),
        ]
    )


_SUMS = (
    ("free credits", "granted"),
    ("top-ups", "topped_up"),
    ("adjustments", "adjusted"),
    ("charges", "charged"),
)


def _show_booked(answer: Json) -> None:
    transfer = answer["transfer"]
    told = "It was booked before, and is booked once: " if answer["repeated"] else ""
    click.echo(f"{told}{transfer['credits']} credits, {transfer['id']}")
    _show_balance(answer["balance"])


def _show_trial_balance(answer: Json) -> None:
    table(answer["accounts"], _ACCOUNTS, empty="There are no accounts.")
    click.echo()
    if answer["agrees"]:
        click.echo("The books agree: all balances add up to zero, and every account is what its transfers say.")
        return
    click.echo(f"The books do NOT agree. The balances add up to {answer['difference']}.")
    table(answer["disagreements"], _DISAGREEMENTS, empty="Every account is what its transfers say.")
