"""Rate counters, the same in memory and in a real Valkey server; and rate limits when that server goes away."""

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import pytest
from structlog.testing import capture_logs

from keystead.coordination import BUCKET_US, LEASE_US, NEVER, Counters, CountersAwayError, Demand, Return
from keystead.coordination.memory import MemoryCounters
from keystead.coordination.redis import REST_US, TIMEOUT_S, RedisCounters
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import OrganizationId
from keystead.domain.means import Measure, RateLimit
from keystead.limits.rates import RateLimitedError, Rates
from tests.fakes.clock import START_US, FakeClock
from tests.fakes.valkey import Valkey

MINUTE_US: Final = 60_000_000
SECOND_US: Final = 1_000_000
PATIENCE_S: Final = 10.0
"""For tests that ask whether it counts right, and not how long a busy machine takes."""


def window(most: int, amount: int = 1, key: str = "window") -> Demand:
    return Demand(kind="window", key=key, most=most, amount=amount)


def slots(most: int, key: str = "slots") -> Demand:
    return Demand(kind="slots", key=key, most=most)


async def taken(counters: Counters, *demands: Demand, at: int = START_US, lease: str = "lease") -> bool:
    rooms = await counters.take(demands, lease=lease, now_us=at)
    assert len(rooms) == len(demands)
    assert all(room.left >= 0 for room in rooms)
    return not any(room.wait_us for room in rooms)


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    """A server that a test may kill."""
    running = Valkey()
    await running.start()
    yield running
    running.close()


@pytest.fixture(params=["memory", "valkey"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    if request.param == "memory":
        yield MemoryCounters()
        return
    valkey = Valkey()
    await valkey.start()
    opened = RedisCounters(valkey.url, password=None, clock=FakeClock(), timeout_s=PATIENCE_S)
    yield opened
    await opened.close()
    valkey.close()


async def test_of_many_at_once_exactly_as_many_as_the_limit_are_let_through(counters: Counters) -> None:
    asked = [taken(counters, window(100), lease=f"lease_{number}") for number in range(300)]
    assert sum(await asyncio.gather(*asked)) == 100


async def test_amounts_count_and_what_does_not_fit_is_not_counted(counters: Counters) -> None:
    assert await taken(counters, window(100, 60))
    assert not await taken(counters, window(100, 41))
    assert await taken(counters, window(100, 40))
    assert not await taken(counters, window(100))


async def test_all_is_taken_or_nothing(counters: Counters) -> None:
    assert await taken(counters, window(1, key="full"))
    assert not await taken(counters, window(5, key="free"), slots(1), window(1, key="full"))
    assert await taken(counters, window(5, 5, key="free"), slots(1))


@pytest.mark.parametrize("seed", range(3))
async def test_in_no_minute_is_there_more_than_the_limit(counters: Counters, seed: int) -> None:
    draw = random.Random(seed)
    now, most = START_US, 40
    admitted: deque[tuple[int, int]] = deque()
    for _ in range(400):
        now += draw.choice([0, 1, 1000, 200_000, 3 * SECOND_US, BUCKET_US, 20 * SECOND_US])
        amount = draw.randint(1, 8)
        if await taken(counters, window(most, amount), at=now):
            admitted.append((now, amount))
        while admitted[0][0] <= now - MINUTE_US:
            admitted.popleft()
        assert sum(amount for _, amount in admitted) <= most
    assert admitted


async def test_the_wait_it_names_is_enough_and_not_too_much(counters: Counters) -> None:
    for second in range(10):
        assert await taken(counters, window(10), at=START_US + second * 2 * SECOND_US)
    now = START_US + 20 * SECOND_US
    (room,) = await counters.take([window(10, 3)], lease="lease", now_us=now)
    assert 0 < room.wait_us <= MINUTE_US
    assert not await taken(counters, window(10, 3), at=now + room.wait_us - 1)
    assert await taken(counters, window(10, 3), at=now + room.wait_us)


async def test_more_than_there_ever_is_has_no_wait(counters: Counters) -> None:
    (room,) = await counters.take([window(10, 11)], lease="lease", now_us=START_US)
    assert room.wait_us == NEVER
    assert await taken(counters, window(10, 10))


async def test_what_is_left_is_told(counters: Counters) -> None:
    rooms = await counters.take([window(10, 4), slots(3)], lease="lease", now_us=START_US)
    assert [room.left for room in rooms] == [6, 2]
    rooms = await counters.take([window(10, 7), slots(3)], lease="other", now_us=START_US)
    assert [room.left for room in rooms] == [6, 2]


async def test_too_high_an_estimate_is_given_back_where_it_was_counted(counters: Counters) -> None:
    assert await taken(counters, window(100, 90))
    give = Return(kind="window", key="window", taken_at=START_US, change=-50)
    await counters.give_back([give], lease="lease", now_us=START_US + 30 * SECOND_US)
    assert not await taken(counters, window(100, 61), at=START_US + 30 * SECOND_US)
    assert await taken(counters, window(100, 60), at=START_US + 30 * SECOND_US)


async def test_too_low_an_estimate_counts_from_when_it_is_known(counters: Counters) -> None:
    assert await taken(counters, window(100, 10))
    later = START_US + 2 * MINUTE_US
    more = Return(kind="window", key="window", taken_at=START_US, change=95)
    await counters.give_back([more], lease="lease", now_us=later)
    assert not await taken(counters, window(100, 6), at=later + 59 * SECOND_US)
    assert await taken(counters, window(100, 5), at=later + 59 * SECOND_US)


async def test_what_has_left_the_window_cannot_be_given_back_into_it(counters: Counters) -> None:
    assert await taken(counters, window(100, 90))
    later = START_US + 2 * MINUTE_US
    assert await taken(counters, window(100, 100), at=later)
    give = Return(kind="window", key="window", taken_at=START_US, change=-90)
    await counters.give_back([give], lease="lease", now_us=later)
    assert not await taken(counters, window(100), at=later)


async def test_giving_back_more_than_was_taken_does_not_make_room_for_more(counters: Counters) -> None:
    assert await taken(counters, window(10, 1))
    give = Return(kind="window", key="window", taken_at=START_US, change=-1000)
    await counters.give_back([give], lease="lease", now_us=START_US)
    assert not await taken(counters, window(10, 11))


async def test_slots_are_held_until_they_are_given_back(counters: Counters) -> None:
    assert [await taken(counters, slots(2), lease=lease) for lease in "abc"] == [True, True, False]
    await counters.give_back([Return(kind="slots", key="slots", taken_at=START_US)], lease="a", now_us=START_US)
    await counters.give_back([Return(kind="slots", key="slots", taken_at=START_US)], lease="a", now_us=START_US)
    assert [await taken(counters, slots(2), lease=lease) for lease in "cd"] == [True, False]


async def test_slots_of_a_process_that_died_come_back_and_renewed_ones_do_not(counters: Counters) -> None:
    assert await taken(counters, slots(2), lease="dead")
    assert await taken(counters, slots(2), lease="alive")
    await counters.renew({"alive": ["slots"]}, now_us=START_US + LEASE_US // 2)
    assert not await taken(counters, slots(2), lease="new", at=START_US + LEASE_US - 1)
    assert await taken(counters, slots(2), lease="new", at=START_US + LEASE_US)
    assert not await taken(counters, slots(2), lease="newer", at=START_US + LEASE_US)


async def test_a_clock_that_was_an_hour_ahead_does_not_lock_anybody_out(counters: Counters) -> None:
    assert await taken(counters, window(1), at=START_US + 60 * MINUTE_US)
    assert await taken(counters, window(1), at=START_US)


async def test_memory_and_valkey_give_the_same_answers_to_anything(valkey: Valkey) -> None:
    memory = MemoryCounters()
    shared = RedisCounters(valkey.url, password=None, clock=FakeClock(), timeout_s=PATIENCE_S)
    draw = random.Random(20_261_125)
    now = START_US
    leases: list[tuple[str, int]] = []
    for number in range(600):
        now += draw.choice([0, 1, 999_999, BUCKET_US, BUCKET_US + 1, 17 * SECOND_US, -SECOND_US])
        demands = [
            Demand(kind="window", key="w1", most=30, amount=draw.randint(1, 9)),
            Demand(kind="window", key="w2", most=draw.randint(1, 2**50), amount=draw.randint(0, 2**50)),
            Demand(kind="slots", key="s1", most=4),
        ][draw.randint(0, 2) :]
        lease = f"lease_{number}"
        answers = [await each.take(demands, lease=lease, now_us=now) for each in (memory, shared)]
        assert answers[0] == answers[1]
        leases.append((lease, now))
        lease, at = draw.choice(leases)
        returns = [
            Return(kind="window", key="w1", taken_at=at, change=draw.randint(-9, 2)),
            Return(kind="slots", key="s1", taken_at=at),
        ]
        renewed = draw.choice(leases)[0] if draw.random() < 0.1 else None
        for each in (memory, shared):
            if renewed is not None:
                await each.renew({renewed: ["s1"]}, now_us=now)
            await each.give_back(returns, lease=lease, now_us=now)
    await shared.close()


# -- limits on top of them, and a server that goes away --------------------------------------------------------------


def limit(measure: Measure, most: int, name: str = "") -> RateLimit:
    return RateLimit(
        id=f"limit_{measure}",
        organization_id=OrganizationId("org_1"),
        name=name or measure,
        scope_kind="organization",
        scope_id="org_1",
        measure=measure,
        most=most,
    )


async def let_through(rates: Rates, clock: FakeClock, *limits: RateLimit, tries: int = 1, tokens: int = 1) -> int:
    admitted = 0
    for _ in range(tries):
        try:
            await rates.admit(limits, cost_tokens=tokens, now_us=clock.now_us())
        except RateLimitedError:
            continue
        admitted += 1
    return admitted


def two_processes(valkey: Valkey, clock: FakeClock, timeout_s: float = PATIENCE_S) -> tuple[Rates, Rates]:
    first, second = (
        Rates(
            clock=clock,
            strict=RedisCounters(valkey.url, password=None, clock=clock, timeout_s=timeout_s),
            processes=lambda: 2,
        )
        for _ in range(2)
    )
    return first, second


async def test_two_processes_with_one_server_share_a_limit_exactly(valkey: Valkey, clock: FakeClock) -> None:
    first, second = two_processes(valkey, clock)
    rule = limit("requests_per_minute", 11)
    assert await let_through(first, clock, rule, tries=8) == 8
    assert await let_through(second, clock, rule, tries=8) == 3
    await first.close()
    await second.close()


async def test_a_stream_of_one_process_takes_the_slot_of_another(valkey: Valkey, clock: FakeClock) -> None:
    first, second = two_processes(valkey, clock)
    rule = limit("concurrent_requests", 1)
    admission = await first.admit([rule], cost_tokens=1, now_us=clock.now_us())
    for _ in range(8):  # longer than a lease
        clock.advance(15)
        await first.renew()
    assert await let_through(second, clock, rule) == 0
    await first.done(admission, tokens=5)
    assert await let_through(second, clock, rule) == 1
    await first.close()
    await second.close()


async def test_when_the_server_dies_each_process_goes_on_at_once_with_its_share(
    valkey: Valkey, clock: FakeClock
) -> None:
    first, second = two_processes(valkey, clock)
    rule = limit("requests_per_minute", 10)
    assert await let_through(first, clock, rule, tries=2) == 2
    valkey.kill()
    started = time.monotonic()
    assert await let_through(first, clock, rule, tries=20) == 3  # five each, two of them are gone
    assert await let_through(second, clock, rule, tries=20) == 5
    assert time.monotonic() - started < 2.0
    await first.close()
    await second.close()


async def test_a_server_that_stalls_costs_one_short_wait_and_not_one_for_each_request(
    valkey: Valkey, clock: FakeClock
) -> None:
    first, _ = two_processes(valkey, clock, TIMEOUT_S)
    rule = limit("requests_per_minute", 1000)
    await let_through(first, clock, rule)
    valkey.stall()
    started = time.monotonic()
    assert await let_through(first, clock, rule, tries=100) == 100
    assert time.monotonic() - started < 20 * TIMEOUT_S
    valkey.go_on()
    await first.close()


async def test_a_server_that_comes_back_is_used_again_by_itself(valkey: Valkey, clock: FakeClock) -> None:
    first, second = two_processes(valkey, clock)
    rule, streams = limit("requests_per_minute", 10), limit("concurrent_requests", 3)
    running = await first.admit([streams], cost_tokens=1, now_us=clock.now_us())
    valkey.kill()
    assert await let_through(first, clock, rule, streams) == 0  # one slot each, and it is taken
    await valkey.start()
    clock.advance(REST_US / SECOND_US + 1)
    assert await let_through(first, clock, rule, tries=20) == 10
    assert await let_through(second, clock, rule, tries=20) == 0
    # The new server knows again of the stream that runs.
    assert await let_through(second, clock, streams, tries=5) == 2
    await first.done(running, tokens=0)
    assert await let_through(second, clock, streams, tries=5) == 1
    await first.close()
    await second.close()


async def test_an_answer_that_came_too_late_is_never_taken_for_another_ones(valkey: Valkey, clock: FakeClock) -> None:
    counters = RedisCounters(valkey.url, password=None, clock=clock)
    valkey.stall()
    for _ in range(3):
        with pytest.raises(CountersAwayError):
            await counters.take([window(7, 7, key="other")], lease="b", now_us=START_US)
        clock.advance(2)
    valkey.go_on()
    answered = 0
    async with asyncio.timeout(PATIENCE_S):
        while answered < 20:
            clock.advance(2)
            try:
                (room,) = await counters.take([window(1000)], lease="c", now_us=START_US)
            except CountersAwayError:
                continue  # a busy machine
            answered += 1
            assert 900 < room.left < 1000
    await counters.close()


async def test_what_is_wrong_with_the_server_is_logged_once_and_without_a_secret(clock: FakeClock) -> None:
    valkey = Valkey(password="canary-of-valkey")
    await valkey.start()
    url = f"redis://:canary-of-url@127.0.0.1:{valkey.port}/0"
    counters = RedisCounters(url, password=None, clock=clock)
    with capture_logs() as logs:
        for _ in range(5):
            with pytest.raises(CountersAwayError):
                await counters.take([window(1)], lease="a", now_us=START_US)
            clock.advance(2)
    assert [entry["event"] for entry in logs] == ["redis_away"]
    assert "canary" not in repr(logs)
    await counters.close()
    valkey.close()


async def test_a_password_from_a_file_goes_before_none_in_the_url(clock: FakeClock) -> None:
    password = os.urandom(12).hex()
    valkey = Valkey(password=password)
    await valkey.start()
    counters = RedisCounters(valkey.url, password=password, clock=clock, timeout_s=PATIENCE_S)
    assert await taken(counters, window(1))
    await counters.close()
    valkey.close()


@pytest.mark.parametrize("url", ["canary", "http://canary@localhost", "redis://localhost:canary"])
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str, clock: FakeClock) -> None:
    with pytest.raises(InvalidRequestError, match="KEYSTEAD_REDIS_URL") as refusal:
        RedisCounters(url, password=None, clock=clock)
    assert "canary" not in f"{refusal.value.message} {refusal.value.next_step}"
    assert refusal.value.__cause__ is None
