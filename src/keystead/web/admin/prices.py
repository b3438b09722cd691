"""What providers bill for models: the list prices, looked through and looked at, as of now."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.metering.price_list import PriceList
from keystead.metering.price_sheet import PriceSheet, RegionFactor, SheetRow, price_sheets
from keystead.metering.tariff import row_at
from keystead.web.admin.price_overrides import OverrideShown, shown
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import ModelName, Nothing, Page, PageQuery, decode_cursor, encode_cursor

ProviderName = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class PricesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which models."""

    provider: ProviderName | None = None
    search: Annotated[str, msgspec.Meta(max_length=100, description="Part of a model's name.")] = ""


class SheetQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose price."""

    model: ModelName
    provider: ProviderName | None = None


class PricedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the price list."""

    provider: str
    model: str
    prices: dict[str, str]
    """Unit → standard price of one unit in USD today, exact decimal text; empty if none is in force today."""


class SheetShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider bills for a model, as far as it is known."""

    provider: str
    listed_as: str | None
    """The entry of the price list; null if it has none."""
    source: str
    rows: tuple[SheetRow, ...]
    regions: tuple[RegionFactor, ...]
    overrides: tuple[OverrideShown, ...]
    """The organization's own prices, the one that counts first; while one is in force the list does not count."""


class Sheets(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet for each provider with a price for the model. None means: its usage would be unpriced."""

    model: str
    sheets: tuple[SheetShown, ...]


async def list_all(call: Call[PricesQuery, Nothing]) -> Page[PricedModel]:
    """Return a page of the models in the price list, by provider and name."""
    query = call.query
    found = matching(
        call.rooms.price_book().catalogue.price_list, query.provider, query.search, call.rooms.clock.now_us()
    )
    after = decode_cursor(query.cursor)
    if after is not None:
        found = [model for model in found if _position(model) > after]
    items = found[: query.limit]
    more = len(found) > query.limit
    return Page(items=tuple(items), next_cursor=encode_cursor(_position(items[-1])) if more else None)


async def sheets(call: Call[SheetQuery, Nothing]) -> Sheets:
    """Return everything known about a model's price."""
    found = price_sheets(
        call.rooms.price_book(),
        organization_id=call.who.organization_id,
        model=call.query.model,
        at=call.rooms.clock.now_us(),
        provider=call.query.provider,
    )
    return Sheets(model=call.query.model, sheets=tuple(sheet_shown(sheet) for sheet in found))


def matching(price_list: PriceList, provider: str | None, search: str, at: int) -> list[PricedModel]:
    """Return the models whose name holds `search`, sorted by provider and name."""
    wanted = search.lower()
    found: list[PricedModel] = []
    for name, models in price_list.providers.items():
        if provider not in {None, name}:
            continue
        for model in models:
            if wanted in model.id.lower():
                row = row_at(model.rows, at, tier="")
                found.append(PricedModel(provider=name, model=model.id, prices=row.prices if row else {}))
    return sorted(found, key=_position)


def _position(model: PricedModel) -> str:
    return f"{model.provider}/{model.model}"


def sheet_shown(sheet: PriceSheet) -> SheetShown:
    """Return a sheet as it is shown."""
    return SheetShown(
        provider=sheet.provider,
        listed_as=sheet.listed_as,
        source=sheet.source,
        rows=sheet.rows,
        regions=sheet.regions,
        overrides=tuple(shown(override) for override in sheet.overrides),
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/prices",
        permission=Permission.PRICE_READ,
        handler=list_all,
        summary="Models in the price list.",
        query=PricesQuery,
        answer=Page[PricedModel],
    ),
    Route(
        method="GET",
        path="/price-sheets",
        permission=Permission.PRICE_READ,
        handler=sheets,
        summary="Everything known about one model's price, per provider.",
        query=SheetQuery,
        answer=Sheets,
    ),
)
