"""The journal's writes on PostgreSQL: one connection of its own, one transaction per batch.

Each statement is sent with the rows of the whole batch at once (`executemany`, `fetchmany`), so that a batch costs the
same few round trips whatever its size. A batch of nothing but new intents that hold nothing is one statement over its
rows, which is a transaction by itself: one round trip. Holds cost three to five more.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from keystead.domain.clock import Clock
from keystead.domain.means import Hold
from keystead.domain.records import RequestIntent, Settlement
from keystead.storage.batch import Ending, Intent, Record, added, late
from keystead.storage.holds import Holding
from keystead.storage.rows import Row, attempt_end, attempt_row, request_end, request_row, request_totals, tallied
from keystead.storage.sink import BatchRefusedError, Outcome, StorageAwayError
from keystead.storage.statements import LOCK_DAYS, POSTGRES, POSTGRES_HOLDS

_CONNECT_TIMEOUT_S: Final = 5.0
_COMMAND_TIMEOUT_S: Final = 10.0
"""Twice the patience of an intent: after it the connection counts as dead."""
_SESSION: Final = {
    "application_name": "keystead journal",
    "synchronous_commit": "on",  # durable before anything is answered, whatever the server's default
    # A worker that is frozen or cut off in the middle of a batch keeps counters and roll-ups locked for all others.
    "idle_in_transaction_session_timeout": "5s",
    # Each statement finds its row by key. A partition that is new has no statistics, and a plan made then and kept would
    # read it from end to end when it has grown.
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
# By SQLSTATE class: a value out of range, a row that is there already, a limit of the program such as an index entry's
# length. Everything else is the server's state, or the operator's to mend.
_RECORD_AT_FAULT: Final = ("22", "23", "54")

_Key = tuple[str, int]
"""A request's id and the attempt's number, 0 for the request itself."""


class PostgresSink:
    """A `Sink` that writes to PostgreSQL."""

    most_at_once = 128  # fewer than on SQLite: they are encoded on the event loop, some 30 µs each

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Remember where; the connection is made when the first record comes, and again after it broke."""
        self._clock = clock
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def write(self, batch: Sequence[Record]) -> Sequence[Outcome]:
        """Write all records or none (see `Sink`)."""
        outcome: Sequence[Outcome] = await self._attempt(
            lambda connection: _store_where_it_belongs(connection, batch, self._clock)
        )
        return outcome

    async def probe(self) -> None:
        """Take room for a page, and commit, to see whether the server takes writes again."""
        await self._attempt(_touch)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _attempt(self, body: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._url,
                    timeout=_CONNECT_TIMEOUT_S,
                    command_timeout=_COMMAND_TIMEOUT_S,
                    server_settings=_SESSION,
                )
            return await body(self._connection)
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_RECORD_AT_FAULT):
                raise BatchRefusedError from error
            self._let_go()
            raise StorageAwayError(repr(error)) from error
        except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
            self._let_go()
            raise StorageAwayError(repr(error)) from error
        except asyncpg.InterfaceError as error:
            # Raised for a connection that is gone and for a value that does not fit its column's type alike.
            if self._connection is None or self._connection.is_closed():
                raise StorageAwayError(repr(error)) from error
            raise BatchRefusedError from error
        except BaseException:  # cancelled in the middle of a statement, or a defect: the answer would meet the next one
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _touch(connection: asyncpg.Connection) -> None:
    # On a full disk a row can still be changed in the room that its page has left; a record needs new pages.
    await connection.execute(
        "BEGIN; CREATE TABLE record_probe AS SELECT 0 AS page; ROLLBACK;"
        " UPDATE snapshot_revision SET revision = revision"
    )


async def _store_where_it_belongs(
    connection: asyncpg.Connection, batch: Sequence[Record], clock: Clock
) -> Sequence[Outcome]:
    try:
        return await _store(connection, batch, clock.now_us())
    except asyncpg.CheckViolationError:
        # Most likely the bounds of a partition: while an insert waited on the default one, the row's own month was
        # attached. It is there now; whatever else it was happens again.
        return await _store(connection, batch, clock.now_us())


async def _store(connection: asyncpg.Connection, batch: Sequence[Record], now: int) -> Sequence[Outcome]:
    intents = [record for record in batch if isinstance(record, Intent)]
    ends = [record.settlement for record in batch if isinstance(record, Ending)]
    if not ends and all(intent.attempt.number == 1 and not intent.attempt.holds for intent in intents):
        await _open(connection, intents)
        return [True] * len(batch)
    # Everybody takes locks in one order, so that no two workers wait for each other: rows of their own requests, then
    # counters, then roll-ups, each sorted. The roll-ups are last because all workers share them.
    async with connection.transaction():
        ended, closed = await _end(connection, ends)
        gone = await _count(connection, [intent for intent in intents if intent.attempt.number > 1])
        asking = [intent for intent in intents if intent not in gone]
        refused = await _hold(connection, [end for end in ends if _key(end) in ended], asking)
        await _open(connection, [intent for intent in asking if intent not in refused])
        counted = [(end, end.request.id in closed) for end in ends if _key(end) in ended]
        await _add(connection, counted, now)
    return [_outcome(record, gone, refused, ended) for record in batch]


def _outcome(record: Record, gone: set[Intent], refused: Mapping[Intent, Hold], ended: set[_Key]) -> Outcome:
    if isinstance(record, Ending):
        return _key(record.settlement) in ended
    return refused.get(record, record not in gone)


def _key(settlement: Settlement) -> _Key:
    return settlement.request.id, settlement.attempt.number if settlement.attempt else 0


async def _open(connection: asyncpg.Connection, intents: Sequence[Intent]) -> None:
    first = [
        (*request_row(intent.request), *attempt_row(intent.request, intent.attempt))
        for intent in intents
        if intent.attempt.number == 1
    ]
    await _each(connection, POSTGRES.open_both, first)
    further = [attempt_row(intent.request, intent.attempt) for intent in intents if intent.attempt.number > 1]
    await _each(connection, POSTGRES.open_attempt, further)


async def _count(connection: asyncpg.Connection, further: Sequence[Intent]) -> set[Intent]:
    """Count further attempts in their requests; return those whose request has ended."""
    there = await _ids(connection, POSTGRES.count_attempt, [_request_key(intent.request) for intent in further])
    return {intent for intent in further if intent.request.id not in there}


async def _hold(
    connection: asyncpg.Connection, ended: Sequence[Settlement], intents: Sequence[Intent]
) -> Mapping[Intent, Hold]:
    """Let go of what ended and hold what the intents ask for; return those for which there is no room."""
    holding = Holding(ended, intents)
    if not holding.concerns:
        return {}
    await _each(connection, POSTGRES_HOLDS.end_transfer, holding.ended_transfers())
    await connection.executemany(POSTGRES_HOLDS.lock_counter, holding.counters())
    # In a statement of its own, which sees all that was written before the locks were given.
    read = await connection.fetchmany(POSTGRES_HOLDS.standing, holding.windows) if holding.windows else []
    decision = holding.decide(read)
    await _each(connection, POSTGRES_HOLDS.count, decision.counted)
    await _each(connection, POSTGRES_HOLDS.open_transfer, decision.opened)
    further = [intent.request for intent in decision.refused if intent.attempt.number > 1]
    await _each(connection, POSTGRES.uncount_attempt, [_request_key(request) for request in further])
    return decision.refused


async def _end(connection: asyncpg.Connection, ends: Sequence[Settlement]) -> tuple[set[_Key], set[str]]:
    """End attempts, then the requests that end with them; return both."""
    ended = await _end_attempts(connection, ends)
    without = [end for end in ends if not end.attempt]
    closed = await _refuse_requests(connection, without)
    finals = [end for end in ends if end.ends_request and _key(end) in ended]
    closed |= await _end_requests(connection, finals)
    closed |= await _close_requests(connection, [end for end in (*finals, *without) if end.request.id not in closed])
    ended |= {_key(end) for end in without if end.request.id in closed}
    return ended, closed


async def _add(connection: asyncpg.Connection, counted: Sequence[tuple[Settlement, bool]], now: int) -> None:
    """Add up what really ended, each with whether it ended its request."""
    await _each(connection, POSTGRES.add, [key + sums for key, sums in added(counted)])
    tardy = late(counted, now)
    if tardy:
        await connection.execute(LOCK_DAYS)
        await _each(connection, POSTGRES.ungather, tardy)


async def _end_attempts(connection: asyncpg.Connection, ends: Sequence[Settlement]) -> set[_Key]:
    rows = [
        (*attempt_end(end, end.attempt), end.request.id, end.attempt.number, end.request.started_at)
        for end in ends
        if end.attempt
    ]
    return {(row[0], row[1]) for row in await connection.fetchmany(POSTGRES.end_attempt, rows)} if rows else set()


async def _end_requests(connection: asyncpg.Connection, ends: Sequence[Settlement]) -> set[str]:
    rows = [
        (*request_end(end), *request_totals(end), *_request_key(end.request), 1)
        for end in ends
        if end.attempt and end.attempt.number == 1
    ]
    return await _ids(connection, POSTGRES.end_request, rows)


async def _close_requests(connection: asyncpg.Connection, ends: Sequence[Settlement]) -> set[str]:
    if not ends:
        return set()
    keys = [_request_key(end.request) for end in ends]
    # First, in a statement of its own: what the next one sees of their attempts cannot change any more.
    await connection.fetchmany(POSTGRES.lock_request, keys)
    attempts: dict[str, list[Row]] = {}
    for request_id, *tally in await connection.fetchmany(POSTGRES.tally, keys):
        attempts.setdefault(request_id, []).append(tuple(tally))
    rows = []
    for end in ends:
        tried = attempts.get(end.request.id, [])
        totals = tallied(tried, end.cost.currency)
        if totals is not None:
            rows.append((*request_end(end), *totals, *_request_key(end.request), len(tried)))
    return await _ids(connection, POSTGRES.end_request, rows)


async def _refuse_requests(connection: asyncpg.Connection, ends: Sequence[Settlement]) -> set[str]:
    rows = [(*request_row(end.request), *request_end(end), *request_totals(end)) for end in ends]
    return await _ids(connection, POSTGRES.refuse_request, rows)


def _request_key(request: RequestIntent) -> Row:
    return request.id, request.started_at


async def _each(connection: asyncpg.Connection, statement: str, rows: Sequence[Row]) -> None:
    if rows:  # asyncpg makes the round trip for no rows as well
        await connection.executemany(statement, rows)


async def _ids(connection: asyncpg.Connection, statement: str, rows: Sequence[Row]) -> set[str]:
    return {row[0] for row in await connection.fetchmany(statement, rows)} if rows else set()
