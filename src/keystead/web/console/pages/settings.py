"""What is the organization's own: its name, its time zone, and whether it wants a second factor of its people."""

from typing import Final

from keystead.domain.errors import KeysteadError
from keystead.web.admin import organization
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_PATH: Final = "/settings"


async def show(visit: Visit) -> Answer:
    """Show the settings as a form for who may change them; to see them alone there is no page."""
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
    return Moved(to=f"/console{_PATH}?done=yes")


async def _asked(visit: Visit, error: KeysteadError | None = None) -> Answer:
    found = await visit.desk.ask(organization.show)
    given = {
        "name": visit.form.get("name", found.name),
        "time_zone": visit.form.get("time_zone", found.time_zone),
        "second_factor_required": (
            visit.form.get("second_factor_required") == "yes" if visit.form else found.second_factor_required
        ),
    }
    return Shown(
        template="settings.html",
        values={
            "organization": found,
            "given": given,
            "error": error,
            "done": "done" in visit.query,
            "can_change": visit.desk.may(organization.change_organization),
        },
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="POST", path=_PATH, handler=change),
)
