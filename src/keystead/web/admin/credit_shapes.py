"""Credits as the admin API takes and shows them: amounts are plain decimal text."""

from typing import Annotated

import msgspec

from keystead.domain.money import to_text
from keystead.ledger.views import Transfer, TransferKind, TrialBalance
from keystead.web.admin.values import LINE, Instant, PageQuery, optional_instant, whole

Credits = Annotated[
    str, msgspec.Meta(max_length=40, description="Plain decimal text with at most 12 decimals: `500`, `12.5`.")
]
Payment = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=whole("[!-~]+"))]
Note = Annotated[str, msgspec.Meta(max_length=500, pattern=whole(r"[^\x00-\x1f\x7f-\x9f]*"))]
OrganizationId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE)]


class SpanQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which span: what counted from `since` on and before `until`."""

    since: Instant | None = None
    """Default: 30 days before `until`."""
    until: Instant | None = None
    """Default: now."""


class TransfersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which span, and which page of it."""

    since: Instant | None = None
    until: Instant | None = None


class TopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment that came in."""

    credits: Credits
    reference: Payment
    """The payment's own id. It is booked once, however often it is sent."""
    organization: OrganizationId | None = None
    """An id; null: your own."""
    note: Note = ""
    """The organization reads it in its statement."""


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A correction, up or down. What is spent or held already is not taken."""

    credits: Credits
    """With a sign: `-12.5` takes away."""
    reason: Annotated[Note, msgspec.Meta(min_length=1)]
    """The organization reads it in its statement."""
    organization: OrganizationId | None = None
    """An id; null: your own."""
    reference: Payment | None = None
    """With one, it is booked once, however often it is sent."""


class BalanceShown(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds now: `available` is `paid_in` less `spent` and `held`."""

    organization_id: str
    available: str
    held: str
    """For attempts under way."""
    spent: str
    paid_in: str
    credit_value: str
    """What a credit is worth, in `currency`."""
    currency: str


class StatementShown(msgspec.Struct, frozen=True, kw_only=True):
    """What counted in a span: `closing` is `opening` and the four sums between them."""

    since: Instant
    until: Instant
    opening: str
    granted: str
    topped_up: str
    adjusted: str
    charged: str
    """Negative, or zero."""
    closing: str


class TransferShown(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a statement."""

    id: str
    posted_at: Instant | None
    kind: TransferKind
    credits: str
    """What it does to the account: negative takes away."""
    request_id: str | None
    """Of a charge: for which attempt of which request."""
    attempt: int | None
    reference: str | None
    note: str


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What was booked, and what the account holds now."""

    transfer: TransferShown
    repeated: bool
    """It had been booked before, and nothing was done now."""
    balance: BalanceShown


class AccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """One account of the books: `balance` is `credits` less `debits`."""

    id: str
    kind: str
    organization_id: str
    """Empty for the platform's own; so is `organization`, its name."""
    organization: str
    debits: str
    credits: str
    balance: str
    held: str
    """Of a prepaid account: for attempts under way, and still in `balance`."""


class DisagreementShown(msgspec.Struct, frozen=True, kw_only=True):
    """A prepaid account whose running state is not what its transfers add up to."""

    account_id: str
    measure: str
    running: str
    replayed: str


class TrialBalanceShown(msgspec.Struct, frozen=True, kw_only=True):
    """Every account, and whether the books agree with themselves."""

    agrees: bool
    difference: str
    """The sum of all balances: zero, or the books are broken."""
    disagreements: tuple[DisagreementShown, ...]
    accounts: tuple[AccountShown, ...]


def transfer_shown(transfer: Transfer) -> TransferShown:
    """Return a transfer as the organization sees it: who entered it is in the operator's audit log."""
    return TransferShown(
        id=transfer.id,
        posted_at=optional_instant(transfer.posted_at),
        kind=transfer.kind,
        credits=to_text(transfer.change),
        request_id=transfer.request_id,
        attempt=transfer.attempt,
        reference=transfer.reference,
        note=transfer.note,
    )


def trial_balance_shown(found: TrialBalance) -> TrialBalanceShown:
    """Return the trial balance as the operator sees it."""
    return TrialBalanceShown(
        agrees=found.agrees,
        difference=to_text(found.difference),
        disagreements=tuple(
            DisagreementShown(
                account_id=one.account_id,
                measure=one.measure,
                running=to_text(one.running),
                replayed=to_text(one.replayed),
            )
            for one in found.disagreements
        ),
        accounts=tuple(
            AccountShown(
                id=line.account_id,
                kind=line.kind,
                organization_id=line.organization_id,
                organization=line.organization,
                debits=to_text(line.debits),
                credits=to_text(line.credits),
                balance=to_text(line.balance),
                held=to_text(line.held),
            )
            for line in found.accounts
        ),
    )
