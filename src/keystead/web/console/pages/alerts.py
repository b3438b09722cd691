"""Alerts: what somebody should look at, and that somebody has."""

from collections.abc import Mapping
from typing import Final

from keystead.alerts.views import AlertKind, AlertTold, Ends, KeyRefused, Left, Stands
from keystead.web.admin import alerts, budgets, credentials, credit_accounts, virtual_keys
from keystead.web.console.desk import Desk, Handler
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit
from keystead.web.console.words import money

_TO: Final[Mapping[str, tuple[str, Handler]]] = {
    "credential": ("/console/vault/{id}", credentials.show),
    "budget": ("/console/budgets/{id}", budgets.show),
    "credits": ("/console/credits", credit_accounts.show),
    "virtual": ("/console/keys", virtual_keys.list_all),
}
"""Where one does something about it, by the first word of its kind, and whom that page is for."""

SAID: Final[Mapping[AlertKind, str]] = {
    AlertKind.CREDENTIAL_REFUSED: "The provider refuses the key",
    AlertKind.CREDENTIAL_OUT_OF_FUNDS: "The account behind the key is out of funds",
    AlertKind.CREDENTIAL_CONTRACT_ENDS: "Its contract ends",
    AlertKind.BUDGET_NEAR: "The budget is near its end",
    AlertKind.BUDGET_REACHED: "The budget is spent",
    AlertKind.CONSENT_NEAR_CAP: "Most of its cap is used",
    AlertKind.CONSENT_ENDS: "The consent ends",
    AlertKind.CREDITS_LOW: "Few credits are left",
    AlertKind.VIRTUAL_KEY_EXPIRES: "The virtual key expires",
}
"""What each kind says."""
URGENT: Final = frozenset(
    {AlertKind.CREDENTIAL_REFUSED, AlertKind.CREDENTIAL_OUT_OF_FUNDS, AlertKind.BUDGET_REACHED, AlertKind.CREDITS_LOW}
)


async def list_all(visit: Visit) -> Answer:
    """Show the alerts whose cause is there still, or all."""
    everything = visit.query.get("state") == "all"
    query = {"open": None if everything else "true", "cursor": visit.query.get("cursor")}
    found = await visit.desk.ask(alerts.list_all, query)
    return Shown(
        template="alerts.html",
        values={
            "alerts": [
                (one, said(one), detail(one), place(one) if _leads(visit.desk, one) else None, one.kind in URGENT)
                for one in found.items
            ],
            "everything": everything,
            "next_cursor": found.next_cursor,
            "can_acknowledge": visit.desk.may(alerts.acknowledge),
        },
    )


async def acknowledge(visit: Visit) -> Answer:
    """Note that the person has seen an alert."""
    await visit.desk.act(alerts.acknowledge, {}, alert=visit.path["alert"])
    return Moved(to="/console/alerts?state=all" if visit.form.get("state") == "all" else "/console/alerts")


def said(one: AlertTold) -> str:
    """Return what an alert says."""
    return SAID[one.kind]


def detail(one: AlertTold) -> str:
    """Return what was so when the alert opened, in words; of an end, nothing: it is told as an instant."""
    match one.detail:
        case KeyRefused(version=version, error_class=error_class, upstream_status=status, model=model):
            answered = f", HTTP {status}" if status else ""
            return f"version {version}, {model}: {error_class.replace('_', ' ')}{answered}"
        case Stands(period=period, spent=spent, limit=limit, currency=currency):
            return f"{money(spent, currency)} of {money(limit, currency)} in the {period}"
        case Left(left=left, paid_in=paid_in):
            return f"{money(left, 'XCR')} of the last {money(paid_in, 'XCR')}"
        case Ends():
            return ""


def place(one: AlertTold) -> str | None:
    """Return where one does something about it."""
    to = _TO.get(one.kind.partition("_")[0])
    return to[0].format(id=one.subject_id) if to else None


def _leads(desk: Desk, one: AlertTold) -> bool:
    """Return whether the page of what an alert is about is for this person."""
    to = _TO.get(one.kind.partition("_")[0])
    return to is not None and desk.may(to[1])


PAGES: Final = (
    Page(method="GET", path="/alerts", handler=list_all),
    Page(method="POST", path="/alerts/{alert}/acknowledge", handler=acknowledge),
)
