"""The organization's own prices: contracts and self-hosted tariffs. Added, listed, ended; never changed."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.metering.price_book import Override
from keystead.metering.prices import MAX_PRICES, Terms
from keystead.web.admin.provider_names import provider_named
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    ModelPattern,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    instant,
    optional_instant,
    optional_micros,
    paged,
    whole,
)

Amount = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(r"[0-9]{1,9}(\.[0-9]{1,18})?"), description="Price of one unit as plain decimal text: `0.000002`."
    ),
]


class AddOverride(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price of one's own for the models that a pattern matches."""

    provider: str
    model: ModelPattern
    prices: Annotated[dict[str, Amount], msgspec.Meta(min_length=1, max_length=MAX_PRICES)]
    """Unit, or `tier.unit` → price."""
    currency: Annotated[str, msgspec.Meta(pattern=whole(r"[A-Z]{3}"))] = "USD"
    valid_from: Instant | None = None
    """Null: now."""
    valid_to: Instant | None = None
    note: Annotated[str, msgspec.Meta(max_length=500, pattern=whole(r"[^\x00-\x1f\x7f-\x9f]*"))] = ""
    allow_past: bool = False
    """`valid_from` may lie in the past: for a contract entered late. What is booked stays as it was booked."""


class EndOverride(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the price ends; null: now."""

    valid_to: Instant | None = None


class OverridesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which overrides."""

    in_force: bool = False
    """Only those that count now."""


class OverrideShown(msgspec.Struct, frozen=True, kw_only=True):
    """A price of one's own."""

    id: str
    provider: str
    model: str
    currency: str
    prices: dict[str, str]
    valid_from: Instant
    valid_to: Instant | None
    note: str
    created_at: Instant
    created_by: str


async def list_all(call: Call[OverridesQuery, Nothing]) -> Page[OverrideShown]:
    """Return a page of the organization's own prices, newest first."""
    query = call.query
    async with call.rooms.database.read() as conn:
        found = await call.rooms.overrides.list(
            conn,
            call.who.organization_id,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
            in_force_only=query.in_force,
        )
    items, next_cursor = paged(found, query.limit)
    return Page(items=tuple(shown(override) for override in items), next_cursor=next_cursor)


async def add(call: Call[Nothing, AddOverride]) -> OverrideShown:
    """Add a price of one's own."""
    body = call.body
    async with act(call) as change:
        override = await call.rooms.overrides.add(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            terms=Terms(
                provider=provider_named(body.provider).name,
                model=body.model,
                prices=body.prices,
                currency=body.currency,
                valid_from=optional_micros(body.valid_from),
                valid_to=optional_micros(body.valid_to),
                note=body.note,
            ),
            allow_past=body.allow_past,
        )
        await change.record(
            "price_override.added",
            object_kind="price_override",
            object_id=override.id,
            provider=override.provider,
            model=override.model,
            currency=override.currency,
            prices=override.prices,
            valid_from=override.valid_from,
            valid_to=override.valid_to,
        )
    return shown(override)


async def end(call: Call[Nothing, EndOverride]) -> OverrideShown:
    """End a price of one's own."""
    async with act(call) as change:
        override = await call.rooms.overrides.end(
            change.conn,
            organization_id=call.who.organization_id,
            override_id=call.path["price_override"],
            valid_to=optional_micros(call.body.valid_to),
        )
        await change.record(
            "price_override.ended",
            object_kind="price_override",
            object_id=override.id,
            valid_to=override.valid_to,
        )
    return shown(override)


def shown(override: Override) -> OverrideShown:
    """Return an override as it is shown."""
    return OverrideShown(
        id=override.id,
        provider=override.provider,
        model=override.model,
        currency=override.currency,
        prices=override.prices,
        valid_from=instant(override.valid_from),
        valid_to=optional_instant(override.valid_to),
        note=override.note,
        created_at=instant(override.created_at),
        created_by=override.created_by,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/price-overrides",
        permission=Permission.PRICE_READ,
        handler=list_all,
        summary="Your own prices, newest first.",
        query=OverridesQuery,
        answer=Page[OverrideShown],
    ),
    Route(
        method="POST",
        path="/price-overrides",
        permission=Permission.PRICE_WRITE,
        handler=add,
        summary="Add a price of your own.",
        body=AddOverride,
        answer=OverrideShown,
        status=201,
    ),
    Route(
        method="POST",
        path="/price-overrides/{price_override}/end",
        permission=Permission.PRICE_WRITE,
        handler=end,
        summary="End a price of your own.",
        body=EndOverride,
        answer=OverrideShown,
        errors=(404, 409),
    ),
)
