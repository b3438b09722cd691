"""Latency reports on both engines: what is counted, what is not, and what was never measured."""

import pytest

from keystead.domain.clock import DAY_US
from keystead.domain.durations import BUCKETS
from keystead.domain.errors import InvalidRequestError
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState, State
from keystead.metering.latency import LatencyReport, latency_by
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from keystead.storage.usage_tables import ROLLUP_TIMES, rollups
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement


async def report(database: Database, clock: FakeClock, *dimensions: str) -> LatencyReport:
    now = clock.now_us()
    async with database.read() as conn:
        return await latency_by(
            conn, organization_id="org_1", dimensions=dimensions, from_at=now - DAY_US, to_at=now + 1
        )


async def ended(database: Database, clock: FakeClock, *, model: str = "gpt-5", **changes: object) -> None:
    asked = {name: changes.pop(name) for name in ("endpoint", "stream") if name in changes}
    clock.advance(0.001)
    request, attempt = request_intent(clock, **asked), attempt_intent(clock, credential_id=model)
    await database.journal.intend(request, attempt)
    given = {"first_byte_us": 10_000, "duration_us": 1_000_000} | changes
    assert await database.journal.settle(settlement(clock, request, attempt, **given))


async def test_whole_answers_are_counted_and_of_streams_the_first_token(database: Database, clock: FakeClock) -> None:
    for duration_us in (10_000, 60_000, 70_000, 200_000_000):
        await ended(database, clock, duration_us=duration_us)
    await ended(database, clock, duration_us=3_000_000, first_token_us=300_000, stream=True)
    [line] = (await report(database, clock, "credential")).lines
    assert line.attempts == 5
    assert line.duration is not None
    assert line.duration.buckets == (1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1)
    assert (line.duration.p50.from_us, line.duration.p50.to_us) == (50_000, 100_000)
    assert (line.duration.p95.at_us, line.duration.p95.to_us, line.duration.p95.few) == (102_400_000, None, True)
    assert line.first_token is not None
    assert (line.first_token.count, line.first_token.p50.from_us) == (1, 200_000)


async def test_what_failed_or_was_not_waited_for_tells_nothing(database: Database, clock: FakeClock) -> None:
    await ended(database, clock, state=State.CANCELLED_PARTIAL, first_token_us=20_000)
    await ended(database, clock, state=State.REJECTED)
    await ended(database, clock, first_byte_us=None)  # a batch, settled when its provider was done
    await ended(database, clock, endpoint="realtime")
    [line] = (await report(database, clock, "provider")).lines
    assert (line.attempts, line.duration, line.first_token) == (4, None, None)


async def test_parts_add_up_to_the_whole_and_currencies_are_no_parts(database: Database, clock: FakeClock) -> None:
    for number in range(30):
        euros = Cost(state=CostState.PRICED, pico=1, currency="EUR" if number % 2 else "USD")
        await ended(database, clock, model=f"cred_{number % 3}", duration_us=40_000 << (number % 9), cost=euros)
    by = {
        name: await report(database, clock, *name) for name in (("credential",), ("provider",), ("hour", "credential"))
    }
    assert [len(found.lines) for found in by.values()] == [3, 1, 3]
    for found in by.values():
        parts = [line.duration for line in found.lines if line.duration is not None]
        whole = [sum(counts) for counts in zip(*(part.buckets for part in parts), strict=True)]
        assert found.total.duration is not None
        assert list(found.total.duration.buckets) == whole
        assert (found.total.attempts, sum(whole)) == (30, 30)


async def test_what_is_from_before_it_was_measured_says_so(database: Database, clock: FakeClock) -> None:
    await ended(database, clock)
    async with database.write() as conn:
        await conn.execute(rollups.update().values(dict.fromkeys(ROLLUP_TIMES, 0)))
    found = await report(database, clock)
    assert [(line.attempts, line.duration) for line in (*found.lines, found.total)] == [(1, None)] * 2


async def test_a_past_that_is_written_whole_is_measured_as_well(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock, stream=True), attempt_intent(clock)
    end = settlement(clock, request, attempt, first_byte_us=1, first_token_us=60_000, duration_us=120_000)
    async with database.write() as conn:
        await insert_ended(conn, [(end,)])
    total = (await report(database, clock)).total
    assert total.duration is not None
    assert total.first_token is not None
    assert [times.buckets.index(1) for times in (total.duration, total.first_token)] == [2, 1]


async def test_nothing_is_no_report_of_zeros(database: Database, clock: FakeClock) -> None:
    found = await report(database, clock, "model")
    assert (found.lines, found.total.attempts, found.total.duration) == ((), 0, None)
    assert len(ROLLUP_TIMES) == 2 * BUCKETS
    with pytest.raises(InvalidRequestError):
        await report(database, clock, "weather")
