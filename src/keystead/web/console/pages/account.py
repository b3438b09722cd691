"""One's own account: who one is here, and in which browsers one is signed in."""

from typing import Final

from keystead.web.admin import organization, second_factor
from keystead.web.console.visit import Page, Shown, Visit


async def show(visit: Visit) -> Shown:
    """Show what the person may do, and where."""
    me = await visit.desk.ask(organization.whoami)
    factor = await visit.desk.ask(second_factor.show)
    return Shown(template="account.html", values={"account": me, "factor": factor})


PAGES: Final = (Page(method="GET", path="/account", handler=show),)
