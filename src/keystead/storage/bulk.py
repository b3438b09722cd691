"""Requests that have ended already, written whole: many at once, and as the journal would have left them.

The journal writes a request in two steps, each durable before something happens. What has happened before, such as a
demonstration's past, has nothing to wait for. The rows are made by the same functions (`rows`, `holds`, `batch`), so
that roll-ups, counters and transfers agree with the requests by construction.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.records import AttemptIntent, Settlement
from keystead.domain.traffic import State
from keystead.storage.batch import added, late
from keystead.storage.governance import ledger_transfers
from keystead.storage.holds import TRANSFER_INTENT, posts_of, transfer_id
from keystead.storage.rows import (
    ATTEMPT_END,
    ATTEMPT_INTENT,
    MAX_COUNT,
    REQUEST_END,
    REQUEST_INTENT,
    REQUEST_TOTALS,
    TALLY,
    Row,
    attempt_end,
    attempt_row,
    request_end,
    request_row,
    request_totals,
    tallied,
)
from keystead.storage.schema import attempts, requests
from keystead.storage.statements import LOCK_DAYS, POSTGRES, POSTGRES_HOLDS, SQLITE, SQLITE_HOLDS, inserting

REQUEST: Final = (*REQUEST_INTENT, *REQUEST_END, *REQUEST_TOTALS, "attempts")
_ONCE: Final = tuple(index for index, name in enumerate(ATTEMPT_INTENT) if name not in ATTEMPT_END)
ATTEMPT: Final = (*(ATTEMPT_INTENT[index] for index in _ONCE), *ATTEMPT_END)
TRANSFER: Final = (*TRANSFER_INTENT, "kind", "state", "ended_at", "note", "created_by")
_TALLY: Final = tuple(ATTEMPT_END.index(name) for name in TALLY)

Ended = Sequence[Settlement]
"""The ends of one request's attempts in their order, the last of which ends it; or its one end without an attempt."""


async def insert_ended(connection: AsyncConnection, ended: Iterable[Ended]) -> None:
    """Write requests that have ended, in the caller's transaction.

    Their holds are posted and never refused: whoever makes up a past keeps within the limits.
    """
    whole = list(ended)
    settlements = [(end, end is one[-1]) for one in whole for end in one]
    request_rows: list[Row] = []
    attempt_rows: list[Row] = []
    for one in whole:
        ends = [(end, attempt_end(end, end.attempt)) for end in one if end.attempt is not None]
        request_rows.append(_request(one[-1], [row for _, row in ends]))
        attempt_rows += [_attempt(end, row) for end, row in ends]
    held = [(end, end.attempt) for end, _ in settlements if end.attempt is not None and end.attempt.holds]
    rollup_rows = [key + sums for key, sums in added(settlements)]
    sqlite = connection.dialect.name == "sqlite"
    statements = SQLITE if sqlite else POSTGRES
    await _many(connection, statements.add, rollup_rows)
    if not sqlite:
        await connection.exec_driver_sql(LOCK_DAYS)
    await _many(connection, statements.ungather, late(settlements, MAX_COUNT))
    await _many(connection, (SQLITE_HOLDS if sqlite else POSTGRES_HOLDS).count, _counted(held))
    await _insert(connection, ledger_transfers, TRANSFER, [row for end, attempt in held for row in _paid(end, attempt)])
    await _insert(connection, requests, REQUEST, request_rows)
    await _insert(connection, attempts, ATTEMPT, attempt_rows)


def _request(end: Settlement, ends: Sequence[Row]) -> Row:
    totals = request_totals(end) if len(ends) < 2 else _totals(end, ends)
    return (*request_row(end.request), *request_end(end), *totals, len(ends))


def _totals(end: Settlement, ends: Sequence[Row]) -> Row:
    totals = tallied([tuple([row[index] for index in _TALLY]) for row in ends], end.cost.currency)
    assert totals is not None, "all of its attempts have ended"
    return totals


def _attempt(end: Settlement, row: Row) -> Row:
    assert end.attempt is not None
    intent = attempt_row(end.request, end.attempt)
    return (*[intent[index] for index in _ONCE], *row)


def _counted(held: Iterable[tuple[Settlement, AttemptIntent]]) -> list[Row]:
    spent: dict[tuple[str, int, str], int] = {}
    for end, attempt in held:
        for hold, post in zip(attempt.holds, posts_of(end, attempt), strict=True):
            key = hold.counter_id, hold.bucket_at, end.request.organization_id
            spent[key] = spent.get(key, 0) + post
    return [(*key, amount, 0) for key, amount in sorted(spent.items()) if amount]


def _paid(end: Settlement, attempt: AttemptIntent) -> Iterable[Row]:
    nothing = "expired" if end.state is State.UNKNOWN else "voided"
    for hold, post in zip(attempt.holds, posts_of(end, attempt), strict=True):
        if hold.kind == "credits":
            yield (
                transfer_id(end.request.id, attempt.number),
                end.request.organization_id,
                attempt.started_at,
                hold.counter_id,
                hold.pays,
                post or hold.amount,
                end.request.id,
                attempt.number,
                "charge",
                "posted" if post else nothing,
                end.finished_at,
                "",
                "gateway",
            )


async def _many(connection: AsyncConnection, statement: str, rows: list[Row]) -> None:
    if rows:
        await connection.exec_driver_sql(statement, rows)


async def _insert(connection: AsyncConnection, table: Table, columns: Sequence[str], rows: list[Row]) -> None:
    # Not by COPY: PostgreSQL refuses it on tables that policies protect.
    mark = "?" if connection.dialect.name == "sqlite" else "$"
    await _many(connection, inserting(mark, table, columns), rows)
