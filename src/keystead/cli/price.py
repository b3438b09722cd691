"""`keystead price …`: list prices and one's own."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from keystead.cli.inputs import Moment, Pair, confirm
from keystead.cli.output import Column, fields, local, per_million, table, words, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_MILLION = Decimal(1_000_000)


def _of(unit: str) -> Column:
    title = unit.removesuffix("_tokens").replace("_", " ")
    return Column(title, lambda item: per_million(item["prices"][unit]) if unit in item["prices"] else "", "right")


_LIST = (
    Column("provider", lambda item: item["provider"]),
    Column("model", lambda item: item["model"]),
    _of("input_tokens"),
    _of("cache_read_tokens"),
    _of("cache_write_5m_tokens"),
    _of("output_tokens"),
)
_OVERRIDES = (
    Column("provider", lambda item: item["provider"]),
    Column("model", lambda item: item["model"]),
    Column("prices", lambda item: _prices(item["prices"])),
    Column("currency", lambda item: item["currency"]),
    Column("from", lambda item: local(item["valid_from"])),
    Column("until", lambda item: local(item["valid_to"])),
    Column("note", lambda item: item["note"]),
    Column("id", lambda item: item["id"]),
)
ROWS = (
    Column("tier", lambda row: row["tier"] or "standard"),
    Column("above", lambda row: f"{row['over']:,} tokens in" if row["over"] is not None else "", "right"),
    Column("from", lambda row: row["valid_from"]),
    Column("until", lambda row: row["valid_to"]),
    Column("hours (UTC)", lambda row: words(row["hours"], none="").replace(", ", "-")),
    Column("now", lambda row: "yes" if row["in_force"] else ""),
    Column("prices", lambda row: _prices(row["prices"])),
)


@click.group("price")
def command() -> None:
    """Prices: list, show, own ones. Token prices are shown per million tokens."""


@command.command("list")
@click.option("--provider")
@click.option("--search", default="", help="Part of a model's name.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@connected
def list_all(session: Session, *, provider: str | None, search: str, limit: int | None) -> None:
    """List the models in the price list with their standard prices in USD per million tokens."""
    found = list(session.client().items("prices", limit=limit, provider=provider, search=search))
    write_list(session, found, _LIST, empty="No such model is in the price list.")


@command.command("show")
@click.argument("model")
@click.option("--provider")
@connected
def show(session: Session, *, model: str, provider: str | None) -> None:
    """Show everything known about the price of MODEL."""
    answer = session.client().get("price-sheets", model=model, provider=provider)
    write(session, answer, lambda: _show(answer))


@command.group("override")
def override() -> None:
    """Your own prices: add, list, end."""


@override.command("add")
@click.option("--provider", required=True)
@click.option("--model", required=True, help="A model or a pattern: gpt-5*.")
@click.option("--price", "unit_prices", multiple=True, type=Pair(), help="UNIT=PRICE of one unit: web_searches=0.01.")
@click.option(
    "--per-million", "million_prices", multiple=True, type=Pair(), help="UNIT=PRICE of a million: input_tokens=1.25."
)
@click.option("--currency", default="USD", show_default=True)
@click.option(
    "--from", "valid_from", type=Moment(ahead=True), help="A date, RFC 3339, or a span from now. Default: now."
)
@click.option("--until", "valid_to", type=Moment(ahead=True), help="As --from. Default: open.")
@click.option("--note", default="", help="Such as the contract's number.")
@click.option("--allow-past", is_flag=True, help="Let it begin in the past; what is booked stays as it was booked.")
@connected
def add(
    session: Session,
    *,
    provider: str,
    model: str,
    unit_prices: tuple[tuple[str, str], ...],
    million_prices: tuple[tuple[str, str], ...],
    currency: str,
    valid_from: str | None,
    valid_to: str | None,
    note: str,
    allow_past: bool,
) -> None:
    """Add a price of your own; while it is in force, the list does not count for what it matches."""
    prices = dict(unit_prices) | {unit: _of_one(unit, price) for unit, price in million_prices}
    if not prices:
        raise click.UsageError("Say at least one --price or --per-million.")
    answer = session.client().post(
        "price-overrides",
        body={
            "provider": provider,
            "model": model,
            "prices": prices,
            "currency": currency,
            "valid_from": valid_from,
            "valid_to": valid_to,
            "note": note,
            "allow_past": allow_past,
        },
    )
    write(session, answer, lambda: table([answer], _OVERRIDES, empty=""))


@override.command("list")
@click.option("--in-force", is_flag=True, help="Only those that count now.")
@connected
def list_overrides(session: Session, *, in_force: bool) -> None:
    """List your own prices, newest first."""
    found = list(session.client().items("price-overrides", in_force=in_force))
    write_list(session, found, _OVERRIDES, empty="You have no prices of your own.")


@override.command("end")
@click.argument("override_id")
@click.option("--at", "valid_to", type=Moment(ahead=True), help="When. Default: now.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def end(session: Session, *, override_id: str, valid_to: str | None, yes: bool) -> None:
    """End the price OVERRIDE_ID (`price_…`)."""
    confirm(f"End {override_id}?", yes=yes)
    answer = session.client().post("price-overrides", override_id, "end", body={"valid_to": valid_to})
    write(session, answer, lambda: table([answer], _OVERRIDES, empty=""))


def _show(answer: Json) -> None:
    if not answer["sheets"]:
        click.echo(f"No price of {answer['model']} is known: its usage is recorded as unpriced.", err=True)
    for sheet in answer["sheets"]:
        fields(
            [
                ("provider", sheet["provider"]),
                ("listed as", sheet["listed_as"] or "not listed"),
                ("source", sheet["source"]),
                *(
                    ("region", f"{words(region['regions'], none='')}: × {region['factor']}")
                    for region in sheet["regions"]
                    if Decimal(region["factor"]) != 1
                ),
            ]
        )
        table(sheet["rows"], ROWS, empty="No list price.")
        if sheet["overrides"]:
            click.echo("\nYour own prices, which count first:")
            table(sheet["overrides"], _OVERRIDES, empty="")
        click.echo()


def _prices(prices: Mapping[str, str]) -> str:
    """Return unit prices as text: tokens per million, everything else per unit."""
    return ", ".join(
        f"{unit.removesuffix('_tokens').replace('_', ' ')} {per_million(price)}"
        if unit.endswith("_tokens")
        else f"{unit.replace('_', ' ')} {price} each"
        for unit, price in prices.items()
    )


def _of_one(unit: str, price: str) -> str:
    try:
        return f"{Decimal(price) / _MILLION:f}"
    except InvalidOperation:
        raise click.UsageError(f"{price!r} of --per-million {unit} is not a number.") from None
