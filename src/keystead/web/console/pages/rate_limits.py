"""Rate limits: how fast, how many at once, how long."""

from collections.abc import Mapping
from typing import Final

from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.domain.means import Measure
from keystead.web.admin import rate_limits
from keystead.web.admin.rate_limits import RateLimitShown
from keystead.web.console.pages.budgets import SCOPES, scope_in, team_names
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

MEASURES: Final[Mapping[Measure, str]] = {
    "requests_per_minute": "Requests a minute",
    "tokens_per_minute": "Tokens a minute",
    "concurrent_requests": "Requests at once",
    "max_output_tokens": "Tokens of one answer",
}
_GIVEN: Final = ("name", "measure", "most", "scope_kind", "scope")


async def list_all(visit: Visit) -> Answer:
    """Show a page of rate limits, newest first."""
    found = await visit.desk.ask(rate_limits.list_all, {"cursor": visit.query.get("cursor")})
    return Shown(
        template="rate_limits.html",
        values={
            "limits": found.items,
            "next_cursor": found.next_cursor,
            "measures": MEASURES,
            "can_make": visit.desk.may(rate_limits.create),
        },
    )


async def new(visit: Visit) -> Answer:
    """Ask for a new rate limit."""
    return await _asked(visit, {"scope_kind": "team", "measure": "requests_per_minute"}, None)


async def create(visit: Visit) -> Answer:
    """Make a rate limit."""
    form = visit.form
    try:
        body = scope_in(form) | {name: form.get(name, "") for name in ("name", "measure", "most")}
        await visit.desk.act(rate_limits.create, body)
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return Moved(to="/console/rate-limits")


async def ask_delete(visit: Visit) -> Answer:
    """Say what deleting a rate limit does, and ask."""
    visit.desk.require(rate_limits.delete)
    return Shown(template="rate_limit_delete.html", values={"one": await _found(visit), "measures": MEASURES})


async def delete(visit: Visit) -> Answer:
    """Delete a rate limit."""
    await visit.desk.act(rate_limits.delete, {}, rate_limit=visit.path["rate_limit"])
    return Moved(to="/console/rate-limits")


async def _found(visit: Visit) -> RateLimitShown:
    cursor: str | None = ""
    while cursor is not None:
        page = await visit.desk.ask(rate_limits.list_all, {"limit": "200", "cursor": cursor})
        for one in page.items:
            if one.id == visit.path["rate_limit"]:
                kept: RateLimitShown = one
                return kept
        cursor = page.next_cursor
    raise NotFoundError("There is no such rate limit.", code="rate_limit_not_found")


async def _asked(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    visit.desk.require(rate_limits.create)
    return Shown(
        template="rate_limit_new.html",
        values={
            "given": {name: given.get(name, "") for name in _GIVEN},
            "scopes": SCOPES,
            "measures": MEASURES,
            "teams": await team_names(visit.desk),
            "error": error,
        },
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/rate-limits", handler=list_all),
    Page(method="GET", path="/rate-limits/new", handler=new),
    Page(method="POST", path="/rate-limits/new", handler=create),
    Page(method="GET", path="/rate-limits/{rate_limit}/delete", handler=ask_delete),
    Page(method="POST", path="/rate-limits/{rate_limit}/delete", handler=delete),
)
