"""When a credential was last used, what last went wrong with it, and who used it."""

from typing import Any

import pytest

from keystead.domain.clock import HOUR_US
from keystead.domain.records import FREE
from keystead.domain.traffic import ErrorClass, Fault, State
from keystead.metering.credential_uses import LOOK, Failure, latest_use
from keystead.metering.usage import usage_by
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

ORGANIZATION = "org_1"
THROTTLED: dict[str, Any] = {
    "state": State.REJECTED,
    "error_class": ErrorClass.THROTTLED,
    "upstream_status": 429,
    "fault": Fault.PROVIDER,
    "cost": FREE,
}


class Past:
    """Writes attempts one second after another."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock

    async def attempts(self, credential: str, count: int = 1, *, key: str = "vk_1", **end: Any) -> str:
        ended = []
        for _ in range(count):
            self.clock.advance(1)
            at = self.clock.now_us()
            request = request_intent(self.clock, started_at=at, virtual_key_id=key, organization_id=ORGANIZATION)
            attempt = attempt_intent(self.clock, started_at=at, credential_id=credential)
            ended.append((settlement(self.clock, request, attempt, **end),))
        async with self.database.write() as conn:
            await insert_ended(conn, ended)
        return ended[-1][0].request.id


@pytest.fixture
def past(database: Database, clock: FakeClock) -> Past:
    return Past(database, clock)


async def test_the_last_use_and_the_last_error_that_was_not_the_callers(past: Past) -> None:
    await past.attempts("cred_1")
    failed = await past.attempts("cred_1", **THROTTLED)
    failed_at = past.clock.now_us()
    await past.attempts("cred_1", **THROTTLED | {"error_class": ErrorClass.INVALID_REQUEST, "fault": Fault.CALLER})
    await past.attempts("cred_2")
    async with past.database.read() as conn:
        one, other, unused = await latest_use(conn, ORGANIZATION, ["cred_1", "cred_2", "cred_3"])
        [foreign] = await latest_use(conn, "org_2", ["cred_1"])
    assert one.last_used_at == failed_at + 1_000_000
    assert one.last_error == Failure(
        request_id=failed, at=failed_at, error_class=ErrorClass.THROTTLED, upstream_status=429
    )
    assert (other.last_used_at, other.last_error) == (past.clock.now_us(), None)
    assert (unused.last_used_at, unused.last_error) == (None, None)
    assert foreign.last_used_at is None, "whatever others do with it is theirs"


async def test_an_error_long_ago_is_not_looked_for(past: Past) -> None:
    await past.attempts("cred_1", **THROTTLED)
    await past.attempts("cred_1", LOOK - 1)
    async with past.database.read() as conn:
        assert (await latest_use(conn, ORGANIZATION, ["cred_1"]))[0].last_error is not None
    await past.attempts("cred_1")
    async with past.database.read() as conn:
        assert (await latest_use(conn, ORGANIZATION, ["cred_1"]))[0].last_error is None


async def test_how_much_one_credential_does_hides_nothing_of_another(past: Past) -> None:
    failed = await past.attempts("cred_1", **THROTTLED)
    await past.attempts("cred_2", LOOK)
    async with past.database.read() as conn:
        one, other = await latest_use(conn, ORGANIZATION, ["cred_1", "cred_2"])
    assert one.last_error is not None
    assert one.last_error.request_id == failed
    assert other.last_error is None


async def test_usage_of_one_credential_says_who_used_it(past: Past) -> None:
    await past.attempts("cred_1", 2)
    await past.attempts("cred_1", 1, key="vk_2")
    await past.attempts("cred_2", 4)
    async with past.database.read() as conn:
        found = await usage_by(
            conn,
            organization_id=ORGANIZATION,
            dimensions=("team", "virtual_key"),
            only={"credential": frozenset({"cred_1"})},
            from_at=past.clock.now_us() - HOUR_US,
            to_at=past.clock.now_us() + HOUR_US,
        )
    assert {line.keys[1].id: line.requests for line in found.lines} == {"vk_1": 2, "vk_2": 1}
