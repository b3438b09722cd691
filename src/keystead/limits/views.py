"""Budgets and rate limits as they are asked for and as they are shown."""

from typing import Literal

import msgspec

from keystead.domain.means import Budget, Measure, Period, RateLimit, ScopeKind, UnpricedPolicy
from keystead.domain.money import USD

StandingState = Literal["ok", "near", "over"]


class NewBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What a budget is to be like. Amounts are pico units of `currency`; see `domain.means.Budget`."""

    name: str
    """Unique in the organization, ended budgets included."""
    scope_kind: ScopeKind
    scope_id: str
    """What is counted; for a model a shell-style pattern. Whoever asks has looked an id up."""
    period: Period
    """When counting begins anew, in the organization's time zone."""
    rolling_hours: int = 0
    limit_pico: int
    currency: str = USD
    hard: bool = True
    alert_percent: int = 80
    """Of the limit, from which on it stands `near`."""
    unpriced: UnpricedPolicy = "refuse"
    unpriced_hold_pico: int = 0
    ends_at: int | None = None


class NewRateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a rate limit is to be like."""

    name: str
    """Unique in the organization."""
    scope_kind: ScopeKind
    scope_id: str
    """As in `NewBudget`."""
    measure: Measure
    most: int
    """1 to `checks.MOST`."""


class BudgetView(Budget, frozen=True, kw_only=True):
    """A budget, and what became of it. Instants are Unix microseconds."""

    created_at: int
    created_by: str
    ended_at: int | None


class RateLimitView(RateLimit, frozen=True, kw_only=True):
    """A rate limit, and who made it when."""

    created_at: int
    created_by: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a budget stands in its current period. Amounts are pico units of its currency."""

    spent: int
    held: int
    """For attempts under way; what they do not cost comes back."""
    limit: int
    remaining: int
    """What is neither spent nor held; never below 0."""
    period_starts_at: int
    state: StandingState
    """`near`: spent up to the alert; `over`: nothing left, whether or not it refuses. What is only held decides neither."""


class CapUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a consent's cap is spent in the period that runs. Amounts are pico credits."""

    period: Period
    spent: int
    cap: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that a budget had no room for. Instants are Unix microseconds."""

    count: int
    first_at: int
    last_at: int


class RefusedKey(msgspec.Struct, frozen=True, kw_only=True):
    """Requests with one virtual key that a budget had no room for. Instants are Unix microseconds."""

    virtual_key_id: str
    virtual_key: str
    team_id: str
    team: str
    count: int
    last_at: int
