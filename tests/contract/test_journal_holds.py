"""Holds on both engines: exact on any number of workers, let go exactly once, and in step with the ledger."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import select, update

from keystead.domain.clock import SystemClock
from keystead.domain.errors import NotRecordedError
from keystead.domain.means import Hold, HoldRefusedError
from keystead.domain.money import MAX_PICO
from keystead.domain.records import FREE, AttemptIntent, RequestIntent
from keystead.domain.traffic import State
from keystead.domain.usage import NOTHING
from keystead.storage.database import Database
from keystead.storage.governance import counters, ledger_transfers
from keystead.storage.schema import requests
from tests.fakes.books import check_books, pay_in, standing, transfers_of
from tests.fakes.clock import START_US, FakeClock
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement
from tests.fakes.storage_process import acknowledged_by, storage_process
from tests.fakes.stored import assert_consistent, attempts_of, request_of

HOUR_US = 3_600_000_000
Pair = tuple[RequestIntent, AttemptIntent]


async def held(database: Database, clock: FakeClock, *holds: Hold, number: int = 1) -> Pair:
    """Make an attempt that holds."""
    pair = request_intent(clock), attempt_intent(clock, number=number, holds=holds)
    await database.journal.intend(*pair)
    return pair


async def admitted(database: Database, clock: FakeClock, *holds: Hold) -> bool:
    try:
        await held(database, clock, *holds)
    except HoldRefusedError:
        return False
    return True


async def books_are_right(database: Database) -> None:
    async with database.read() as connection:
        await check_books(connection)
    await assert_consistent(database, "org_1")


@pytest.fixture
async def workers(database_url: str, database: Database, clock: FakeClock) -> AsyncIterator[list[Database]]:
    """Four workers on one database."""
    async with AsyncExitStack() as stack:
        opened = [database]
        for _ in range(3):
            opened.append(await open_url(database_url, clock))
            stack.push_async_callback(opened[-1].close)
        yield opened


# --- Who is admitted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4])
async def test_of_300_at_once_exactly_100_find_room_for_10_in_1000(
    workers: list[Database], clock: FakeClock, count: int
) -> None:
    asked = [admitted(workers[number % count], clock, budget_hold()) for number in range(300)]
    assert sum(await asyncio.gather(*asked)) == 100
    assert await standing(workers[0], "bud_1", START_US) == (0, 1_000)
    await books_are_right(workers[0])


async def test_of_300_at_once_from_four_processes_exactly_100_find_room(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    await pay_in(database, 1_005)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(storage_process("hold", database_url, "75")) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        seen = await asyncio.gather(*[acknowledged_by(process) for process in processes])
        assert [await process.wait() for process in processes] == [0] * 4
    assert sum(len(each["intent"]) for each in seen) == 100
    assert sum(len(each["refused"]) for each in seen) == 200
    assert await standing(database, "acc_1") == (0, 1_000)
    await books_are_right(database)


@pytest.mark.parametrize("count", [1, 4])
async def test_credits_are_never_overdrawn(workers: list[Database], clock: FakeClock, count: int) -> None:
    await pay_in(workers[0], 995)
    asked = [admitted(workers[number % count], clock, credit_hold()) for number in range(300)]
    assert sum(await asyncio.gather(*asked)) == 99
    assert await standing(workers[0], "acc_1") == (0, 990)
    assert not await admitted(workers[0], clock, credit_hold(amount=6))
    assert await admitted(workers[0], clock, credit_hold(amount=5))
    await books_are_right(workers[0])


async def test_an_account_that_is_emptied_meanwhile_is_not_overdrawn(workers: list[Database], clock: FakeClock) -> None:
    await pay_in(workers[0], 1_000)

    async def take_out() -> bool:
        async with workers[0].write() as connection:
            row = counters.c
            taken = (
                update(counters)
                .where(row.counter_id == "acc_1", row.ceiling - row.spent - row.held >= 100)
                .values(ceiling=row.ceiling - 100)
            )
            return (await connection.execute(taken)).rowcount == 1

    asked = [admitted(workers[number % 4], clock, credit_hold()) for number in range(200)]
    outcomes = await asyncio.gather(*asked, *[take_out() for _ in range(10)])
    assert sum(outcomes[:200]) * 10 + sum(outcomes[200:]) * 100 <= 1_000
    await books_are_right(workers[0])


async def test_an_account_that_does_not_exist_has_no_credits(database: Database, clock: FakeClock) -> None:
    with pytest.raises(HoldRefusedError) as refused:
        await held(database, clock, credit_hold())
    assert (refused.value.code, refused.value.status) == ("out_of_credits", 402)


async def test_a_limit_is_met_to_the_last_unit(database: Database, clock: FakeClock) -> None:
    assert not await admitted(database, clock, budget_hold(amount=1_001))
    assert await admitted(database, clock, budget_hold(amount=999))
    assert await admitted(database, clock, budget_hold(amount=1))
    assert await admitted(database, clock, budget_hold(amount=0))
    assert not await admitted(database, clock, budget_hold(amount=1))


async def test_a_refusal_names_the_limit_and_writes_nothing(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 100)
    holds = (credit_hold(), budget_hold(), budget_hold(counter_id="bud_2", name="tight", limit=9), budget_hold(limit=0))
    request = request_intent(clock)
    with pytest.raises(HoldRefusedError) as refused:
        await database.journal.intend(request, attempt_intent(clock, holds=holds))
    assert refused.value.hold == holds[2]
    assert "'tight'" in refused.value.message
    assert await standing(database, "acc_1") == await standing(database, "bud_1", START_US) == (0, 0)
    async with database.read() as connection:
        assert (await connection.execute(select(requests))).all() == []
        assert (await connection.execute(select(ledger_transfers))).all() == []
    assert database.journal.healthy()
    assert database.journal.dropped() == 0


async def test_a_refused_request_can_be_recorded_as_refused(database: Database, clock: FakeClock) -> None:
    request = request_intent(clock)
    with pytest.raises(HoldRefusedError):
        await database.journal.intend(request, attempt_intent(clock, holds=(budget_hold(limit=0),)))
    refusal = settlement(clock, request, None, state=State.REJECTED, status_code=402, reading=NOTHING, cost=FREE)
    assert await database.journal.settle(refusal)
    assert (await request_of(database, request)).attempts == 0
    await assert_consistent(database, "org_1")


async def test_a_refused_further_attempt_leaves_the_request_to_be_ended(database: Database, clock: FakeClock) -> None:
    request, first = await held(database, clock, budget_hold())
    await database.journal.settle(settlement(clock, request, first, ends_request=False))
    with pytest.raises(HoldRefusedError):
        await database.journal.intend(request, attempt_intent(clock, number=2, holds=(budget_hold(limit=0),)))
    assert (await request_of(database, request)).attempts == 1
    second = attempt_intent(clock, number=2, holds=(budget_hold(),))
    await database.journal.intend(request, second)
    assert await database.journal.settle(settlement(clock, request, second, posts=(3,)))
    assert (await request_of(database, request)).attempts == 2
    assert await standing(database, "bud_1", START_US) == (3, 0)
    await books_are_right(database)


async def test_a_further_attempt_of_an_ended_request_holds_nothing(database: Database, clock: FakeClock) -> None:
    request, first = await held(database, clock)
    await database.journal.settle(settlement(clock, request, first))
    with pytest.raises(NotRecordedError):
        await database.journal.intend(request, attempt_intent(clock, number=2, holds=(budget_hold(),)))
    assert await standing(database, "bud_1", START_US) == (0, 0)
    await books_are_right(database)


async def test_a_rolling_budget_counts_all_its_hours(database: Database, clock: FakeClock) -> None:
    def rolling(hour: int, amount: int) -> Hold:
        at = START_US + hour * HOUR_US
        return budget_hold(bucket_at=at, since_at=at - 3 * HOUR_US, amount=amount)

    for hour in range(4):
        assert await admitted(database, clock, rolling(hour, 240))
    assert not await admitted(database, clock, rolling(3, 41))
    assert await admitted(database, clock, rolling(3, 40))
    assert not await admitted(database, clock, rolling(0, 1))  # somebody whose clock is behind
    assert not await admitted(database, clock, rolling(4, 241))
    assert await admitted(database, clock, rolling(4, 240))
    await books_are_right(database)


async def test_workers_that_are_in_different_hours_share_one_limit(workers: list[Database], clock: FakeClock) -> None:
    def rolling(number: int) -> Hold:
        at = START_US + number % 4 * HOUR_US
        return budget_hold(bucket_at=at, since_at=START_US - 24 * HOUR_US)

    asked = [admitted(workers[number % 4], clock, rolling(number)) for number in range(300)]
    assert sum(await asyncio.gather(*asked)) == 100
    await books_are_right(workers[0])


async def test_days_and_months_are_counted_apart(database: Database, clock: FakeClock) -> None:
    assert await admitted(database, clock, budget_hold(amount=1_000))
    assert not await admitted(database, clock, budget_hold())
    tomorrow = START_US + 24 * HOUR_US
    assert await admitted(database, clock, budget_hold(bucket_at=tomorrow, since_at=tomorrow))


async def test_a_soft_budget_counts_and_refuses_nothing(database: Database, clock: FakeClock) -> None:
    assert await admitted(database, clock, budget_hold(limit=None, amount=5_000))
    assert await admitted(database, clock, budget_hold(limit=None, amount=5_000))
    assert await standing(database, "bud_1", START_US) == (0, 10_000)


async def test_a_counter_stays_at_the_largest_number_instead_of_overflowing(
    database: Database, clock: FakeClock
) -> None:
    for _ in range(3):
        pair = await held(database, clock, budget_hold(limit=None))
        assert await database.journal.settle(settlement(clock, *pair, posts=(MAX_PICO - 1,)))
    assert await standing(database, "bud_1", START_US) == (MAX_PICO, 0)
    later = budget_hold(bucket_at=START_US + HOUR_US, limit=None)
    pair = await held(database, clock, later)
    assert await database.journal.settle(settlement(clock, *pair, posts=(MAX_PICO,)))
    assert not await admitted(database, clock, budget_hold(limit=MAX_PICO))
    assert await admitted(database, clock, budget_hold(limit=None))
    assert database.journal.dropped() == 0


# --- What becomes of it ---------------------------------------------------------------------------------------------


async def test_an_end_posts_what_it_says_and_lets_go_of_the_rest(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 100)
    pair = await held(database, clock, budget_hold(), budget_hold(counter_id="bud_2"), credit_hold())
    assert await standing(database, "bud_2", START_US) == (0, 10)
    assert await transfers_of(database, pair[0].id) == [("pending", 10)]
    await books_are_right(database)
    clock.advance(1)
    assert await database.journal.settle(settlement(clock, *pair, posts=(12, 7, 6), charge_pico=6))
    assert await standing(database, "bud_1", START_US) == (12, 0), "a budget also counts what nobody expected"
    assert await standing(database, "bud_2", START_US) == (7, 0)
    assert await standing(database, "acc_1") == (6, 0)
    assert await transfers_of(database, pair[0].id) == [("posted", 6)]
    assert (await attempts_of(database, pair[0]))[0].charge_pico == 6
    await books_are_right(database)


async def test_of_credits_never_more_is_posted_than_was_held(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 10)
    pair = await held(database, clock, credit_hold())
    assert await database.journal.settle(settlement(clock, *pair, posts=(99,)))
    assert await standing(database, "acc_1") == (10, 0)
    assert await transfers_of(database, pair[0].id) == [("posted", 10)]
    await books_are_right(database)


async def test_an_end_that_posts_nothing_voids(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 10)
    for posts in ((), (0, 0)):
        pair = await held(database, clock, budget_hold(), credit_hold())
        assert await database.journal.settle(settlement(clock, *pair, posts=posts))
        assert await transfers_of(database, pair[0].id) == [("voided", 10)]
    assert await standing(database, "bud_1", START_US) == await standing(database, "acc_1") == (0, 0)
    await books_are_right(database)


async def test_the_second_end_posts_nothing(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 100)
    pairs = [await held(database, clock, budget_hold(), credit_hold()) for _ in range(3)]
    ends = [settlement(clock, *pair, posts=(4, 4)) for pair in pairs for _ in range(3)]
    outcomes = await asyncio.gather(*[database.journal.settle(end) for end in ends])
    assert outcomes == [True, False, False] * 3
    assert await standing(database, "bud_1", START_US) == await standing(database, "acc_1") == (12, 0)
    await books_are_right(database)


async def test_an_end_without_an_intent_lets_go_of_nothing(database: Database, clock: FakeClock) -> None:
    attempt = attempt_intent(clock, holds=(budget_hold(),))
    assert not await database.journal.settle(settlement(clock, request_intent(clock), attempt, posts=(5,)))
    assert await standing(database, "bud_1", START_US) == (0, 0)


async def test_what_an_end_lets_go_of_is_there_for_the_intents_of_its_batch(
    database: Database, clock: FakeClock
) -> None:
    pairs = [await held(database, clock, budget_hold(amount=100)) for _ in range(10)]
    asked = [admitted(database, clock, budget_hold(amount=100)) for _ in range(5)]
    ends = [database.journal.settle(settlement(clock, *pair, posts=(50,))) for pair in pairs]
    outcomes = await asyncio.gather(*asked, *ends)
    assert outcomes == [True] * 15
    await books_are_right(database)


async def test_each_attempt_of_a_request_holds_anew(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 10)
    request, first = await held(database, clock, credit_hold())
    await database.journal.settle(settlement(clock, request, first, posts=(0,), ends_request=False))
    second = attempt_intent(clock, number=2, holds=(credit_hold(),))
    await database.journal.intend(request, second)
    await database.journal.settle(settlement(clock, request, second, posts=(9,)))
    assert await transfers_of(database, request.id) == [("voided", 10), ("posted", 9)]
    await books_are_right(database)


async def test_a_settlement_that_is_written_without_its_usage_posts_all_the_same(
    database: Database, clock: FakeClock
) -> None:
    await pay_in(database, 100)
    pair = await held(database, clock, budget_hold(), credit_hold())
    end = settlement(clock, *pair, bytes_received=2**70, posts=(8, 5), charge_pico=5)
    assert await database.journal.settle(end)
    (tried,) = await attempts_of(database, pair[0])
    assert (tried.anomalies, tried.charge_pico) == ('["unrecordable"]', 5)
    assert await standing(database, "bud_1", START_US) == (8, 0)
    assert await standing(database, "acc_1") == (5, 0)
    await books_are_right(database)


async def test_a_caller_that_stops_waiting_leaves_nothing_held(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 1_000)
    attempt = attempt_intent(clock, holds=(budget_hold(), credit_hold()))
    intending = [asyncio.ensure_future(database.journal.intend(request_intent(clock), attempt)) for _ in range(50)]
    await asyncio.sleep(0)  # queued, and the writer is not there yet
    for task in intending[::3]:
        task.cancel()
    await asyncio.sleep(0)
    for task in intending[1::3]:
        task.cancel()
    outcomes = await asyncio.gather(*intending, return_exceptions=True)
    while database.journal.backlog():
        await asyncio.sleep(0.001)
    open_now = outcomes.count(None)
    assert open_now == 16
    assert await standing(database, "bud_1", START_US) == (0, 10 * open_now)
    await books_are_right(database)


async def test_many_that_hold_and_let_go_of_many_counters_at_once_block_nobody(
    workers: list[Database], clock: FakeClock
) -> None:
    await pay_in(workers[0], 10**9)

    async def trips(number: int) -> list[bool]:
        names = [f"bud_{(number * step) % 7}" for step in (1, 2, 3)]
        journal = workers[number % 4].journal
        outcome = []
        for trip in range(10):
            first, second, third = (budget_hold(counter_id=name, limit=10**6) for name in names)
            pair = await held(workers[number % 4], clock, third, credit_hold(), first, second)
            posts = (trip % 11, trip % 3, 0, 10)
            outcome.append(await journal.settle(settlement(clock, *pair, posts=posts)))
        return outcome

    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*[trips(number) for number in range(40)])
    assert outcomes == [[True] * 10] * 40
    async with workers[0].read() as connection:
        rows = (await connection.execute(select(counters.c.spent, counters.c.held))).all()
    assert sum(row.held for row in rows) == 0
    assert sum(row.spent for row in rows) == 40 * sum(trip % 11 + trip % 3 + 10 for trip in range(10))
    await books_are_right(workers[0])


# --- Recovery -------------------------------------------------------------------------------------------------------


async def test_recovery_lets_go_and_posts_what_was_said_for_the_unknown(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 100)
    request = request_intent(clock, instance_id="ins_dead")
    holds = (budget_hold(), budget_hold(counter_id="bud_2", on_unknown=0), credit_hold())
    attempt = attempt_intent(clock, holds=holds)
    await database.journal.intend(request, attempt)
    clock.advance(60)
    assert await database.recover("ins_me", clock.now_us()) == 1
    assert await standing(database, "bud_1", START_US) == (10, 0)
    assert await standing(database, "bud_2", START_US) == await standing(database, "acc_1") == (0, 0)
    assert await transfers_of(database, request.id) == [("expired", 10)]
    assert not await database.journal.settle(settlement(clock, request, attempt, posts=(1, 1, 1)))
    (tried,) = await attempts_of(database, request)
    assert tried.charge_pico == 0
    await books_are_right(database)


async def test_recovery_charges_credits_where_the_hold_says_so(database: Database, clock: FakeClock) -> None:
    await pay_in(database, 100)
    request = request_intent(clock, instance_id="ins_dead")
    await database.journal.intend(request, attempt_intent(clock, holds=(credit_hold(on_unknown=4),)))
    assert await database.recover("ins_me", clock.now_us()) == 1
    assert await transfers_of(database, request.id) == [("posted", 4)]
    assert (await attempts_of(database, request))[0].charge_pico == 4
    await books_are_right(database)


async def test_several_that_recover_at_once_let_go_once(workers: list[Database], clock: FakeClock) -> None:
    await pay_in(workers[0], 1_000)
    for _ in range(40):
        request = request_intent(clock, instance_id="ins_dead")
        await workers[0].journal.intend(request, attempt_intent(clock, holds=(budget_hold(), credit_hold())))
    ended = await asyncio.gather(*[worker.recover("ins_me", clock.now_us()) for worker in workers])
    assert sum(ended) == 40
    assert await standing(workers[0], "bud_1", START_US) == (400, 0)
    assert await standing(workers[0], "acc_1") == (0, 0)
    await books_are_right(workers[0])


async def test_kill_9_leaves_the_books_right_and_recovery_lets_go(database: Database, database_url: str) -> None:
    await pay_in(database, 100_000)
    async with storage_process("spend", database_url, "1000000") as process:
        seen = await acknowledged_by(process, at_most=500)
        os.kill(process.pid, signal.SIGKILL)
        rest = await acknowledged_by(process)
    settled = len(seen["settled"] | rest["settled"])
    assert settled > 0
    await books_are_right(database)
    await database.recover("ins_me", SystemClock().now_us())
    await books_are_right(database)
    async with database.read() as connection:
        rows = (await connection.execute(select(counters))).all()
        states = set((await connection.execute(select(ledger_transfers.c.state))).scalars())
    assert [row.held for row in rows] == [0] * len(rows)
    assert states <= {"posted", "voided", "expired"}
