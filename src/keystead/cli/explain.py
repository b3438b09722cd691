"""`keystead explain …`: may this key use this model now, or why was that request decided about as it was?"""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from keystead.cli.output import Column, fields, local, money, table, write
from keystead.cli.session import Session, connected
from keystead.domain.traffic import Dialect, Endpoint

Json = Mapping[str, Any]


def _most(attempt: Json) -> str:
    currency = attempt.get("most_currency", attempt["currency"])
    return "unknown" if attempt["most"] is None else money(attempt["most"], currency)


def _held(attempt: Json) -> str:
    return ", ".join(
        f"{held['name'] or held['kind']} {money(held['amount'], held['currency'])}" for held in attempt["held"]
    )


def _consents(attempt: Json) -> str:
    return "; ".join(f"{reason}: {said}" for reason, said in attempt["consents"].items())


_ATTEMPTS = (
    Column("credential", lambda item: item["credential"]),
    Column("model", lambda item: item["model"]),
    Column("owner", lambda item: item["owner"]),
    Column("breaker", lambda item: item["breaker"]),
    Column("at most", _most, "right"),
    Column("held in", _held),
    Column("but", lambda item: item["refusal"]),
    Column("consents", _consents),
)
_CONSIDERED = (
    Column("credential", lambda item: item["credential"]),
    Column("model", lambda item: item["model"]),
    Column("decided", lambda item: item["reason"]),
)
_RULES = (
    Column("rule", lambda item: item["kind"].replace("_", " ")),
    Column("name", lambda item: item["name"]),
    Column("says", lambda item: item["says"]),
)
_MADE = (
    Column("", lambda item: str(item["number"]), "right"),
    Column("credential", lambda item: f"{item['credential']} v{item['version']}"),
    Column("model", lambda item: item["model"]),
    Column("owner", lambda item: item["owner"]),
    Column("after", lambda item: item["because"].replace("_", " ")),
    Column("at most", _most, "right"),
    Column("cost", lambda item: money(item["cost"], item["currency"]), "right"),
    Column("credits", lambda item: item["charge"] or "", "right"),
    Column("ended", lambda item: item["ended"].replace("_", " ")),
    Column("held in", _held),
)
_PASSED = (
    Column("credential", lambda item: item["credential"]),
    Column("refused", lambda item: item["reason"]),
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
@click.argument("request", required=False)
@click.option("--key", "virtual_key", help="A virtual key's id or name.")
@click.option("--team", help="Instead of a key: one for a new program in that team.")
@click.option("--member", help="Instead of a key: one of that member's.")
@click.option("--service-account", help="Instead of a key: one of that program's.")
@click.option("--model", help="As a caller would write it.")
@click.option(
    "--endpoint", type=click.Choice([endpoint.value for endpoint in Endpoint]), default="chat", show_default=True
)
@click.option("--dialect", type=click.Choice([dialect.value for dialect in Dialect]), help="Default: the endpoint's.")
@click.option("--data-class", help="As the header x-keystead-data-class would say it.")
@click.option("--tag", "tags", multiple=True, callback=_tag, metavar="NAME=VALUE", help="May be given several times.")
@click.option("--stream", is_flag=True)
@click.option("--body-bytes", type=click.IntRange(min=0), default=1000, show_default=True, help="Size of the request.")
@click.option("--max-output-tokens", type=click.IntRange(min=1))
@click.option("--address", help="Where the caller is, for a key that may be used from some networks only.")
@connected
def command(session: Session, /, request: str | None, **asked: Any) -> None:
    """Say what was decided about REQUEST (`req_…`), or what would be about one of --key (or --team …) for --model, and why.

    Nothing is sent and nothing is held.
    """
    whose = [asked[name] is not None for name in ("virtual_key", "team", "member", "service_account")]
    named = [any(whose), asked["model"] is not None]
    if request is not None:
        if any(named):
            raise click.UsageError("A recorded request says itself which key and which model it was.")
        answer = session.client().get("requests", request, "explanation")
        write(session, answer, lambda: _show_recorded(answer))
        return
    if not all(named):
        raise click.UsageError("Say which request (`req_…`), or --key and --model.")
    if sum(whose) > 1:
        raise click.UsageError("Give one of --key, --team, --member and --service-account.")
    answer = session.client().post("explain", body={name: value for name, value in asked.items() if value is not None})
    write(session, answer, lambda: _show(answer))


def _show_recorded(answer: Json) -> None:
    at_most = ", ".join(money(amount, currency) for currency, amount in answer["most"].items())
    fields(
        [
            ("request", f"{answer['request']} of {local(answer['at'])}"),
            ("key", f"{answer['virtual_key']}, team {answer['team']}"),
            ("model", answer["model"]),
            ("allowed", "yes" if answer["allowed"] else f"no ({answer['code']})"),
            ("because", answer["reason"]),
            ("rule", answer["rule"]),
            ("data class", answer["data_class"]),
            ("at most", at_most),
        ]
    )
    _sections(
        ("Attempts made", answer["attempts"], _MADE),
        ("Credentials that were not allowed", answer["passed"], _PASSED),
        ("Rules that took part", answer["rules"], _RULES),
    )


def _show(answer: Json) -> None:
    fields(
        [
            ("allowed", "yes" if answer["allowed"] else f"no ({answer['code']})"),
            ("because", answer["reason"]),
            ("rule", answer["rule"]),
            ("data class", answer["data_class"]),
        ]
    )
    _sections(
        ("Attempts, in this order", answer["attempts"], _ATTEMPTS),
        ("Credentials considered", answer["considered"], _CONSIDERED),
        ("Grants that concern it", answer["grants"], _GRANTS),
        ("What else takes part", answer["rules"], _RULES),
    )


def _sections(*sections: tuple[str, Sequence[Json], Sequence[Column]]) -> None:
    for title, items, columns in sections:
        if items:
            click.echo(f"\n{title}")
            table(items, columns, empty="")
