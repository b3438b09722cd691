"""Credits: what there is, a statement for each month, and, for the operator, payments, corrections and the books."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.web.admin import credit_accounts, organization, organizations, requests
from keystead.web.admin.credit_shapes import StatementShown, TransferShown
from keystead.web.console.pages.months import Days, days_of, month_of
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Kept, Moved, Page, Shown, Visit
from keystead.web.csv_file import csv_of

MOST_LINES: Final = 50_000
"""Of one file."""
_HEADER: Final = ("posted at", "kind", "credits", "balance", "request", "attempt", "reference", "note", "id")
_BOOKED: Final = ("credits", "reference", "organization", "note", "reason")


async def show(visit: Visit) -> Answer:
    """Show the account and its statement for some days."""
    desk, zone = visit.desk, await zone_of(visit.desk)
    problem: InvalidRequestError | None = None
    try:
        days = days_of(visit.query, visit.now_us, zone)
    except InvalidRequestError as error:
        days, problem = month_of(visit.now_us, zone), error
    found = await desk.ask(credit_accounts.transfers, {**_asked(days), "cursor": visit.query.get("cursor")})
    now = month_of(visit.now_us, zone)
    older = {**days.asked, "cursor": found.next_cursor}
    return Shown(
        template="credits.html",
        values={
            "days": days,
            "balance": await desk.ask(credit_accounts.show),
            "statement": await desk.ask(credit_accounts.statement, _asked(days)),
            "transfers": found.items,
            "more": f"?{urlencode(older)}" if found.next_cursor else None,
            "addresses": {
                "before": f"?{urlencode(days.before.asked)}",
                "after": f"?{urlencode(days.after.asked)}" if days.after.first <= now.last else None,
                "csv": f"/console/credits.csv?{urlencode(days.asked)}",
            },
            "problem": problem,
            "organization": desk.may(organization.show) and await desk.ask(organization.show),
            "linked": desk.may(requests.list_all),
            "can_book": desk.may(credit_accounts.top_up),
        },
        status=problem.status if problem else 200,
    )


async def keep(visit: Visit) -> Answer:
    """Give the whole statement as a file, with the balance after each line."""
    days = days_of(visit.query, visit.now_us, await zone_of(visit.desk))
    statement: StatementShown = await visit.desk.ask(credit_accounts.statement, _asked(days))
    balance, lines = Decimal(statement.opening), []
    for one in await _transfers(visit, days):
        balance += Decimal(one.credits)
        posted = one.posted_at.isoformat() if one.posted_at else None
        amounts = (Decimal(one.credits), balance)
        lines.append((posted, one.kind, *amounts, one.request_id, one.attempt, one.reference, one.note, one.id))
    return Kept(name=f"credits-{days.name}.csv", content=csv_of(_HEADER, lines), media_type="text/csv")


async def ask_book(visit: Visit) -> Answer:
    """Ask the operator for a payment or a correction, and show the books."""
    return await _books(visit, {}, None)


async def top_up(visit: Visit) -> Answer:
    """Book a payment."""
    return await _book(visit, credit_accounts.top_up, ("credits", "reference", "organization", "note"))


async def adjust(visit: Visit) -> Answer:
    """Put an account right."""
    return await _book(visit, credit_accounts.adjust, ("credits", "reason", "reference", "organization"))


async def _book(visit: Visit, handler: Any, names: tuple[str, ...]) -> Answer:
    body = {name: visit.form[name].strip() for name in names if visit.form.get(name, "").strip()}
    try:
        await visit.desk.act(handler, body)
    except KeysteadError as error:
        return await _books(visit, visit.form, error)
    return Moved(to="/console/credits/book")


async def _books(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    desk = visit.desk
    may_list = desk.may(organizations.list_all)
    known = (await desk.ask(organizations.list_all, {"limit": "200"})).items if may_list else ()
    return Shown(
        template="credits_book.html",
        values={
            "books": await desk.ask(credit_accounts.trial_balance),
            "organizations": known,
            "given": {name: given.get(name, "") for name in _BOOKED},
            "error": error,
        },
        status=error.status if error else 200,
    )


async def _transfers(visit: Visit, days: Days) -> list[TransferShown]:
    found: list[TransferShown] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await visit.desk.ask(credit_accounts.transfers, {**_asked(days), "limit": "200", "cursor": cursor})
        found += page.items
        cursor = page.next_cursor
        if len(found) > MOST_LINES:
            raise InvalidRequestError(
                f"The statement has more than {MOST_LINES:,} lines.",
                code="statement_too_long",
                next_step="Take fewer days: ?from=2026-10-01&to=2026-10-07.",
            )
    return found


def _asked(days: Days) -> dict[str, str]:
    return {"since": days.since.isoformat(), "until": days.until.isoformat()}


PAGES: Final = (
    Page(method="GET", path="/credits", handler=show),
    Page(method="GET", path="/credits.csv", handler=keep),
    Page(method="GET", path="/credits/book", handler=ask_book),
    Page(method="POST", path="/credits/top-up", handler=top_up),
    Page(method="POST", path="/credits/adjust", handler=adjust),
)
