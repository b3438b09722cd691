"""`keystead digest`: what happened in a week."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment
from keystead.cli.output import Column, local, money, number, table, write
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def _credits(line: Json) -> str:
    return "" if line["charge"] == "0" else str(line["charge"])


def _why(line: Json) -> str:
    cap = f" ({line['cap']})" if line["cap"] else ""
    return str(line["why"]).replace("_", " ") + cap


_SPEND = (
    Column("team", lambda line: line["team"]),
    Column("keys", lambda line: line["owner"]),
    Column("requests", lambda line: number(line["requests"]), "right"),
    Column("cost", lambda line: money(line["cost"], line["currency"]), "right"),
    Column("credits", _credits, "right"),
    Column("unknown", lambda line: number(line["unknown"]) if line["unknown"] else "", "right"),
)
_FALLBACKS = (
    Column("team", lambda line: line["team"]),
    Column("instead of", lambda line: line["credential"]),
    Column("after", lambda line: line["reason"].replace("_", " ")),
    Column("model", lambda line: line["model"]),
    Column("requests", lambda line: number(line["requests"]), "right"),
    Column("credits", _credits, "right"),
    Column("by", lambda line: line["platform_credential"]),
    Column("consent", lambda line: line["consent_id"]),
)
_REFUSED = (
    Column("team", lambda line: line["team"]),
    Column("key", lambda line: line["credential"]),
    Column("after", lambda line: line["error_class"].replace("_", " ")),
    Column("refused because", _why),
    Column("data class", lambda line: line["data_class"]),
    Column("requests", lambda line: number(line["requests"]), "right"),
    Column("consent", lambda line: line["consent_id"]),
)
_CONSENTS = (
    Column("consent", lambda line: line["id"]),
    Column("given by", lambda line: line["given_by"]),
    Column("today", lambda line: f"{line['day_used']} of {line['daily_cap']}", "right"),
    Column("this month", lambda line: f"{line['month_used']} of {line['monthly_cap']}", "right"),
    Column("until", lambda line: local(line["revoked_at"] or line["expires_at"])),
    Column("note", lambda line: line["note"]),
)
_ALERTS = (
    Column("alert", lambda line: line["id"]),
    Column("state", lambda line: line["state"]),
    Column("kind", lambda line: line["kind"].replace("_", " ")),
    Column("about", lambda line: line["subject"]),
    Column("since", lambda line: local(line["first_at"])),
)
_PARTS = (
    ("spend", "Spend", _SPEND),
    ("fallbacks", "Fallbacks to platform credentials", _FALLBACKS),
    ("refused", "Fallbacks that were refused", _REFUSED),
    ("consents", "Consents", _CONSENTS),
    ("alerts", "Alerts", _ALERTS),
)


@click.command("digest")
@click.option("--since", type=Moment(), default="7d", show_default=True, help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(), help="As --since. Default: now.")
@connected
def command(session: Session, *, since: str, until: str | None) -> None:
    """Show what work cost, where platform credits stepped in or were refused, and which alerts there were."""
    answer = session.client().get("digest", since=since, until=until)
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    for name, title, columns in _PARTS:
        click.echo(f"{title}\n" if answer[name] else f"{title}: none.")
        if answer[name]:
            table(answer[name], columns, empty="")
        click.echo()
    click.echo(f"{local(answer['since'])} to {local(answer['until'])}", err=True)
