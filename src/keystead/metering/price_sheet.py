"""What `price show` shows of a model: its rows with their dates, its region factors, and one's own prices. Pure."""

from collections.abc import Iterator

import msgspec

from keystead.metering.price_book import Override, PriceBook
from keystead.metering.price_list import Found, Row
from keystead.metering.regions import RULES, region_factor
from keystead.metering.tariff import BORROWED_UNITS, row_at


class SheetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One set of list prices and when it applies."""

    tier: str
    """Empty: standard. A tier's row holds only the prices that the tier changes."""
    over: int | None
    """For a whole request that reads more tokens than this; None for any length."""
    valid_from: str
    """ISO date (UTC), or empty for always."""
    valid_to: str
    """ISO date (UTC) from which another row applies, or empty."""
    hours: tuple[str, str] | None
    weekdays: str
    in_force: bool
    prices: dict[str, str]


class RegionFactor(msgspec.Struct, frozen=True, kw_only=True):
    """What regions multiply the token prices by."""

    regions: tuple[str, ...]
    factor: str
    source: str


class PriceSheet(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider bills for a model, as far as it is known."""

    provider: str
    listed_as: str | None
    """The entry of the price list, such as `openai/gpt-5`; None if the list has none."""
    source: str
    """The price list's name, version and date."""
    rows: tuple[SheetRow, ...]
    regions: tuple[RegionFactor, ...]
    overrides: tuple[Override, ...]
    """The organization's own prices, the one that counts first; while one is in force the list does not count."""


def price_sheets(
    book: PriceBook, *, organization_id: str, model: str, at: int, provider: str | None = None
) -> list[PriceSheet]:
    """Return a sheet for each provider (or the one named) that lists `model` or has an override for it."""
    sheets = []
    for name in [provider] if provider else book.providers(organization_id):
        overrides = tuple(book.overrides_for(organization_id, name, [model]))
        found = book.catalogue.find(name, model)
        if found is None and not overrides:
            continue
        sheets.append(
            PriceSheet(
                provider=name,
                listed_as=found.name if found else None,
                source=book.catalogue.price_list.version,
                rows=tuple(_rows(found, at)) if found else (),
                regions=tuple(_regions(name, model)) if found else (),
                overrides=overrides,
            )
        )
    return sheets


def _rows(found: Found, at: int) -> Iterator[SheetRow]:
    rows = [row for row in found.model.rows if not (found.borrowed and row.tier)]
    for position, row in enumerate(rows):
        in_force = row_at(rows, at, tier=row.tier) is row
        ends = _next_date(rows[position + 1 :], row)
        shown = row.prices
        for over in (None, *(step.over for step in row.steps)):
            shown = shown | {
                unit: price for step in row.steps if step.over == over for unit, price in step.prices.items()
            }
            yield SheetRow(
                tier=row.tier,
                over=over,
                valid_from=row.valid_from,
                valid_to=ends,
                hours=row.hours,
                weekdays=row.weekdays,
                in_force=in_force,
                prices={unit: price for unit, price in shown.items() if unit in BORROWED_UNITS or not found.borrowed},
            )


def _next_date(later: list[Row], row: Row) -> str:
    if row.hours:
        return ""
    return next((other.valid_from for other in later if other.tier == row.tier and not other.hours), "")


def _regions(provider: str, model: str) -> Iterator[RegionFactor]:
    for rule in RULES:
        if rule.provider == provider and rule.regions:
            factor = region_factor(provider, rule.regions[0], model)
            yield RegionFactor(regions=rule.regions, factor=str(factor), source=rule.source)
