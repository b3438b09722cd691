"""What there is to alert about, from how money, consents, contracts and keys stand; what follows for alerts. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from keystead.alerts.views import OF_KEYS, Alert, AlertKind, Cause, Ends, Left, Stands
from keystead.domain.clock import DAY_US, HOUR_US, utc
from keystead.domain.grants import Consent
from keystead.domain.means import CREDITS, Budget
from keystead.domain.money import to_text
from keystead.identity.views import ExpiringKey
from keystead.ledger.views import CreditsLeft
from keystead.limits.views import CapUse, Refused, Standing
from keystead.vault.view import Contract

CAP_PERCENT: Final = 80
"""Of a consent's cap, from which on there is an alert."""

CONSENT_AHEAD_US: Final = 7 * DAY_US
"""How long before its end a consent alerts; and for how long after it, so that nobody has to clear that away."""
CONTRACT_AHEAD_US: Final = 30 * DAY_US
KEY_AHEAD_US: Final = 7 * DAY_US
"""How long before its end a virtual key alerts, and for how long after it."""
KEY_LIFETIME_US: Final = 30 * DAY_US
"""Of keys that are made for less, everybody knows that they expire."""

LOW_PERCENT: Final = 20
"""Of the last top-up: with less left, there is an alert."""

_QUIET_US: Final = HOUR_US
"""For how long a refusal says that a budget is reached when little of it is spent, or when it is a rolling one, whose
room comes back hour by hour."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written."""

    recorded: tuple[Cause, ...] = ()
    """To be opened, or counted in the alert that is open."""
    resolved: tuple[Alert[int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.recorded or self.resolved)


def refusals_since(
    standing: Sequence[tuple[Budget, Standing]],
    open_alerts: Mapping[str, Alert[int]],
    resolved_at: Mapping[str, int],
    *,
    now_us: int,
) -> dict[str, int]:
    """Return from when on the refusals of each hard budget are news.

    Those of this period that no alert about the budget has counted; none that came before such an alert was resolved.

    Args:
        standing: budgets, and how they stand.
        open_alerts: the open alerts that they are reached, by budget.
        resolved_at: when the last such alert was resolved, by budget.
        now_us: Unix microseconds.
    """
    return {
        budget.id: max(
            now_us - _QUIET_US if budget.period == "rolling" else found.period_starts_at - 1,
            resolved_at.get(budget.id, 0),
            open_alerts[budget.id].last_at if budget.id in open_alerts else 0,
        )
        for budget, found in standing
        if budget.hard
    }


def of_budgets(
    standing: Iterable[tuple[Budget, Standing]],
    refused: Mapping[str, Refused],
    open_alerts: Mapping[str, Alert[int]],
    *,
    now_us: int,
) -> Iterator[Cause]:
    """Say which budgets are near or reached.

    A hard budget is reached when it has refused a request in its period, for it refuses before all of it is spent; it
    stays so until the period is over or the limit has changed, or for an hour where most of it is left. `open_alerts`
    are those that budgets are reached.
    """
    for budget, found in standing:
        detail = Stands(
            period=f"{budget.rolling_hours} hours" if budget.period == "rolling" else budget.period,
            spent=to_text(found.spent),
            limit=to_text(found.limit),
            currency=budget.currency,
        )
        cause = Cause(
            organization_id=budget.organization_id,
            kind=AlertKind.BUDGET_NEAR,
            subject_id=budget.id,
            subject=budget.name,
            first_at=now_us,
            last_at=now_us,
            detail=detail,
        )
        if found.state != "ok":
            yield cause
        new = refused.get(budget.id)
        if new is not None:
            times = {"first_at": new.first_at, "last_at": new.last_at, "count": new.count}
            yield msgspec.structs.replace(cause, kind=AlertKind.BUDGET_REACHED, **times)
        elif found.state == "over" or _refuses_still(budget, found, open_alerts.get(budget.id), now_us):
            yield msgspec.structs.replace(cause, kind=AlertKind.BUDGET_REACHED)


def of_consents(consents: Iterable[Consent], used: Mapping[str, Sequence[CapUse]], *, now_us: int) -> Iterator[Cause]:
    """Say which consents are near one of their caps, and which end soon or have just ended."""
    for consent in consents:
        cause = Cause(
            organization_id=consent.organization_id,
            kind=AlertKind.CONSENT_ENDS,
            subject_id=consent.id,
            subject=consent.id,
            first_at=now_us,
            last_at=now_us,
            detail=Ends(ends_at=utc(consent.expires_at)),
        )
        if abs(consent.expires_at - now_us) < CONSENT_AHEAD_US:
            yield cause
        near = [use for use in used.get(consent.id, ()) if use.spent * 100 >= use.cap * CAP_PERCENT]
        if near and now_us < consent.expires_at:
            use = near[-1]  # the month's weighs more than the day's
            detail = Stands(period=use.period, spent=to_text(use.spent), limit=to_text(use.cap), currency=CREDITS)
            yield msgspec.structs.replace(cause, kind=AlertKind.CONSENT_NEAR_CAP, detail=detail)


def of_contracts(contracts: Iterable[Contract], *, now_us: int) -> Iterator[Cause]:
    """Say which contracts end soon or have ended."""
    for contract in contracts:
        if contract.ends_at - now_us < CONTRACT_AHEAD_US:
            yield Cause(
                organization_id=contract.organization_id,
                kind=AlertKind.CREDENTIAL_CONTRACT_ENDS,
                subject_id=contract.credential_id,
                subject=contract.credential,
                first_at=now_us,
                last_at=now_us,
                detail=Ends(ends_at=utc(contract.ends_at)),
            )


def of_credits(accounts: Iterable[CreditsLeft], *, now_us: int) -> Iterator[Cause]:
    """Say on which accounts little is left."""
    for account in accounts:
        if account.left * 100 < account.paid_in * LOW_PERCENT:
            yield Cause(
                organization_id=account.organization_id,
                kind=AlertKind.CREDITS_LOW,
                subject_id=account.account_id,
                subject="credits",
                first_at=now_us,
                last_at=now_us,
                detail=Left(left=to_text(account.left), paid_in=to_text(account.paid_in)),
            )


def of_keys(keys: Iterable[ExpiringKey], *, now_us: int) -> Iterator[Cause]:
    """Say of virtual keys that they expire soon or have just expired."""
    for key in keys:
        yield Cause(
            organization_id=key.organization_id,
            kind=AlertKind.VIRTUAL_KEY_EXPIRES,
            subject_id=key.id,
            subject=key.name,
            team_id=key.team_id,
            first_at=now_us,
            last_at=now_us,
            detail=Ends(ends_at=utc(key.expires_at)),
        )


def changes(open_alerts: Collection[Alert[int]], causes: Iterable[Cause]) -> Changes:
    """Return what to write, so that the alerts about what stands are those for which there is a cause.

    An alert that is open already is written again only for refusals that it has not counted.
    """
    standing = {cause.key: cause for cause in causes}
    known = {alert.key for alert in open_alerts}
    return Changes(
        recorded=tuple(cause for key, cause in standing.items() if key not in known or cause.count),
        resolved=tuple(alert for alert in open_alerts if alert.kind not in OF_KEYS and alert.key not in standing),
    )


def _refuses_still(budget: Budget, found: Standing, alert: Alert[int] | None, now_us: int) -> bool:
    """Say whether a refusal that the open alert has counted holds still."""
    if alert is None or not alert.count or not budget.hard:
        return False
    same_limit = isinstance(alert.detail, Stands) and alert.detail.limit == to_text(found.limit)
    passes = budget.period == "rolling" or found.state == "ok"
    since = max(found.period_starts_at, now_us - _QUIET_US) if passes else found.period_starts_at
    return same_limit and alert.last_at >= since
