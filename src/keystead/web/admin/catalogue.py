"""The model catalogue, looked through and looked at: facts that ship with Keystead, with today's list prices."""

from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec

from keystead.catalogue.facts import CAPABILITIES, ModelFacts
from keystead.catalogue.search import Entry, Wanted, search
from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.metering.price_sheet import price_sheets
from keystead.metering.tariff import row_at
from keystead.web.admin.prices import ProviderName, SheetShown, sheet_shown
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import ModelName, Nothing, Page, PageQuery, decode_cursor, encode_cursor, instant

Words = Annotated[str, msgspec.Meta(max_length=100)]
Modality = Literal["text", "image", "audio", "video", "pdf"]
_MOST_TOKENS: Final = 1 << 31


class CatalogueQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for; all of it must hold."""

    q: Annotated[
        str,
        msgspec.Meta(max_length=200, description="Words, each in the name, title, family, maker or provider."),
    ] = ""
    provider: ProviderName | None = None
    family: Words = ""
    maker: Words = ""
    capability: Annotated[
        str,
        msgspec.Meta(max_length=200, description=f"Of {', '.join(CAPABILITIES)}; several with commas between them."),
    ] = ""
    min_context: Annotated[int, msgspec.Meta(ge=0, le=_MOST_TOKENS)] = 0
    reads: Modality | None = None
    writes: Modality | None = None
    retired: bool = False
    """Those that have ended as well."""
    deprecated: bool | None = None
    """Only those whose end is announced, or only the others."""


class CatalogueModelQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model."""

    model: ModelName
    provider: ProviderName | None = None


class ModelShown(msgspec.Struct, frozen=True, kw_only=True):
    """A model as one provider serves it. Dates are ISO days; empty: not known, or none is announced."""

    provider: str
    model: str
    """As the provider calls it."""
    name: str
    family: str
    maker: str
    status: str
    """Empty, or `alpha`, `beta`, `deprecated`, `retired`."""
    released: str
    deprecated: str
    retires: str
    knowledge: str
    context: int | None
    max_input: int | None
    max_output: int | None
    input: tuple[str, ...]
    """Modalities it reads; empty: not known."""
    output: tuple[str, ...]
    capabilities: tuple[str, ...] | None
    """Null: not known."""
    open_weights: bool | None
    prices: dict[str, str]
    """Unit → standard list price of one unit in USD today, exact decimal text; empty: its usage is unpriced, unless your
    organization has a price of its own."""


class ModelDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A model at one provider, with every price there was, is, or is announced."""

    model: ModelShown
    price: SheetShown | None


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A model at every provider that serves it."""

    catalogue: str
    """Which snapshot of the catalogue this is."""
    details: tuple[ModelDetail, ...]


async def list_models(call: Call[CatalogueQuery, Nothing]) -> Page[ModelShown]:
    """Return a page of the models that fit, by provider and name."""
    query = call.query
    today = today_of(call)
    document = call.rooms.known_models().facts.document
    after = decode_cursor(query.cursor)
    found = search(document.providers, wanted_by(query), today=today.isoformat())
    left = (entry for entry in found if after is None or entry.position > after)
    page = [entry for entry, _ in zip(left, range(query.limit + 1), strict=False)]
    items, more = page[: query.limit], len(page) > query.limit
    return Page(
        items=tuple(model_shown(call, entry, today) for entry in items),
        next_cursor=encode_cursor(items[-1].position) if more else None,
    )


async def show_model(call: Call[CatalogueModelQuery, Nothing]) -> ModelDetails:
    """Return everything known about a model, at every provider that serves it or at the one named."""
    facts, today = call.rooms.known_models().facts, today_of(call)
    providers = [call.query.provider] if call.query.provider else sorted(facts.document.providers)
    entries = [
        Entry(provider=provider, facts=found)
        for provider in providers
        if (found := facts.find(provider, call.query.model)) is not None
    ]
    if not entries:
        raise NotFoundError(
            "The catalogue has no such model.",
            code="model_not_found",
            param="model",
            next_step="`keystead model search` looks for a part of its name; a model that came out lately may be called"
            " although it is not here.",
        )
    return ModelDetails(
        catalogue=facts.version,
        details=tuple(
            ModelDetail(model=model_shown(call, entry, today), price=sheet_of(call, entry)) for entry in entries
        ),
    )


def wanted_by(query: CatalogueQuery) -> Wanted:
    """Return what a query looks for.

    Raises:
        InvalidRequestError: it names a capability that there is not.
    """
    capabilities = [word.strip() for word in query.capability.split(",") if word.strip()]
    unknown = [word for word in capabilities if word not in CAPABILITIES]
    if unknown:
        raise InvalidRequestError(
            f"There is no capability {unknown[0]!r}.",
            param="capability",
            next_step=f"Choose from: {', '.join(CAPABILITIES)}.",
        )
    return Wanted(
        text=query.q,
        provider=query.provider or "",
        family=query.family,
        maker=query.maker,
        capabilities=capabilities,
        min_context=query.min_context,
        reads=query.reads or "",
        writes=query.writes or "",
        deprecated=query.deprecated,
        with_retired=query.retired,
    )


def model_shown(call: Call[Any, Nothing], entry: Entry, today: date) -> ModelShown:
    """Return a model as it is shown, with its list price of this moment."""
    facts: ModelFacts = entry.facts
    found = call.rooms.price_book().catalogue.find(entry.provider, facts.id)
    row = row_at(found.model.rows, call.rooms.clock.now_us(), tier="") if found else None
    shared = {name: getattr(facts, name) for name in _SHARED}
    return ModelShown(
        provider=entry.provider,
        model=facts.id,
        status=facts.status_on(today.isoformat()),
        capabilities=facts.can,
        prices=row.prices if row else {},
        **shared,
    )


_SHARED: Final = tuple(
    name for name in ModelShown.__struct_fields__ if name in ModelFacts.__struct_fields__ and name != "status"
)


def sheet_of(call: Call[Any, Nothing], entry: Entry) -> SheetShown | None:
    """Return every price there was, is or is announced; None if there is none."""
    sheets = price_sheets(
        call.rooms.price_book(),
        organization_id=call.who.organization_id,
        model=entry.facts.id,
        at=call.rooms.clock.now_us(),
        provider=entry.provider,
    )
    return sheet_shown(sheets[0]) if sheets else None


def today_of(call: Call[Any, Nothing]) -> date:
    """Return the day in UTC: facts are dated by days."""
    return instant(call.rooms.clock.now_us()).date()


ROUTES: Final = (
    Route(
        method="GET",
        path="/catalogue",
        permission=Permission.PRICE_READ,
        handler=list_models,
        summary="Models in the catalogue that fit what is looked for.",
        query=CatalogueQuery,
        answer=Page[ModelShown],
    ),
    Route(
        method="GET",
        path="/catalogue-model",
        permission=Permission.PRICE_READ,
        handler=show_model,
        summary="Everything known about one model, per provider, with its prices over time.",
        query=CatalogueModelQuery,
        answer=ModelDetails,
        errors=(404,),
    ),
)
