"""What goes on at providers after the answer: batches and background responses, asked after until they end.

Their attempts stay open, with what is held for them. Whoever has the lease asks the provider how far the work is; when it
has ended, its usage is read, priced and settled through the journal, which ends an attempt once, whoever comes first and
however often. So it does not matter which process made the work, nor whether that one still lives.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import structlog

from keystead.dialects import stored_objects as words
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import KeysteadError
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.stored import PLACES, ObjectKind, StoredObject, Workload
from keystead.domain.traffic import CostState, Dialect, Endpoint, Fault, State
from keystead.domain.usage import NOTHING, Reading, UsageSource
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.holdings import bind_containers, bind_outputs, kept_text
from keystead.gateway.means import posts
from keystead.gateway.plan import Step
from keystead.gateway.snapshot import Snapshot
from keystead.metering.batch_results import BatchResults
from keystead.metering.meter import meter_for
from keystead.metering.pricing import cost_of
from keystead.providers.table import PROVIDERS
from keystead.storage import instances
from keystead.storage import stored_objects as books
from keystead.storage.database import Database
from keystead.telemetry import Metrics

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
LEASE_US: Final = 60_000_000
"""Longer than a look takes. Should reading the results take longer still, two may read them, and one settles."""
LOOK_S: Final = 30.0
RESULTS_S: Final = 600.0
GIVE_UP_US: Final = 3 * 86_400 * 1_000_000
"""After which nobody will know any more: a batch has a day. What it cost is then unknown, and what is held is spent."""
LONGEST_LOOK_US: Final = 300_000_000
MOST_LOOKED_AT: Final = 8 * 1024 * 1024
LONGEST_LINE: Final = 16 * 1024 * 1024
MOST_UNBOUND: Final = 500
"""Containers of a batch's lines that are held in memory."""

_GONE: Final = frozenset({404, 410})
_ENDS: Final = {
    "failed": State.REJECTED,
    "expired": State.CANCELLED_PARTIAL,
    "cancelled": State.CANCELLED_PARTIAL,
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How work ended."""

    state: State
    reading: Reading = NOTHING
    cost: Cost
    error_code: str = ""


LOST: Final = Outcome(state=State.UNKNOWN, cost=Cost(state=CostState.UNKNOWN), error_code="work_lost")


class Afterwork:
    """Asks after open work, and settles what has ended."""

    def __init__(
        self,
        *,
        database: Database,
        dispatch: Dispatch,
        snapshot: Callable[[], Snapshot],
        clock: Clock,
        metrics: Metrics,
        poll_s: float,
    ) -> None:
        """Wire the rooms; `poll_s`: see the setting."""
        self._database = database
        self._dispatch = dispatch
        self._snapshot = snapshot
        self._clock = clock
        self._metrics = metrics
        self._poll_us = int(poll_s * 1_000_000)

    async def round(self) -> None:
        """Look at what is due and at nobody else's lease."""
        now = self._clock.now_us()
        async with self._database.read() as conn:
            if not await books.is_due(conn, now=now):
                return
        async with self._database.write() as conn:
            leased = await books.lease(conn, now=now, until=now + LEASE_US, limit=AT_ONCE)
        await asyncio.gather(*[self._see_to(stored) for stored in leased])

    async def _see_to(self, stored: StoredObject) -> None:
        try:
            await self._look(stored)
        except Exception:  # one that cannot be settled must not keep the others from it
            log.exception("afterwork_failed", object=stored.id)
            async with self._database.write() as conn:
                await books.look_again(conn, stored.id, poll_at=self._next_look(stored))

    async def _look(self, stored: StoredObject) -> None:
        async with self._database.read() as conn:
            record = await instances.open_attempt(conn, stored.request_id, stored.request_started_at)
        if record is None:  # settled, by somebody who did not come to say so
            await self._done(stored, None)
            return
        told, outcome = await self._asked(stored, record[1])
        if outcome is None and self._clock.now_us() > stored.created_at + GIVE_UP_US:
            outcome = LOST
        if outcome is None:
            async with self._database.write() as conn:
                if told is not None:
                    await books.show(conn, stored.id, shown=kept_text(stored.kind, *told))
                await books.look_again(conn, stored.id, poll_at=self._next_look(stored))
            return
        await self._settle(stored, *record, outcome)
        await self._done(stored, told)

    async def _asked(
        self, stored: StoredObject, attempt: AttemptIntent
    ) -> tuple[tuple[words.Told, bytes] | None, Outcome | None]:
        """Return what the provider says, and how the work ended if it has."""
        credential = self._credential(stored)
        if credential is None:
            return None, None
        try:
            async with asyncio.timeout(LOOK_S):
                response = await self._dispatch.look(credential, *_place(stored))
                body = await response.body(MOST_LOOKED_AT)
            if response.status in _GONE:
                return None, LOST
            told = words.told(stored.kind, body) if response.status < 400 else None
            if told is None:
                log.warning("afterwork_refused", object=stored.id, status=response.status)
                return None, None
            seen = (told, words.as_shown(stored.kind, body))
            if not told.ended:
                return seen, None
            async with asyncio.timeout(RESULTS_S):
                return seen, await self._outcome(stored, attempt, credential, told, body)
        except (KeysteadError, TimeoutError) as error:
            log.warning("afterwork_unanswered", object=stored.id, error=type(error).__name__)
            return None, None

    async def _outcome(
        self, stored: StoredObject, attempt: AttemptIntent, credential: Credential, told: words.Told, body: bytes
    ) -> Outcome:
        if stored.kind is ObjectKind.RESPONSE:
            return self._response(attempt, credential, told, body)
        state = _ENDS.get(told.status, State.SETTLED)
        place = _results_of(stored, told)
        if place is None or stored.workload is None:
            return Outcome(state=state, cost=FREE)
        results = self._results(attempt, credential, stored.workload)
        response = await self._dispatch.look(credential, *place)
        if response.status in _GONE:
            response.close()
            return msgspec.structs.replace(LOST, error_code="results_lost")
        if response.status >= 400:
            response.close()
            raise ResultsRefusedError(response.status)
        async for line in _lines(response.chunks()):
            results.add(line)
            if len(results.containers) >= MOST_UNBOUND:
                await self._bind(stored, results)
        await self._bind(stored, results)
        return Outcome(state=state, reading=results.reading(stored.upstream_id), cost=results.cost())

    async def _bind(self, stored: StoredObject, results: BatchResults) -> None:
        """Bind the containers of the lines that were read."""
        if results.containers:
            async with self._database.write() as conn:
                await bind_containers(conn, stored, results.containers, now_us=self._clock.now_us())
            results.containers.clear()

    def _response(self, attempt: AttemptIntent, credential: Credential, told: words.Told, body: bytes) -> Outcome:
        meter = meter_for(
            credential.provider,
            Dialect.OPENAI,
            Endpoint.RESPONSES,
            stream=False,
            content_type="application/json",
            request_model=attempt.model_sent,
        )
        meter.feed(body)
        reading = meter.finish(complete=True)
        state = State.FAILED_BILLED if told.status == "failed" else _ENDS.get(told.status, State.SETTLED)
        cost = self._cost(attempt, credential, Endpoint.RESPONSES, reading)
        if reading.source is UsageSource.NONE:
            cost = Cost(state=CostState.UNKNOWN)
        return Outcome(state=state, reading=reading, cost=cost)

    def _results(self, attempt: AttemptIntent, credential: Credential, workload: Workload) -> BatchResults:
        return BatchResults(
            lambda reading: self._cost(attempt, credential, workload.endpoint, reading),
            provider=credential.provider,
            dialect=workload.dialect,
            endpoint=workload.endpoint,
            model=workload.model,
        )

    def _cost(self, attempt: AttemptIntent, credential: Credential, endpoint: Endpoint, reading: Reading) -> Cost:
        return cost_of(
            self._snapshot().price_book,
            organization_id=credential.organization_id,
            provider=credential.provider,
            endpoint=endpoint,
            model_sent=attempt.model_sent,
            region=attempt.region,
            at=attempt.started_at,
            reading=reading,
        )

    async def _settle(
        self, stored: StoredObject, request: RequestIntent, attempt: AttemptIntent, outcome: Outcome
    ) -> None:
        credential = self._credential(stored)
        charged = None
        if credential is not None:
            charged = self._snapshot().means.charge(_step(credential, attempt), outcome.cost, attempt.holds)
        now = self._clock.now_us()
        settlement = Settlement(
            request=request,
            attempt=attempt,
            state=outcome.state,
            finished_at=now,
            duration_us=max(0, now - attempt.started_at),
            status_code=200,
            upstream_status=200,
            error_code=outcome.error_code,
            fault=Fault.PROVIDER if outcome.error_code else None,
            reading=outcome.reading,
            cost=outcome.cost,
            charge_pico=charged,
            posts=posts(attempt.holds, cost=outcome.cost, charged=charged),
        )
        ended = await self._database.journal.settle(settlement)
        if ended:
            self._metrics.answered(request.dialect, request.endpoint, outcome.state.value, settlement.duration_us)
        log.info("work_ended", object=stored.id, request=request.id, state=outcome.state, first=ended)

    async def _done(self, stored: StoredObject, told: tuple[words.Told, bytes] | None) -> None:
        async with self._database.write() as conn:
            if told is not None:
                await books.show(conn, stored.id, shown=kept_text(stored.kind, *told))
                await bind_outputs(conn, stored, told[0].outputs, now_us=self._clock.now_us())
            await books.work_done(conn, stored.id)

    def _credential(self, stored: StoredObject) -> Credential | None:
        rules = self._snapshot().rules.get(stored.organization_id)
        found = (each for each in rules.credentials if each.id == stored.credential_id) if rules else iter(())
        credential = next(found, None)
        return credential if credential is not None and credential.active is not None else None

    def _next_look(self, stored: StoredObject) -> int:
        """Return when to look again: what has taken long will take a while longer."""
        now = self._clock.now_us()
        return now + max(self._poll_us, min((now - stored.created_at) // 10, LONGEST_LOOK_US))


class ResultsRefusedError(KeysteadError):
    """The provider does not give the results out now."""

    def __init__(self, status: int) -> None:
        """Say with which status it refused."""
        super().__init__(f"The provider answered with {status}.", code="results_refused")


def _place(stored: StoredObject) -> tuple[Dialect, Endpoint, str]:
    """Return where the provider tells how far the work is."""
    dialect, endpoint, path = PLACES[stored.kind]
    return dialect, endpoint, f"{path}/{stored.upstream_id}"


def _results_of(stored: StoredObject, told: words.Told) -> tuple[Dialect, Endpoint, str] | None:
    """Return where the results of a batch are; None if it has none."""
    if stored.kind is ObjectKind.MESSAGE_BATCH:
        dialect, endpoint, path = _place(stored)
        return dialect, endpoint, f"{path}/results"
    if told.result_file is None:
        return None
    return Dialect.OPENAI, Endpoint.FILES, f"/files/{told.result_file}/content"


def _step(credential: Credential, attempt: AttemptIntent) -> Step:
    assert credential.active is not None, "it is usable"
    provider = PROVIDERS[credential.provider]
    wire = next(iter(provider.endpoints))
    return Step(
        credential=credential,
        version=credential.active,
        provider=provider,
        model=attempt.model_sent,
        wire=wire,
        grant_id=None,
    )


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut what comes into lines."""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        if b"\n" in chunk:
            *whole, last = bytes(rest).split(b"\n")
            for line in whole:
                yield line
            rest = bytearray(last)
        elif len(rest) > LONGEST_LINE:
            raise ResultsRefusedError(200)
    yield bytes(rest)
