"""What needs somebody's attention, in words and with the place to go to. Pure."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from keystead.alerts.views import AlertTold
from keystead.domain.traffic import Owner
from keystead.web.admin.budgets import BudgetShown
from keystead.web.admin.credential_shapes import CredentialShown, VersionShown
from keystead.web.admin.credential_uses import CredentialUseShown
from keystead.web.console.pages.alerts import SAID, URGENT, place
from keystead.web.console.words import counted, money

_SOON: Final = timedelta(days=30)
_LONG: Final = timedelta(days=30)
_NAMED: Final = 3
_BAD: Final = frozenset({"invalid", "no_rights"})


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at."""

    weight: Literal["bad", "warning", "hint"]
    text: str
    to: str
    """Where one does something about it."""


def of_credentials(credentials: Iterable[CredentialShown], now_us: int) -> list[Notice]:
    """Return what is wrong with the keys: refused by their provider, without an active one, or near a contract's end."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    found = []
    for one in credentials:
        if one.revoked_at is not None:
            continue
        to = f"/console/vault/{one.id}"
        active = next((version for version in one.versions if version.version == one.active_version), None)
        if active is None:
            found.append(Notice(weight="bad", text=f"{one.name} has no active key: nothing can use it.", to=to))
        elif _refused(active):
            found.append(
                Notice(weight="bad", text=f"{one.name}: the provider refused the key when it was tried.", to=to)
            )
        ends = one.terms.ends_at
        if ends is not None and ends < now:
            found.append(
                Notice(weight="bad", text=f"{one.name}: its contract has ended and promises nothing any more.", to=to)
            )
        elif ends is not None and ends < now + _SOON:
            days = (ends - now).days
            found.append(Notice(weight="warning", text=f"{one.name}: its contract ends {_in(days)}.", to=to))
    return found


def of_unused(credentials: Iterable[CredentialShown], uses: Iterable[CredentialUseShown], now_us: int) -> list[Notice]:
    """Return which of the organization's own keys it has not used for long: one does not miss what is stolen of them."""
    since = datetime.fromtimestamp(now_us / 1_000_000, UTC) - _LONG
    used = {use.credential_id for use in uses if use.last_used_at is not None and use.last_used_at >= since}
    unused = [
        one
        for one in credentials
        if one.revoked_at is None and one.owner is Owner.OWN and one.id not in used and one.created_at < since
    ]
    if not unused:
        return []
    if len(unused) == 1:
        text, to = f"{unused[0].name} was", f"/console/vault/{unused[0].id}"
    else:
        named = [one.name for one in unused[:_NAMED]]
        more = [counted(len(unused) - _NAMED, "other")] if len(unused) > _NAMED else []
        *first, last = [*named, *more]
        text, to = f"{', '.join(first)} and {last} were", "/console/vault"
    return [Notice(weight="hint", text=f"{text} not used in {_LONG.days} days.", to=to)]


def of_alerts(alerts: Iterable[AlertTold], said: Collection[str]) -> list[Notice]:
    """Return the alerts that nobody has seen yet, without those about what is said already."""
    return [
        Notice(
            weight="bad" if one.kind in URGENT else "warning",
            text=f"{one.subject}: {SAID[one.kind][0].lower()}{SAID[one.kind][1:]}.",
            to="/console/alerts",
        )
        for one in alerts
        if one.state == "open" and place(one) not in said
    ]


def of_fallbacks(attempts: int, charge: Decimal) -> list[Notice]:
    """Return that the platform's keys were used."""
    if not attempts:
        return []
    text = f"{counted(attempts, 'attempt')} ran on the platform's keys, for {money(charge, 'XCR')}."
    return [Notice(weight="hint", text=text, to="/console/spend?by=credential")]


def of_budgets(budgets: Iterable[BudgetShown]) -> list[Notice]:
    """Return which budgets are near their end, or over."""
    found = []
    for one in budgets:
        if one.state != "active" or one.standing.state == "ok":
            continue
        spent = f"{money(one.standing.spent, one.currency)} of {money(one.limit, one.currency)}"
        over = one.standing.state == "over"
        found.append(
            Notice(
                weight="bad" if over and one.hard else "warning",
                text=f"Budget {one.name}: {spent} spent{', and no more is let through' if over and one.hard else ''}.",
                to=f"/console/budgets/{one.id}",
            )
        )
    return found


def of_prices(*, unpriced: int, unknown: int) -> list[Notice]:
    """Return what could not be priced."""
    found = []
    if unpriced:
        text = f"{_attempts(unpriced)} no price yet: not every model is in the price list."
        found.append(Notice(weight="warning", text=text, to="/console/requests?cost_state=unpriced"))
    if unknown:
        text = f"{_attempts(unknown)} an unknown cost: the provider never said what was used."
        found.append(Notice(weight="hint", text=text, to="/console/requests?cost_state=unknown"))
    return found


def _attempts(count: int) -> str:
    return f"{counted(count, 'attempt')} {'has' if count == 1 else 'have'}"


def _in(days: int) -> str:
    return f"in {counted(days, 'day')}" if days else "within a day"


def _refused(version: VersionShown) -> bool:
    return version.probe is not None and version.probe.outcome in _BAD
