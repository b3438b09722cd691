"""The journal's statements, put together once from the names of our own columns. Pure; nothing here comes from input.

Each writes one row and is run over many (`executemany`). Both engines run the same text but for the mark of a value
(`?1` or `$1`) and for RETURNING, by which PostgreSQL says which rows it changed.

A request is open while `finished_at` is null. Asking for `state = 'intent'` would let PostgreSQL's planner read all
open requests through the partial index on them, for each row written, where one look at the key is enough.
"""
# ruff: noqa: S608 - see above

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from sqlalchemy import String, Table

from keystead.storage.governance import counters, ledger_transfers
from keystead.storage.holds import COUNTED, COUNTER, TRANSFER_END, TRANSFER_INTENT, WINDOW
from keystead.storage.rows import (
    ATTEMPT_END,
    ATTEMPT_INTENT,
    ATTEMPT_KEY,
    MAX_COUNT,
    REQUEST_END,
    REQUEST_INTENT,
    REQUEST_KEY,
    REQUEST_TOTALS,
    TALLY,
)
from keystead.storage.schema import attempts, requests
from keystead.storage.sums import SPLIT
from keystead.storage.usage_tables import ROLLUP_DIMENSIONS, ROLLUP_SUMS, ROLLUP_TIMES, rollups


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """The statements of one engine, each with the values it takes, in the words and the order of `rows`."""

    open_request: str
    """REQUEST_INTENT."""
    open_attempt: str
    """ATTEMPT_INTENT."""
    open_both: str
    """REQUEST_INTENT, ATTEMPT_INTENT. Both rows in one statement (PostgreSQL)."""
    count_attempt: str
    """REQUEST_KEY. If the request is open: a further attempt is about to be opened."""
    uncount_attempt: str
    """REQUEST_KEY. Undo `count_attempt`: there is no room for the attempt."""
    end_attempt: str
    """ATTEMPT_END, ATTEMPT_KEY. If the attempt is open."""
    end_request: str
    """REQUEST_END, REQUEST_TOTALS, REQUEST_KEY, attempts. If the request is open and has had that many attempts."""
    lock_request: str
    """REQUEST_KEY. Keep others from ending it or opening attempts (PostgreSQL)."""
    tally: str
    """REQUEST_KEY. Return the request's id and TALLY of each of its attempts."""
    refuse_request: str
    """REQUEST_INTENT, REQUEST_END, REQUEST_TOTALS. If the request is not there: insert it, ended."""
    add: str
    """ROLLUP_DIMENSIONS, ROLLUP_SUMS, ROLLUP_TIMES."""
    ungather: str
    """Organization, hour. If the hour is gathered: what is gathered of its day counts no more."""


class HoldStatements(msgspec.Struct, frozen=True, kw_only=True):
    """The same for the counters and the ledger, in the words and the order of `holds`."""

    lock_counter: str
    """COUNTER. Keep others from deciding about the counter (PostgreSQL)."""
    standing: str
    """WINDOW. Return what `holds.standing_of` reads."""
    count: str
    """COUNTED."""
    open_transfer: str
    """TRANSFER_INTENT."""
    end_transfer: str
    """TRANSFER_END, the id. If the transfer is pending."""


class _Values:
    """The numbered values that a statement takes for `columns`."""

    def __init__(self, mark: str, table: Table, columns: Sequence[str], *, first: int = 1) -> None:
        self._table = table
        self._columns = columns
        self._marks = {column: f"{mark}{number}" for number, column in enumerate(columns, first)}

    def of(self, column: str) -> str:
        """Return the value for a column. Text that is absent is given as empty (see `rows`)."""
        target, mark = self._table.c[column], self._marks[column]
        return f"nullif({mark}, '')" if target.nullable and isinstance(target.type, String) else mark

    def assigned(self, columns: Iterable[str]) -> str:
        return ", ".join(f"{column} = {self.of(column)}" for column in columns)

    def equal(self, columns: Iterable[str]) -> str:
        return " AND ".join(f"{column} = {self.of(column)}" for column in columns)

    def inserted(self, **constants: str) -> str:
        """Return an INSERT of these values and of some that are always the same."""
        names = ", ".join((*self._columns, *constants))
        values = ", ".join((*map(self.of, self._columns), *constants.values()))
        return f"INSERT INTO {self._table.name} ({names}) VALUES ({values})"


def inserting(mark: str, table: Table, columns: Sequence[str]) -> str:
    """Return an INSERT of rows of these columns, for the journal's rows that are written whole."""
    return _Values(mark, table, columns).inserted()


def _statements(mark: str, *, returning: bool) -> Statements:
    intent = _Values(mark, requests, REQUEST_INTENT)
    attempt = _Values(mark, attempts, ATTEMPT_INTENT)
    attempt_beside = _Values(mark, attempts, ATTEMPT_INTENT, first=len(REQUEST_INTENT) + 1)
    key = _Values(mark, requests, REQUEST_KEY)
    ended_attempt = _Values(mark, attempts, (*ATTEMPT_END, *ATTEMPT_KEY))
    ended = _Values(mark, requests, (*REQUEST_END, *REQUEST_TOTALS, *REQUEST_KEY, "attempts"))
    of_request = _Values(mark, attempts, ("request_id", "request_started_at"))
    refused = _Values(mark, requests, (*REQUEST_INTENT, *REQUEST_END, *REQUEST_TOTALS))
    summed = _Values(mark, rollups, (*ROLLUP_DIMENSIONS, *ROLLUP_SUMS, *ROLLUP_TIMES))
    the_request, the_attempt = (" RETURNING id", " RETURNING request_id, number") if returning else ("", "")
    open_request = intent.inserted(state="'intent'", attempts="1")
    open_beside = attempt_beside.inserted(state="'intent'")
    return Statements(
        open_request=open_request,
        open_attempt=attempt.inserted(state="'intent'"),
        open_both=f"WITH opened AS ({open_request}) {open_beside}",
        count_attempt=f"UPDATE requests SET attempts = attempts + 1"
        f" WHERE {key.equal(REQUEST_KEY)} AND finished_at IS NULL{the_request}",
        uncount_attempt=f"UPDATE requests SET attempts = attempts - 1 WHERE {key.equal(REQUEST_KEY)}",
        end_attempt=f"UPDATE attempts SET {ended_attempt.assigned(ATTEMPT_END)}"
        f" WHERE {ended_attempt.equal(ATTEMPT_KEY)} AND finished_at IS NULL{the_attempt}",
        end_request=f"UPDATE requests SET {ended.assigned((*REQUEST_END, *REQUEST_TOTALS))}"
        f" WHERE {ended.equal((*REQUEST_KEY, 'attempts'))} AND finished_at IS NULL{the_request}",
        lock_request=f"SELECT id FROM requests WHERE {key.equal(REQUEST_KEY)} FOR NO KEY UPDATE",
        tally=f"SELECT request_id, {', '.join(TALLY)} FROM attempts"
        f" WHERE {of_request.equal(('request_id', 'request_started_at'))}",
        refuse_request=f"{refused.inserted(attempts='0')} ON CONFLICT DO NOTHING{the_request}",
        ungather=f"DELETE FROM usage_days WHERE organization_id = {mark}1 AND day_at <= {mark}2 AND until_at > {mark}2",
        add=f"{summed.inserted()} ON CONFLICT ({', '.join(ROLLUP_DIMENSIONS)})"
        f" DO UPDATE SET {', '.join(_added(rollups, column) for column in ROLLUP_SUMS)},"
        f" {', '.join(f'{column} = rollups.{column} + excluded.{column}' for column in ROLLUP_TIMES)}",
    )


def _hold_statements(mark: str) -> HoldStatements:
    counted = _Values(mark, counters, COUNTED)
    locked = _Values(mark, counters, COUNTER)
    counter_id, bucket_at, since_at = (f"{mark}{number}" for number in range(1, len(WINDOW) + 1))
    of_bucket = ", ".join(
        f"max({column}) FILTER (WHERE bucket_at = {bucket_at})" for column in ("ceiling", "spent", "held")
    )
    charged = _Values(mark, ledger_transfers, TRANSFER_INTENT)
    ended_transfer = _Values(mark, ledger_transfers, (*TRANSFER_END, "id"))
    return HoldStatements(
        # The counter's first row stands for all of it, also for buckets that are not there yet. It is made if it is not
        # there, and locked in any case: PostgreSQL locks the row of a conflict before it looks at the condition.
        lock_counter=f"{locked.inserted(bucket_at='0', spent='0', held='0')} ON CONFLICT (counter_id, bucket_at)"
        " DO UPDATE SET held = counters.held WHERE false",
        standing=f"SELECT sum(spent / {SPLIT} + held / {SPLIT}), sum(spent % {SPLIT} + held % {SPLIT}),"
        f" {of_bucket} FROM counters WHERE counter_id = {counter_id} AND bucket_at >= {since_at}",
        count=f"{counted.inserted()} ON CONFLICT (counter_id, bucket_at)"
        f" DO UPDATE SET {_added(counters, 'spent')}, held = counters.held + excluded.held",
        open_transfer=charged.inserted(kind="'charge'", state="'pending'", note="''", created_by="'gateway'"),
        end_transfer=f"UPDATE ledger_transfers SET {ended_transfer.assigned(TRANSFER_END)}"
        f" WHERE {ended_transfer.equal(('id',))} AND state = 'pending'",
    )


def _added(table: Table, column: str) -> str:
    # A sum that would not fit stays at the largest number instead of turning into a float (SQLite) or an error.
    return (
        f"{column} = CASE WHEN excluded.{column} > {MAX_COUNT} - {table.name}.{column} THEN {MAX_COUNT}"
        f" ELSE {table.name}.{column} + excluded.{column} END"
    )


SQLITE: Final = _statements("?", returning=False)
POSTGRES: Final = _statements("$", returning=True)
SQLITE_HOLDS: Final = _hold_statements("?")
POSTGRES_HOLDS: Final = _hold_statements("$")

LOCK_DAYS: Final = "SELECT pg_advisory_xact_lock(5397001300000001)"
"""Taken by whoever gathers a day, and by whoever is late for one: so that the one sees what the other did (PostgreSQL;
a writer of SQLite is alone anyway). Neither waits for anything else while it holds it but the other's commit."""
