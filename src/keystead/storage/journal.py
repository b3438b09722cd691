"""Group commit: records wait in a queue, and whatever waits is written as one transaction.

    intend, settle ──► queue ──► the writer task ──► Sink.write (thread or connection) ──► futures resolve

While one batch is being made durable the next one gathers, so the number of commits adapts to the load by itself.
Both engines share this module; a `Sink` is all that differs.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from keystead.domain.clock import Clock
from keystead.domain.errors import NotRecordedError
from keystead.domain.means import Hold, HoldRefusedError
from keystead.domain.records import FREE, AttemptIntent, RequestIntent, Settlement
from keystead.domain.traffic import Fault, State
from keystead.storage import rows
from keystead.storage.batch import Ending, Intent, Record
from keystead.storage.sink import Outcome, Sink, StorageAwayError

QUEUE: Final = 20_000
"""Records that may wait before intents are refused: seconds of work at full speed, and some 50 MB of memory."""
PATIENCE_S: Final = 5.0
"""How long an intent waits for storage that neither works nor fails."""
CLOSE_PATIENCE_S: Final = 10.0
"""How long `close` tries to write what waits while the storage is away."""
_FIRST_BACKOFF_S: Final = 0.05
_LONGEST_BACKOFF_S: Final = 1.0

_log = structlog.stdlib.get_logger(__name__)


class GroupJournal:
    """The `Journal` of either engine. Made, used and closed on one event loop."""

    def __init__(self, sink: Sink, *, clock: Clock, queue: int = QUEUE, patience_s: float = PATIENCE_S) -> None:
        """Start the writer; `queue` and `patience_s` are for tests."""
        self._sink = sink
        self._clock = clock
        self._bound = queue
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Record] = deque()
        self._in_flight: Sequence[Record] = ()
        self._arrived = asyncio.Event()
        self._healthy = True
        self._closing = False
        self._closed = False
        self._dropped = 0
        self._writer = self._loop.create_task(self._run(), name="journal")  # kept here, ended by close
        self._writer.add_done_callback(self._stopped)

    async def intend(self, request: RequestIntent, attempt: AttemptIntent) -> None:
        """Make the intent durable (see `Journal`).

        An intent whose caller stops waiting, or is told that it is not recorded, is ended as `failed_unsent` should
        it have reached the storage after all.
        """
        if not self._healthy or self._closing:
            raise NotRecordedError("The database does not take records now.")
        if len(self._waiting) >= self._bound:
            raise NotRecordedError("Too many records wait for the database.")
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(Intent(request, attempt, done))
        await done

    async def settle(self, settlement: Settlement) -> bool:
        """End an attempt and its request (see `Journal`).

        A settlement without an attempt ends the request itself: it inserts it if it was never intended, and leaves
        it alone while an attempt of it is open. The record is written even if the caller stops waiting.
        """
        # The end of something open must not be refused: such settlements are at most as many as requests in flight,
        # which the gateway bounds. A refusal that never had an intent can be.
        ends_nothing = settlement.attempt is None and not settlement.was_intended
        if self._closing or (ends_nothing and len(self._waiting) >= self._bound):
            raise NotRecordedError("The database does not take records now.")
        done: asyncio.Future[bool] = self._loop.create_future()
        self._submit(Ending(settlement, done))
        return await done

    def backlog(self) -> int:
        """Return how many records wait to be written."""
        return len(self._waiting) + len(self._in_flight)

    def healthy(self) -> bool:
        """Say whether the last write succeeded."""
        return self._healthy

    def dropped(self) -> int:
        """Return how many records were given up."""
        return self._dropped

    async def close(self) -> None:
        """Write what waits, for at most `CLOSE_PATIENCE_S` if the storage is away, then let go of it."""
        if self._closed:
            return
        self._closed = self._closing = True
        self._arrived.set()
        await asyncio.wait({self._writer}, timeout=CLOSE_PATIENCE_S)
        self._writer.cancel()
        await asyncio.wait({self._writer})
        self._give_up()
        await self._sink.close()

    def _give_up(self) -> None:
        left = [*self._in_flight, *self._waiting]
        for record in left:
            self._fail(record, "The database was away when the gateway stopped.")
        if left:
            self._dropped += len(left)
            _log.error("records not written; recovery will end their requests as unknown", count=len(left))

    def _stopped(self, writer: asyncio.Task[None]) -> None:
        if writer.cancelled() or writer.exception() is None:
            return
        # A defect of ours. Better to refuse everything, and to be seen as not ready, than to let callers wait for ever.
        _log.critical("the journal stopped", error=repr(writer.exception()))
        self._healthy = False
        self._closing = True
        self._give_up()

    def _submit(self, record: Record) -> None:
        self._waiting.append(record)
        self._arrived.set()

    async def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            if self._waiting or not (self._healthy or self._closing):
                if await self._try():
                    backoff_s = _FIRST_BACKOFF_S
                else:
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            elif self._closing:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _try(self) -> bool:
        """Write what waits, once it is known that the storage works; say whether it does."""
        if not self._healthy:
            # First, and not only when nothing waits: an end that finds nothing to end writes nothing, and succeeds.
            await self._probe()
            if not self._healthy:
                return False
        batch = self._in_flight = self._take()
        stalled = self._loop.call_later(self._patience_s, self._stall)
        try:
            left = await self._write(batch)
        finally:
            stalled.cancel()
        self._in_flight = ()
        self._waiting.extendleft(reversed(left))
        return self._healthy

    def _take(self) -> list[Record]:
        """Take what waits, up to a batch; intents that nobody waits for any more are left out."""
        batch: list[Record] = []
        concerned: set[str] = set()
        while self._waiting and len(batch) < self._sink.most_at_once:
            record = self._waiting[0]
            if isinstance(record, Ending):
                request_id = record.settlement.request.id
                if request_id in concerned:
                    break  # what is written of a request before must be there when the sink writes the batch's ends
                concerned.add(request_id)
                batch.append(record)
            elif not record.done.done():
                concerned.add(record.request.id)
                batch.append(record)
            self._waiting.popleft()
        return batch

    async def _write(self, batch: Sequence[Record]) -> list[Record]:
        """Write the batch; return the records that must be tried again, in order."""
        if not batch:
            return []
        try:
            outcomes = await self._sink.write(batch)
        except StorageAwayError as error:
            self._broke(error)
            return self._endings_of(batch)
        except Exception as error:  # noqa: BLE001 - one bad record must not take its neighbours down, whatever it breaks
            if len(batch) == 1:
                return await self._refuse(batch[0], error)
            half = len(batch) // 2
            left = await self._write(batch[:half])
            return [*left, *self._endings_of(batch[half:])] if left else await self._write(batch[half:])
        self._works()
        for record, outcome in zip(batch, outcomes, strict=True):
            self._resolve(record, outcome)
        return []

    def _resolve(self, record: Record, outcome: Outcome) -> None:
        if isinstance(record, Ending):
            if record.done is not None and not record.done.done():
                record.done.set_result(outcome is True)
        elif record.done.done():
            if outcome is True:
                self._waiting.appendleft(self._void(record))  # before the end of its request, which it would hold open
        elif outcome is True:
            record.done.set_result(None)
        elif isinstance(outcome, Hold):
            record.done.set_exception(HoldRefusedError(outcome))
        else:
            record.done.set_exception(NotRecordedError("The request has already ended."))

    async def _refuse(self, record: Record, error: Exception) -> list[Record]:
        if isinstance(record, Ending) and not record.reduced:
            _log.error("settlement not writable, written without its usage", error=repr(error))
            record.settlement = rows.reduced(record.settlement)
            record.reduced = True
            return await self._write([record])
        _log.error("record not writable, dropped", error=repr(error))
        self._dropped += 1
        self._fail(record, "The request cannot be recorded.")
        return []

    def _endings_of(self, batch: Sequence[Record]) -> list[Record]:
        """Return what to write once the storage is back: settlements, and the void of intents that may be there."""
        found: list[Record] = []
        for record in batch:
            if isinstance(record, Intent):
                self._fail(record, "The database does not take records now.")
                found.append(self._void(record))
            else:
                found.append(record)
        return found

    def _void(self, intent: Intent) -> Ending:
        now = self._clock.now_us()
        return Ending(
            Settlement(
                request=intent.request,
                attempt=intent.attempt,
                state=State.FAILED_UNSENT,
                finished_at=now,
                duration_us=max(0, now - intent.attempt.started_at),
                status_code=503,
                error_code=NotRecordedError.code,
                fault=Fault.GATEWAY,
                cost=FREE,
                ends_request=intent.attempt.number == 1,
            ),
            None,
        )

    def _broke(self, error: Exception) -> None:
        if self._healthy:
            _log.error("the database does not take records", error=repr(error))
        self._healthy = False
        self._refuse_waiting_intents()

    def _stall(self) -> None:
        _log.error("the database neither takes records nor fails", seconds=self._patience_s)
        self._healthy = False
        for record in self._in_flight:
            if isinstance(record, Intent):
                self._fail(record, "The database does not answer.")
        self._refuse_waiting_intents()

    def _refuse_waiting_intents(self) -> None:
        for record in self._waiting:
            if isinstance(record, Intent):
                self._fail(record, "The database does not take records now.")
        self._waiting = deque(record for record in self._waiting if isinstance(record, Ending))

    @staticmethod
    def _fail(record: Record, message: str) -> None:
        if record.done is not None and not record.done.done():
            record.done.set_exception(NotRecordedError(message))

    async def _probe(self) -> None:
        try:
            await self._sink.probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, the storage does not work yet
            self._broke(error)
        else:
            self._works()

    def _works(self) -> None:
        if not self._healthy:
            self._healthy = True
            _log.info("the database takes records again", waiting=len(self._waiting))
