"""How long requests are kept, in the browser: what is forgotten is told before it is."""

from datetime import UTC, datetime

from sqlalchemy import select

from keystead.domain.access import Role
from keystead.domain.clock import DAY_US
from keystead.domain.ids import new_id
from keystead.metering import retention
from keystead.storage.bulk import insert_ended
from keystead.storage.schema import requests
from tests.fakes.records import attempt_intent, request_intent, settlement
from tests.integration.console.conftest import Browser

PAGE = "/console/settings/retention"


async def ended(inside: Browser, days: int) -> None:
    """Write a request of so many days ago."""
    world = inside.world
    at = world.clock.now_us() - days * DAY_US
    request = request_intent(
        world.clock, id=new_id("req", at), started_at=at, organization_id=world.organization_id, team_id=world.team_id
    )
    attempt = attempt_intent(world.clock, started_at=at)
    async with world.database.write() as conn:
        await insert_ended(conn, [(settlement(world.clock, request, attempt, finished_at=at + 1),)])


async def test_an_owner_sees_what_days_forget_before_they_count(inside: Browser) -> None:
    for days in (1, 50, 100, 200):
        await ended(inside, days)
    shown = await inside.get(PAGE)
    assert "<dd>for ever</dd>" in shown
    assert "are kept for" not in await inside.get("/console/requests")
    asked = await inside.get(f"{PAGE}/set?days=90")
    before = datetime.fromtimestamp(inside.world.clock.now_us() / 1_000_000 - 90 * 86_400, UTC)
    assert f"2 within minutes, from before {before:%-d %b %Y}" in asked
    assert (await inside.world.get("/retention"))["days"] is None
    await inside.submit(f"{PAGE}/set?days=90", f"{PAGE}/set?days=90", {})
    assert (await inside.world.get("/retention"))["days"] == 90
    assert 'value="90"' in await inside.get(PAGE)
    assert await retention.forget(inside.world.database, inside.world.clock.now_us(), most=100) == 2
    async with inside.world.database.read() as conn:
        assert len((await conn.execute(select(requests.c.id))).all()) == 2
    assert "Requests are kept for 90 days; older ones are forgotten." in await inside.get("/console/requests")
    assert "No request is forgotten from then on" in await inside.get(f"{PAGE}/set?days=")
    await inside.submit(f"{PAGE}/set?days=", f"{PAGE}/set?days=", {})
    assert (await inside.world.get("/retention"))["days"] is None


async def test_what_is_wrong_is_said_at_the_field_and_stays(inside: Browser) -> None:
    for typed in ("39", "4000", "soon", "9" * 30, "-1", "90.5"):
        refused = await inside.get(f"{PAGE}/set?days={typed}", expect=400)
        assert 'aria-describedby="days-wrong"' in refused
        assert f'value="{typed}"' in refused
    hostile = await inside.get(f"{PAGE}/set?days=%22%3E%3Cimg%20src=x%3E", expect=400)
    assert "<img src=x" not in hostile
    await inside.submit(f"{PAGE}/set?days=90", f"{PAGE}/set?days=39", {}, expect=400)
    assert (await inside.world.get("/retention"))["days"] is None


async def test_an_auditor_reads_it_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": Role.AUDITOR}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    shown = await bob.get(PAGE)
    assert 'name="days"' not in shown
    assert "for ever" in shown
    await bob.get(f"{PAGE}/set?days=90", expect=403)
    await bob.submit("/console/account", f"{PAGE}/set?days=90", {}, expect=403)
    assert (await world.get("/retention"))["days"] is None
