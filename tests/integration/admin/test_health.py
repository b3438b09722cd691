"""What the doctor finds, thing by thing, and what it says to do."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from keystead.app.health import check_health
from keystead.coordination import Counters, CountersAwayError, Demand, Return, Room
from keystead.domain.clock import DAY_US
from keystead.domain.errors import NotRecordedError
from keystead.gateway.tasks import Rounds, Tasks
from keystead.limits.rates import Rates
from keystead.settings import Settings, load
from keystead.storage import migrations
from keystead.web.admin.rooms import Check, Health
from tests.fakes.clock import FakeClock
from tests.integration.admin.looked_at import deployment
from tests.integration.admin.world import World


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = tmp_path / "root.key"
    key.write_text("x")
    key.chmod(0o600)
    return load({"KEYSTEAD_HOME": str(tmp_path)})


async def looked(world: World, settings: Settings, **otherwise: Any) -> Health:
    return await check_health(deployment(world, world.database, settings, **otherwise))


def named(health: Health, name: str) -> Check:
    [check] = [check for check in health.checks if check.name == name]
    return check


async def test_nothing_is_wrong_with_what_just_started(light_world: World, settings: Settings) -> None:
    health = await looked(light_world, settings)
    assert {check.state for check in health.checks} == {"ok"}, health
    assert migrations.HEAD in named(health, "database").message
    assert "opens" in named(health, "vault").message


class Away(Counters):
    """Shared counters that do not answer."""

    async def take(self, demands: Sequence[Demand], *, lease: str, now_us: int) -> tuple[Room, ...]:
        raise CountersAwayError

    async def give_back(self, returns: Sequence[Return], *, lease: str, now_us: int) -> None:
        raise CountersAwayError

    async def renew(self, held: Mapping[str, Sequence[str]], *, now_us: int) -> None:
        raise CountersAwayError

    async def close(self) -> None:
        return


async def test_a_redis_that_is_away_is_told(light_world: World, settings: Settings) -> None:
    rates = Rates(clock=light_world.clock, strict=Away())
    check = named(await looked(light_world, settings, rates=rates), "rate_limits")
    assert (check.state, "KEYSTEAD_REDIS_URL" in check.next_step) == ("warning", True)


async def test_a_key_file_that_others_can_read_is_a_failure(light_world: World, settings: Settings) -> None:
    settings.kek_file.chmod(0o644)
    check = named(await looked(light_world, settings), "root_key")
    assert (check.state, check.next_step) == ("failure", f"chmod 600 {settings.kek_file}")


async def test_an_old_price_list_is_told(light_world: World, settings: Settings) -> None:
    light_world.clock.jump(2_000 * DAY_US / 1_000_000)
    check = named(await looked(light_world, settings), "prices")
    assert (check.state, "catalogue apply" in check.next_step) == ("warning", True)


async def test_a_worker_that_sees_no_changes_any_more_is_a_failure(light_world: World, settings: Settings) -> None:
    now = light_world.clock.now_us()
    poll = Rounds(name="snapshot_poll", every_s=0.25, begun_at=now - 20_000_000, done_at=now - 11_000_000)
    assert named(await looked(light_world, settings, rounds=(poll,)), "snapshot").state == "failure"


async def test_work_that_fails_or_does_not_come_to_its_end_is_named(light_world: World, settings: Settings) -> None:
    now = light_world.clock.now_us()
    rounds = (
        Rounds(name="good", every_s=1, begun_at=now - DAY_US, done_at=now, took_us=1_000),
        Rounds(name="young", every_s=600, begun_at=now),
        Rounds(name="stuck", every_s=1, begun_at=now - DAY_US, done_at=now - 64_000_000),
        Rounds(name="broken", every_s=1, begun_at=now - DAY_US, done_at=now, failures=2),
    )
    health = await looked(light_world, settings, rounds=rounds)
    assert [job.state for job in health.jobs] == ["ok", "waiting", "late", "failing"]
    check = named(health, "background_work")
    assert (check.state, check.message) == ("warning", "Not as it should be: stuck (late), broken (failing).")


async def test_a_task_knows_how_its_rounds_went(clock: FakeClock) -> None:
    outcomes = iter([NotRecordedError("away"), NotRecordedError("away"), None])
    tasks, done = Tasks(clock), asyncio.Event()
    seen: list[Rounds] = []

    async def work() -> None:
        seen.extend(tasks.rounds)
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome
        if len(seen) > 3:
            done.set()

    tasks.every("work", 0, work)
    await asyncio.wait_for(done.wait(), 5)
    await tasks.stop()
    assert [one.failures for one in seen[:4]] == [0, 1, 2, 0]
    assert (seen[3].done_at, seen[2].done_at) == (clock.now_us(), None)
