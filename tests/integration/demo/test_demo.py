"""The demonstration: whole, told by its seed, not to be mixed with anything real, and gone without a trace."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from keystead.app.demo.remove import remove
from keystead.app.demo.seed import Seeded, Wish, seed
from keystead.domain.clock import DAY_US, SystemClock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.ledger.books import trial_balance
from keystead.metering.usage import usage_by
from keystead.settings import Settings, load
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.storage.engine import open_database
from keystead.storage.schema import attempts, credential_versions, credentials, requests
from keystead.storage.usage_tables import usage_days

COUNT = 700


def _settings(home: Path) -> Settings:
    return msgspec.structs.replace(load(), home=home, kek_file=home / "root.key", sqlite_synchronous="normal")


async def _open(settings: Settings) -> Database:
    return await open_database(database_url="", home=settings.home, clock=SystemClock())


async def _seed(settings: Settings, name: str = "Demo", **wish: Any) -> Seeded:
    yesterday = SystemClock().now_us() - DAY_US
    whole = Wish(name=name, requests=COUNT, months=1, until=yesterday, **wish)
    return await seed(settings, SystemClock(), whole, lambda _done: None)


async def _content(database: Database, organization_id: str) -> list[Any]:
    """What the requests are, without their ids."""
    of = requests.c
    query = select(of.started_at, of.finished_at, of.model_asked, of.state, of.cost_pico, of.client, of.attempts)
    async with database.read() as conn:
        rows = await conn.execute(
            query.where(requests.c.organization_id == organization_id).order_by(of.started_at, of.finished_at)
        )
        return [tuple(row) for row in rows]


async def _rows(database: Database) -> dict[str, int]:
    async with database.read() as conn:
        return {
            table.name: (await conn.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


async def test_a_demonstration_is_whole_and_goes_away_without_a_trace(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    made = await _seed(settings)
    database = await _open(settings)
    try:
        async with database.read() as conn:
            ours = requests.c.organization_id == made.organization_id
            ended = await conn.execute(select(func.count(), func.count(requests.c.finished_at)).where(ours))
            assert tuple(ended.one()) == (COUNT, COUNT)
            assert (await trial_balance(conn)).agrees
            counted = (await conn.execute(select(func.sum(attempts.c.cost_pico)))).scalar_one()
            assert (await conn.execute(select(func.count()).select_from(usage_days))).scalar_one() >= 30
            report = await usage_by(
                conn, organization_id=made.organization_id, dimensions=["team"], from_at=0, to_at=2**62
            )
            assert sum(line.requests for line in report.totals) == COUNT
            assert sum(round(float(line.cost) * 10**12) for line in report.totals) == pytest.approx(counted)
            states = set((await conn.execute(select(credential_versions.c.state))).scalars())
            assert states >= {"active", "staged", "draining", "retired", "revoked"}
            origins = (await conn.execute(select(credentials.c.origin))).scalars().all()
            assert all(origin.endswith(".invalid") for origin in origins), "nothing can leave"
        with pytest.raises(ConflictError):
            await _seed(settings)
        with pytest.raises(ConflictError):
            await remove(settings, SystemClock(), "Default organization", lambda _done, _of: None)
        before = await _content(database, made.organization_id)
        again = await _seed(settings, name="Demo again")
        assert await _content(database, again.organization_id) == before, "the same seed and day make the same past"
        assert await remove(settings, SystemClock(), "Demo again", lambda _done, _of: None) == COUNT
        assert await remove(settings, SystemClock(), "Demo", lambda _done, _of: None) == COUNT
        left = await _rows(database)
        assert (left["requests"], left["attempts"], left["daily_usage"], left["teams"]) == (0, 0, 0, 1)
        assert left["organizations"] == 1
        with pytest.raises(NotFoundError):
            await remove(settings, SystemClock(), "Demo", lambda _done, _of: None)
    finally:
        await database.close()
