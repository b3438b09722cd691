"""Reports read gathered days and the hours beside them: the same figures as the hours alone, whatever comes when."""

from random import Random

import msgspec
import pytest
from sqlalchemy import select

from keystead.domain.clock import DAY_US, HOUR_US
from keystead.domain.ids import new_id
from keystead.domain.records import Settlement
from keystead.metering import days
from keystead.metering.latency import LatencyReport, latency_by
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageReport
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from keystead.storage.governance import team_cost_centers, virtual_key_tags
from keystead.storage.schema import organizations, teams
from keystead.storage.usage_tables import usage_days
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

ORGANIZATION = "org_1"
ALL, SOME = None, frozenset({"team_2"})
NARROWED: tuple[tuple[list[str], dict[str, frozenset[str]]], ...] = (
    (["credential"], {"credential": frozenset({"cred_1"})}),
    (["day"], {"credential": frozenset({"cred_1", "cred_9"})}),
    (["team", "day"], {"credential": frozenset({"cred_2"}), "team": frozenset({"team_1"})}),
    (["credential", "model"], {"virtual_key": frozenset({"vk_1", "vk_3"})}),
    ([], {"cost_center": frozenset({"2000", "default"})}),
    (["day"], {"tag:project": frozenset({"apollo", ""})}),
    (["tag:project"], {"tag:project": frozenset({"zephyr"}), "tag:stage": frozenset({""})}),
    (["model"], {"model": frozenset()}),
)
ASKED = (
    (["model"], ALL),
    (["model"], SOME),
    (["day", "credential"], ALL),
    (["day"], SOME),
    (["hour"], ALL),
    (["team", "model"], SOME),
    (["credential", "model"], ALL),
    (["cost_center"], ALL),
    (["cost_center", "team", "day", "virtual_key"], ALL),
    (["tag:project"], ALL),
    (["tag:project", "day", "team"], SOME),
    (["tag:project", "tag:stage", "cost_center"], ALL),
    (["tag:stage", "model"], ALL),
)
ZONES = ("UTC", "Asia/Kolkata")


@pytest.fixture
async def founded(database: Database) -> Database:
    async with database.write() as conn:
        row = {"id": ORGANIZATION, "name": "Acme", "currency": "USD", "time_zone": "UTC", "created_at": 0}
        await conn.execute(organizations.insert().values(row))
    return database


async def _in_zone(database: Database, zone: str) -> None:
    async with database.write() as conn:
        await conn.execute(organizations.update().values(time_zone=zone))


async def _moving_cost_center(database: Database, changes: dict[int, str]) -> None:
    async with database.write() as conn:
        team = {"id": "team_1", "organization_id": ORGANIZATION, "name": "Search", "created_at": 0, "data_class": ""}
        await conn.execute(teams.insert().values(team))
        for at, center in changes.items():
            row = {"organization_id": ORGANIZATION, "team_id": "team_1", "valid_from": at, "cost_center": center}
            await conn.execute(team_cost_centers.insert().values(row))


async def _moving_tags(database: Database, changes: list[tuple[str, str, int, str]]) -> None:
    async with database.write() as conn:
        for key, tag, at, value in changes:
            row = {"organization_id": ORGANIZATION, "virtual_key_id": key, "tag": tag, "valid_from": at, "value": value}
            await conn.execute(virtual_key_tags.insert().values(row))


def _settled(clock: FakeClock, at: int, random: Random) -> Settlement:
    team, credential = random.choice(["team_1", "team_2"]), random.choice(["cred_1", "cred_2"])
    key = random.choice(["vk_1", "vk_2", "vk_3"])
    request = request_intent(clock, id=new_id("req", at), started_at=at, team_id=team, virtual_key_id=key)
    attempt = attempt_intent(clock, started_at=at, credential_id=credential)
    times = {
        "duration_us": random.randrange(200_000_000),
        "first_byte_us": 1,
        "first_token_us": random.randrange(10**6),
    }
    return settlement(clock, request, attempt, finished_at=at + 1_000_000, **times)


async def _reports(database: Database, since: int, until: int) -> list[UsageReport | LatencyReport]:
    async with database.read() as conn:
        return [
            await report(
                conn,
                organization_id=ORGANIZATION,
                dimensions=dimensions,
                from_at=since,
                to_at=until,
                team_ids=team_ids,
                time_zone=zone,
            )
            for report in (usage_by, latency_by)
            for dimensions, team_ids in ASKED
            for zone in (ZONES if "day" in dimensions else ZONES[:1])
        ] + [
            await report(
                conn, organization_id=ORGANIZATION, dimensions=dimensions, from_at=since, to_at=until, only=only
            )
            for report in (usage_by, latency_by)
            for dimensions, only in NARROWED
        ]


async def _figures(database: Database, now: int) -> list[list[UsageReport | LatencyReport]]:
    """Return every report over spans that cut days anywhere; while nothing is gathered, from the hours alone."""
    spans = [(now - 5 * DAY_US, now), (now - 3 * DAY_US - 5 * HOUR_US, now - DAY_US + 7 * HOUR_US)]
    return [await _reports(database, *span) for span in spans]


async def _figures_of_hours(database: Database, now: int) -> list[list[UsageReport | LatencyReport]]:
    """Return the same from the hours alone, whatever is gathered."""
    async with database.read() as conn:
        gathered = (await conn.execute(select(usage_days))).all()
    async with database.write() as conn:
        await days.forget(conn, ORGANIZATION)
    found = await _figures(database, now)
    async with database.write() as conn:
        for row in gathered:
            await conn.execute(usage_days.insert().values(row._asdict()))
    return found


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
async def test_a_report_has_the_same_figures_whatever_is_gathered_and_whatever_comes_late(
    founded: Database, clock: FakeClock, zone: str
) -> None:
    random, now = Random(zone), clock.now_us()
    await _in_zone(founded, zone)
    await _moving_cost_center(founded, {0: "1000", now - 40 * HOUR_US - 1: "2000", now - DAY_US: "3000"})
    await _moving_tags(
        founded,
        [
            ("vk_1", "project", 0, "apollo"),
            ("vk_1", "project", now - 55 * HOUR_US, "zephyr"),
            ("vk_1", "project", now - 30 * HOUR_US, ""),
            ("vk_2", "project", now - DAY_US, "apollo"),
            ("vk_2", "stage", 0, "live"),
        ],
    )
    past = [_settled(clock, now - random.randrange(4 * DAY_US), random) for _ in range(60)]
    async with founded.write() as conn:
        await insert_ended(conn, [(one,) for one in past])
    of_hours = await _figures(founded, now)
    assert await days.gather(founded, now, most=3) == 3
    assert await _figures(founded, now) == of_hours
    await days.gather(founded, now, most=400)
    assert await _figures(founded, now) == of_hours

    # One request that began two days ago is settled only now, by the journal: as a batch is.
    late = _settled(clock, now - 2 * DAY_US, random)
    assert late.attempt is not None
    await founded.journal.intend(late.request, late.attempt)
    assert await founded.journal.settle(msgspec.structs.replace(late, finished_at=now))
    with_late = await _figures_of_hours(founded, now)
    assert with_late != of_hours
    assert await _figures(founded, now) == with_late
    assert await days.gather(founded, now, most=400) == 1, "its day, and no other"
    assert await _figures(founded, now) == with_late

    clock.advance(2 * 86_400)
    await days.gather(founded, clock.now_us(), most=400)
    assert await _figures(founded, now) == with_late


async def test_when_days_begin_elsewhere_the_ones_before_count_no_more(founded: Database, clock: FakeClock) -> None:
    random, now = Random(4), clock.now_us()
    past = [_settled(clock, now - random.randrange(4 * DAY_US), random) for _ in range(40)]
    async with founded.write() as conn:
        await insert_ended(conn, [(one,) for one in past])
    of_hours = await _figures(founded, now)
    await days.gather(founded, now, most=400)
    await _in_zone(founded, "Asia/Kolkata")
    assert await _figures(founded, now) == of_hours
    await days.gather(founded, now, most=2)
    assert await _figures(founded, now) == of_hours
    await days.gather(founded, now, most=400)
    async with founded.read() as conn:
        zones = set((await conn.execute(select(usage_days.c.time_zone))).scalars())
    assert zones == {"Asia/Kolkata"}
    assert await _figures(founded, now) == of_hours


async def test_nothing_is_left_to_gather_once_all_is(founded: Database, clock: FakeClock) -> None:
    now = clock.now_us()
    async with founded.write() as conn:
        await insert_ended(conn, [(_settled(clock, now - DAY_US, Random(3)),)])
    assert await days.gather(founded, now, most=400) > 0
    assert await days.gather(founded, now, most=400) == 0
