"""`keystead retention …`: how long requests are kept."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import fields, local, number, write
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


@click.group("retention")
def command() -> None:
    """How long requests are kept: show, set. Sums of usage and cost, the ledger and the audit stay for ever."""


@command.command("show")
@click.option("--days", type=int, help="Say what this number of days would forget, were it set now.")
@connected
def show(session: Session, *, days: int | None) -> None:
    """Show how long requests are kept."""
    answer = session.client().get("retention", days=days)
    write(session, answer, lambda: _tell(answer))


@command.command("set")
@click.option("--days", type=int, help="How many days each request is kept.")
@click.option("--for-ever", is_flag=True, help="Forget none.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def set_(session: Session, *, days: int | None, for_ever: bool, yes: bool) -> None:
    """Keep requests for a number of days from now on, or for ever. What is forgotten does not come back."""
    if (days is None) is not for_ever:
        raise click.UsageError("Say either --days or --for-ever.")
    if days is not None:
        would = session.client().get("retention", days=days)["would_forget"]
        confirm(f"{_would(would)} Keep requests for {days} days?", yes=yes)
    answer = session.client().post("retention", "set", body={"days": days, "for_ever": for_ever})
    write(session, answer, lambda: _tell(answer))


def _tell(answer: Json) -> None:
    would = answer["would_forget"]
    fields(
        [
            ("requests are kept", "for ever" if answer["days"] is None else f"for {answer['days']} days"),
            ("the oldest", local(answer["oldest_at"]) or "there is none"),
            *([(f"{would['days']} days", _would(would))] if would else []),
        ]
    )


def _would(would: Json) -> str:
    count = f"{'more than ' if would['more'] else ''}{number(would['requests'])}"
    return f"{count} requests from before {local(would['before'])} are forgotten for good."
