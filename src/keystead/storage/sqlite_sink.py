"""The journal's writes on SQLite: one thread with one connection of its own.

A batch is one transaction of a few statements, each run over all its rows (`executemany`). That says only how many
rows changed in all, so a batch in which every end meets an open attempt, as nearly all do, is written in bulk; any
other is written record by record.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal

from keystead.domain.clock import Clock
from keystead.domain.means import Hold
from keystead.domain.records import Settlement
from keystead.storage.batch import Ending, Intent, Record, added, late
from keystead.storage.holds import Holding
from keystead.storage.rows import (
    attempt_end,
    attempt_row,
    request_end,
    request_row,
    request_totals,
    tallied,
)
from keystead.storage.sink import BatchRefusedError, Outcome, StorageAwayError
from keystead.storage.statements import SQLITE, SQLITE_HOLDS
from keystead.storage.turn import turn

BUSY_TIMEOUT_S: Final = 30.0
"""How long a batch waits for another process's transaction, which lasts milliseconds."""
_PRAGMAS: Final = (
    "cache_size = -16384",  # KiB: the ends of the tables and of every organization's part of the indexes
    "journal_size_limit = 67108864",  # a WAL that grew behind a long read shrinks to this again
)

_Job = tuple[Callable[[], Any], asyncio.Future[Any]]
_Ended = list[tuple[Settlement, bool]]


class SqliteSink:
    """A `Sink` that writes to a SQLite file."""

    most_at_once = 512

    def __init__(self, path: Path, *, synchronous: Literal["full", "normal"], clock: Clock) -> None:
        """Start the thread; the file is opened when the first record comes."""
        self._clock = clock
        self._path = path
        self._synchronous = synchronous
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon, so that a disk that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def write(self, batch: Sequence[Record]) -> Sequence[Outcome]:
        """Write all records or none (see `Sink`)."""
        outcome: Sequence[Outcome] = await self._in_thread(
            lambda: self._transaction(lambda c: _store(c, batch, self._clock.now_us()))
        )
        return outcome

    async def probe(self) -> None:
        """Write a page, to see whether there is room again and the lock is free."""
        await self._in_thread(lambda: self._transaction(_touch))

    async def close(self) -> None:
        """End the thread, which closes the connection."""
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join, BUSY_TIMEOUT_S)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        done: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((work, done))
        return await done

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            result: Any = None
            failure: Exception | None = None
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - handed to the one who waits
                failure = error
            try:
                self._loop.call_soon_threadsafe(_answer, done, result, failure)
            except RuntimeError:
                break  # the loop is closed: nobody waits
        if self._connection is not None:
            self._connection.close()

    def _transaction(self, body: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            connection = self._open()
            with turn(self._path):
                connection.execute("BEGIN IMMEDIATE")
                result = body(connection)
                connection.execute("COMMIT")
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
            self._roll_back()
            raise BatchRefusedError from error
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            raise StorageAwayError(str(error)) from error
        except BaseException:  # a defect, whichever: the transaction must not stay open and keep every writer waiting
            self._roll_back()
            raise
        return result

    def _open(self) -> sqlite3.Connection:
        # A file that was moved or replaced while it is open would go on taking writes that nobody finds again.
        found = self._path.stat()
        file = (found.st_dev, found.st_ino)
        if self._connection is not None and file != self._file:
            self._connection.close()
            self._connection = None
        if self._connection is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
            for pragma in (f"synchronous = {self._synchronous}", *_PRAGMAS):
                connection.execute(f"PRAGMA {pragma}")
            self._connection, self._file = connection, file
        return self._connection

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A connection that cannot even do that is of no further use; the next write opens another.
            connection.close()
            self._connection = None


def _answer(done: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)


def _touch(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE snapshot_revision SET revision = revision")


def _store(connection: sqlite3.Connection, batch: Sequence[Record], now: int) -> Sequence[Outcome]:
    outcome = _store_in_bulk(connection, batch, now)
    if outcome is None:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        outcome = _store_one_by_one(connection, batch, now)
    return outcome


def _store_in_bulk(connection: sqlite3.Connection, batch: Sequence[Record], now: int) -> Sequence[Outcome] | None:
    """Write the batch by kind, or return None, with the transaction to be rolled back, if it is not plain."""
    sorted_out = _plain(batch)
    if sorted_out is None:
        return None
    intents, ends = sorted_out
    if ends:
        ended = connection.executemany(SQLITE.end_attempt, [_end_attempt(end) for end in ends]).rowcount
        if ended != len(ends):
            return None
        if connection.executemany(SQLITE.end_request, [_end_request(end) for end in ends]).rowcount != len(ends):
            return None
    refused = _hold(connection, ends, intents)
    if refused:
        intents = [intent for intent in intents if intent not in refused]
    if intents:
        connection.executemany(SQLITE.open_request, [request_row(intent.request) for intent in intents])
        connection.executemany(SQLITE.open_attempt, [attempt_row(intent.request, intent.attempt) for intent in intents])
    if ends:
        _add(connection, [(end, True) for end in ends], now)
    if refused:
        return [refused.get(record, True) if isinstance(record, Intent) else True for record in batch]
    return [True] * len(batch)


def _plain(batch: Sequence[Record]) -> tuple[list[Intent], list[Settlement]] | None:
    """Return intents and ends, or None if one of them is not of a request's first and only attempt."""
    intents: list[Intent] = []
    ends: list[Settlement] = []
    for record in batch:
        if isinstance(record, Intent):
            if record.attempt.number != 1:
                return None
            intents.append(record)
        else:
            settlement = record.settlement
            if settlement.attempt is None or settlement.attempt.number != 1 or not settlement.ends_request:
                return None
            ends.append(settlement)
    return intents, ends


def _store_one_by_one(connection: sqlite3.Connection, batch: Sequence[Record], now: int) -> Sequence[Outcome]:
    outcome: dict[Record, Outcome] = {}
    ended: _Ended = []
    for record in batch:
        if isinstance(record, Ending):
            outcome[record] = _end(connection, record.settlement, ended)
    intents = [record for record in batch if isinstance(record, Intent)]
    for intent in intents:
        outcome[intent] = intent.attempt.number == 1 or _count(connection, intent)
    intents = [intent for intent in intents if outcome[intent]]
    refused = _hold(connection, [settlement for settlement, _ in ended], intents)
    for intent in intents:
        if intent not in refused:
            _open(connection, intent)
            continue
        outcome[intent] = refused[intent]
        if intent.attempt.number > 1:
            connection.execute(SQLITE.uncount_attempt, (intent.request.id, intent.request.started_at))
    _add(connection, ended, now)
    return [outcome[record] for record in batch]


def _hold(
    connection: sqlite3.Connection, ended: Iterable[Settlement], intents: Iterable[Intent]
) -> Mapping[Intent, Hold]:
    """Let go of what ended and hold what the intents ask for; return those for which there is no room."""
    holding = Holding(ended, intents)
    if not holding.concerns:
        return {}
    read = [connection.execute(SQLITE_HOLDS.standing, window).fetchone() for window in holding.windows]
    decision = holding.decide(read)
    connection.executemany(SQLITE_HOLDS.count, decision.counted)
    connection.executemany(SQLITE_HOLDS.end_transfer, holding.ended_transfers())
    connection.executemany(SQLITE_HOLDS.open_transfer, decision.opened)
    return decision.refused


def _count(connection: sqlite3.Connection, intent: Intent) -> bool:
    key = (intent.request.id, intent.request.started_at)
    return connection.execute(SQLITE.count_attempt, key).rowcount == 1


def _open(connection: sqlite3.Connection, intent: Intent) -> None:
    if intent.attempt.number == 1:
        connection.execute(SQLITE.open_request, request_row(intent.request))
    connection.execute(SQLITE.open_attempt, attempt_row(intent.request, intent.attempt))


def _end(connection: sqlite3.Connection, settlement: Settlement, ended: _Ended) -> bool:
    if settlement.attempt is None:
        took_effect = _refuse(connection, settlement) or _close(connection, settlement)
        ends_request = took_effect
    else:
        took_effect = connection.execute(SQLITE.end_attempt, _end_attempt(settlement)).rowcount == 1
        ends_request = took_effect and settlement.ends_request and _close(connection, settlement)
    if took_effect:
        ended.append((settlement, ends_request))
    return took_effect


def _refuse(connection: sqlite3.Connection, settlement: Settlement) -> bool:
    row = (*request_row(settlement.request), *request_end(settlement), *request_totals(settlement))
    return connection.execute(SQLITE.refuse_request, row).rowcount == 1


def _close(connection: sqlite3.Connection, settlement: Settlement) -> bool:
    key = (settlement.request.id, settlement.request.started_at)
    attempts = [row[1:] for row in connection.execute(SQLITE.tally, key)]
    totals = tallied(attempts, settlement.cost.currency)
    if totals is None:
        return False
    row = (*request_end(settlement), *totals, *key, len(attempts))
    return connection.execute(SQLITE.end_request, row).rowcount == 1


def _end_attempt(settlement: Settlement) -> tuple[Any, ...]:
    request, attempt = settlement.request, settlement.attempt
    assert attempt is not None
    return (*attempt_end(settlement, attempt), request.id, attempt.number, request.started_at)


def _end_request(settlement: Settlement) -> tuple[Any, ...]:
    request = settlement.request
    return (*request_end(settlement), *request_totals(settlement), request.id, request.started_at, 1)


def _add(connection: sqlite3.Connection, ended: _Ended, now: int) -> None:
    connection.executemany(SQLITE.add, [key + sums for key, sums in added(ended)])
    connection.executemany(SQLITE.ungather, late(ended, now))
