"""Routes: names of one's own and what is tried behind them, as diagrams that follow their form; and families of models."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlencode

import msgspec

from keystead.catalogue.families import PREFIX
from keystead.domain.clock import HOUR_US, utc
from keystead.domain.errors import KeysteadError
from keystead.domain.routes import Strategy, Unsupported
from keystead.providers.table import PROVIDERS
from keystead.routing.store import MAX_ATTEMPTS
from keystead.web.admin import credentials, explain, families, known_models, model_routes, requests
from keystead.web.console import diagrams, drafts
from keystead.web.console.drafts import Draft, Row
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_LOOK_BACK_DAYS: Final = 30
_MOST: Final = "200"
SAVE: Final = frozenset({"", "save"})


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where attempts can go, as the reader may know it."""

    credentials: Mapping[str, tuple[str, str]]
    """Id → name, and why it cannot be used now (empty if it can)."""
    providers: frozenset[str] | None
    """Those of which a key can be used; None: the reader may not know."""
    now: Mapping[str, Mapping[str, str]]
    """Family → credential id or provider → the model that it is now."""


async def list_all(visit: Visit) -> Answer:
    """Show a page of routes, each as a diagram."""
    found = await visit.desk.ask(model_routes.list_all, {"cursor": visit.query.get("cursor"), "limit": "20"})
    named = {attempt.model for route in found.items for attempt in route.attempts}
    places = await _places(visit, named)
    named_credentials = {
        attempt.credential_id: attempt.credential or ""
        for route in found.items
        for attempt in route.attempts
        if attempt.credential_id
    }
    return Shown(
        template="routes.html",
        values={
            "routes": [(route, _drawn(drafts.of_route(route), places, named_credentials)) for route in found.items],
            "next_cursor": found.next_cursor,
            "can_write": visit.desk.may(model_routes.create),
            "can_explain": visit.desk.may(explain.explain),
        },
    )


async def list_families(visit: Visit) -> Answer:
    """Show a page of the families behind the organization's credentials, and what each name means now."""
    q = visit.query.get("q", "")
    found = await visit.desk.ask(families.list_all, {"q": q, "cursor": visit.query.get("cursor")})
    return Shown(
        template="families.html",
        values={
            "rows": found.items,
            "q": q,
            "next": f"?{urlencode({'q': q, 'cursor': found.next_cursor})}" if found.next_cursor else None,
            "can_explain": visit.desk.may(explain.explain),
            "sees_models": visit.desk.may(known_models.show),
        },
    )


async def new(visit: Visit) -> Answer:
    """Ask for a new route."""
    visit.desk.require(model_routes.create)
    first = Row(model=visit.query.get("model", ""), on=visit.query.get("on", ""))
    return await _form(visit, Draft(name=visit.query.get("name", ""), rows=(first,)))


async def create(visit: Visit) -> Answer:
    """Create a route, or only draw what is typed so far."""
    draft = drafts.typed(visit.form)
    if visit.form.get("do", "") not in SAVE:
        return await _form(visit, draft)
    try:
        route = await visit.desk.act(model_routes.create, {"name": draft.name, **drafts.asked(draft)})
    except KeysteadError as error:
        return await _form(visit, draft, error=error)
    return Moved(to=f"/console/routes/{route.id}")


async def show(visit: Visit) -> Answer:
    """Show one route, and its form to who may change it."""
    route = await visit.desk.ask(model_routes.show, model_route=visit.path["route"])
    return await _form(visit, drafts.of_route(route), route)


async def change(visit: Visit) -> Answer:
    """Change a route, or only draw what is typed so far."""
    route = await visit.desk.ask(model_routes.show, model_route=visit.path["route"])
    draft = msgspec.structs.replace(drafts.typed(visit.form), name=route.name)
    if visit.form.get("do", "") not in SAVE:
        return await _form(visit, draft, route)
    try:
        await visit.desk.act(model_routes.change_route, drafts.asked(draft), model_route=route.id)
    except KeysteadError as error:
        return await _form(visit, draft, route, error=error)
    return Moved(to=f"/console/routes/{route.id}")


async def ask_delete(visit: Visit) -> Answer:
    """Tell who would feel it, before a route is deleted."""
    desk = visit.desk
    desk.require(model_routes.delete)
    route = await desk.ask(model_routes.show, model_route=visit.path["route"])
    since = utc(visit.now_us - _LOOK_BACK_DAYS * 24 * HOUR_US)
    seen: Any = None
    more = False
    if desk.may(requests.list_all):
        found = await desk.ask(requests.list_all, {"model": route.name, "since": since, "limit": _MOST})
        seen = [row for row in found.items if row.model_asked == route.name]
        more = found.next_cursor is not None
    meant = ()
    if desk.may(known_models.list_all):
        known = await desk.ask(known_models.list_all, {"q": route.name, "usable": True, "limit": _MOST})
        meant = tuple(one.model for one in known.items if one.model.model == route.name)
    return Shown(
        template="route_delete.html",
        values={
            "route": route,
            "seen": seen,
            "more": more,
            "keys": _by_key(seen or ()),
            "days": _LOOK_BACK_DAYS,
            "meant": meant,
        },
    )


async def delete(visit: Visit) -> Answer:
    """Delete a route."""
    await visit.desk.act(model_routes.delete, {}, model_route=visit.path["route"])
    return Moved(to="/console/routes")


def _by_key(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Return who asked for the name, how often and when last, the most frequent first; rows come newest first."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        key = found.setdefault(
            row.virtual_key_id,
            {"name": row.virtual_key or row.virtual_key_id, "team": row.team or row.team_id, "count": 0, "last": row},
        )
        key["count"] += 1
    return sorted(found.values(), key=lambda key: -key["count"])


async def _form(visit: Visit, draft: Draft, route: Any = None, *, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    places = await _places(visit, {row.model for row in draft.rows})
    named = {a.credential_id: a.credential or "" for a in route.attempts if a.credential_id} if route else {}
    weighted = draft.strategy == "weighted"
    return Shown(
        template="route.html",
        values={
            "route": route,
            "draft": draft,
            "drawn": _drawn(draft, places, named),
            "weighted": weighted,
            "choices": _choices(draft, places, named),
            "providers": sorted(PROVIDERS.values(), key=lambda row: row.title.lower()),
            "strategies": get_args(Strategy),
            "ways": get_args(Unsupported),
            "most": MAX_ATTEMPTS,
            "names": await _names(visit),
            "can_write": desk.may(model_routes.create),
            "can_explain": desk.may(explain.explain),
            "can_see_requests": desk.may(requests.list_all),
            "error": error,
            "at": drafts.place_of(error),
        },
        status=error.status if error else 200,
    )


async def _places(visit: Visit, models: Iterable[str]) -> Places:
    desk = visit.desk
    held: dict[str, tuple[str, str]] = {}
    providers: frozenset[str] | None = None
    if desk.may(credentials.list_all):
        found = (await desk.ask(credentials.list_all)).items
        held = {one.id: (one.name, _why_not(one)) for one in found}
        providers = frozenset(one.provider for one in found if not _why_not(one))
    now: dict[str, dict[str, str]] = {}
    asked = sorted({model.removeprefix(PREFIX) for model in models if model.startswith(PREFIX)})
    if asked:
        for family in (await desk.ask(families.list_all, {"names": ",".join(asked)[:4000], "limit": _MOST})).items:
            at = now.setdefault(family.name, {})
            for newest in family.newest:
                if newest.credential_id is not None:
                    at[newest.credential_id] = newest.model
                at.setdefault(newest.provider, newest.model)
    return Places(credentials=held, providers=providers, now=now)


def _why_not(credential: Any) -> str:
    if credential.revoked_at is not None:
        return "its key is revoked"
    return "" if credential.active_version else "it has no active key"


def _drawn(draft: Draft, places: Places, named: Mapping[str, str]) -> diagrams.Diagram:
    return diagrams.diagram(
        draft.name or "your name", draft.strategy, [_target(row, places, named) for row in draft.rows]
    )


def _target(row: Row, places: Places, named: Mapping[str, str]) -> diagrams.Target:
    kind, _, reference = row.on.partition(":")
    on, broken = "nothing chosen yet", ""
    if kind == "credential":
        on, broken = places.credentials.get(reference, (named.get(reference, reference), ""))
    elif kind == "provider":
        on = f"any key of {PROVIDERS[reference].title if reference in PROVIDERS else reference}"
        if places.providers is not None and reference not in places.providers:
            broken = "there is none that works"
    return diagrams.Target(
        model=row.model,
        on=on,
        weight=drafts.weight_of(row),
        patience=f"{row.wait} s" if row.wait else "",
        means=places.now.get(row.model, {}).get(reference, ""),
        broken=broken,
    )


def _choices(draft: Draft, places: Places, named: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the credentials to choose from: those that work, and those that the draft names all the same."""
    used = {row.on.partition(":")[2] for row in draft.rows if row.on.startswith("credential:")}
    found = [(f"credential:{key}", name) for key, (name, why) in places.credentials.items() if not why]
    for key in sorted(used):
        name, why = places.credentials.get(key, (named.get(key, key), ""))
        if why or key not in places.credentials:
            found.append((f"credential:{key}", f"{name} ({why})" if why else name))
    return sorted(found, key=lambda choice: choice[1].lower())


async def _names(visit: Visit) -> list[str]:
    """Return names to choose from while one types."""
    if not (visit.desk.may(known_models.list_all) and visit.desk.may(model_routes.create)):
        return []
    query = {"usable": True, "sort": "released", "limit": _MOST}
    found = await visit.desk.ask(known_models.list_all, query)
    return sorted({one.model.model for one in found.items})


PAGES: Final = (
    Page(method="GET", path="/routes", handler=list_all),
    Page(method="GET", path="/routes/families", handler=list_families),
    Page(method="GET", path="/routes/new", handler=new),
    Page(method="POST", path="/routes/new", handler=create),
    Page(method="GET", path="/routes/{route}", handler=show),
    Page(method="POST", path="/routes/{route}", handler=change),
    Page(method="GET", path="/routes/{route}/delete", handler=ask_delete),
    Page(method="POST", path="/routes/{route}/delete", handler=delete),
)
