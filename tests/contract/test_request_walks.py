"""The log of requests, narrowed by each filter, walks an index: what the engine says it does among twenty thousand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import event, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.ids import new_id
from keystead.domain.usage import COUNTS
from keystead.metering.request_log import list_requests
from keystead.metering.usage_views import RequestFilter
from keystead.storage import schema
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock

MANY: Final = 20_000
ORGANIZATION: Final = "org_1"
SECOND_US: Final = 1_000_000

FILTERS: Final[dict[str, tuple[RequestFilter, str]]] = {
    "nothing": (RequestFilter(), "ix_requests_organization_id_started_at"),
    "a span": (RequestFilter(from_at=1, to_at=2**60), "ix_requests_organization_id_started_at"),
    "a common state": (RequestFilter(state="settled"), "ix_requests_organization_id_started_at"),
    "a rare state": (RequestFilter(state="failed_billed"), "ix_requests_state"),
    "an error": (RequestFilter(error_class="throttled"), "ix_requests_error_class"),
    "a rare cost": (RequestFilter(cost_state="unpriced"), "ix_requests_cost_state"),
    "a team": (RequestFilter(team="team_3"), "ix_requests_team_id"),
    "a virtual key": (RequestFilter(virtual_key="vk_3"), "ix_requests_virtual_key_id"),
    "a person": (RequestFilter(principal="mem_3"), "ix_requests_virtual_key_id"),
    "a credential": (RequestFilter(credential="cred_3"), "ix_attempts_credential_id"),
    "a provider": (RequestFilter(provider="anthropic"), "ix_attempts_credential_id"),
    "a model": (RequestFilter(model="gpt-5"), "ix_attempts_model_served"),
    "one's teams and oneself": (
        RequestFilter(team_ids=frozenset({"team_1", "team_2"}), or_of_member="mem_3"),
        "ix_requests_team_id",
    ),
    "a least cost": (RequestFilter(least_cost_pico=10**12), "ix_requests_organization_id_started_at"),
    "several": (RequestFilter(credential="cred_3", state="settled", team="team_3"), "ix_attempts_credential_id"),
}


KEY: Final[dict[str, Any]] = {
    "organization_id": ORGANIZATION,
    "team_id": "team_1",
    "principal_kind": "member",
    "digest": b"",
    "data_class": "",
    "created_at": 0,
    "created_by": "",
}
CREDENTIAL: Final[dict[str, Any]] = {
    "organization_id": ORGANIZATION,
    "origin": "https://api.openai.com",
    "settings": "{}",
    "owner": "own",
    "region": "",
    "on_disconnect": "bill",
    "terms": "{}",
    "created_at": 0,
    "created_by": "",
}


async def fill(database: Database, clock: FakeClock) -> None:
    """Write many requests, of ten of everything, a hundredth of them unusual."""
    begin = clock.now_us()
    requests, attempts = [], []
    for number in range(MANY):
        at, one, rare = begin + number * SECOND_US // 10, number % 10, number % 100 == 7
        request = {
            "id": new_id("req", at),
            "organization_id": ORGANIZATION,
            "started_at": at,
            "instance_id": "ins_1",
            "team_id": f"team_{one}",
            "principal_kind": "member",
            "principal_id": f"mem_{one}",
            "virtual_key_id": f"vk_{one}",
            "dialect": "openai",
            "endpoint": "chat",
            "model_asked": f"gpt-{one}",
            "stream": False,
            "decision": "{}",
            "client": "",
            "state": "failed_billed" if rare else "settled",
            "error_class": "throttled" if rare else None,
            "cost_state": "unpriced" if rare else "priced",
            "cost_pico": None if rare else 10**9 + number,
            "attempts": 1,
        }
        requests.append(request)
        attempts.append(
            dict.fromkeys(COUNTS, 0)
            | {
                "request_id": request["id"],
                "number": 1,
                "request_started_at": at,
                "organization_id": ORGANIZATION,
                "started_at": at,
                "credential_id": f"cred_{one}",
                "credential_version": 1,
                "owner": "own",
                "provider": "anthropic" if one == 3 else "openai",
                "model_sent": f"gpt-{one}",
                "model_served": f"gpt-{one}",
                "destination": "https://api.openai.com",
                "region": "",
                "state": request["state"],
            }
        )
    async with database.write() as conn:
        for one in range(10):
            await conn.execute(
                insert(schema.virtual_keys).values(
                    KEY | {"id": f"vk_{one}", "name": f"key {one}"} | {"principal_id": f"mem_{one}"}
                )
            )
            provider = "anthropic" if one == 3 else "openai"
            names = {"id": f"cred_{one}", "name": f"credential {one}", "provider": provider}
            await conn.execute(insert(schema.credentials).values(CREDENTIAL | names))
        for start in range(0, MANY, 2_000):
            await conn.execute(insert(schema.requests), requests[start : start + 2_000])
            await conn.execute(insert(schema.attempts), attempts[start : start + 2_000])
        if conn.dialect.name == "postgresql":  # which does so by itself; SQLite never does
            await conn.execute(text("ANALYZE"))


@contextmanager
def noted(conn: AsyncConnection) -> Iterator[list[tuple[str, Any]]]:
    """Note what is sent to the engine."""
    statements: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(conn.sync_connection, "before_cursor_execute", note)
    yield statements
    event.remove(conn.sync_connection, "before_cursor_execute", note)


async def plan_of(conn: AsyncConnection, statement: str, parameters: Any) -> list[str]:
    """Return what the engine would do, line by line."""
    explain = "EXPLAIN " if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    found = await conn.exec_driver_sql(explain + statement, parameters)
    return [str(row[-1]) for row in found]


async def test_every_filter_walks_an_index(database: Database, clock: FakeClock) -> None:
    await fill(database, clock)
    async with database.read() as conn:
        if conn.dialect.name == "postgresql":  # it rightly reads so few whole; what is asked is whether it has to
            await conn.execute(text("SET LOCAL enable_seqscan = off"))
        for name, (filters, index) in FILTERS.items():
            with noted(conn) as statements:
                page = await list_requests(conn, organization_id=ORGANIZATION, filters=filters, limit=50)
                cursor = page.next_cursor
                await list_requests(conn, organization_id=ORGANIZATION, filters=filters, limit=50, cursor=cursor)
            plans = [line for one in statements for line in await plan_of(conn, *one)]
            assert not whole(plans), (name, whole(plans))
            if conn.dialect.name == "sqlite":
                assert any(f"INDEX {index} " in line for line in plans), (name, plans)
            assert len(page.requests) == (0 if name == "a least cost" else 50), name


def whole(plans: list[str]) -> list[str]:
    """Return where all of a log is looked at: without an index, or all of one. Empty partitions are, and may be."""
    logs = ("requests", "attempts", "last_attempt")
    scans = [*(f"SCAN {log}" for log in logs), *(f"Seq Scan on {log}_2026_01" for log in logs)]
    return [line for line in plans if any(one in line for one in scans)]
