"""What lies in the database, and what must hold there whatever happened."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select

from keystead.domain.records import RequestIntent
from keystead.domain.usage import COUNTS
from keystead.storage.database import Database
from keystead.storage.schema import attempts, requests
from keystead.storage.usage_tables import rollups


async def request_of(database: Database, request: RequestIntent) -> Row[Any]:
    async with database.read() as connection:
        return (await connection.execute(select(requests).where(requests.c.id == request.id))).one()


async def attempts_of(database: Database, request: RequestIntent) -> Sequence[Row[Any]]:
    async with database.read() as connection:
        query = select(attempts).where(attempts.c.request_id == request.id).order_by(attempts.c.number)
        return (await connection.execute(query)).all()


async def rollups_of(database: Database, organization_id: str) -> Sequence[Row[Any]]:
    async with database.read() as connection:
        query = select(rollups).where(rollups.c.organization_id == organization_id)
        return (await connection.execute(query)).all()


async def assert_consistent(database: Database, organization_id: str) -> None:
    """Check what must hold after whatever happened: see each line."""
    ended_attempts = attempts.c.state != "intent"
    async with database.read() as connection:
        counted = (
            await connection.execute(
                select(
                    func.count(),
                    func.coalesce(func.sum(attempts.c.cost_pico), 0),
                    func.coalesce(func.sum(attempts.c.charge_pico), 0),
                    *[func.coalesce(func.sum(attempts.c[name]), 0) for name in COUNTS],
                ).where(ended_attempts, attempts.c.organization_id == organization_id)
            )
        ).one()
        names = (
            "requests",
            "attempts",
            "cost_pico",
            "charge_pico",
            *COUNTS,
            "priced",
            "estimated",
            "unpriced",
            "unknown",
        )
        summed = (
            await connection.execute(
                select(*[func.coalesce(func.sum(rollups.c[name]), 0).label(name) for name in names]).where(
                    rollups.c.organization_id == organization_id
                )
            )
        ).one()
        rows = (await connection.execute(select(requests).where(requests.c.organization_id == organization_id))).all()
        per_request = {
            row.request_id: row
            for row in (
                await connection.execute(
                    select(
                        attempts.c.request_id,
                        func.count().label("attempts"),
                        func.count().filter(~ended_attempts).label("open"),
                        func.sum(attempts.c.cost_pico).label("cost_pico"),
                        func.sum(attempts.c.input_tokens + attempts.c.cache_read_tokens).label("input_total"),
                    )
                    .where(attempts.c.organization_id == organization_id)
                    .group_by(attempts.c.request_id)
                )
            ).all()
        }
    ended = [row for row in rows if row.state != "intent"]
    assert summed.requests == len(ended)
    assert summed.attempts == counted[0]
    assert (summed.cost_pico, summed.charge_pico) == (counted[1], counted[2])
    assert [getattr(summed, name) for name in COUNTS] == list(counted[3:])
    assert summed.priced + summed.estimated + summed.unpriced + summed.unknown == counted[0]
    for row in ended:
        tried = per_request.get(row.id)
        assert row.attempts == (tried.attempts if tried else 0)
        assert row.finished_at is not None
        if tried:
            assert tried.open == 0
            assert row.cost_pico == tried.cost_pico
            assert row.input_total == tried.input_total
