"""Budgets: how much may be spent, how they stand, whom they stop; made, changed and ended."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, get_args

import msgspec

from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.means import Period, ScopeKind, UnpricedPolicy
from keystead.web.admin import budget_refusals, budgets, requests, teams
from keystead.web.admin.budgets import BudgetShown
from keystead.web.console.desk import Desk
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

SCOPES: Final[Mapping[ScopeKind, str]] = {
    "organization": "The whole organization",
    "team": "A team, and those below it",
    "member": "A person",
    "service_account": "A program",
    "virtual_key": "A virtual key",
    "credential": "A credential",
    "model": "Models (a pattern)",
}
_GIVEN: Final = (
    "name",
    "limit",
    "currency",
    "period",
    "rolling_hours",
    "scope_kind",
    "scope",
    "kind",
    "alert_percent",
    "unpriced",
    "unpriced_hold",
    "ends_on",
)
_FIRST: Final = {"kind": "hard", "alert_percent": "80", "period": "month", "currency": "USD", "scope_kind": "team"}
_WHOLE: Final = 100


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as a bar, in parts of a hundred of the larger of its limit and what it comes to."""

    spent: float
    held: float
    alert: float
    limit: float
    forecast: float | None
    left_percent: int
    """Of the limit; negative where it is over."""


def gauge_of(one: BudgetShown) -> Gauge:
    """Return the bar of a budget."""
    limit, spent, held = Decimal(one.limit), Decimal(one.standing.spent), Decimal(one.standing.held)
    expected = None if one.standing.forecast is None else Decimal(one.standing.forecast)
    # What a forecast runs over by is drawn up to a half of the limit, so that the limit stays where one looks for it.
    whole = max(limit, spent + held, min(expected or limit, limit * 3 / 2))
    return Gauge(
        spent=_part(spent, whole),
        held=_part(held, whole),
        alert=_part(limit * one.alert_percent / _WHOLE, whole),
        limit=_part(limit, whole),
        forecast=None if expected is None else min(_part(expected, whole), float(_WHOLE)),
        left_percent=int((limit - spent - held) * _WHOLE / limit),
    )


async def list_all(visit: Visit) -> Answer:
    """Show the budgets that count, the fullest first, and those that have ended."""
    ended = visit.query.get("state") == "ended"
    found = await visit.desk.ask(
        budgets.list_all,
        {"limit": "200", "cursor": visit.query.get("cursor"), "in_force": None if ended else "true"},
    )
    shown = [one for one in found.items if (one.state == "ended") == ended]
    drawn = sorted(((one, gauge_of(one)) for one in shown), key=lambda pair: pair[1].left_percent)
    return Shown(
        template="budgets.html",
        values={
            "budgets": drawn,
            "ended": ended,
            "next_cursor": found.next_cursor,
            "can_make": visit.desk.may(budgets.create),
        },
    )


async def show(visit: Visit) -> Answer:
    """Show one budget, and whom it stops."""
    return await _shown(visit, None)


async def new(visit: Visit) -> Answer:
    """Ask for a new budget."""
    return await _asked(visit, _FIRST, None)


async def create(visit: Visit) -> Answer:
    """Make a budget."""
    form = visit.form
    try:
        body = scope_in(form) | {name: form[name] for name in ("name", "limit", "currency", "period") if form.get(name)}
        if form.get("period") == "rolling":
            body["rolling_hours"] = form.get("rolling_hours", "")
        made = await visit.desk.act(budgets.create, body | await _terms(visit))
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return Moved(to=f"/console/budgets/{made.id}")


async def change(visit: Visit) -> Answer:
    """Change what of a budget can be changed."""
    body: dict[str, Any] = {"limit": visit.form.get("limit", "")}
    try:
        body |= await _terms(visit)
        if not visit.form.get("ends_on"):
            body["endless"] = True
        await visit.desk.act(budgets.change_budget, body, budget=visit.path["budget"])
    except KeysteadError as error:
        return await _shown(visit, error)
    return Moved(to=f"/console/budgets/{visit.path['budget']}")


async def ask_end(visit: Visit) -> Answer:
    """Say what ending a budget does, and ask."""
    one = await visit.desk.ask(budgets.show, budget=visit.path["budget"])
    return Shown(
        template="budget_end.html", values={"one": one, "gauge": gauge_of(one), "may": visit.desk.may(budgets.end)}
    )


async def end(visit: Visit) -> Answer:
    """End a budget."""
    await visit.desk.act(budgets.end, {}, budget=visit.path["budget"])
    return Moved(to="/console/budgets")


def scope_in(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form says is counted, as the admin API takes it.

    Raises:
        InvalidRequestError: it says a kind of thing and not which.
    """
    kind, name = form.get("scope_kind", ""), form.get("scope", "").strip()
    if kind == "organization":
        return {"organization": True}
    if kind not in SCOPES:
        raise InvalidRequestError("Say what is counted.", param="scope_kind")
    if not name:
        raise InvalidRequestError("Say which one is counted.", param="scope", next_step="Give its name or its id.")
    return {kind: name}


async def team_names(desk: Desk) -> list[str]:
    """Return the names of teams, to choose from; empty for whoever may not read them."""
    if not desk.may(teams.list_all):
        return []
    return [team.name for team in (await desk.ask(teams.list_all, {"limit": "200"})).items]


async def _terms(visit: Visit) -> dict[str, Any]:
    """Return what a form says of a budget's strictness and its end."""
    form = visit.form
    body: dict[str, Any] = {"hard": form.get("kind") != "soft"}
    body |= {name: form[name] for name in ("alert_percent", "unpriced") if form.get(name)}
    if form.get("unpriced") == "hold":
        body["unpriced_hold"] = form.get("unpriced_hold", "")
    if form.get("ends_on"):
        body["ends_at"] = await _midnight(visit.desk, form["ends_on"])
    return body


async def _midnight(desk: Desk, day: str) -> str:
    try:
        found = date.fromisoformat(day)
    except ValueError as error:
        raise InvalidRequestError("This is not a day.", param="ends_on", next_step="Write it as 2026-12-31.") from error
    return datetime(found.year, found.month, found.day, tzinfo=await zone_of(desk)).isoformat()


async def _shown(visit: Visit, error: KeysteadError | None) -> Answer:
    desk = visit.desk
    one = await desk.ask(budgets.show, budget=visit.path["budget"])
    zone = await zone_of(desk)
    kept = {
        "limit": one.limit,
        "kind": "hard" if one.hard else "soft",
        "alert_percent": str(one.alert_percent),
        "unpriced": one.unpriced,
        "unpriced_hold": one.unpriced_hold or "",
        "ends_on": str(one.ends_at.astimezone(zone).date()) if one.ends_at else "",
    }
    return Shown(
        template="budget.html",
        values={
            "one": one,
            "gauge": gauge_of(one),
            "stopped": (await desk.ask(budget_refusals.refusals, budget=one.id)).items,
            "scopes": SCOPES,
            "given": {**dict.fromkeys(_GIVEN, ""), **(visit.form if error else kept)},
            "unpriced": get_args(UnpricedPolicy),
            "error": error,
            "can_change": desk.may(budgets.change_budget) and one.state == "active",
            "linked": desk.may(requests.list_all),
        },
        status=error.status if error else 200,
    )


async def _asked(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    visit.desk.require(budgets.create)
    return Shown(
        template="budget_new.html",
        values={
            "given": {**dict.fromkeys(_GIVEN, ""), **{name: given[name] for name in _GIVEN if name in given}},
            "scopes": SCOPES,
            "periods": get_args(Period),
            "unpriced": get_args(UnpricedPolicy),
            "teams": await team_names(visit.desk),
            "error": error,
        },
        status=error.status if error else 200,
    )


def _part(amount: Decimal, whole: Decimal) -> float:
    return round(float(amount * _WHOLE / whole), 2)


PAGES: Final = (
    Page(method="GET", path="/budgets", handler=list_all),
    Page(method="GET", path="/budgets/new", handler=new),
    Page(method="POST", path="/budgets/new", handler=create),
    Page(method="GET", path="/budgets/{budget}", handler=show),
    Page(method="POST", path="/budgets/{budget}", handler=change),
    Page(method="GET", path="/budgets/{budget}/end", handler=ask_end),
    Page(method="POST", path="/budgets/{budget}/end", handler=end),
)
