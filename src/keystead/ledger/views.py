"""What the books say: values that may be shown as they are. Pure.

Amounts are pico credits, instants Unix microseconds.
"""

from typing import Literal

import msgspec

TransferKind = Literal["grant", "topup", "charge", "adjustment"]
TransferState = Literal["pending", "posted", "voided", "expired"]


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One movement from an account to another, seen from the organization's prepaid account."""

    id: str
    organization_id: str
    at: int
    """When it was entered; of a charge, when the credits were held for it."""
    kind: TransferKind
    state: TransferState
    debit_account: str
    credit_account: str
    change: int
    """What it does to the prepaid account: positive adds."""
    posted_at: int | None
    """When it counted: statements go by this."""
    request_id: str | None
    """Of a charge: the request, and which attempt of it."""
    attempt: int | None
    reference: str | None
    """The payment's own id."""
    note: str
    created_by: str


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """What a top-up or an adjustment did."""

    transfer: Transfer
    repeated: bool
    """It was booked before, under the same reference, and nothing was done now."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What a prepaid account holds now: `available` is `paid_in - spent - held`, and never negative."""

    account_id: str
    organization_id: str
    available: int
    held: int
    """For attempts under way."""
    spent: int
    paid_in: int
    """Everything that was ever given, topped up and adjusted."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What was posted to a prepaid account in a span: `closing` is `opening` and everything between them."""

    since: int
    until: int
    opening: int
    granted: int
    topped_up: int
    adjusted: int
    charged: int
    """Negative, or zero."""
    closing: int


class AccountLine(msgspec.Struct, frozen=True, kw_only=True):
    """One account in the trial balance."""

    account_id: str
    organization_id: str
    """Empty for the platform's own; so is `organization`, its name."""
    organization: str
    kind: str
    debits: int
    credits: int
    held: int
    """Charges that are held and not posted yet: in neither `debits` nor `credits`."""

    @property
    def balance(self) -> int:
        """What was credited less what was debited."""
        return self.credits - self.debits


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A prepaid account whose running state is not what its transfers add up to."""

    account_id: str
    measure: Literal["paid_in", "spent", "held"]
    running: int
    replayed: int


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Every account, and whether the books agree with themselves."""

    accounts: tuple[AccountLine, ...]
    difference: int
    """The sum of all balances: zero, or the books are broken."""
    disagreements: tuple[Disagreement, ...]

    @property
    def agrees(self) -> bool:
        """Say whether nothing is wrong."""
        return self.difference == 0 and not self.disagreements


class CreditsLeft(msgspec.Struct, frozen=True, kw_only=True):
    """An account. Amounts are pico credits."""

    account_id: str
    organization_id: str
    left: int
    """What is not spent; what is only held is left."""
    paid_in: int
    """With the last top-up, or the free credits."""
