"""The journal on both engines: durable before it answers, one end each, and roll-ups that are the sum of the rows."""

import asyncio
from collections.abc import Sequence

import pytest

from keystead.domain.errors import NotRecordedError
from keystead.domain.money import MAX_PICO
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent
from keystead.domain.traffic import CostState, Fault, State
from keystead.domain.usage import COUNTS, NOTHING, Reading, Usage, UsageSource
from keystead.storage import revision
from keystead.storage.database import Database
from keystead.storage.rows import holds_in
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.records import USAGE, attempt_intent, budget_hold, request_intent, settlement
from tests.fakes.stored import assert_consistent, attempts_of, request_of, rollups_of


async def test_an_intent_is_there_when_intend_returns(database: Database, clock: FakeClock) -> None:
    request = request_intent(clock, stream=True, data_class="internal", cost_center="4711", outline="{}")
    attempt = attempt_intent(clock, region="eu", reason="throttled", consent_id="cns_1", holds=(budget_hold(),))
    await database.journal.intend(request, attempt)
    row = await request_of(database, request)
    assert {name: getattr(row, name) for name in RequestIntent.__struct_fields__} == {
        name: getattr(request, name) for name in RequestIntent.__struct_fields__
    }
    assert (row.state, row.finished_at, row.attempts) == ("intent", None, 1)
    (tried,) = await attempts_of(database, request)
    assert {name: getattr(tried, name) for name in AttemptIntent.__struct_fields__ if name != "holds"} == {
        name: getattr(attempt, name) for name in AttemptIntent.__struct_fields__ if name != "holds"
    }
    assert holds_in(tried.holds) == attempt.holds
    assert (tried.request_id, tried.organization_id, tried.request_started_at) == (
        request.id,
        request.organization_id,
        request.started_at,
    )
    assert tried.state == "intent"
    assert await rollups_of(database, request.organization_id) == []


async def test_a_settlement_ends_attempt_and_request_and_is_added_up(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    clock.advance(1.5)
    end = settlement(
        clock,
        request,
        attempt,
        duration_us=1_500_000,
        first_byte_us=300_000,
        upstream_status=200,
        upstream_request_id="req_x",
        charge_pico=1_600_000,
        on_disconnect="drained",
        bytes_received=10,
        bytes_sent=20,
    )
    assert await database.journal.settle(end)
    row = await request_of(database, request)
    assert (row.state, row.finished_at, row.duration_us, row.status_code) == ("settled", clock.now_us(), 1_500_000, 200)
    assert (row.error_class, row.error_code, row.fault) == (None, None, None)
    assert (row.attempts, row.input_total, row.output_total, row.usage_source) == (1, 120, 37, "provider")
    assert (row.cost_state, row.cost_pico, row.currency) == ("priced", 1_500_000, "USD")
    (tried,) = await attempts_of(database, request)
    assert (tried.state, tried.first_byte_us, tried.upstream_status) == ("settled", 300_000, 200)
    assert (tried.model_served, tried.response_id, tried.upstream_request_id) == ("gpt-5-2026-01-01", "resp_1", "req_x")
    assert [getattr(tried, name) for name in COUNTS] == [getattr(USAGE, name) for name in COUNTS]
    assert tried.cost_lines == '[["input_tokens","100","0.000001"]]'
    assert (tried.units, tried.anomalies, tried.service_tier) == (None, None, None)
    assert (tried.reason, tried.consent_id, tried.holds, tried.charge_pico) == (None, None, None, 1_600_000)
    assert (tried.on_disconnect, tried.bytes_received, tried.bytes_sent) == ("drained", 10, 20)
    (summed,) = await rollups_of(database, request.organization_id)
    assert (summed.hour_at, summed.model, summed.outcome) == (1_767_225_600_000_000, "gpt-5-2026-01-01", "settled")
    assert (summed.credential_id, summed.provider, summed.owner) == ("cred_1", "openai", "own")
    assert (summed.requests, summed.attempts, summed.priced, summed.duration_us) == (1, 1, 1, 1_500_000)
    assert (summed.cost_pico, summed.charge_pico) == (1_500_000, 1_600_000)


async def test_the_first_end_wins(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    end = settlement(clock, request, attempt)
    late = settlement(clock, request, attempt, state=State.FAILED_BILLED, status_code=502)
    outcomes = await asyncio.gather(*[database.journal.settle(each) for each in (end, late, end)])
    assert outcomes == [True, False, False]
    assert not await database.journal.settle(late)
    row = await request_of(database, request)
    assert (row.state, row.status_code) == ("settled", 200)
    (summed,) = await rollups_of(database, request.organization_id)
    assert (summed.requests, summed.attempts, summed.input_tokens) == (1, 1, 100)


async def test_one_late_end_does_not_keep_its_batch_from_being_written(database: Database, clock: FakeClock) -> None:
    pairs = [(request_intent(clock), attempt_intent(clock)) for _ in range(6)]
    await asyncio.gather(*[database.journal.intend(*pair) for pair in pairs])
    await database.journal.settle(settlement(clock, *pairs[3]))
    outcomes = await asyncio.gather(*[database.journal.settle(settlement(clock, *pair)) for pair in pairs])
    assert outcomes == [True, True, True, False, True, True]
    await assert_consistent(database, "org_1")


async def test_a_settlement_without_an_intent_changes_nothing(database: Database, clock: FakeClock) -> None:
    assert not await database.journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    assert await rollups_of(database, "org_1") == []


async def test_a_refused_request_is_inserted_ended(database: Database, clock: FakeClock) -> None:
    request = request_intent(clock)
    refusal = settlement(
        clock,
        request,
        None,
        state=State.REJECTED,
        status_code=403,
        error_code="model_not_allowed",
        fault=Fault.POLICY,
        reading=NOTHING,
        cost=FREE,
    )
    assert await database.journal.settle(refusal)
    assert not await database.journal.settle(refusal)
    row = await request_of(database, request)
    assert (row.state, row.status_code, row.error_code, row.fault) == ("rejected", 403, "model_not_allowed", "policy")
    assert (row.attempts, row.input_total, row.usage_source, row.cost_state, row.cost_pico) == (
        0,
        None,
        "none",
        "free",
        0,
    )
    assert row.model_asked == "openai/gpt-5"
    (summed,) = await rollups_of(database, "org_1")
    assert (summed.requests, summed.attempts, summed.credential_id, summed.provider) == (1, 0, "", "")
    assert summed.model == "openai/gpt-5"
    await assert_consistent(database, "org_1")


async def test_attempts_of_a_request_are_added_up_in_it(database: Database, clock: FakeClock) -> None:
    request, first = request_intent(clock), attempt_intent(clock)
    await database.journal.intend(request, first)
    estimated = Cost(state=CostState.ESTIMATED, pico=40)
    failed = settlement(
        clock,
        request,
        first,
        state=State.FAILED_BILLED,
        status_code=529,
        reading=Reading(usage=Usage(input_tokens=5, output_tokens=1), source=UsageSource.PROVIDER_PARTIAL),
        cost=estimated,
        ends_request=False,
    )
    assert await database.journal.settle(failed)
    assert (await request_of(database, request)).state == "intent"
    clock.advance(2)
    second = attempt_intent(clock, number=2, credential_id="cred_2")
    await database.journal.intend(request, second)
    assert await database.journal.settle(settlement(clock, request, second, duration_us=1_000_000))
    row = await request_of(database, request)
    assert (row.state, row.status_code, row.attempts) == ("settled", 200, 2)
    assert (row.input_total, row.output_total, row.usage_source) == (125, 38, "provider_partial")
    assert (row.cost_state, row.cost_pico) == ("estimated", 1_500_040)
    assert row.duration_us == 3_000_000
    assert [tried.credential_id for tried in await attempts_of(database, request)] == ["cred_1", "cred_2"]
    await assert_consistent(database, "org_1")


async def test_amounts_in_other_currencies_are_not_added_to_the_requests_own(
    database: Database, clock: FakeClock
) -> None:
    request, first, second = request_intent(clock), attempt_intent(clock), attempt_intent(clock, number=2)
    await database.journal.intend(request, first)
    in_euro = Cost(state=CostState.PRICED, pico=7, currency="EUR")
    await database.journal.settle(settlement(clock, request, first, cost=in_euro, ends_request=False))
    await database.journal.intend(request, second)
    await database.journal.settle(settlement(clock, request, second))
    row = await request_of(database, request)
    assert (row.cost_pico, row.currency) == (1_500_000, "USD")


async def test_a_further_attempt_of_an_ended_request_is_not_recorded(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    await database.journal.settle(settlement(clock, request, attempt))
    with pytest.raises(NotRecordedError):
        await database.journal.intend(request, attempt_intent(clock, number=2))
    assert len(await attempts_of(database, request)) == 1
    assert database.journal.healthy()


async def test_a_request_between_attempts_can_be_ended_without_one(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    giving_up = settlement(clock, request, None, state=State.FAILED_UNSENT, status_code=503, reading=NOTHING, cost=FREE)
    assert not await database.journal.settle(giving_up)  # an attempt is open
    await database.journal.settle(settlement(clock, request, attempt, ends_request=False))
    assert await database.journal.settle(giving_up)
    row = await request_of(database, request)
    assert (row.state, row.status_code, row.attempts, row.input_total) == ("failed_unsent", 503, 1, 120)
    await assert_consistent(database, "org_1")


async def test_a_thousand_requests_at_once_share_few_commits(database: Database, clock: FakeClock) -> None:
    pairs = [(request_intent(clock), attempt_intent(clock)) for _ in range(1000)]
    written: list[int] = []
    write = database.journal._sink.write  # type: ignore[attr-defined]

    async def counted(batch: Sequence[object]) -> object:
        written.append(len(batch))
        return await write(batch)

    database.journal._sink.write = counted  # type: ignore[attr-defined]
    await asyncio.gather(*[database.journal.intend(*pair) for pair in pairs])
    assert await asyncio.gather(*[database.journal.settle(settlement(clock, *pair)) for pair in pairs]) == [True] * 1000
    assert sum(written) == 2000
    assert len(written) <= 20
    await assert_consistent(database, "org_1")


async def test_hostile_text_is_stored_and_harms_no_one(database: Database, clock: FakeClock) -> None:
    hostile = "a\x00b\ud800" + "x" * 5000
    request = request_intent(clock, model_asked=hostile, client=hostile)
    attempt = attempt_intent(clock, model_sent=hostile)
    await database.journal.intend(request, attempt)
    reading = Reading(
        usage=Usage(input_tokens=MAX_PICO * 4, output_tokens=3, units={"images": "1"}),
        source=UsageSource.PROVIDER,
        raw=b'{"a":"\x00\xff"}',
        model=hostile,
        response_id=hostile,
        service_tier=hostile,
        speed=hostile,
        region=hostile,
        anomalies=("absurd_count",),
    )
    cost = Cost(state=CostState.PRICED, pico=MAX_PICO)
    end = settlement(
        clock, request, attempt, error_code=hostile, upstream_request_id=hostile, reading=reading, cost=cost
    )
    assert await database.journal.settle(end)
    (tried,) = await attempts_of(database, request)
    assert tried.response_id.startswith("a\ufffdb")
    assert (tried.output_tokens, tried.input_tokens) == (3, MAX_PICO)
    assert database.journal.dropped() == 0


async def test_sums_stay_at_the_largest_number_instead_of_overflowing(database: Database, clock: FakeClock) -> None:
    cost = Cost(state=CostState.REPORTED, pico=MAX_PICO - 1)
    for _ in range(3):
        request, attempt = request_intent(clock), attempt_intent(clock)
        await database.journal.intend(request, attempt)
        assert await database.journal.settle(settlement(clock, request, attempt, cost=cost))
    (summed,) = await rollups_of(database, "org_1")
    assert (summed.cost_pico, summed.requests) == (MAX_PICO, 3)
    assert isinstance(summed.cost_pico, int)


async def test_a_request_whose_attempts_are_absurd_ends_all_the_same(database: Database, clock: FakeClock) -> None:
    request = request_intent(clock)
    usage = Usage(input_tokens=MAX_PICO, cache_read_tokens=MAX_PICO, output_tokens=MAX_PICO)
    absurd = {
        "reading": Reading(usage=usage, source=UsageSource.PROVIDER),
        "cost": Cost(state=CostState.REPORTED, pico=MAX_PICO),
    }
    for number in (1, 2):
        attempt = attempt_intent(clock, number=number)
        await database.journal.intend(request, attempt)
        assert await database.journal.settle(settlement(clock, request, attempt, ends_request=number == 2, **absurd))
    row = await request_of(database, request)
    assert (row.state, row.input_total, row.cost_pico) == ("settled", MAX_PICO, MAX_PICO)
    assert database.journal.dropped() == 0


async def test_a_record_that_no_column_holds_takes_no_neighbour_down(database: Database, clock: FakeClock) -> None:
    good = [(request_intent(clock), attempt_intent(clock)) for _ in range(4)]
    bad = (request_intent(clock, started_at=2**70), attempt_intent(clock))
    outcomes = await asyncio.gather(
        *[database.journal.intend(*pair) for pair in (*good[:2], bad, *good[2:])], return_exceptions=True
    )
    assert [isinstance(outcome, NotRecordedError) for outcome in outcomes] == [False, False, True, False, False]
    ends = [settlement(clock, *pair) for pair in good]
    ends[1] = settlement(clock, *good[1], bytes_received=2**70)
    assert await asyncio.gather(*[database.journal.settle(end) for end in ends]) == [True] * 4
    (reduced,) = await attempts_of(database, good[1][0])
    assert (reduced.state, reduced.cost_state, reduced.anomalies) == ("settled", "unknown", '["unrecordable"]')
    assert database.journal.dropped() == 1
    assert database.journal.healthy()
    await assert_consistent(database, "org_1")


async def test_two_processes_worth_of_journals_write_the_same_database(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    second = await open_url(database_url, clock)
    try:

        async def trip(journal_owner: Database) -> bool:
            request, attempt = request_intent(clock), attempt_intent(clock)
            await journal_owner.journal.intend(request, attempt)
            return await journal_owner.journal.settle(settlement(clock, request, attempt))

        done = await asyncio.gather(*[trip(owner) for owner in (database, second) * 200])
        assert done == [True] * 400
    finally:
        await second.close()
    (summed,) = await rollups_of(database, "org_1")
    assert (summed.requests, summed.input_tokens, summed.cost_pico) == (400, 40_000, 400 * 1_500_000)


async def test_an_administrator_can_write_while_journals_are_busy(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    second = await open_url(database_url, clock)
    stop = asyncio.Event()

    async def load(owner: Database) -> None:
        while not stop.is_set():
            request, attempt = request_intent(clock), attempt_intent(clock)
            await owner.journal.intend(request, attempt)
            await owner.journal.settle(settlement(clock, request, attempt))

    try:
        async with asyncio.TaskGroup() as group:
            for owner in (database, second) * 8:
                group.create_task(load(owner))
            async with asyncio.timeout(20):
                for _ in range(20):
                    async with database.write() as connection:
                        await revision.touch(connection)
            stop.set()
    finally:
        await second.close()
    await assert_consistent(database, "org_1")
