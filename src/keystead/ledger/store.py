"""The books of credits, in double entry. Owns `ledger_accounts` and `ledger_transfers`.

Every movement is one row that debits an account and credits another, so that all balances add up to zero whatever
happens. Each organization has a prepaid account; the platform's own are what was given away (`granted`), what was
paid (`received`), what was earned (`revenue`) and what was put right (`adjustments`). Rows are never changed, but for
a charge, which is pending while its attempt runs and then posted, voided or expired.

What a prepaid account may still spend must be known without adding up its past. That state is its row in `counters`:
`ceiling` is everything ever paid in, `spent` the charges posted, `held` those pending. The journal holds and posts
charges there, in the transactions of intents and settlements; here is everything else. `books.trial_balance` compares
the state with the transfers.

Every method takes the connection first: the caller owns the transaction and writes its audit event in it.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, exc, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.money import MAX_PICO
from keystead.ledger import books
from keystead.ledger.credits import FREE_CREDITS
from keystead.ledger.views import Balance, Booking, Statement, Transfer, TransferKind, TrialBalance
from keystead.storage import revision
from keystead.storage.governance import counters, ledger_accounts, ledger_transfers
from keystead.storage.schema import organizations

PREPAID: Final = "prepaid"
GRANTED: Final = "acc_granted"
RECEIVED: Final = "acc_received"
REVENUE: Final = "acc_revenue"
ADJUSTMENTS: Final = "acc_adjustments"
"""The platform's own accounts. Their ids are fixed, so that a transfer says by itself what it is."""

_PLATFORM: Final = {GRANTED: "granted", RECEIVED: "received", REVENUE: "revenue", ADJUSTMENTS: "adjustments"}
_REFERENCE: Final = re.compile(r"[!-~]{1,200}")
_NOTE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,500}")


class Ledger:
    """Opens accounts, books what comes in, and says what is there. Amounts are pico credits."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def open_account(self, conn: AsyncConnection, organization_id: str, *, actor_id: str) -> str:
        """Open the organization's account with the free credits, and return its id.

        An account that is there is left as it is, so that the free credits are given once.

        Raises:
            NotFoundError: there is no such organization.
        """
        account_id = await _account_of(conn, organization_id)
        if account_id is None:
            # Whoever opens accounts takes this row first, and looks again: two at once would open two.
            await revision.touch(conn)
            account_id = await _account_of(conn, organization_id)
        if account_id is not None:
            return account_id
        await _require_organization(conn, organization_id)
        await self._ensure_platform_accounts(conn)
        now = self._clock.now_us()
        account_id = new_id("acc", now)
        await _add_account(conn, account_id, organization_id, PREPAID, now)
        state = {"counter_id": account_id, "bucket_at": 0, "organization_id": organization_id}
        await conn.execute(insert(counters).values(state | {"ceiling": 0, "spent": 0, "held": 0}))
        await self._book(
            conn,
            organization_id=organization_id,
            account_id=account_id,
            kind="grant",
            contra=GRANTED,
            change=FREE_CREDITS,
            reference=None,
            note="The first credits are free.",
            actor_id=actor_id,
        )
        return account_id

    async def ensure_accounts(self, conn: AsyncConnection) -> int:
        """Open the accounts that are missing, with the free credits; return how many.

        An organization that is older than the ledger is treated like one that was created today.
        """
        if not await _without_account(conn):
            return 0
        await revision.touch(conn)  # as in `open_account`
        found = await _without_account(conn)
        for organization_id in found:
            await self.open_account(conn, organization_id, actor_id="ledger")
        return len(found)

    async def top_up(
        self,
        conn: AsyncConnection,
        *,
        organization_id: str,
        amount: int,
        reference: str,
        note: str = "",
        actor_id: str,
    ) -> Booking:
        """Book a payment. The same `reference` with the same content again changes nothing and gives the same answer.

        Raises:
            InvalidRequestError: the amount is not above zero or does not fit, or the reference or note is not valid.
            NotFoundError: there is no such organization.
            ConflictError: the reference is booked with other content, or the account cannot hold so much.
        """
        if amount <= 0:
            raise _no_amount("A top-up is more than zero credits.")
        account_id = await self.open_account(conn, organization_id, actor_id=actor_id)
        return await self._book(
            conn,
            organization_id=organization_id,
            account_id=account_id,
            kind="topup",
            contra=RECEIVED,
            change=amount,
            reference=reference,
            note=note,
            actor_id=actor_id,
        )

    async def adjust(
        self,
        conn: AsyncConnection,
        *,
        organization_id: str,
        amount: int,
        reason: str,
        reference: str | None = None,
        actor_id: str,
    ) -> Booking:
        """Put the account right by a signed amount. It never takes what is spent or held already.

        With a `reference` it is booked once, as a top-up is.

        Raises:
            InvalidRequestError: the amount is zero or does not fit, there is no reason, or a text is not valid.
            NotFoundError: there is no such organization.
            ConflictError: the reference is booked with other content, or the account does not have, or cannot hold,
                so much.
        """
        if amount == 0:
            raise _no_amount("An adjustment is not zero credits.")
        if not reason.strip():
            raise InvalidRequestError(
                "An adjustment has a reason.", param="reason", next_step="Say why, for those who read the statement."
            )
        account_id = await self.open_account(conn, organization_id, actor_id=actor_id)
        return await self._book(
            conn,
            organization_id=organization_id,
            account_id=account_id,
            kind="adjustment",
            contra=ADJUSTMENTS,
            change=amount,
            reference=reference,
            note=reason,
            actor_id=actor_id,
        )

    async def balance(self, conn: AsyncConnection, organization_id: str) -> Balance:
        """Return what the organization's account holds now.

        Raises:
            NotFoundError: it has none.
        """
        row = await _state(conn, await self._require_account(conn, organization_id))
        return Balance(
            account_id=row.counter_id,
            organization_id=organization_id,
            available=row.ceiling - row.spent - row.held,
            held=row.held,
            spent=row.spent,
            paid_in=row.ceiling,
        )

    async def statement(self, conn: AsyncConnection, organization_id: str, *, since: int, until: int) -> Statement:
        """Return the sums of what was posted from `since` on and before `until` (Unix microseconds).

        Raises:
            InvalidRequestError: the span is empty.
            NotFoundError: the organization has no account.
        """
        if since >= until:
            raise InvalidRequestError("The span must end after it begins.", param="until")
        account_id = await self._require_account(conn, organization_id)
        return await books.statement(conn, organization_id, account_id, since=since, until=until)

    async def transfers(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        since: int,
        until: int,
        after: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[Transfer]:
        """Return up to `limit` transfers posted in the span, oldest first: the lines between a statement's balances.

        `after` is (`posted_at`, `id`) of the last one of the page before.

        Raises:
            NotFoundError: the organization has no account.
        """
        account_id = await self._require_account(conn, organization_id)
        return await books.transfers(
            conn, organization_id, account_id, since=since, until=until, after=after, limit=limit
        )

    async def trial_balance(self, conn: AsyncConnection) -> TrialBalance:
        """Add up every account of the platform, and compare each running state with its transfers."""
        return await books.trial_balance(conn)

    async def _require_account(self, conn: AsyncConnection, organization_id: str) -> str:
        account_id = await _account_of(conn, organization_id)
        if account_id is None:
            raise NotFoundError("The organization has no prepaid account.", code="account_not_found")
        return account_id

    async def _ensure_platform_accounts(self, conn: AsyncConnection) -> None:
        there = set(
            (await conn.execute(select(ledger_accounts.c.id).where(ledger_accounts.c.id.in_(_PLATFORM)))).scalars()
        )
        for account_id, kind in _PLATFORM.items():
            if account_id not in there:
                await _add_account(conn, account_id, "", kind, self._clock.now_us())

    async def _book(
        self,
        conn: AsyncConnection,
        *,
        organization_id: str,
        account_id: str,
        kind: TransferKind,
        contra: str,
        change: int,
        reference: str | None,
        note: str,
        actor_id: str,
    ) -> Booking:
        """Move `change` between the account and `contra`, both in the transfer and in the running state."""
        if abs(change) > MAX_PICO:
            raise _no_amount("64 bits do not hold so many credits.")
        if reference is not None and not _REFERENCE.fullmatch(reference):
            raise InvalidRequestError(
                "A reference has 1 to 200 printable ASCII characters and no space.", param="reference"
            )
        if not _NOTE.fullmatch(note):
            param = "reason" if kind == "adjustment" else "note"
            raise InvalidRequestError("Write at most 500 characters on one line.", param=param)
        state = await _state(conn, account_id, lock=True)
        if reference is not None:
            earlier = await books.by_reference(conn, reference)
            if earlier is not None:
                asked = (organization_id, kind, change, note)
                if (earlier.organization_id, earlier.kind, earlier.change, earlier.note) != asked:
                    raise _reference_taken()
                return Booking(transfer=earlier, repeated=True)
        _require_room(state, change)
        now = self._clock.now_us()
        transfer = Transfer(
            id=new_id("trf", now),
            organization_id=organization_id,
            at=now,
            kind=kind,
            state="posted",
            debit_account=contra if change > 0 else account_id,
            credit_account=account_id if change > 0 else contra,
            change=change,
            posted_at=now,
            request_id=None,
            attempt=None,
            reference=reference,
            note=note,
            created_by=actor_id,
        )
        row = msgspec.structs.asdict(transfer) | {"amount": abs(change), "ended_at": now}
        del row["change"], row["posted_at"]
        try:
            await conn.execute(insert(ledger_transfers).values(row))
        except exc.IntegrityError as error:
            raise _reference_taken() from error  # by another organization's, in this very moment
        of_account = (counters.c.counter_id == account_id) & (counters.c.bucket_at == 0)
        await conn.execute(update(counters).where(of_account).values(ceiling=counters.c.ceiling + change))
        return Booking(transfer=transfer, repeated=False)


async def prepaid_accounts(conn: AsyncConnection) -> dict[str, str]:
    """Return the id of every organization's prepaid account, by the organization's."""
    query = select(ledger_accounts.c.organization_id, ledger_accounts.c.id).where(ledger_accounts.c.kind == PREPAID)
    return {row.organization_id: row.id for row in await conn.execute(query)}


async def revenue_account(_conn: AsyncConnection) -> str:
    """Return the id of the account that charges are paid to."""
    return REVENUE


async def _account_of(conn: AsyncConnection, organization_id: str) -> str | None:
    accounts = ledger_accounts.c
    query = select(accounts.id).where(accounts.organization_id == organization_id, accounts.kind == PREPAID)
    found: str | None = (await conn.execute(query)).scalar_one_or_none()
    return found


async def _without_account(conn: AsyncConnection) -> Sequence[str]:
    with_account = select(ledger_accounts.c.organization_id).where(ledger_accounts.c.kind == PREPAID)
    query = select(organizations.c.id).where(organizations.c.id.not_in(with_account)).order_by(organizations.c.id)
    return (await conn.execute(query)).scalars().all()


async def _require_organization(conn: AsyncConnection, organization_id: str) -> None:
    query = select(organizations.c.id).where(organizations.c.id == organization_id)
    if (await conn.execute(query)).first() is None:
        raise NotFoundError("There is no such organization.", code="organization_not_found")


async def _add_account(conn: AsyncConnection, account_id: str, organization_id: str, kind: str, now: int) -> None:
    row = {"id": account_id, "organization_id": organization_id, "kind": kind, "created_at": now}
    await conn.execute(insert(ledger_accounts).values(row))


async def _state(conn: AsyncConnection, account_id: str, *, lock: bool = False) -> Row[Any]:
    """Return the account's running state. With `lock`, nobody else changes it until the transaction ends.

    SQLite has no row locks and needs none: there a writing transaction is alone.
    """
    query = select(counters).where(counters.c.counter_id == account_id, counters.c.bucket_at == 0)
    return (await conn.execute(query.with_for_update() if lock else query)).one()


def _require_room(state: Row[Any], change: int) -> None:
    if state.ceiling + change > MAX_PICO:
        raise ConflictError(
            "The account cannot hold so much: over its life it takes 9.2 million credits.",
            code="account_full",
            next_step="Book less. A platform that needs more sets a larger value for a credit from the start.",
            param="credits",
        )
    if state.ceiling + change < state.spent + state.held:
        raise ConflictError(
            "The account does not have so much: what is spent or held cannot be taken away.",
            code="not_enough_credits",
            next_step="Take less; the balance says what is available.",
            param="credits",
        )


def _no_amount(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="invalid_credits", param="credits")


def _reference_taken() -> ConflictError:
    return ConflictError(
        "This reference is booked already, with other content.",
        code="reference_taken",
        next_step="One payment has one reference: look which of the two is right.",
        param="reference",
    )
