"""What is the organization's own: its name, its time zone, and whether it wants a second factor of its people."""

from collections.abc import Mapping
from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.web.admin import organization
from keystead.web.console.navigation import SETTINGS, rooms
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_PATH: Final = "/settings"
_DONE: Final[Mapping[str, str]] = {"kept": "Kept.", "removed": "Removed.", "ended": "Ended."}


def framed(visit: Visit, path: str = SETTINGS, error: KeysteadError | None = None) -> dict[str, Any]:
    """Return what every page of the settings shows: where one is, and what has come of the last form."""
    every = rooms(visit.desk)
    return {
        "rooms": [(room.path, room.title, room.path == path) for room in every],
        "room": next((room.title for room in every if room.path == path), "Settings"),
        "error": error,
        "done": _DONE.get(visit.query.get("done", "")),
    }


async def show(visit: Visit) -> Answer:
    """Show the settings, as a form for who may change them."""
    return await _asked(visit)


async def change(visit: Visit) -> Answer:
    """Change what is different."""
    body = {
        "name": visit.form.get("name", ""),
        "time_zone": visit.form.get("time_zone", ""),
        "second_factor_required": visit.form.get("second_factor_required") == "yes",
    }
    try:
        await visit.desk.act(organization.change_organization, body)
    except KeysteadError as error:
        return await _asked(visit, error)
    return Moved(to=f"{SETTINGS}?done=kept")


async def _asked(visit: Visit, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    found = await desk.ask(organization.show)
    given = {
        "name": visit.form.get("name", found.name),
        "time_zone": visit.form.get("time_zone", found.time_zone),
        "second_factor_required": (
            visit.form.get("second_factor_required") == "yes" if visit.form else found.second_factor_required
        ),
    }
    values = {"organization": found, "given": given, "can_change": desk.may(organization.change_organization)}
    return Shown(
        template="settings.html",
        values={**framed(visit, error=error), **values},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="POST", path=_PATH, handler=change),
)
