"""Going anywhere by its name: pages, virtual keys, credentials, budgets, saved prompts, models, and a request by its id.

The same answers stand on a page for whoever reads without scripts, and in the palette (Ctrl K) for all others.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from keystead.domain.errors import NotFoundError
from keystead.domain.ids import id_time_ms
from keystead.web.admin import budgets, credentials, known_models, requests, saved_prompts, virtual_keys
from keystead.web.console.desk import Desk, Handler
from keystead.web.console.navigation import rooms, sections
from keystead.web.console.visit import Answer, Page, Shown, Told, Visit
from keystead.web.console.words import inert

_MOST: Final = 6
"""Of one kind."""
_LONGEST: Final = 100
_LOOKED_THROUGH: Final = "200"
"""The newest of a kind that can only be looked through by reading it."""

_PAGES: Final[Sequence[tuple[str, str, Handler | None]]] = (
    ("Make a virtual key", "/console/keys/new", virtual_keys.create),
    ("Add a provider key", "/console/vault/new", credentials.add),
    ("Make a budget", "/console/budgets/new", budgets.create),
    ("Saved prompts", "/console/playground/prompts", saved_prompts.list_all),
    ("Your account", "/console/account", None),
    ("Parts of the console", "/console/parts", None),
)
"""Pages beside the menu's, and whom they are for."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One place to go to."""

    title: str
    kind: str
    to: str


async def show(visit: Visit) -> Answer:
    """Show what was found as a page."""
    words = visit.query.get("q", "").strip()[:_LONGEST]
    return Shown(template="find.html", values={"words": words, "found": await find(visit.desk, words)})


async def tell(visit: Visit) -> Answer:
    """Tell what was found to the palette."""
    words = visit.query.get("q", "").strip()[:_LONGEST]
    return Told(value=[msgspec.structs.replace(one, title=inert(one.title)) for one in await find(visit.desk, words)])


async def find(desk: Desk, words: str) -> list[Found]:
    """Return where the words may mean to go, the pages first; without words, the pages alone."""
    if id_time_ms(words) is not None and words.startswith("req_"):
        return await _request(desk, words)
    found = [one for one in _pages(desk) if _fits(one.title, words)]
    if words:
        found += [one async for one in _named(desk, words)] + await _prompts(desk, words)
    return found


def _pages(desk: Desk) -> list[Found]:
    menu = [Found(title=one.title, kind="page", to=one.path) for one in sections(desk)]
    menu += [Found(title=f"Settings: {one.title}", kind="page", to=one.path) for one in rooms(desk)]
    more = [Found(title=title, kind="page", to=to) for title, to, needs in _PAGES if needs is None or desk.may(needs)]
    return menu + more


async def _named(desk: Desk, words: str) -> AsyncIterator[Found]:
    if desk.may(virtual_keys.list_all):
        keys = (await desk.ask(virtual_keys.list_all, {"limit": _LOOKED_THROUGH})).items
        to = "/console/requests?virtual_key={}" if desk.may(requests.list_all) else "/console/keys"
        for one in _first((key.name, to.format(key.id)) for key in keys if _fits(key.name, words) or key.id == words):
            yield Found(title=one[0], kind="virtual key", to=one[1])
    if desk.may(credentials.list_all):
        vault = (await desk.ask(credentials.list_all)).items
        for one in _first((key.name, f"/console/vault/{key.id}") for key in vault if _fits(key.name, words)):
            yield Found(title=one[0], kind="credential", to=one[1])
    if desk.may(budgets.list_all):
        kept = (await desk.ask(budgets.list_all, {"limit": _LOOKED_THROUGH, "in_force": "true"})).items
        for one in _first((each.name, f"/console/budgets/{each.id}") for each in kept if _fits(each.name, words)):
            yield Found(title=one[0], kind="budget", to=one[1])
    if desk.may(known_models.list_all):
        models = (await desk.ask(known_models.list_all, {"q": words, "limit": str(_MOST)})).items
        for one in (known.model for known in models):
            to = f"/console/models/one?{urlencode({'provider': one.provider, 'model': one.model})}"
            yield Found(title=f"{one.provider}/{one.model}", kind="model", to=to)


async def _prompts(desk: Desk, words: str) -> list[Found]:
    if not desk.may(saved_prompts.list_all):
        return []
    mine = (await desk.ask(saved_prompts.list_all, {"limit": _LOOKED_THROUGH})).items
    fitting = _first((one.name, f"/console/playground?prompt={one.id}") for one in mine if _fits(one.name, words))
    return [Found(title=title, kind="saved prompt", to=to) for title, to in fitting]


async def _request(desk: Desk, identifier: str) -> list[Found]:
    if not desk.may(requests.show):
        return []
    try:
        found = await desk.ask(requests.show, request=identifier)
    except NotFoundError:
        return []
    return [Found(title=identifier, kind=f"request, {found.request.model_asked}", to=f"/console/requests/{identifier}")]


def _first(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair, _ in zip(pairs, range(_MOST), strict=False)]


def _fits(name: str, words: str) -> bool:
    """Say whether every word is in the name."""
    low = name.casefold()
    return all(word in low for word in words.casefold().split())


PAGES: Final = (
    Page(method="GET", path="/find", handler=show),
    Page(method="GET", path="/find.json", handler=tell),
)
