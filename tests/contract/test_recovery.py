"""Recovery on both engines: what a dead process left open ends once, as `unknown`, whoever finds it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from keystead.domain.records import RequestIntent
from keystead.storage import instances as instances_module
from keystead.storage.database import Database
from keystead.storage.schema import attempts, instances, requests
from keystead.storage.usage_tables import rollups
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.plans import plans_of
from tests.fakes.records import attempt_intent, request_intent, settlement
from tests.fakes.stored import assert_consistent, request_of

DEAD, ALIVE, ME = "ins_dead", "ins_alive", "ins_me"
DEAD_AFTER_S = 30


async def leave_open(database: Database, clock: FakeClock, instance_id: str) -> RequestIntent:
    request = request_intent(clock, instance_id=instance_id)
    await database.journal.intend(request, attempt_intent(clock))
    return request


async def recover(database: Database, clock: FakeClock) -> int:
    return await database.recover(ME, clock.now_us() - DEAD_AFTER_S * 1_000_000)


async def instances_known(database: Database) -> set[str]:
    async with database.read() as connection:
        return set((await connection.execute(select(instances.c.id))).scalars())


async def test_what_a_dead_process_left_open_ends_as_unknown(database: Database, clock: FakeClock) -> None:
    await database.heartbeat(DEAD)
    request = await leave_open(database, clock, DEAD)
    clock.advance(DEAD_AFTER_S + 1)
    assert await recover(database, clock) == 1
    row = await request_of(database, request)
    assert (row.state, row.fault, row.error_code) == ("unknown", "gateway", "gateway_stopped")
    assert (row.cost_state, row.cost_pico, row.input_total, row.status_code) == ("unknown", None, None, None)
    assert row.duration_us == (DEAD_AFTER_S + 1) * 1_000_000
    async with database.read() as connection:
        tried = (await connection.execute(select(attempts).where(attempts.c.request_id == request.id))).one()
        summed = (await connection.execute(select(rollups))).one()
    assert (tried.state, tried.cost_state, tried.usage_source, tried.input_tokens) == (
        "unknown",
        "unknown",
        "none",
        None,
    )
    assert (summed.outcome, summed.requests, summed.attempts, summed.unknown) == ("unknown", 1, 1, 1)
    assert (summed.credential_id, summed.model) == ("cred_1", "gpt-5")
    await assert_consistent(database, "org_1")


async def test_processes_with_a_fresh_heartbeat_and_the_caller_keep_what_is_theirs(
    database: Database, clock: FakeClock
) -> None:
    await database.heartbeat(ALIVE)
    theirs, mine = await leave_open(database, clock, ALIVE), await leave_open(database, clock, ME)
    clock.advance(DEAD_AFTER_S + 1)
    await database.heartbeat(ALIVE)
    assert await recover(database, clock) == 0
    assert (await request_of(database, theirs)).state == "intent"
    assert (await request_of(database, mine)).state == "intent"
    assert await instances_known(database) == {ALIVE}


async def test_the_rows_of_dead_processes_are_removed_once_nothing_of_theirs_is_open(
    database: Database, clock: FakeClock
) -> None:
    await database.heartbeat(DEAD)
    await leave_open(database, clock, DEAD)
    clock.advance(DEAD_AFTER_S + 1)
    await database.heartbeat(ME)
    await recover(database, clock)
    assert await instances_known(database) == {ME}


async def test_a_process_that_only_slept_cannot_end_its_request_a_second_time(
    database: Database, clock: FakeClock
) -> None:
    await database.heartbeat(DEAD)
    request, attempt = request_intent(clock, instance_id=DEAD), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    clock.advance(DEAD_AFTER_S + 1)
    await recover(database, clock)
    assert not await database.journal.settle(settlement(clock, request, attempt))
    assert (await request_of(database, request)).state == "unknown"
    await assert_consistent(database, "org_1")


async def test_a_request_left_between_two_attempts_ends_too(database: Database, clock: FakeClock) -> None:
    request, attempt = request_intent(clock, instance_id=DEAD), attempt_intent(clock)
    await database.journal.intend(request, attempt)
    await database.journal.settle(settlement(clock, request, attempt, ends_request=False))
    assert await recover(database, clock) == 1
    row = await request_of(database, request)
    assert (row.state, row.attempts, row.input_total, row.cost_pico) == ("unknown", 1, 120, 1_500_000)
    await assert_consistent(database, "org_1")


async def test_a_request_left_in_its_second_attempt_ends_with_what_the_first_used(
    database: Database, clock: FakeClock
) -> None:
    request, first = request_intent(clock, instance_id=DEAD), attempt_intent(clock)
    await database.journal.intend(request, first)
    await database.journal.settle(settlement(clock, request, first, ends_request=False))
    await database.journal.intend(request, attempt_intent(clock, number=2))
    assert await recover(database, clock) == 1
    row = await request_of(database, request)
    assert (row.state, row.attempts, row.cost_state, row.cost_pico) == ("unknown", 2, "unknown", 1_500_000)
    await assert_consistent(database, "org_1")


async def test_several_that_recover_at_once_end_each_request_once(
    database: Database, database_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances_module, "RECOVERY_BATCH", 7)
    left = [await leave_open(database, clock, DEAD) for _ in range(40)]
    second = await open_url(database_url, clock)
    try:
        ended = await asyncio.gather(recover(database, clock), recover(second, clock), recover(database, clock))
    finally:
        await second.close()
    assert sum(ended) == len(left)
    async with database.read() as connection:
        states = (await connection.execute(select(requests.c.state))).scalars().all()
    assert states == ["unknown"] * len(left)
    await assert_consistent(database, "org_1")


async def test_a_clean_stop_removes_the_process(database: Database, clock: FakeClock) -> None:
    await database.heartbeat(ME)
    await database.remove_instance(ME)
    assert await instances_known(database) == set()


async def test_what_a_stopped_process_left_open_is_recovered_without_waiting(
    database: Database, clock: FakeClock
) -> None:
    await database.heartbeat(DEAD)
    request = await leave_open(database, clock, DEAD)
    await database.remove_instance(DEAD)
    assert await recover(database, clock) == 1
    assert (await request_of(database, request)).state == "unknown"
    assert await instances_known(database) == set()


async def test_a_heartbeat_keeps_when_the_process_started(database: Database, clock: FakeClock) -> None:
    started_at = clock.now_us()
    await database.heartbeat(ME)
    clock.advance(5)
    await database.heartbeat(ME)
    async with database.read() as connection:
        row: Any = (await connection.execute(select(instances))).one()
    assert (row.started_at, row.heartbeat_at) == (started_at, clock.now_us())
    assert row.host
    assert row.pid > 0


async def test_recovery_looks_at_open_requests_and_not_at_the_log(database: Database, clock: FakeClock) -> None:
    """A log of millions was once read through every half minute, in the order of its keys."""
    plans = await plans_of(database, lambda: recover(database, clock), reading="requests")
    assert plans
    if database.engine_name == "sqlite":
        assert all("requests USING INDEX ix_requests_open" in plan for plan in plans)
