"""The organization's own prices: contracts and self-hosted tariffs, with the days on which they begin and end."""

from typing import Final

from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.providers.table import PROVIDERS
from keystead.web.admin import price_overrides
from keystead.web.admin.price_overrides import OverrideShown
from keystead.web.console import sheets
from keystead.web.console.navigation import SETTINGS
from keystead.web.console.pages.settings import framed
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = f"{SETTINGS}/prices"
_PATH: Final = "/settings/prices"


async def show(visit: Visit) -> Answer:
    """Show a page of one's own prices, newest first, or those in force alone."""
    in_force = visit.query.get("state") == "in_force"
    query = {"in_force": "true" if in_force else None, "cursor": visit.query.get("cursor")}
    found = await visit.desk.ask(price_overrides.list_all, query)
    values = {
        "prices": [(one, titled(one.provider), _units(one), _when(one, visit.now_us)) for one in found.items],
        "in_force": in_force,
        "next_cursor": found.next_cursor,
        "providers": sorted(
            ((name, row.title) for name, row in PROVIDERS.items()), key=lambda pair: pair[1].casefold()
        ),
        "can_add": visit.desk.may(price_overrides.add),
        "can_end": visit.desk.may(price_overrides.end),
    }
    return Shown(template="settings_prices.html", values={**framed(visit, _HERE), **values})


async def ask_end(visit: Visit) -> Answer:
    """Ask when a price ends, and tell what counts afterwards."""
    visit.desk.require(price_overrides.end)
    return await _ending(visit)


async def end(visit: Visit) -> Answer:
    """End a price, now or on a day to come; what is booked stays as it was booked."""
    day = visit.form.get("ends_on", "")
    body = {"valid_to": f"{day}T00:00:00Z"} if day else {}
    try:
        await visit.desk.act(price_overrides.end, body, price_override=visit.path["price_override"])
    except KeysteadError as error:
        return await _ending(visit, error)
    return Moved(to=f"{_HERE}?done={'kept' if day else 'ended'}")


def titled(provider: str) -> str:
    """Return what a provider is called."""
    return PROVIDERS[provider].title if provider in PROVIDERS else provider


async def _ending(visit: Visit, error: KeysteadError | None = None) -> Answer:
    every, _ = await visit.desk.all(price_overrides.list_all)
    one = next((each for each in every if each.id == visit.path["price_override"]), None)
    if one is None:
        raise NotFoundError("There is no such price.", code="price_override_not_found")
    values = {
        "one": one,
        "provider": titled(one.provider),
        "units": _units(one),
        "ends_on": visit.form.get("ends_on", ""),
        "error": error,
    }
    return Shown(template="price_end.html", values=values, status=error.status if error else 200)


def _units(one: OverrideShown) -> list[tuple[str, str, str]]:
    """Return each price: of what, as it is read, and for how much of it."""
    return [
        (
            _titled_unit(unit),
            sheets.shown(_plain(unit), one.prices[unit]),
            "1 M" if sheets.is_token(_plain(unit)) else "",
        )
        for unit in sheets.ordered(one.prices)
    ]


def _titled_unit(unit: str) -> str:
    tier, _, plain = unit.rpartition(".")
    return f"{sheets.title(plain)} ({tier})" if tier else sheets.title(plain)


def _plain(unit: str) -> str:
    return unit.rpartition(".")[2]


def _when(one: OverrideShown, now_us: int) -> str:
    """Return whether it counts."""
    now_s = now_us / 1_000_000
    if one.valid_to is not None and one.valid_to.timestamp() <= now_s:
        return "ended"
    return "to come" if one.valid_from.timestamp() > now_s else "in force"


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="GET", path=f"{_PATH}/{{price_override}}/end", handler=ask_end),
    Page(method="POST", path=f"{_PATH}/{{price_override}}/end", handler=end),
)
