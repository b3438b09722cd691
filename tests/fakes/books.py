"""The books: what must hold in the counters and in the ledger at every moment, whatever happened."""

from collections import Counter
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.means import Hold
from keystead.domain.traffic import State
from keystead.storage.database import Database
from keystead.storage.governance import counters, ledger_accounts, ledger_transfers
from keystead.storage.rows import holds_in
from keystead.storage.schema import attempts


async def check_books(conn: AsyncConnection) -> None:
    """Check I3: nothing is held but for open attempts, no account is overdrawn, and counters and ledger agree.

    `conn` must show one moment, as `Database.read` does.
    """
    tried = (await conn.execute(select(attempts).where(attempts.c.holds.is_not(None)))).all()
    rows = {(row.counter_id, row.bucket_at): row for row in (await conn.execute(select(counters))).all()}
    transfers = (await conn.execute(select(ledger_transfers))).all()
    accounts = set((await conn.execute(select(ledger_accounts.c.id))).scalars())
    _check_held(tried, rows)
    _check_transfers(tried, transfers)
    _check_accounts(rows, transfers, accounts)


def _check_held(tried: Any, rows: dict[tuple[str, int], Row[Any]]) -> None:
    held: Counter[tuple[str, int]] = Counter()
    for attempt in tried:
        if attempt.finished_at is None:
            for hold in holds_in(attempt.holds):
                held[hold.counter_id, hold.bucket_at] += hold.amount
    assert {key: row.held for key, row in rows.items() if row.held} == {
        key: value for key, value in held.items() if value
    }
    assert all(row.spent >= 0 for row in rows.values())


def _check_transfers(tried: Any, transfers: Any) -> None:
    charges = {(row.request_id, row.attempt): row for row in transfers if row.kind == "charge"}
    charged = {
        (attempt.request_id, attempt.number): (attempt, hold)
        for attempt in tried
        for hold in holds_in(attempt.holds)
        if hold.kind == "credits"
    }
    assert charges.keys() == charged.keys(), "one charge for each attempt on credits, and no other"
    for key, (attempt, hold) in charged.items():
        _check_charge(charges[key], attempt, hold)


def _check_charge(charge: Row[Any], attempt: Row[Any], hold: Hold) -> None:
    assert (charge.debit_account, charge.credit_account) == (hold.counter_id, hold.pays)
    assert charge.organization_id == attempt.organization_id
    assert charge.ended_at == attempt.finished_at
    if charge.state == "posted":
        assert 0 < charge.amount <= hold.amount
    else:
        assert charge.amount == hold.amount
    if attempt.charge_pico is not None:
        assert attempt.charge_pico == (charge.amount if charge.state == "posted" else 0), "record and ledger agree"
    if attempt.finished_at is None:
        assert charge.state == "pending"
    else:
        assert charge.state in {"posted", "expired" if attempt.state == State.UNKNOWN else "voided"}


def _check_accounts(rows: dict[tuple[str, int], Row[Any]], transfers: Any, accounts: set[str]) -> None:
    spent: Counter[str] = Counter()
    balance: Counter[str] = Counter()
    for row in transfers:
        if row.state == "posted":
            balance[row.credit_account] += row.amount
            balance[row.debit_account] -= row.amount
            if row.kind == "charge":
                spent[row.debit_account] += row.amount
    assert sum(balance.values()) == 0, "the trial balance"
    for (counter_id, _), row in rows.items():
        if row.ceiling is not None:
            assert row.spent == spent[counter_id]
            assert row.ceiling - row.spent - row.held >= 0, "an account is overdrawn"
            if counter_id in accounts:
                assert row.ceiling - row.spent == balance[counter_id]


async def pay_in(database: Database, amount: int, *, account: str = "acc_1", organization_id: str = "org_1") -> None:
    """Open a prepaid account that the ledger has no book of."""
    async with database.write() as connection:
        await connection.execute(
            insert(counters).values(
                counter_id=account, bucket_at=0, organization_id=organization_id, ceiling=amount, spent=0, held=0
            )
        )


async def standing(database: Database, counter_id: str, bucket_at: int = 0) -> tuple[int, int]:
    """Return what is spent and held in a bucket."""
    async with database.read() as connection:
        query = select(counters.c.spent, counters.c.held).where(
            counters.c.counter_id == counter_id, counters.c.bucket_at == bucket_at
        )
        row = (await connection.execute(query)).one_or_none()
    return (row.spent, row.held) if row else (0, 0)


async def transfers_of(database: Database, request_id: str) -> list[tuple[str, int]]:
    """Return state and amount of a request's charges, by attempt."""
    async with database.read() as connection:
        query = (
            select(ledger_transfers.c.state, ledger_transfers.c.amount)
            .where(ledger_transfers.c.request_id == request_id)
            .order_by(ledger_transfers.c.attempt)
        )
        return [(row.state, row.amount) for row in (await connection.execute(query)).all()]
