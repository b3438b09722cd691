"""What may be spent, how fast, and what is held for a request while it runs."""

from typing import Literal

import msgspec

from keystead.domain.errors import PolicyDenied
from keystead.domain.ids import OrganizationId

ScopeKind = Literal["organization", "team", "member", "service_account", "virtual_key", "credential", "model"]
Period = Literal["day", "week", "month", "rolling"]
Measure = Literal["requests_per_minute", "tokens_per_minute", "concurrent_requests", "max_output_tokens"]
UnpricedPolicy = Literal["refuse", "hold", "allow"]

CREDITS = "XCR"
"""The currency code of credits (ISO 4217 leaves codes with X to such uses)."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be spent in a period. Amounts are pico units of `currency`."""

    id: str
    organization_id: OrganizationId
    name: str
    scope_kind: ScopeKind
    scope_id: str
    """An id, or for a model a shell-style pattern."""
    period: Period
    rolling_hours: int
    """The length of a rolling period; 0 for a calendar one."""
    limit_pico: int
    currency: str
    """`USD` and the like: what providers bill; `XCR`: credits."""
    hard: bool
    """Refuse what would go over, instead of only telling."""
    alert_percent: int
    unpriced: UnpricedPolicy
    """For a request whose most is not known, because its model has no price."""
    unpriced_hold_pico: int
    """What to hold then, with `hold`."""
    ends_at: int | None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How fast, how many at once, or how long."""

    id: str
    organization_id: OrganizationId
    name: str
    scope_kind: ScopeKind
    scope_id: str
    measure: Measure
    most: int


class Hold(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is set aside for an attempt until it ends, in one counter. Made durable together with the intent.

    The journal admits an attempt only if, for each hold, what is spent and held from `since_at` on and `amount` stay
    within the limit; that is decided in the intent's own transaction, so it is exact on any number of workers.
    """

    counter_id: str
    """A budget, a consent's cap or a prepaid account."""
    kind: Literal["budget", "consent", "credits"]
    bucket_at: int
    """The start of the period (calendar) or hour (rolling) that is counted in; 0 for a prepaid account."""
    since_at: int
    """The first bucket that counts against the limit."""
    amount: int
    limit: int | None
    """None: only counted (a soft budget), or limited by what was paid in (credits)."""
    on_unknown: int
    """What is posted if nobody can say what the attempt cost (the process died, no usage came)."""
    pays: str = ""
    """For credits: the account that earns what is posted."""
    name: str = ""
    """What the limit is called, for the refusal."""
    currency: str = ""
    """What `amount` and what is posted are counted in (see `Budget.currency`)."""


class HoldRefusedError(PolicyDenied):
    """A limit does not leave room for this request."""

    code = "budget_exceeded"
    status = 402
    next_step = "Wait for the next period, or ask whoever keeps the budget."

    def __init__(self, hold: Hold) -> None:
        """Say which limit it is, and not how much is left: that may be another team's business."""
        code, what, next_step = _REFUSALS[hold.kind]
        named = f"{what} {hold.name!r}" if hold.name else what
        super().__init__(f"{named} has no room for this request.", code=code, next_step=next_step)
        self.hold = hold


def refused_by(error: Exception | None) -> str:
    """Return the counter that had no room, for a request that ends with `error`; empty if it ends otherwise."""
    return error.hold.counter_id if isinstance(error, HoldRefusedError) else ""


_REFUSALS = {
    "budget": ("budget_exceeded", "The budget", "Wait for its next period, or ask whoever keeps the budget."),
    "consent": ("consent_cap_reached", "The cap of the consent", "Wait for the next day, or ask who gave the consent."),
    "credits": ("out_of_credits", "The prepaid account", "Ask the operator of the platform for a top-up."),
}
