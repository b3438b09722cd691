"""`keystead usage`: tokens and cost, summed; or how long answers took."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
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

_TIMES = (
    Column("attempts", lambda line: number(line["attempts"]), "right"),
    Column("answers", lambda line: number(line["duration"]["count"] if line["duration"] else 0), "right"),
    *(
        Column(
            f"{title}{name}",
            partial(lambda measure, name, line: _percentile(line[measure], name), measure, name),
            "right",
        )
        for measure, title in (("duration", ""), ("first_token", "first token "))
        for name in ("p50", "p95", "p99")
    ),
)


@click.group("usage", invoke_without_command=True)
@click.option(
    "--by",
    default="model",
    show_default=True,
    help="hour, day, cost_center, team, principal, virtual_key, credential, provider, model, owner, outcome, "
    "and tags of virtual keys (tag:project); separated by commas.",
)
@click.option("--since", type=Moment(), default="7d", show_default=True, help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(), help="As --since. Default: now.")
@click.option("--credential", help="Only with this credential (id or name): who used it, and for what.")
@click.option(
    "--only",
    multiple=True,
    metavar="DIMENSION:ID",
    help="Only this value of a dimension (model:gpt-5, tag:project:apollo), as --output json tells its id; repeat it for more.",
)
@click.option("--latency", is_flag=True, help="How long answers took, in place of tokens and cost.")
@connected
def command(
    session: Session,
    *,
    by: str,
    since: str,
    until: str | None,
    credential: str | None,
    only: tuple[str, ...],
    latency: bool,
) -> None:
    """Show tokens and cost by team, credential, model, tag and more, over whole hours.

    Attempts whose cost is estimated, has no price or is not known are counted beside the cost, and never as zero.

    With --latency: percentiles of the attempts that succeeded, to the end of the answer and, of streams, to the first
    token. They are counted in buckets that double from 50 ms on and interpolated between the bounds, which `--output
    json` tells. A star marks those of fewer than 20 answers, or with none above.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    what = "latency" if latency else "usage"
    answer = session.client().get(what, by=by, since=since, until=until, credential=credential, only=only)
    totals = [answer["total"]] if latency else answer["totals"]
    write(session, answer, lambda: _show(answer, totals, _TIMES if latency else _SUMS))


@command.command("focus")
@click.option("--since", type=Moment(), default="31d", show_default=True, help="7d, 24h, a date, or RFC 3339.")
@click.option("--until", type=Moment(), help="As --since. Default: now.")
@click.option("--time-zone", help="Where days and months begin (IANA). Default: the organization's.")
@connected
def focus(session: Session, *, since: str, until: str | None, time_zone: str | None) -> None:
    """Write the charges of a span to standard output, as a FOCUS 1.2 file (CSV)."""
    out = sys.stdout.buffer
    for piece in session.client().download("usage", "focus", since=since, until=until, time_zone=time_zone):
        out.write(piece)


def _show(answer: Json, totals: Sequence[Json], columns: Sequence[Column]) -> None:
    dimensions = [_dimension(number_, name) for number_, name in enumerate(answer["dimensions"])]
    total = {"keys": [{"name": "total"}, *({"name": ""} for _ in dimensions[1:])]}
    lines = [*answer["lines"], *({**line, **total} for line in totals if answer["lines"])]
    table(lines, [*dimensions, *columns], empty="Nothing was used.")
    click.echo(f"{local(answer['since'])} to {local(answer['until'])}", err=True)


def _dimension(position: int, name: str) -> Column:
    return Column(name.replace("_", " "), lambda line: line["keys"][position]["name"])


def _percentile(times: Json | None, name: str) -> str:
    """Return a percentile in two digits, and a star if it stands on few; nothing where nothing was measured."""
    if times is None:
        return ""
    found = times[name]
    if found["to_us"] is None:
        text = f"> {found['from_us'] // 1000:,} ms"
    else:
        text = f"{int(float(format(found['at_us'] / 1000, '.2g'))):,} ms"
    return f"{text} *" if found["few"] else text


def _some(count: int) -> str:
    """Return a count worth a look; nothing for none."""
    return number(count) if count else ""
