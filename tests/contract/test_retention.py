"""Requests that an organization no longer keeps are forgotten, and nothing that is told of them in sums changes."""

import pytest
from sqlalchemy import select, update

from keystead.domain.clock import DAY_US
from keystead.domain.ids import new_id
from keystead.metering import retention
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageReport
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from keystead.storage.schema import attempts, organizations, requests
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

AGES = (1, 49, 51, 60, 400)
"""How many days ago a request of each organization began."""


@pytest.fixture
async def past(database: Database, clock: FakeClock) -> Database:
    """Two organizations with the same past: five requests of two attempts each."""
    async with database.write() as conn:
        for organization in ("org_1", "org_2"):
            row = {"id": organization, "name": organization, "currency": "USD", "time_zone": "UTC", "created_at": 0}
            await conn.execute(organizations.insert().values(row))
            for days in AGES:
                at = clock.now_us() - days * DAY_US
                request = request_intent(clock, id=new_id("req", at), started_at=at, organization_id=organization)
                ended = [
                    settlement(clock, request, attempt_intent(clock, number=number, started_at=at), finished_at=at + 1)
                    for number in (1, 2)
                ]
                await insert_ended(conn, [tuple(ended)])
    return database


async def ages(database: Database, clock: FakeClock, organization: str) -> list[int]:
    """Return how many days ago what is left began; each with both of its attempts, and no attempt without."""
    async with database.read() as conn:
        left = select(requests.c.id, requests.c.started_at).where(requests.c.organization_id == organization)
        found = {row[0]: row[1] for row in await conn.execute(left)}
        tried = select(attempts.c.request_id).where(attempts.c.organization_id == organization)
        of = (await conn.execute(tried)).scalars().all()
    assert sorted(of) == sorted([*found, *found])
    return sorted((clock.now_us() - at) // DAY_US for at in found.values())


async def usage(database: Database, clock: FakeClock, organization: str) -> UsageReport:
    async with database.read() as conn:
        now = clock.now_us()
        return await usage_by(
            conn, organization_id=organization, dimensions=("day", "model"), from_at=now - 500 * DAY_US, to_at=now
        )


async def keep(database: Database, organization: str, days: int | None) -> None:
    async with database.write() as conn:
        await retention.keep(conn, organization, days)


async def test_nothing_is_forgotten_until_an_organization_says_so(past: Database, clock: FakeClock) -> None:
    assert await retention.forget(past, clock.now_us(), most=100) == 0
    assert await ages(past, clock, "org_1") == list(AGES)


async def test_what_is_older_goes_and_sums_and_others_stay(past: Database, clock: FakeClock) -> None:
    before = await usage(past, clock, "org_1")
    await keep(past, "org_1", 50)
    assert await retention.forget(past, clock.now_us(), most=100) == 3
    assert await ages(past, clock, "org_1") == [1, 49]
    assert await ages(past, clock, "org_2") == list(AGES)
    assert await usage(past, clock, "org_1") == before
    assert sum(line.requests for line in before.lines) == len(AGES)
    assert await retention.forget(past, clock.now_us(), most=100) == 0
    await keep(past, "org_1", None)
    assert await retention.forget(past, clock.now_us() + 1000 * DAY_US, most=100) == 0


async def test_what_is_open_is_kept_until_it_has_ended(past: Database, clock: FakeClock) -> None:
    oldest = clock.now_us() - 400 * DAY_US
    async with past.write() as conn:
        await conn.execute(update(requests).where(requests.c.started_at == oldest).values(state="intent"))
    await keep(past, "org_1", 50)
    assert await retention.forget(past, clock.now_us(), most=100) == 2
    assert await ages(past, clock, "org_1") == [1, 49, 400]
    async with past.write() as conn:
        await conn.execute(update(requests).where(requests.c.started_at == oldest).values(state="settled"))
    assert await retention.forget(past, clock.now_us(), most=100) == 1


@pytest.mark.parametrize("at_once", [1, 2, 200])
async def test_a_round_forgets_no_more_than_it_may_and_the_oldest_first(
    past: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", at_once)
    for organization in ("org_1", "org_2"):
        await keep(past, organization, 50)
    assert await retention.forget(past, clock.now_us(), most=2) == 2
    assert await ages(past, clock, "org_1") == [1, 49, 51]
    assert await retention.forget(past, clock.now_us(), most=2) == 2
    assert await ages(past, clock, "org_1") == [1, 49]
    assert await ages(past, clock, "org_2") == [1, 49, 51, 60]
    assert await retention.forget(past, clock.now_us(), most=20) == 2
    assert await ages(past, clock, "org_2") == [1, 49]


async def test_what_would_be_forgotten_is_told_before(
    past: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with past.read() as conn:
        found = await retention.would_forget(conn, "org_1", days=50, now=clock.now_us())
        assert (found.before_at, found.requests, found.more) == (clock.now_us() - 50 * DAY_US, 3, False)
        monkeypatch.setattr(retention, "COUNTED", 2)
        found = await retention.would_forget(conn, "org_1", days=50, now=clock.now_us())
        assert (found.requests, found.more) == (2, True)
        assert await retention.oldest(conn, "org_1") == clock.now_us() - 400 * DAY_US
        assert await retention.oldest(conn, "org_3") is None
