"""The table of what lies at providers, on both engines."""

import json
from typing import Any

import msgspec
import pytest

from keystead.domain.stored import ObjectKind, StoredObject, Workload
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.holdings import Holdings
from keystead.storage import instances
from keystead.storage import stored_objects as books
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent

ORG = "org_1"
ME = "ins_me"
FILE = StoredObject(
    id="obj_1",
    organization_id=ORG,
    team_id="team_1",
    principal_kind="member",
    principal_id="mem_1",
    virtual_key_id="vk_1",
    credential_id="cred_1",
    provider="openai",
    kind=ObjectKind.FILE,
    upstream_id="file-1",
    created_at=1,
    workload=Workload(
        dialect=Dialect.OPENAI, endpoint=Endpoint.CHAT, model="gpt-5", lines=2, most_pico=7, currency="USD"
    ),
)


DAY_US = 86_400 * 1_000_000
START, DAY_LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
"""The clock's first instant, and a day after it."""


def creating(kind: ObjectKind) -> Ask:
    """Return what a call asks that makes something of a kind."""
    return Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=Dialect.ANTHROPIC,
        endpoint=Endpoint.FILES,
        tail="",
        query=b"",
        headers={},
        model="",
        stream=False,
        body=b"",
        object_kind=kind,
        action="create",
    )


def batch(number: int, **changes: object) -> StoredObject:
    made = msgspec.structs.replace(
        FILE, id=f"obj_{number}", kind=ObjectKind.BATCH, upstream_id=f"batch-{number}", work="open", poll_at=number
    )
    return msgspec.structs.replace(made, **changes)


async def add(database: Database, *stored: StoredObject) -> list[bool]:
    async with database.write() as conn:
        return [await books.add(conn, each) for each in stored]


async def find(database: Database, upstream_id: str, principal_id: str = "mem_1") -> StoredObject | None:
    async with database.read() as conn:
        return await books.find(
            conn, organization_id=ORG, principal_id=principal_id, kind=ObjectKind.FILE, upstream_id=upstream_id
        )


async def test_the_first_binding_stands(database: Database) -> None:
    thief = msgspec.structs.replace(FILE, id="obj_2", principal_id="mem_2", credential_id="cred_2")
    assert await add(database, FILE, thief) == [True, False]
    assert await find(database, "file-1") == FILE
    assert await find(database, "file-1", "mem_2") is None


async def test_a_page_holds_the_newest_first_and_goes_on_before(database: Database) -> None:
    made = [msgspec.structs.replace(FILE, id=f"obj_{n}", upstream_id=f"file-{n}") for n in range(4)]
    await add(database, *made, msgspec.structs.replace(FILE, id="obj_9", organization_id="org_2"))
    async with database.read() as conn:
        assert list(await books.page(conn, organization_id=ORG, limit=2)) == made[:1:-1]
        assert list(await books.page(conn, organization_id=ORG, before="obj_2", limit=9)) == made[1::-1]
        assert not await books.page(conn, organization_id=ORG, kinds=[ObjectKind.BATCH], limit=9)
        assert not await books.page(conn, organization_id=ORG, principal_id="mem_2", limit=9)
        assert not await books.page(conn, organization_id=ORG, credential_id="cred_2", limit=9)


async def test_open_work_is_leased_once_and_again_when_the_lease_has_ended(database: Database) -> None:
    await add(database, batch(1), batch(2), batch(30), FILE)
    async with database.write() as conn:
        assert [each.id for each in await books.lease(conn, now=10, until=20, limit=9)] == ["obj_1", "obj_2"]
    async with database.write() as conn:
        assert not await books.lease(conn, now=19, until=30, limit=9)
        assert [each.id for each in await books.lease(conn, now=20, until=30, limit=9)] == ["obj_1", "obj_2"]
        await books.look_again(conn, "obj_1", poll_at=25)
        await books.work_done(conn, "obj_2")
    async with database.write() as conn:
        assert [each.id for each in await books.lease(conn, now=25, until=40, limit=9)] == ["obj_1"]
        assert await books.is_due(conn, now=25)


async def test_what_somebody_waits_for_is_not_removed(database: Database) -> None:
    await add(database, batch(1, request_id="req_1"))
    async with database.write() as conn:
        assert await books.is_awaited(conn, "req_1")
        assert not await books.remove(conn, "obj_1")
        await books.work_done(conn, "obj_1")
        assert not await books.is_awaited(conn, "req_1")
        assert await books.remove(conn, "obj_1")
        assert await books.get(conn, organization_id=ORG, identifier="obj_1") is None


async def test_what_has_expired_is_forgotten_unless_somebody_waits_for_it(database: Database) -> None:
    await add(
        database,
        msgspec.structs.replace(FILE, id="obj_1", upstream_id="file-1", expires_at=99),
        msgspec.structs.replace(FILE, id="obj_2", upstream_id="file-2", expires_at=100),
        msgspec.structs.replace(FILE, id="obj_3", upstream_id="file-3"),
        batch(4, expires_at=99),
    )
    async with database.write() as conn:
        assert await books.forget_expired(conn, before=100) == 1
    async with database.read() as conn:
        left = await books.page(conn, organization_id=ORG, limit=9)
    assert [each.id for each in left] == ["obj_4", "obj_3", "obj_2"]


@pytest.mark.parametrize(
    ("kind", "made", "lasts_days"),
    [
        # Anthropic gives the results out for 28 days beyond the one that the work has; what it calls the end is the latter.
        (ObjectKind.MESSAGE_BATCH, {"processing_status": "ended", "created_at": START, "expires_at": DAY_LATER}, 29),
        (ObjectKind.GEMINI_FILE, {"name": "files/made-1", "expirationTime": DAY_LATER}, 1),
        (ObjectKind.ANTHROPIC_FILE, {"expires_at": DAY_LATER}, 1),
        (ObjectKind.CACHED_CONTENT, {"name": "cachedContents/made-1", "expireTime": DAY_LATER}, 1),
        (ObjectKind.CONTAINER, {}, 30),
        (ObjectKind.SKILL, {}, None),
        (ObjectKind.FILE, {}, None),
    ],
)
async def test_what_was_made_is_forgotten_when_its_provider_has_forgotten_it(
    database: Database, clock: FakeClock, kind: ObjectKind, made: dict[str, Any], lasts_days: int | None
) -> None:
    holdings = Holdings(database=database, clock=clock, revision=lambda: 0, poll_s=30)
    body = json.dumps({"id": "made-1"} | made)
    if kind is ObjectKind.GEMINI_FILE:
        body = f'{{"file":{body}}}'
    began = clock.now_us()
    request, attempt = request_intent(clock), attempt_intent(clock)
    await holdings.keep(creating(kind), request, attempt, body.encode())

    async def left(days: int) -> list[str]:
        async with database.write() as conn:
            await books.forget_expired(conn, before=began + days * DAY_US)
        async with database.read() as conn:
            return [each.upstream_id for each in await books.page(conn, organization_id=ORG, limit=9)]

    assert await left(lasts_days or 10_000) == ["made-1"]
    if lasts_days is not None:
        assert await left(lasts_days + 1) == []


async def test_what_is_told_to_have_ended_is_looked_at_sooner(database: Database) -> None:
    await add(database, batch(1, poll_at=100))
    async with database.write() as conn:
        await books.show(conn, "obj_1", shown='{"status":"completed"}', poll_at=5)
        [due] = await books.lease(conn, now=5, until=9, limit=1)
        assert due.shown == '{"status":"completed"}'


async def test_a_request_whose_work_goes_on_is_not_recovered(database: Database, clock: FakeClock) -> None:
    await database.heartbeat(ME)
    request = msgspec.structs.replace(request_intent(clock), instance_id="ins_dead")
    await database.journal.intend(request, attempt_intent(clock))
    await add(database, batch(1, request_id=request.id, request_started_at=request.started_at))
    assert await database.recover(ME, clock.now_us()) == 0
    async with database.read() as conn:
        found = await instances.open_attempt(conn, request.id, request.started_at)
    assert found is not None
    assert found[0].id == request.id
    async with database.write() as conn:
        await books.work_done(conn, "obj_1")
    assert await database.recover(ME, clock.now_us()) == 1
    async with database.read() as conn:
        assert await instances.open_attempt(conn, request.id, request.started_at) is None
