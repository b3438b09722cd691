"""Every model there is to an organization: what each costs it, and through which of its credentials it can be had.

They are the catalogue's, and those that only the organization's own providers tell of.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from keystead.catalogue.facts import ModelFacts
from keystead.catalogue.families import PREFIX
from keystead.catalogue.search import Entry, search
from keystead.domain.access import Permission
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.traffic import Owner
from keystead.gateway.reach import Reach, Through, reach_of
from keystead.metering.price_book import Override
from keystead.metering.price_list import is_fine_tuned
from keystead.metering.tariff import row_at
from keystead.routing.store import RouteView
from keystead.web.admin.catalogue import CatalogueQuery, ModelShown, model_shown, sheet_of, today_of, wanted_by
from keystead.web.admin.price_overrides import OverrideShown, shown
from keystead.web.admin.prices import ProviderName, SheetShown
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import ModelName, Nothing, decode_cursor, encode_cursor

_ROUTES_A_PAGE: Final = 200


class KnownModelsQuery(CatalogueQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for; all of it must hold."""

    usable: bool = False
    """Only those that a credential of yours leads to."""
    priced: bool | None = None
    """Only those whose usage has a price now, or only the others."""
    sort: Literal["name", "released"] = "name"
    """By provider and name, or the newest first."""


class KnownModelQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model."""

    provider: ProviderName
    model: ModelName


class ThroughShown(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that leads to the model."""

    credential_id: str
    credential: str
    owner: Owner
    model: str
    """As its provider calls it: ask for `credential/model`."""
    listed: bool
    """The provider itself says so; otherwise the catalogue does, or the credential is narrowed to the name."""


class KnownModelShown(msgspec.Struct, frozen=True, kw_only=True):
    """A model at one provider."""

    model: ModelShown
    catalogued: bool
    fine_tuned: bool
    prices_since: str
    """ISO day from which today's list prices apply; empty: always, or there are none."""
    own_price: OverrideShown | None
    """Your own price in force: the list does not count then."""
    priced: bool
    usable: bool
    """Whether a credential of yours leads to it."""
    through: tuple[ThroughShown, ...] | None
    """Those credentials; null for who may not see credentials."""


class KnownModelsShown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of models."""

    items: tuple[KnownModelShown, ...]
    next_cursor: str | None
    total: int
    """How many fit, on all pages, whether usable or not."""
    usable: int
    """How many of them are usable."""


class NamedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A route that leads to the model."""

    id: str
    name: str


class FamilyNameShown(msgspec.Struct, frozen=True, kw_only=True):
    """The family of the model."""

    name: str
    """`family:claude-sonnet`."""
    newest: bool
    """Whether the name leads to this very model now, through a credential of yours."""


class KnownModelDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A model at one provider, with its prices over time and the other names that lead to it."""

    known: KnownModelShown
    price: SheetShown | None
    family: FamilyNameShown | None
    """Null: it is one of a kind."""
    routes: tuple[NamedShown, ...] | None
    """Routes that name it; null for who may not see routes."""


async def list_all(call: Call[KnownModelsQuery, Nothing]) -> KnownModelsShown:
    """Return a page of the models that fit."""
    query = call.query
    reach = _reach(call)
    fits = list(_found(call, reach))
    usable = [entry for entry in fits if reach.to(entry.provider, entry.facts.id)]
    found = _sorted(usable if query.usable else fits, query.sort)
    start = 0
    if (after := decode_cursor(query.cursor)) is not None:
        start = next((number for number, entry in enumerate(found, 1) if entry.position == after), 0)
        if not start:
            raise InvalidRequestError("There is no such place in the list.", param="cursor", next_step="Begin again.")
    page = found[start : start + query.limit]
    more = start + query.limit < len(found)
    return KnownModelsShown(
        items=tuple(_shown(call, entry, reach) for entry in page),
        next_cursor=encode_cursor(page[-1].position) if more else None,
        total=len(fits),
        usable=len(usable),
    )


async def show(call: Call[KnownModelQuery, Nothing]) -> KnownModelDetail:
    """Return everything known about a model at a provider."""
    query = call.query
    reach = _reach(call)
    facts = call.rooms.known_models().facts.find(query.provider, query.model) or next(
        (
            facts
            for provider, facts in reach.uncatalogued()
            if provider == query.provider and facts.id.lower() == query.model.lower()
        ),
        None,
    )
    if facts is None:
        raise NotFoundError(
            "Neither the catalogue nor a provider of yours tells of such a model.",
            code="model_not_found",
            param="model",
            next_step="It may be called all the same; its usage is unpriced until it has a price.",
        )
    entry = Entry(provider=query.provider, facts=facts)
    return KnownModelDetail(
        known=_shown(call, entry, reach),
        price=sheet_of(call, entry),
        family=_family(call, entry, reach),
        routes=await _routes(call, entry, reach),
    )


def _credentials(call: Call[Any, Nothing]) -> Sequence[Credential]:
    return call.rooms.credentials_of(call.who.organization_id)


def _reach(call: Call[Any, Nothing]) -> Reach:
    return reach_of(_credentials(call), call.rooms.known_models(), today=today_of(call).isoformat())


def _found(call: Call[KnownModelsQuery, Nothing], reach: Reach) -> Iterable[Entry]:
    query = call.query
    providers: dict[str, list[ModelFacts]] = {
        provider: list(models) for provider, models in call.rooms.known_models().facts.document.providers.items()
    }
    for provider, facts in reach.uncatalogued():
        providers.setdefault(provider, []).append(facts)
    for entry in search(providers, wanted_by(query), today=today_of(call).isoformat()):
        if query.priced is None or query.priced is _is_priced(call, entry):
            yield entry


def _sorted(found: Iterable[Entry], sort: str) -> list[Entry]:
    by_name = sorted(found, key=lambda entry: entry.position)
    return sorted(by_name, key=lambda entry: entry.facts.released, reverse=True) if sort == "released" else by_name


def _is_priced(call: Call[Any, Nothing], entry: Entry) -> bool:
    return _own_price(call, entry) is not None or bool(_list_price(call, entry)[0])


def _own_price(call: Call[Any, Nothing], entry: Entry) -> Override | None:
    own = call.rooms.price_book().overrides_for(call.who.organization_id, entry.provider, [entry.facts.id])
    now = call.rooms.clock.now_us()
    return next((override for override in own if override.in_force(now)), None)


def _list_price(call: Call[Any, Nothing], entry: Entry) -> tuple[dict[str, str], str]:
    """Return the list prices of now, and since when they are."""
    found = call.rooms.price_book().catalogue.find(entry.provider, entry.facts.id)
    row = row_at(found.model.rows, call.rooms.clock.now_us(), tier="") if found else None
    return (row.prices, row.valid_from) if row else ({}, "")


def _shown(call: Call[Any, Nothing], entry: Entry, reach: Reach) -> KnownModelShown:
    own = _own_price(call, entry)
    prices, since = _list_price(call, entry)
    through = reach.to(entry.provider, entry.facts.id)
    return KnownModelShown(
        model=model_shown(call, entry, today_of(call)),
        catalogued=call.rooms.known_models().facts.find(entry.provider, entry.facts.id) is not None,
        fine_tuned=is_fine_tuned(entry.facts.id),
        prices_since=since,
        own_price=shown(own) if own else None,
        priced=own is not None or bool(prices),
        usable=bool(through),
        through=tuple(_through(each) for each in through) if call.who.may(Permission.CREDENTIAL_READ) else None,
    )


def _through(each: Through) -> ThroughShown:
    return ThroughShown(
        credential_id=each.credential.id,
        credential=each.credential.name,
        owner=each.credential.owner,
        model=each.model.name,
        listed=each.model.listed is not None,
    )


def _family(call: Call[Any, Nothing], entry: Entry, reach: Reach) -> FamilyNameShown | None:
    if not entry.facts.family:
        return None
    name = PREFIX + entry.facts.family
    known, now = call.rooms.known_models(), call.rooms.clock.now_us()
    newest = any(
        each.model.name in tuple(known.meant(each.credential, name, now))[:1]
        for each in reach.to(entry.provider, entry.facts.id)
    )
    return FamilyNameShown(name=name, newest=newest)


async def _routes(call: Call[Any, Nothing], entry: Entry, reach: Reach) -> tuple[NamedShown, ...] | None:
    if not call.who.may(Permission.ROUTE_READ):
        return None
    names = {entry.facts.id, *(each.model.name for each in reach.to(entry.provider, entry.facts.id))}
    if entry.facts.family:
        names.add(PREFIX + entry.facts.family)
    at = {credential.id for credential in _credentials(call) if credential.provider == entry.provider}
    found: list[NamedShown] = []
    before: str | None = None
    async with call.rooms.database.read() as conn:
        while True:
            routes = await call.rooms.model_routes.list(
                conn, call.who.organization_id, before=before, limit=_ROUTES_A_PAGE
            )
            found += (NamedShown(id=route.id, name=route.name) for route in routes if _names(route, entry, names, at))
            if len(routes) < _ROUTES_A_PAGE:
                return tuple(sorted(found, key=lambda route: route.name))
            before = routes[-1].id


def _names(route: RouteView, entry: Entry, names: set[str], at: set[Any]) -> bool:
    return any(
        attempt.model in names and (attempt.provider == entry.provider or attempt.credential_id in at)
        for attempt in route.attempts
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/models",
        permission=Permission.PRICE_READ,
        handler=list_all,
        summary="Models in the catalogue and at your providers: their prices, and which credentials lead to them.",
        query=KnownModelsQuery,
        answer=KnownModelsShown,
    ),
    Route(
        method="GET",
        path="/model",
        permission=Permission.PRICE_READ,
        handler=show,
        summary="One model at one provider: prices over time, credentials, routes and family that lead to it.",
        query=KnownModelQuery,
        answer=KnownModelDetail,
        errors=(404,),
    ),
)
