"""What is held for a request before it is sent, and what is posted when it has ended. Pure.

| counter                  | holds                       | posts                                   | when nobody knows |
|--------------------------|-----------------------------|-----------------------------------------|-------------------|
| a budget in money        | the most it can cost        | the cost, also beyond what was held     | what was held     |
| a budget in credits      | the most it can be charged  | what was charged                        | nothing           |
| a consent's cap          | the same                    | the same                                | nothing           |
| a prepaid account        | the same                    | the charge, never more than was held    | nothing           |

A budget in money counts what providers bill, on whosever credential; it is cautious about what nobody knows, because
the provider's invoice will know. Credits are the platform's own books: what it cannot prove it does not charge, and
what is not charged is not counted. What has its price in another currency than a budget's is, to that budget, what
nobody knows: there is no exchange rate that both sides agreed on.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import Consent
from keystead.domain.ids import CredentialId
from keystead.domain.means import CREDITS, Budget, Hold, Period
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState
from keystead.limits.periods import bucket
from keystead.limits.scopes import Scopes, Spender

__all__ = (
    "MOST_HELD",
    "BudgetRules",
    "Spender",
    "consent_holds",
    "credit_hold",
    "holds_for",
    "posts_for",
)

MOST_HELD: Final = 2**61
"""No hold is larger, so that a counter and a hold together stay within 64 bits."""

_MOST_COUNTED: Final = 10**15
"""The most that a soft budget holds for one request (1,000 units). It refuses nothing, so it needs no more, and
thousands of absurd requests at once must not overflow its counter."""


class BudgetRules:
    """Budgets, compiled once per snapshot."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        """Take budgets that have not been ended, of any number of organizations."""
        self.all = tuple(budgets)
        self._scopes = Scopes(self.all)

    def concerning(self, spender: Spender, credential_id: CredentialId, model: str) -> tuple[Budget, ...]:
        """Return the budgets that an attempt on a credential is counted in, whatever their currency."""
        return tuple(self._scopes.concerning(spender, credential_id, model))


def holds_for(
    budgets: Sequence[Budget],
    *,
    ceiling_pico: int | None,
    currency: str,
    now_us: int,
    time_zone: str,
    credits_pico: int | None = None,
) -> tuple[Hold, ...]:
    """Return what is held in the budgets for an attempt.

    Args:
        budgets: those that concern it.
        ceiling_pico: the most it can cost; None if nobody knows.
        currency: of the cost.
        now_us: Unix microseconds.
        time_zone: the organization's.
        credits_pico: the most it can be charged in credits; None for an attempt that is not charged.

    Raises:
        PolicyDenied: nobody knows what it can cost in a hard budget's currency, and it wants that known
            (`unpriced_refused`).
    """
    return tuple(
        _hold(budget, amount, now_us, time_zone)
        for budget, amount in _amounts(budgets, ceiling_pico, currency, credits_pico)
        if budget.ends_at is None or now_us < budget.ends_at
    )


def consent_holds(consent: Consent, charged: int, *, now_us: int, time_zone: str) -> tuple[Hold, ...]:
    """Return what is held of a consent's caps, per day and per month, for the most that can be charged."""
    return (
        _cap(consent, "day", consent.daily_cap_pico, charged, now_us=now_us, time_zone=time_zone),
        _cap(consent, "month", consent.monthly_cap_pico, charged, now_us=now_us, time_zone=time_zone),
    )


def credit_hold(account_id: str | None, charged: int | None, *, pays: str) -> Hold:
    """Return what is held of a prepaid account.

    Args:
        account_id: the organization's; None if it has none.
        charged: the most that can be charged, in pico credits; None if nobody knows.
        pays: the account that earns it.

    Raises:
        PolicyDenied: there is no account, or the platform would not know what to charge.
    """
    if account_id is None:
        raise PolicyDenied(
            "Your organization has no credits.",
            code="out_of_credits",
            status=402,
            next_step="Ask the operator of the platform for a top-up, or use a credential of your own.",
        )
    if charged is None:
        raise PolicyDenied(
            "Nobody knows what this model costs, so it cannot be paid with credits.",
            code="unpriced_refused",
            next_step="Use a model with a price, or ask the operator of the platform to give this one a price.",
        )
    return Hold(
        counter_id=account_id,
        kind="credits",
        bucket_at=0,
        since_at=0,
        amount=min(charged, MOST_HELD),
        limit=None,
        on_unknown=0,
        pays=pays,
        currency=CREDITS,
    )


def posts_for(holds: Sequence[Hold], *, cost: Cost, charge_pico: int | None) -> tuple[int, ...]:
    """Return what is posted for each hold, in their order.

    Args:
        holds: what was held for the attempt.
        cost: what the provider bills; for an attempt that was refused or not sent, `FREE`.
        charge_pico: what the platform bills, in pico credits; None on an own credential, or if nobody knows.
    """
    charged = charge_pico or 0
    for hold in holds:
        if hold.kind == "credits":
            charged = min(charged, hold.amount)
    return tuple(charged if hold.currency == CREDITS else _spent(hold, cost) for hold in holds)


def _amounts(
    budgets: Iterable[Budget], ceiling_pico: int | None, currency: str, credits_pico: int | None
) -> Iterator[tuple[Budget, int | None]]:
    for budget in budgets:
        if budget.currency != CREDITS:
            yield budget, ceiling_pico if budget.currency == currency else None
        elif credits_pico is not None:
            yield budget, credits_pico


def _hold(budget: Budget, most: int | None, now_us: int, time_zone: str) -> Hold:
    amount = _unpriced(budget) if most is None else most
    # Beyond the limit it is refused whatever the number is; a smaller number cannot overflow the counter.
    amount = min(amount, budget.limit_pico + 1, MOST_HELD) if budget.hard else min(amount, _MOST_COUNTED)
    start, since = bucket(budget.period, budget.rolling_hours, now_us, time_zone)
    return Hold(
        counter_id=budget.id,
        kind="budget",
        bucket_at=start,
        since_at=since,
        amount=amount,
        limit=budget.limit_pico if budget.hard else None,
        on_unknown=0 if budget.currency == CREDITS else amount,
        name=budget.name,
        currency=budget.currency,
    )


def _cap(consent: Consent, period: Period, cap: int, charged: int, *, now_us: int, time_zone: str) -> Hold:
    start, since = bucket(period, 0, now_us, time_zone)
    return Hold(
        counter_id=f"{consent.id}:{period}",
        kind="consent",
        bucket_at=start,
        since_at=since,
        amount=min(charged, cap + 1),
        limit=cap,
        on_unknown=0,
        name=consent.id,
        currency=CREDITS,
    )


def _unpriced(budget: Budget) -> int:
    """Return what is held for a request whose most is not known."""
    if budget.unpriced == "refuse" and budget.hard:
        raise PolicyDenied(
            f"Nobody knows what this model costs in {budget.currency}, and the budget {budget.name!r} wants that known.",
            code="unpriced_refused",
            param="model",
            next_step="Use a model with a price, add a price for this one, or change the budget's policy.",
        )
    return budget.unpriced_hold_pico if budget.unpriced == "hold" else 0


def _spent(hold: Hold, cost: Cost) -> int:
    if cost.state is CostState.FREE:
        return 0
    if cost.pico is None or cost.currency != hold.currency:
        return hold.on_unknown
    return cost.pico
