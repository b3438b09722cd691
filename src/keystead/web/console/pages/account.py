"""One's own account: who one is here, and in which browsers one is signed in."""

from typing import Final

from keystead.web.admin import organization
from keystead.web.console.visit import Page, Shown, Visit


async def show(visit: Visit) -> Shown:
    """Show what the person may do, and where."""
    me = await visit.desk.ask(organization.whoami)
    return Shown(template="account.html", values={"account": me})


PAGES: Final = (Page(method="GET", path="/account", handler=show),)
