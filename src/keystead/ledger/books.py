"""How the books are read: a statement, its lines, and the trial balance over everything.

Sums are added in halves (`storage.sums`): the platform's own accounts may hold more than 63 bits.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.ledger.views import AccountLine, Disagreement, Statement, Transfer, TrialBalance
from keystead.storage.governance import counters, ledger_accounts, ledger_transfers
from keystead.storage.schema import organizations
from keystead.storage.sums import exact_sum, whole

_transfers = ledger_transfers.c
# The literal, not a parameter: only so may both engines use the partial index on what is posted.
_IS_POSTED: Final = _transfers.state == literal_column("'posted'")
_COUNTED: Final = ("posted", "pending")


async def statement(
    conn: AsyncConnection, organization_id: str, account_id: str, *, since: int, until: int
) -> Statement:
    """Return the sums of what was posted in the span, between the balances before and after it."""
    before = await _changes(conn, organization_id, account_id, _transfers.ended_at < since)
    within = await _changes(
        conn, organization_id, account_id, _transfers.ended_at >= since, _transfers.ended_at < until
    )
    opening = sum(before.values())
    return Statement(
        since=since,
        until=until,
        opening=opening,
        granted=within.get("grant", 0),
        topped_up=within.get("topup", 0),
        adjusted=within.get("adjustment", 0),
        charged=within.get("charge", 0),
        closing=opening + sum(within.values()),
    )


async def transfers(
    conn: AsyncConnection,
    organization_id: str,
    account_id: str,
    *,
    since: int,
    until: int,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Transfer]:
    """Return up to `limit` transfers posted in the span, oldest first, beginning behind `after`."""
    query = select(ledger_transfers).where(
        _transfers.organization_id == organization_id,
        _IS_POSTED,
        _transfers.ended_at >= since,
        _transfers.ended_at < until,
    )
    if after is not None:
        query = query.where(tuple_(_transfers.ended_at, _transfers.id) > tuple_(*after))
    found = await conn.execute(query.order_by(_transfers.ended_at, _transfers.id).limit(limit))
    return [_transfer(row, account_id) for row in found]


async def by_reference(conn: AsyncConnection, reference: str) -> Transfer | None:
    """Return the transfer booked under a reference, whichever organization's it is."""
    query = (
        select(ledger_transfers, ledger_accounts.c.id.label("account_id"))
        .join(ledger_accounts, ledger_accounts.c.organization_id == _transfers.organization_id)
        .where(_transfers.reference == reference)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _transfer(row, row.account_id)


async def trial_balance(conn: AsyncConnection) -> TrialBalance:
    """Add up every account, and compare each prepaid account's running state with its transfers."""
    debits = await _sides(conn, _transfers.debit_account)
    credits_ = await _sides(conn, _transfers.credit_account)
    query = (
        select(ledger_accounts, organizations.c.name)
        .outerjoin(organizations, organizations.c.id == ledger_accounts.c.organization_id)
        .order_by(ledger_accounts.c.organization_id, ledger_accounts.c.id)
    )
    accounts = (await conn.execute(query)).all()
    lines = tuple(
        AccountLine(
            account_id=row.id,
            organization_id=row.organization_id,
            organization=row.name or "",
            kind=row.kind,
            debits=_of(debits, row.id, "posted"),
            credits=_of(credits_, row.id, "posted"),
            held=_of(debits, row.id, "pending"),
        )
        for row in accounts
    )
    running = {
        row.counter_id: row for row in await conn.execute(select(counters).where(counters.c.ceiling.is_not(None)))
    }
    return TrialBalance(
        accounts=lines,
        difference=sum(line.balance for line in lines),
        disagreements=tuple(_disagreements(lines, running, debits, credits_)),
    )


_Sides = Mapping[tuple[str, str, bool], int]
"""Sums by account, state, and whether they are charges."""


def _disagreements(
    lines: Iterable[AccountLine], running: Mapping[str, Row[Any]], debits: _Sides, credits_: _Sides
) -> Iterable[Disagreement]:
    for line in lines:
        if not line.organization_id:
            continue
        account = line.account_id
        row = running.get(account)
        paid_in = credits_.get((account, "posted", False), 0) - debits.get((account, "posted", False), 0)
        spent = debits.get((account, "posted", True), 0) - credits_.get((account, "posted", True), 0)
        state = (row.ceiling, row.spent, row.held) if row is not None else (0, 0, 0)
        if state[0] != paid_in:
            yield Disagreement(account_id=account, measure="paid_in", running=state[0], replayed=paid_in)
        if state[1] != spent:
            yield Disagreement(account_id=account, measure="spent", running=state[1], replayed=spent)
        if state[2] != line.held:
            yield Disagreement(account_id=account, measure="held", running=state[2], replayed=line.held)


async def _changes(
    conn: AsyncConnection, organization_id: str, account_id: str, *span: ColumnElement[bool]
) -> dict[str, int]:
    """Return what was posted to the account, by kind; negative where it took away."""
    query = (
        select(_transfers.kind, _transfers.credit_account, *exact_sum(_transfers.amount))
        .where(_transfers.organization_id == organization_id, _IS_POSTED, *span)
        .group_by(_transfers.kind, _transfers.credit_account)
    )
    changes: dict[str, int] = {}
    for kind, credited, quotients, remainders in await conn.execute(query):
        amount = whole(quotients, remainders)
        changes[kind] = changes.get(kind, 0) + (amount if credited == account_id else -amount)
    return changes


async def _sides(conn: AsyncConnection, account: ColumnElement[str]) -> dict[tuple[str, str, bool], int]:
    is_charge = (_transfers.kind == "charge").label("is_charge")
    query = (
        select(account, _transfers.state, is_charge, *exact_sum(_transfers.amount))
        .where(_transfers.state.in_(_COUNTED))
        .group_by(account, _transfers.state, is_charge)
    )
    return {
        (named, state, bool(charges)): whole(quotients, remainders)
        for named, state, charges, quotients, remainders in await conn.execute(query)
    }


def _of(sides: _Sides, account_id: str, state: str) -> int:
    return sides.get((account_id, state, True), 0) + sides.get((account_id, state, False), 0)


def _transfer(row: Row[Any], account_id: str) -> Transfer:
    values = {name: getattr(row, name) for name in Transfer.__struct_fields__ if hasattr(row, name)}
    change = row.amount if row.credit_account == account_id else -row.amount
    return Transfer(**values, change=change, posted_at=row.ended_at if row.state == "posted" else None)
