"""`keystead alert …`: what somebody should look at."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.output import Column, fields, local, number, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def _detail(item: Json) -> str:
    detail = item["detail"]
    match detail["type"]:
        case "key":
            status = f" ({detail['upstream_status']})" if detail["upstream_status"] else ""
            return f"{detail['error_class']}{status}, version {detail['version']}, {detail['model']}"
        case "amount":
            currency = "credits" if detail["currency"] == "XCR" else detail["currency"]
            return f"{detail['spent']} of {detail['limit']} {currency}, {detail['period']}"
        case "credits":
            return f"{detail['left']} credits left of {detail['paid_in']}"
        case _:
            return f"ends {local(detail['ends_at'])}"


_LIST = (
    Column("state", lambda item: item["state"]),
    Column("kind", lambda item: item["kind"].replace("_", " ")),
    Column("about", lambda item: item["subject"]),
    Column("refused", lambda item: number(item["count"]) if item["count"] else "", "right"),
    Column("since", lambda item: local(item["first_at"])),
    Column("last", lambda item: local(item["last_at"])),
    Column("id", lambda item: item["id"]),
    Column("detail", _detail),
)


@click.group("alert")
def command() -> None:
    """Alerts (what somebody should look at): list, show, acknowledge.

    An alert opens when its cause is there and is resolved by itself when it is gone.
    """


@command.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those whose cause is there still.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@connected
def list_all(session: Session, *, open_only: bool, limit: int) -> None:
    """List alerts, newest first."""
    found = list(session.client().items("alerts", limit=limit, open=open_only or None))
    write_list(session, found, _LIST, empty="There is no alert.")


@command.command("show")
@click.argument("alert")
@connected
def show(session: Session, *, alert: str) -> None:
    """Show the alert ALERT (id)."""
    answer = session.client().get("alerts", alert)
    write(session, answer, lambda: _show(answer))


@command.command("acknowledge")
@click.argument("alert")
@connected
def acknowledge(session: Session, *, alert: str) -> None:
    """Say that you have seen the alert ALERT (id). It stays open until its cause is gone."""
    answer = session.client().post("alerts", alert, "acknowledge")
    write(session, answer, lambda: _show(answer))


def _show(item: Json) -> None:
    fields(
        [
            ("alert", item["id"]),
            ("kind", item["kind"].replace("_", " ")),
            ("about", f"{item['subject']} ({item['subject_id']})"),
            ("state", item["state"]),
            ("detail", _detail(item)),
            ("request", item["detail"].get("request", "")),
            ("refused", number(item["count"]) if item["count"] else ""),
            ("since", local(item["first_at"])),
            ("last", local(item["last_at"])),
            ("acknowledged", local(item["acknowledged_at"])),
            ("by", item["acknowledged_by"] or ""),
            ("resolved", local(item["resolved_at"])),
        ]
    )
