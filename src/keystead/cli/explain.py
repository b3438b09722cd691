"""`keystead explain …`: may this key use this model now, by which rule, and for how much at most?"""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.output import Column, fields, money, table, write
from keystead.cli.session import Session, connected
from keystead.domain.traffic import Dialect, Endpoint

Json = Mapping[str, Any]


def _most(attempt: Json) -> str:
    return "unknown" if attempt["most"] is None else money(attempt["most"], attempt["currency"])


def _consents(attempt: Json) -> str:
    return "; ".join(f"{reason}: {said}" for reason, said in attempt["consents"].items())


_ATTEMPTS = (
    Column("credential", lambda item: item["credential"]),
    Column("model", lambda item: item["model"]),
    Column("owner", lambda item: item["owner"]),
    Column("breaker", lambda item: item["breaker"]),
    Column("at most", _most, "right"),
    Column("held in", lambda item: ", ".join(held["name"] or held["kind"] for held in item["held"])),
    Column("but", lambda item: item["refusal"]),
    Column("consents", _consents),
)
_CONSIDERED = (
    Column("credential", lambda item: item["credential"]),
    Column("model", lambda item: item["model"]),
    Column("decided", lambda item: item["reason"]),
)
_GRANTS = (
    Column("grant", lambda item: item["grant_id"]),
    Column("effect", lambda item: item["effect"]),
    Column("says", lambda item: item["reason"]),
)


def _tag(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if any(not equals for _, equals, _ in pairs):
        raise click.BadParameter("write NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command("explain")
@click.option("--key", "virtual_key", required=True, help="A virtual key's id or name.")
@click.option("--model", required=True, help="As a caller would write it.")
@click.option(
    "--endpoint", type=click.Choice([endpoint.value for endpoint in Endpoint]), default="chat", show_default=True
)
@click.option("--dialect", type=click.Choice([dialect.value for dialect in Dialect]), help="Default: the endpoint's.")
@click.option("--data-class", help="As the header x-keystead-data-class would say it.")
@click.option("--tag", "tags", multiple=True, callback=_tag, metavar="NAME=VALUE", help="May be given several times.")
@click.option("--stream", is_flag=True)
@click.option("--body-bytes", type=click.IntRange(min=0), default=1000, show_default=True, help="Size of the request.")
@click.option("--max-output-tokens", type=click.IntRange(min=1))
@connected
def command(session: Session, /, **asked: Any) -> None:
    """Say what would be decided about a request, and why. Nothing is sent and nothing is held."""
    answer = session.client().post("explain", body={name: value for name, value in asked.items() if value is not None})
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    fields(
        [
            ("allowed", "yes" if answer["allowed"] else f"no ({answer['code']})"),
            ("because", answer["reason"]),
            ("rule", answer["rule"]),
            ("data class", answer["data_class"]),
        ]
    )
    for title, items, columns in (
        ("Attempts, in this order", answer["attempts"], _ATTEMPTS),
        ("Credentials considered", answer["considered"], _CONSIDERED),
        ("Grants that concern it", answer["grants"], _GRANTS),
    ):
        if items:
            click.echo(f"\n{title}")
            table(items, columns, empty="")
