"""How the console looks to one person in one browser: as their system does, light or dark."""

from collections.abc import Mapping
from typing import Final

from keystead.web.console import safety
from keystead.web.console.visit import Answer, Moved, Page, Visit

COOKIE: Final = "keystead_look"
LOOKS: Final = ("system", "light", "dark")
_YEAR_S: Final = 365 * 24 * 3600


def look_in(cookies: Mapping[str, str]) -> str:
    """Return the look that a browser keeps; the system's if it keeps none that there is."""
    look = cookies.get(COOKIE, "")
    return look if look in LOOKS else LOOKS[0]


async def choose(visit: Visit) -> Answer:
    """Keep the look that was chosen, and go back to the page."""
    look, to = visit.form.get("look", ""), visit.form.get("to", "")
    look = look if look in LOOKS else LOOKS[0]
    kept = f"{COOKIE}={look}; Path=/console; Max-Age={_YEAR_S if look != LOOKS[0] else 0}; HttpOnly; SameSite=Lax"
    return Moved(to=to if safety.is_own_path(to) else "/console/", cookie=kept)


PAGES: Final = (Page(method="POST", path="/look", handler=choose),)
