"""`keystead model …`: the model catalogue, and what a credential's provider offers."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from keystead.cli.output import Column, fields, local, number, per_million, progress, table, words, write, write_list
from keystead.cli.price import ROWS
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def _price(unit: str, title: str) -> Column:
    return Column(title, lambda item: per_million(item["prices"][unit]) if unit in item["prices"] else "", "right")


def _status(model: Json) -> str:
    ends = f" {model['retires']}" if model["status"] == "deprecated" and model["retires"] else ""
    return f"{model['status']}{ends}"


_LIST = (
    Column("provider", lambda item: item["provider"]),
    Column("model", lambda item: item["model"]),
    Column("family", lambda item: item["family"]),
    Column("released", lambda item: item["released"]),
    Column("context", lambda item: number(item["context"]), "right"),
    Column("output", lambda item: number(item["max_output"]), "right"),
    _price("input_tokens", "$/M in"),
    _price("cache_read_tokens", "$/M cached"),
    _price("output_tokens", "$/M out"),
    Column("status", _status),
    Column("can", lambda item: words(item["capabilities"], none="?")),
)
_OFFERED = (
    Column("model", lambda item: item["model"]),
    Column("released", lambda item: item["released"]),
    Column("retires", lambda item: item["retires"]),
    Column("context", lambda item: number(item["context"]), "right"),
    Column("price", lambda item: "" if item["priced"] else "unpriced"),
    Column("first seen", lambda item: local(item["first_seen_at"])),
    Column("gone", lambda item: local(item["gone_at"])),
    Column("note", lambda item: "fine-tuned" if item["fine_tuned"] else "" if item["catalogued"] else "not catalogued"),
)

F = TypeVar("F", bound=Callable[..., Any])

_provider = click.option("--provider", help="openai, anthropic, google, openrouter …")
_limit = click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
_FILTERS = (
    _provider,
    click.option("--family", default="", help="Such as claude-sonnet; callers may ask for family:claude-sonnet."),
    click.option("--maker", default="", help="Who made it: meta, openai …"),
    click.option("--can", "capabilities", multiple=True, help="Such as tools or vision; may be repeated."),
    click.option("--min-context", type=click.IntRange(min=0), default=0, help="At least so many tokens."),
    click.option("--retired", is_flag=True, help="Those that have ended as well."),
    _limit,
)


def _filters(function: F) -> F:
    """Give a command the options by which the catalogue is looked through."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.group("model")
def command() -> None:
    """Models: list, search, show, and what a credential's provider offers. Prices are per million tokens, in USD."""


@command.command("list")
@_filters
@connected
def list_all(session: Session, /, **wanted: Any) -> None:
    """List the models in the catalogue."""
    _list(session, "", **wanted)


@command.command("search")
@click.argument("text", nargs=-1, required=True)
@_filters
@connected
def search(session: Session, /, *, text: tuple[str, ...], **wanted: Any) -> None:
    """Search the catalogue for words in a model's name, title, family, maker or provider."""
    _list(session, " ".join(text), **wanted)


@command.command("show")
@click.argument("model")
@_provider
@connected
def show(session: Session, *, model: str, provider: str | None) -> None:
    """Show everything known about MODEL, with its prices over time."""
    answer = session.client().get("catalogue-model", model=model, provider=provider)
    write(session, answer, lambda: _show(answer))


@command.command("offered")
@click.argument("credential")
@click.option("--refresh", is_flag=True, help="Ask the provider for its list first.")
@click.option("--gone/--no-gone", default=True, help="Those that it no longer lists as well.")
@_limit
@connected
def offered(session: Session, *, credential: str, refresh: bool, gone: bool, limit: int | None) -> None:
    """List the models that the provider says it serves under CREDENTIAL: new, gone and fine-tuned ones included."""
    client = session.client()
    if refresh:
        with progress("Asking the provider"):
            brought = client.post("credentials", credential, "models", "refresh")
        if session.output == "table":
            click.echo(f"{brought['listed']} listed, {len(brought['new'])} new, {len(brought['gone'])} gone.", err=True)
    found = list(client.items("credentials", credential, "models", limit=limit, gone=gone))
    write_list(session, found, _OFFERED, empty="No list yet: ask for it with --refresh.")


def _list(session: Session, text: str, *, capabilities: tuple[str, ...], limit: int | None, **wanted: Any) -> None:
    found = list(session.client().items("catalogue", limit=limit, q=text, capability=",".join(capabilities), **wanted))
    write_list(session, found, _LIST, empty="The catalogue has no such model.")


def _show(answer: Json) -> None:
    for detail in answer["details"]:
        model = detail["model"]
        weights = {True: "open", False: "closed", None: ""}[model["open_weights"]]
        fields(
            [
                ("provider", model["provider"]),
                ("model", model["model"]),
                ("name", model["name"]),
                ("family", model["family"]),
                ("maker", model["maker"]),
                ("status", _status(model)),
                ("released", model["released"]),
                ("deprecated", model["deprecated"]),
                ("retires", model["retires"]),
                ("knowledge", model["knowledge"]),
                ("context", number(model["context"])),
                ("longest input", number(model["max_input"])),
                ("longest output", number(model["max_output"])),
                ("reads", words(model["input"], none="")),
                ("writes", words(model["output"], none="")),
                ("can", words(model["capabilities"], none="not known")),
                ("weights", weights),
            ]
        )
        table(
            detail["price"]["rows"] if detail["price"] else [], ROWS, empty="No price is known: its usage is unpriced."
        )
        click.echo()
