"""`keystead usage`: tokens and cost, summed."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment
from keystead.cli.output import Column, local, money, number, table, write
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_SUMS = (
    Column("requests", lambda line: number(line["requests"]), "right"),
    Column("in", lambda line: number(line["input_total"]), "right"),
    Column("out", lambda line: number(line["output_total"]), "right"),
    Column("cost", lambda line: money(line["cost"], line["currency"]), "right"),
    Column("credits", lambda line: line["charge"] if line["charge"] != "0" else "", "right"),
    Column("estimated", lambda line: _some(line["estimated"]), "right"),
    Column("unpriced", lambda line: _some(line["unpriced"]), "right"),
    Column("unknown", lambda line: _some(line["unknown"]), "right"),
)


@click.command("usage")
@click.option(
    "--by",
    default="model",
    show_default=True,
    help="hour, day, cost_center, team, principal, virtual_key, credential, provider, model, owner, outcome; "
    "separated by commas.",
)
@click.option("--since", type=Moment(), default="7d", show_default=True, help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(), help="As --since. Default: now.")
@click.option("--credential", help="Only with this credential (id or name): who used it, and for what.")
@connected
def command(session: Session, *, by: str, since: str, until: str | None, credential: str | None) -> None:
    """Show tokens and cost by team, credential, model and more, over whole hours.

    Attempts whose cost is estimated, has no price or is not known are counted beside the cost, and never as zero.
    """
    answer = session.client().get("usage", by=by, since=since, until=until, credential=credential)
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    dimensions = [_dimension(number_, name) for number_, name in enumerate(answer["dimensions"])]
    total = {"keys": [{"name": "total"}, *({"name": ""} for _ in dimensions[1:])]}
    lines = [*answer["lines"], *({**line, **total} for line in answer["totals"] if answer["lines"])]
    table(lines, [*dimensions, *_SUMS], empty="Nothing was used.")
    click.echo(f"{local(answer['since'])} to {local(answer['until'])}", err=True)


def _dimension(position: int, name: str) -> Column:
    return Column(name.replace("_", " "), lambda line: line["keys"][position]["name"])


def _some(count: int) -> str:
    """Return a count worth a look; nothing for none."""
    return number(count) if count else ""
