"""Consents: when the platform's keys may step in for one's own, for how much of the organization's credits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.domain.grants import CONSENTABLE
from keystead.web.admin import consents, credit_accounts, data_classes, members, teams
from keystead.web.console.desk import Desk
from keystead.web.console.pages.people import tree_of
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit
from keystead.web.console.words import money

REASONS: Final = {
    "throttled": "your key is throttled: the provider says to slow down",
    "down": "the provider is down, or cannot be reached with your key",
    "out_of_funds": "your account at the provider has run out of funds",
}
assert set(REASONS) == {reason.value for reason in CONSENTABLE}

_FIELDS: Final = ("team", "models", "data_class", "reason", "daily_cap", "monthly_cap", "expires_at", "note")


async def list_all(visit: Visit) -> Answer:
    """Show the consents, newest first."""
    desk = visit.desk
    found = await desk.ask(consents.list_all, {"cursor": visit.query.get("cursor")})
    values = {
        "active": [one for one in found.items if one.state == "active"],
        "ended": [one for one in found.items if one.state != "active"],
        "next_cursor": found.next_cursor,
        "givers": await _names(desk),
        "reasons": REASONS,
        "worth": await _worth(desk),
        "may_give": desk.may(consents.give),
    }
    return Shown(template="consents.html", values=values)


async def new(visit: Visit) -> Answer:
    """Ask for a consent."""
    return await _asked(visit, {}, None)


async def give(visit: Visit) -> Answer:
    """Record a consent of whoever is signed in."""
    form = visit.form
    body: dict[str, Any] = {name: form.get(name, "").strip() for name in ("daily_cap", "monthly_cap", "note")}
    body["data_classes"] = _lines(form, "data_class")
    body["reasons"] = _lines(form, "reason")
    if form.get("models", "").strip():
        body["models"] = form["models"].split()
    if _lines(form, "team"):
        body["teams"] = _lines(form, "team")
    if form.get("expires_at"):
        body["expires_at"] = f"{form['expires_at']}T00:00:00Z"
    try:
        await visit.desk.act(consents.give, body)
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return Moved(to="/console/consents")


async def ask_revoke(visit: Visit) -> Answer:
    """Tell what ends with a consent, and ask."""
    desk = visit.desk
    desk.require(consents.revoke)
    every, _ = await desk.all(consents.list_all)
    one = next((each for each in every if each.id == visit.path["consent"]), None)
    if one is None:
        return Moved(to="/console/consents")
    values = {
        "title": "Withdraw this consent",
        "back": ("/console/consents", "Consents"),
        "says": "From then on, what your own keys cannot do fails: nothing steps in, and no credits are spent by it. "
        "What is under way ends as it began.",
        "facts": [
            ("Teams", ", ".join(one.teams) if one.teams else "every team"),
            ("Models", ", ".join(one.models) if one.models else "all"),
            ("Steps in when", "; ".join(REASONS.get(reason, reason) for reason in one.reasons)),
            ("At most", f"{money(one.daily_cap, 'XCR')} a day, {money(one.monthly_cap, 'XCR')} a month"),
        ],
        "action": f"/console/consents/{one.id}/revoke",
        "button": "Withdraw it",
    }
    return Shown(template="confirm.html", values=values)


async def revoke(visit: Visit) -> Answer:
    """Withdraw a consent."""
    await visit.desk.act(consents.revoke, {}, consent=visit.path["consent"])
    return Moved(to="/console/consents")


def _lines(form: Mapping[str, str], name: str) -> list[str]:
    return [line for line in form.get(name, "").split("\n") if line]


async def _names(desk: Desk) -> dict[str, str]:
    """Return id → name of the members, as far as the person sees them."""
    if not desk.may(members.list_all):
        return {}
    found, _ = await desk.all(members.list_all)
    return {one.id: one.name for one in found}


async def _worth(desk: Desk) -> dict[str, Any] | None:
    """Return what a credit is worth and how many there are; None for who may not see it."""
    if not desk.may(credit_accounts.show):
        return None
    try:
        found = await desk.ask(credit_accounts.show)
    except NotFoundError:  # no account yet
        return None
    exponent = Decimal(found.credit_value).normalize().as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return {"value": found.credit_value, "places": places, "currency": found.currency, "available": found.available}


async def _asked(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    desk = visit.desk
    desk.require(consents.give)
    classes = (await desk.ask(data_classes.list_all)).items if desk.may(data_classes.list_all) else ()
    shown = {name: given.get(name, "") for name in _FIELDS}
    values = {
        "given": shown,
        "teams": await tree_of(desk) if desk.may(teams.list_all) else [],
        "chosen_teams": _lines(shown, "team"),
        "class_pairs": [(one.name, one.name) for one in classes if not one.in_effect.own_key_only],
        "chosen_classes": _lines(shown, "data_class"),
        "reasons": REASONS,
        "chosen_reasons": _lines(shown, "reason"),
        "worth": await _worth(desk),
        "error": error,
    }
    return Shown(template="consent_new.html", values=values, status=error.status if error else 200)


PAGES: Final = (
    Page(method="GET", path="/consents", handler=list_all),
    Page(method="GET", path="/consents/new", handler=new),
    Page(method="POST", path="/consents/new", handler=give),
    Page(method="GET", path="/consents/{consent}/revoke", handler=ask_revoke),
    Page(method="POST", path="/consents/{consent}/revoke", handler=revoke),
)
