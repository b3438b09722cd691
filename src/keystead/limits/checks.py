"""What budgets and rate limits must be like before they are kept. Pure."""

import re
from decimal import Decimal
from typing import Final, get_args

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import id_time_ms
from keystead.domain.means import CREDITS, Budget, Measure, Period, ScopeKind, UnpricedPolicy
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT, USD, Pico, to_pico
from keystead.limits.views import NewBudget, NewRateLimit

MAX_ROLLING_HOURS: Final = 8760
"""A year."""
MOST: Final = 2**53
"""The largest rate limit: every program that reads JSON holds it exactly."""
CURRENCIES: Final = (USD, CREDITS)

_AMOUNT: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,12})?")
_NAME: Final = re.compile(r"[^\s/\x00-\x1f\x7f-\x9f]([^/\x00-\x1f\x7f-\x9f]{0,98}[^\s/\x00-\x1f\x7f-\x9f])?")
_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,200}")


def parse_amount(text: str, *, param: str) -> Pico:
    """Return an amount, written as plain decimal text, in pico units.

    Raises:
        InvalidRequestError: not a plain decimal, zero or less, more than 12 decimals, or more than 64 bits hold.
    """
    amount = Decimal(text) if _AMOUNT.fullmatch(text) else Decimal(0)
    if not 0 < amount * PICO_PER_UNIT <= MAX_PICO:
        raise InvalidRequestError(
            f"{text[:64]!r} is not an amount.",
            code="invalid_amount",
            param=param,
            next_step="Write a number above zero with at most 12 decimals, such as 500 or 12.5; the most is 9223372.",
        )
    return to_pico(amount)


def check_budget(new: NewBudget, now_us: int) -> None:
    """Refuse a budget that cannot be kept. Whether the id of its scope exists is the caller's to know.

    Raises:
        InvalidRequestError: a part is not valid; `param` names it.
    """
    _check_name(new.name)
    _check_scope(new.scope_kind, new.scope_id)
    _check_period(new.period, new.rolling_hours)
    check_terms(new)
    check_end(new.ends_at, now_us)


def check_rate_limit(new: NewRateLimit) -> None:
    """Refuse a rate limit that cannot be kept. Whether the id of its scope exists is the caller's to know.

    Raises:
        InvalidRequestError: a part is not valid; `param` names it.
    """
    _check_name(new.name)
    _check_scope(new.scope_kind, new.scope_id)
    _check_choice(new.measure, get_args(Measure), param="measure")
    if not 1 <= new.most <= MOST:
        raise InvalidRequestError(
            f"A rate limit is 1 to {MOST}.",
            param="most",
            next_step="To let nothing through at all, deny it with a grant.",
        )


def check_terms(budget: Budget | NewBudget) -> None:
    """Refuse terms of a budget that cannot be kept, or that contradict each other.

    Raises:
        InvalidRequestError: one is not valid; `param` names it.
    """
    if not 0 < budget.limit_pico <= MAX_PICO:
        raise InvalidRequestError("A limit is more than 0, and at most 9,223,372 units.", param="limit")
    check_currency(budget.currency, param="currency")
    if not 1 <= budget.alert_percent <= 100:
        raise InvalidRequestError("An alert is at 1 to 100 per cent of the limit.", param="alert_percent")
    _check_choice(budget.unpriced, get_args(UnpricedPolicy), param="unpriced")
    if budget.unpriced == "hold" and not 0 < budget.unpriced_hold_pico <= MAX_PICO:
        raise InvalidRequestError(
            "Say how much is held for a request whose model has no price.",
            param="unpriced_hold",
            next_step="Give unpriced_hold, a cautious amount, or let unpriced be refuse or allow.",
        )
    if budget.unpriced != "hold" and budget.unpriced_hold_pico:
        raise InvalidRequestError(
            f"With unpriced: {budget.unpriced} nothing is held.",
            param="unpriced_hold",
            next_step="Leave unpriced_hold out, or let unpriced be hold.",
        )


def check_currency(currency: str, *, param: str) -> None:
    """Refuse a currency in which nothing is counted.

    Raises:
        InvalidRequestError: `currency_not_counted`.
    """
    if currency not in CURRENCIES:
        raise InvalidRequestError(
            f"Nothing would be counted in {currency[:64]!r}: there is no exchange rate. "
            f"A budget is in {USD}, which is what providers are paid, or in {CREDITS}, which are credits.",
            code="currency_not_counted",
            param=param,
            next_step=f"Give the limit in {USD} or {CREDITS}.",
        )


def check_end(ends_at: int | None, now_us: int) -> None:
    """Refuse an end that has passed.

    Raises:
        InvalidRequestError: `end_passed`.
    """
    if ends_at is not None and ends_at <= now_us:
        raise InvalidRequestError(
            "The budget's end has passed already.",
            code="end_passed",
            param="ends_at",
            next_step="Give an instant in the future, or leave it out for a budget without an end.",
        )


def _check_name(name: str) -> None:
    """Refuse what is no name, or looks like an id, so that "id or name" can never mean two things."""
    if _NAME.fullmatch(name) is None or ("_" in name and id_time_ms(name) is not None):
        raise InvalidRequestError(
            "A name has 1 to 100 characters on one line, without a slash, and does not look like an id.",
            code="invalid_name",
            param="name",
            next_step="Choose another name.",
        )


def _check_scope(kind: ScopeKind, identifier: str) -> None:
    """Refuse a scope of no known kind, and a pattern that is none."""
    _check_choice(kind, get_args(ScopeKind), param="scope_kind")
    if kind == "model" and (not _PATTERN.fullmatch(identifier) or identifier.count("[") != identifier.count("]")):
        raise InvalidRequestError(
            f"{identifier[:64]!r} is not a model or a pattern of models.",
            code="pattern_invalid",
            param="model",
            next_step="Write a model, or a shell-style pattern such as gpt-5*.",
        )


def _check_period(period: Period, rolling_hours: int) -> None:
    """Refuse a period that is none, a rolling one without a length, and a calendar one with one."""
    _check_choice(period, get_args(Period), param="period")
    if period == "rolling" and not 1 <= rolling_hours <= MAX_ROLLING_HOURS:
        raise InvalidRequestError(
            f"A rolling period is 1 to {MAX_ROLLING_HOURS:,} hours long.",
            param="rolling_hours",
            next_step="Give rolling_hours: 24 for a day.",
        )
    if period != "rolling" and rolling_hours:
        raise InvalidRequestError(
            f"A {period} is as long as the calendar says.",
            param="rolling_hours",
            next_step="Leave rolling_hours out, or make the period rolling.",
        )


def _check_choice(value: str, choices: tuple[str, ...], *, param: str) -> None:
    if value not in choices:
        raise InvalidRequestError(
            f"{str(value)[:64]!r} is not one of the choices.",
            param=param,
            next_step=f"Choose one of: {', '.join(choices)}.",
        )
