"""Budgets and rate limits as they are shown."""

from typing import Literal

import msgspec

from keystead.domain.means import Budget, RateLimit

StandingState = Literal["ok", "near", "over"]


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
