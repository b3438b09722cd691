"""`keystead simulate`: what would have been decided by the rules of a document that is not in force."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from keystead.cli.document_file import read_document
from keystead.cli.inputs import Moment
from keystead.cli.output import Column, fields, local, number, progress, table, write
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_KINDS: Final = {
    "refused_now": "refused now",
    "allowed_now": "allowed now",
    "other_credential": "other credential",
    "undecidable": "undecidable",
    "same": "same",
}


def _money(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items())


def _count(kind: str) -> Column:
    return Column(_KINDS[kind], lambda item: number(item["requests"].get(kind)), "right")


def _said(finding: Json) -> str:
    """Return what the document says, after what the rules of today say where that is of interest."""
    both = finding["kind"] in {"allowed_now", "other_credential"}
    return f"{finding['today']} → {finding['other']}" if both else str(finding["other"])


_TODAY: Final = Column("paid today", lambda item: _money(item["paid_today"]), "right")
_OTHER: Final = Column("paid then", lambda item: _money(item["paid_other"]), "right")
_FINDINGS: Final = (
    Column("requests", lambda item: number(item["sums"]["requests"]), "right"),
    Column("tokens", lambda item: number(item["sums"]["input_tokens"] + item["sums"]["output_tokens"]), "right"),
    Column("paid today", lambda item: _money(item["sums"]["paid_today"]), "right"),
    Column("paid then", lambda item: _money(item["sums"]["paid_other"]), "right"),
    Column("such as", lambda item: item["examples"][0]),
    Column("code", lambda item: item["code"]),
    Column("because", _said),
)
_USES: Final = (
    Column("credential", lambda item: item["credential"]),
    Column("requests today", lambda item: number(item["requests_today"]), "right"),
    Column("requests then", lambda item: number(item["requests_other"]), "right"),
    _TODAY,
    _OTHER,
)
_EXAMPLES: Final = (
    Column("at", lambda item: local(item["at"])),
    Column("request", lambda item: item["request"]),
    Column("key", lambda item: item["virtual_key"]),
    Column("model", lambda item: item["model"]),
    Column("becomes", lambda item: _KINDS[item["kind"]]),
    Column("because", lambda item: item["other"]),
)


def _shares(of: str) -> tuple[Column, ...]:
    return (Column(of, lambda item: item["name"]), *map(_count, _KINDS), _TODAY, _OTHER)


@click.command("simulate")
@click.option("--policy", required=True, metavar="FILE", help="A document, as `keystead config` takes it.")
@click.option("--last", "since", type=Moment(), default="7d", show_default=True, help="Of which requests: 7d, 24h.")
@click.option("--until", type=Moment(), help="Up to then and not until now; as --last.")
@click.option("--prune", is_flag=True, help="As if what is not in the document, in its sections, were taken away.")
@click.option(
    "--examples", type=click.IntRange(0, 200), default=20, show_default=True, help="How many requests to tell singly."
)
@connected
def command(session: Session, *, policy: str, since: str, until: str | None, prune: bool, examples: int) -> None:
    """Decide about recorded requests by the rules of a document that is not in force, and say what differs.

    Nothing is changed and nobody is asked. Grants, classes, routes, consents, budgets and limits are decided again, by
    what is recorded and in its order; what that cannot tell is said beside it.
    """
    source = read_document(policy)
    body = {"document": source.as_json(), "prune": prune, "since": since, "examples": examples, "progress": True}
    if until is not None:
        body["until"] = until
    answer: Json = {}
    try:
        with progress("Deciding about the recorded requests …") as tell:
            for line in session.client().lines("simulate", body=body):
                if "progress" in line:
                    done, of = line["progress"]["done"], line["progress"]["of"]
                    tell(f"Deciding about the recorded requests: {number(done)} of {number(of)} …")
                answer = line.get("simulated", answer)
    except CommandError as error:
        raise source.located(error) from None
    if not answer:
        raise CommandError(
            "The gateway stopped before it was done.", fault="gateway", next_step="Try again when it runs."
        )
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    fields(
        [
            ("requests", f"{number(answer['requests'])} from {local(answer['since'])} to {local(answer['until'])}"),
            *((name, _summed(answer["totals"][kind])) for kind, name in _KINDS.items()),
            ("not as then", _counted(answer["otherwise_recorded"])),
        ]
    )
    for kind, title in _KINDS.items():
        _section(title, [found for found in answer["findings"] if found["kind"] == kind], _FINDINGS)
    changed = any(answer["totals"][kind]["requests"] for kind in _KINDS if kind != "same")
    if changed:
        _section("by credential", answer["credentials"], _USES)
        for title, name in (("team", "teams"), ("virtual key", "virtual_keys"), ("model", "models")):
            _section(f"by {title}", answer[name], _shares(title))
        _section("the first of them", answer["examples"], _EXAMPLES)
    click.echo("\nNot decided again")
    for sentence in answer["not_replayed"]:
        click.echo(f"  {sentence}")


def _section(title: str, items: Sequence[Json], columns: Sequence[Column]) -> None:
    if items:
        click.echo(f"\n{title.capitalize()}")
        table(items, columns, empty="")


def _summed(sums: Json) -> str:
    if not sums["requests"]:
        return "0"
    said = [f"{number(sums['input_tokens'] + sums['output_tokens'])} tokens"]
    today, other, at_most = (_money(sums[name]) for name in ("paid_today", "paid_other", "at_most"))
    if today != other:
        said.append(f"{today or 'nothing'} → {other or 'nothing'}")
    elif today:
        said.append(today)
    if at_most:
        said.append(f"at most {at_most} more")
    return f"{number(sums['requests'])} ({', '.join(said)})"


def _counted(count: int) -> str:
    return f"{number(count)} (the rules of their time decided otherwise than today's)" if count else ""
