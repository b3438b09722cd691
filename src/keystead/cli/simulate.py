"""`keystead simulate`: what would have been refused."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.document_file import read_document
from keystead.cli.inputs import Moment
from keystead.cli.output import Column, fields, local, number, progress, table, write
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_FINDINGS = (
    Column("requests", lambda item: number(item["sums"]["requests"]), "right"),
    Column("tokens", lambda item: number(item["sums"]["input_tokens"] + item["sums"]["output_tokens"]), "right"),
    Column("cost", lambda item: _cost(item["sums"]), "right"),
    Column("why", lambda item: item["reason"] + (f" ({item['code']})" if item["code"] else "")),
    Column("such as", lambda item: ", ".join(item["examples"])),
)


@click.command("simulate")
@click.option("--policy", required=True, metavar="FILE", help="A document, as `keystead config` takes it.")
@click.option("--last", "since", type=Moment(), default="7d", show_default=True, help="Of which requests: 7d, 24h.")
@click.option("--prune", is_flag=True, help="As if what is not in the document, in its sections, were taken away.")
@connected
def command(session: Session, *, policy: str, since: str, prune: bool) -> None:
    """Decide about recorded requests by the rules of a document that is not in force, and say what differs.

    Nothing is changed and nobody is asked. What was refused for its content, by a budget, a rate limit or for where it
    came from is not looked at again, and conditions on tags are decided as if there were none: tags are not recorded.
    """
    source = read_document(policy)
    body = {"document": source.as_json(), "prune": prune, "since": since}
    try:
        with progress("Deciding about the recorded requests …"):
            answer = session.client().post("simulate", body=body)
    except CommandError as error:
        raise source.located(error) from None
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    looked_at = f"{number(answer['requests'])} from {local(answer['since'])} to {local(answer['until'])}"
    fields(
        [
            ("requests", looked_at + ("" if answer["complete"] else ", and there are more")),
            ("refused now", _summed(answer["refused_now"])),
            ("allowed now", _summed(answer["allowed_now"])),
            ("unchanged", _summed(answer["unchanged"])),
            ("not as then", _summed_count(answer["otherwise_recorded"])),
        ]
    )
    for title, found in (("Refused now", answer["refusals"]), ("Allowed now", answer["allowances"])):
        if found:
            click.echo(f"\n{title}:")
            table(found, _FINDINGS, empty="")


def _summed(sums: Json) -> str:
    if not sums["requests"]:
        return "0"
    tokens = number(sums["input_tokens"] + sums["output_tokens"])
    return f"{number(sums['requests'])} ({tokens} tokens, {_cost(sums) or 'no cost'})"


def _summed_count(count: int) -> str:
    return f"{number(count)} (the rules of their time decided otherwise than today's)" if count else ""


def _cost(sums: Json) -> str:
    return ", ".join(f"{amount} {currency}".rstrip() for currency, amount in sums["cost"].items())
