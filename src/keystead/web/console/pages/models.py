"""Models: the catalogue with prices and capabilities, what can be had through which credential, and prices of one's own."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from keystead.catalogue.facts import CAPABILITIES
from keystead.domain.errors import InvalidRequestError, KeysteadError, NotFoundError
from keystead.providers.table import PROVIDERS
from keystead.web.admin import credentials, explain, known_models, model_routes, price_overrides, requests
from keystead.web.console import sheets
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

FILTERS: Final = ("q", "provider", "reads", "writes", "capability", "priced", "life")
LIVES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "": ("not retired", {}),
    "current": ("current", {"deprecated": False}),
    "deprecated": ("deprecated", {"deprecated": True}),
    "all": ("retired too", {"retired": True}),
}
MODALITIES: Final = ("text", "image", "audio", "video", "pdf")
SORTS: Final = ("name", "released")
_PRICED: Final = {"yes": True, "no": False}


async def list_all(visit: Visit) -> Answer:
    """Show a page of the models that fit what the address says."""
    chosen = {name: visit.query.get(name, "") for name in FILTERS}
    usable = visit.query.get("of") == "usable"
    sort = visit.query.get("sort", "name")
    asked = _asked(chosen) | {"sort": sort}
    page = {"usable": usable, "cursor": visit.query.get("cursor")}
    found = await visit.desk.ask(known_models.list_all, asked | page)
    kept = {name: value for name, value in chosen.items() if value}
    filtered = bool(kept)
    if sort != "name":
        kept["sort"] = sort
    return Shown(
        template="models.html",
        values={
            "rows": found.items,
            "chosen": chosen,
            "of": "usable" if usable else "all",
            "sort": sort,
            "tabs": [
                ("all", "All", found.total, _query(kept)),
                ("usable", "Usable here", found.usable, _query({"of": "usable", **kept})),
            ],
            "sorts": {each: _query({**_of(usable), **kept, "sort": each}) for each in SORTS},
            "filtered": filtered,
            "next": _query({**_of(usable), **kept, "cursor": found.next_cursor}) if found.next_cursor else None,
            "paged": bool(visit.query.get("cursor")),
            "first": _query({**_of(usable), **kept}),
            "providers": sorted(PROVIDERS.values(), key=lambda row: row.title.lower()),
            "capabilities": CAPABILITIES,
            "modalities": MODALITIES,
            "lives": {name: title for name, (title, _) in LIVES.items()},
            "can_add": visit.desk.may(credentials.add),
            "can_price": visit.desk.may(price_overrides.add),
        },
    )


async def show(visit: Visit) -> Answer:
    """Show one model at one provider; without a provider, look for the name."""
    provider, model = visit.query.get("provider", ""), visit.query.get("model", "")
    if not provider:
        return Moved(to=f"/console/models?{urlencode({'q': model, 'life': 'all'})}")
    desk = visit.desk
    place = {"provider": provider, "model": model}
    values = {
        "provider": PROVIDERS[provider].title if provider in PROVIDERS else provider,
        "place": place,
        "can_price": desk.may(price_overrides.add) and provider in PROVIDERS,
    }
    try:
        found = await desk.ask(known_models.show, place)
    except NotFoundError as error:
        return Shown(template="model_unknown.html", values={**values, "error": error}, status=404)
    through = found.known.through or ()
    name = f"{through[0].credential}/{through[0].model}" if through else f"{provider}/{found.known.model.model}"
    return Shown(
        template="model.html",
        values={
            **values,
            "found": found,
            "one": found.known.model,
            "known": found.known,
            "call": name,
            "snippet": _snippet(found.known.model, name),
            "sheet": sheets.laid_out(found.price) if found.price else None,
            "units": sheets.standing(found.known),
            "can_add": desk.may(credentials.add),
            "can_route": desk.may(model_routes.create),
            "can_end": desk.may(price_overrides.end),
            "can_explain": desk.may(explain.explain),
            "can_see_requests": desk.may(requests.list_all),
        },
    )


async def price(visit: Visit) -> Answer:
    """Ask for a price of one's own; what the list says stands there already."""
    place = {"provider": visit.query.get("provider", ""), "model": visit.query.get("model", "")}
    prices = await _listed(visit, place)
    given = {f"price.{unit}": sheets.typed(unit, text) for unit, text in prices.items()}
    return _priced(place, sheets.units_for(prices), {"pattern": place["model"], "currency": "USD", **given}, None)


async def set_price(visit: Visit) -> Answer:
    """Keep a price of one's own."""
    form = visit.form
    place = {"provider": form.get("provider", ""), "model": form.get("model", "")}
    units = sheets.units_for(await _listed(visit, place))
    try:
        body: dict[str, Any] = {
            "provider": place["provider"],
            "model": form.get("pattern", "").strip(),
            "currency": form.get("currency", "").strip().upper(),
            "prices": sheets.prices_of({unit: form.get(f"price.{unit}", "") for unit, _, _ in units}),
            "note": form.get("note", "").strip(),
        }
        if form.get("valid_from"):
            body["valid_from"] = f"{form['valid_from']}T00:00:00Z"
            body["allow_past"] = "allow_past" in form
        await visit.desk.act(price_overrides.add, body)
    except KeysteadError as error:
        return _priced(place, units, form, error)
    return Moved(to=f"/console/models/one?{urlencode(place)}")


async def end_price(visit: Visit) -> Answer:
    """End a price of one's own now; from then on the next one, or the list, counts."""
    await visit.desk.act(price_overrides.end, {}, price_override=visit.form.get("price_override", ""))
    place = {"provider": visit.form.get("provider", ""), "model": visit.form.get("model", "")}
    return Moved(to=f"/console/models/one?{urlencode(place)}")


def _asked(chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form's fields ask of the API."""
    asked: dict[str, Any] = {name: chosen[name] for name in ("q", "provider", "reads", "writes", "capability")}
    if chosen["life"] not in LIVES or chosen["priced"] not in {"", *_PRICED}:
        raise InvalidRequestError("There is no such choice.", next_step="Choose one that the page offers.")
    return {**asked, **LIVES[chosen["life"]][1], "priced": _PRICED.get(chosen["priced"])}


async def _listed(visit: Visit, place: Mapping[str, str]) -> dict[str, str]:
    """Return the list prices of now; none of a model that nobody tells of."""
    try:
        found = await visit.desk.ask(known_models.show, place)
    except NotFoundError:
        return {}
    prices: dict[str, str] = found.known.model.prices
    return prices


def _priced(
    place: Mapping[str, str],
    units: list[tuple[str, str, str]],
    given: Mapping[str, str],
    error: KeysteadError | None,
) -> Shown:
    values = {
        "place": place,
        "provider": PROVIDERS[place["provider"]].title if place["provider"] in PROVIDERS else place["provider"],
        "units": units,
        "given": {
            name: given.get(name, "")
            for name in (
                "pattern",
                "currency",
                "valid_from",
                "allow_past",
                "note",
                *(f"price.{u}" for u, _, _ in units),
            )
        },
        "error": error,
        "at": _field_of(error),
    }
    return Shown(template="model_price.html", values=values, status=error.status if error else 200)


def _field_of(error: KeysteadError | None) -> str:
    """Return the field of the form that an error is about."""
    param = (error.param if error else None) or ""
    if param.startswith("prices."):
        return f"price.{param.removeprefix('prices.')}"
    return {"model": "pattern", "prices": "price.input_tokens"}.get(param, param)


def _snippet(model: Any, name: str) -> dict[str, str] | None:
    """Return what calls the model, quoted: names are other people's text, and this is pasted into a shell."""
    if "embeddings" in (model.capabilities or ()):
        body: dict[str, Any] = {"model": name, "input": "Hello!"}
        return {
            "path": "/v1/embeddings",
            "body": shlex.quote(json.dumps(body)),
            "name": json.dumps(name),
            "kind": "embeddings",
        }
    if model.output and "text" not in model.output:
        return None
    body = {"model": name, "messages": [{"role": "user", "content": "Hello!"}]}
    return {
        "path": "/v1/chat/completions",
        "body": shlex.quote(json.dumps(body)),
        "name": json.dumps(name),
        "kind": "chat",
    }


def _of(usable: bool) -> dict[str, str]:
    return {"of": "usable"} if usable else {}


def _query(values: Mapping[str, str | None]) -> str:
    return f"?{urlencode({name: value for name, value in values.items() if value})}"


PAGES: Final = (
    Page(method="GET", path="/models", handler=list_all),
    Page(method="GET", path="/models/one", handler=show),
    Page(method="GET", path="/models/price", handler=price),
    Page(method="POST", path="/models/price", handler=set_price),
    Page(method="POST", path="/models/price/end", handler=end_price),
)
