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
from keystead.storage.schema import ROLLUP_DIMENSIONS, ROLLUP_SUMS, attempts, requests, rollups


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
    """ROLLUP_DIMENSIONS, ROLLUP_SUMS."""


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


def _statements(mark: str, *, returning: bool) -> Statements:
    intent = _Values(mark, requests, REQUEST_INTENT)
    attempt = _Values(mark, attempts, ATTEMPT_INTENT)
    attempt_beside = _Values(mark, attempts, ATTEMPT_INTENT, first=len(REQUEST_INTENT) + 1)
    key = _Values(mark, requests, REQUEST_KEY)
    ended_attempt = _Values(mark, attempts, (*ATTEMPT_END, *ATTEMPT_KEY))
    ended = _Values(mark, requests, (*REQUEST_END, *REQUEST_TOTALS, *REQUEST_KEY, "attempts"))
    of_request = _Values(mark, attempts, ("request_id", "request_started_at"))
    refused = _Values(mark, requests, (*REQUEST_INTENT, *REQUEST_END, *REQUEST_TOTALS))
    summed = _Values(mark, rollups, (*ROLLUP_DIMENSIONS, *ROLLUP_SUMS))
    the_request, the_attempt = (" RETURNING id", " RETURNING request_id, number") if returning else ("", "")
    open_request = intent.inserted(state="'intent'", attempts="1")
    open_beside = attempt_beside.inserted(state="'intent'")
    return Statements(
        open_request=open_request,
        open_attempt=attempt.inserted(state="'intent'"),
        open_both=f"WITH opened AS ({open_request}) {open_beside}",
        count_attempt=f"UPDATE requests SET attempts = attempts + 1"
        f" WHERE {key.equal(REQUEST_KEY)} AND finished_at IS NULL{the_request}",
        end_attempt=f"UPDATE attempts SET {ended_attempt.assigned(ATTEMPT_END)}"
        f" WHERE {ended_attempt.equal(ATTEMPT_KEY)} AND finished_at IS NULL{the_attempt}",
        end_request=f"UPDATE requests SET {ended.assigned((*REQUEST_END, *REQUEST_TOTALS))}"
        f" WHERE {ended.equal((*REQUEST_KEY, 'attempts'))} AND finished_at IS NULL{the_request}",
        lock_request=f"SELECT id FROM requests WHERE {key.equal(REQUEST_KEY)} FOR NO KEY UPDATE",
        tally=f"SELECT request_id, {', '.join(TALLY)} FROM attempts"
        f" WHERE {of_request.equal(('request_id', 'request_started_at'))}",
        refuse_request=f"{refused.inserted(attempts='0')} ON CONFLICT DO NOTHING{the_request}",
        add=f"{summed.inserted()} ON CONFLICT ({', '.join(ROLLUP_DIMENSIONS)})"
        f" DO UPDATE SET {', '.join(map(_added, ROLLUP_SUMS))}",
    )


def _added(column: str) -> str:
    # A sum that would not fit stays at the largest number instead of turning into a float (SQLite) or an error.
    return (
        f"{column} = CASE WHEN excluded.{column} > {MAX_COUNT} - rollups.{column} THEN {MAX_COUNT}"
        f" ELSE rollups.{column} + excluded.{column} END"
    )


SQLITE: Final = _statements("?", returning=False)
POSTGRES: Final = _statements("$", returning=True)
