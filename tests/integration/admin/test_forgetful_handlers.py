"""Handlers with the mistake that nobody wants to make, against PostgreSQL: what the second wall is for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, insert, select, update

from keystead.app.health import check_health
from keystead.domain.access import PLATFORM
from keystead.settings import load
from keystead.storage import schema
from keystead.storage.columns import metadata
from keystead.storage.postgres import open_postgres
from keystead.web.admin.application import AdminApplication
from keystead.web.admin.rooms import Check
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.routes import ROUTES
from keystead.web.admin.values import Nothing
from tests.conftest import PostgresServer
from tests.fakes.clock import FakeClock
from tests.integration.admin.asgi import Answer, call
from tests.integration.admin.looked_at import deployment
from tests.integration.admin.matrix import name_of
from tests.integration.admin.settled import settled
from tests.integration.admin.world import FirstStart, World, started

WITH_ORGANIZATION = [table for table in metadata.sorted_tables if "organization_id" in table.c]


@pytest.fixture
async def world(postgres_url: str, clock: FakeClock, first: FirstStart) -> AsyncIterator[World]:
    database = await open_postgres(postgres_url, clock=clock)
    yield await started(database, clock, first)
    await database.close()


async def list_forgetfully(call: Call[Nothing, Nothing]) -> dict[str, list[str]]:
    """Return whose rows there are, of every table."""
    async with call.rooms.database.read() as conn:
        return {table.name: await owners(conn, table) for table in WITH_ORGANIZATION}


async def owners(conn: Any, table: Table) -> list[str]:
    return sorted((await conn.execute(select(table.c.organization_id).distinct())).scalars())


async def change_forgetfully(call: Call[Nothing, Nothing]) -> int:
    """Raise the data class of a team by an id that is not looked at."""
    async with act(call) as change:
        found = await change.conn.execute(update(schema.teams).values(data_class="restricted"))
        await change.record("team.changed", object_kind="team", object_id="")
    return found.rowcount


async def add_forgetfully(call: Call[Nothing, Nothing]) -> None:
    """Make an operator of an organization that comes from nowhere good."""
    async with act(call) as change:
        row = {"id": "mem_x", "team_id": "team_x", "name": "x", "operator": True, "created_at": 1}
        theirs = call.rooms.clock.now_us()
        await change.conn.execute(insert(schema.members).values(row | {"organization_id": f"org_{theirs}"}))
        await change.record("member.added", object_kind="member", object_id="mem_x")


LIST = Route(
    method="GET", path="/list", permission=None, handler=list_forgetfully, summary="", answer=dict[str, list[str]]
)
CHANGE = Route(method="POST", path="/change", permission=None, handler=change_forgetfully, summary="", answer=int)
ADD = Route(method="POST", path="/add", permission=None, handler=add_forgetfully, summary="", answer=None)


async def ask(world: World, token: str, route: Route) -> Answer:
    app = AdminApplication(world.app.rooms, (route,))
    return await call(app, route.method, f"/admin/v1{route.path}", headers=[("authorization", f"Bearer {token}")])


async def two_organizations(world: World) -> tuple[str, str]:
    """Return the id and the owner's token of another organization, with something in every other table of ours."""
    await world.add_credential()
    await settled(world)
    token = await world.other_organization()
    shown = await world.call("GET", "/organization", token=token)
    return shown.json()["id"], token


async def test_a_handler_that_forgets_the_organization_shows_nothing_of_another(world: World) -> None:
    other, token = await two_organizations(world)
    seen = (await ask(world, token, LIST)).json()
    assert {name for name, found in seen.items() if found not in ([], [other])} == set()
    assert seen["teams"] == seen["members"] == seen["admin_tokens"] == [other]
    ours = (await ask(world, world.token, LIST)).json()
    assert ours["requests"] == ours["attempts"] == ours["rollups"] == [world.organization_id]
    # That it would, were it let: what is seen above is not for want of rows.
    everything = (await ask(world, token, msgspec.structs.replace(LIST, sees="installation"))).json()
    assert everything["teams"] == sorted([world.organization_id, other])
    assert everything["requests"] == [world.organization_id]


async def test_a_handler_that_forgets_the_organization_changes_nothing_of_another(world: World) -> None:
    other, token = await two_organizations(world)
    assert (await ask(world, token, CHANGE)).json() == 1
    async with world.database.read() as conn:
        found = await conn.execute(select(schema.teams.c.organization_id, schema.teams.c.data_class))
        assert dict(map(tuple, found.all())) == {world.organization_id: "", other: "restricted"}


async def test_a_handler_that_writes_into_another_organization_fails_and_tells_nothing(world: World) -> None:
    refused = await ask(world, world.token, ADD)
    assert refused.status == 503
    assert b"members" not in refused.body
    assert b"policy" not in refused.body
    async with world.database.read() as conn:
        assert (await conn.execute(select(schema.members).where(schema.members.c.id == "mem_x"))).all() == []


async def test_a_narrowed_document_can_name_a_credential_of_the_platform(world: World) -> None:
    await world.add_credential("sold", platform=True, margin_ppm=0)
    token = await world.other_organization()
    document = {"grants": {"shop": {"everyone": True, "credentials": ["sold"]}}}
    applied = await world.call("POST", "/config/apply", {"document": document}, token=token)
    assert applied.status == 200, applied.body
    exported = (await world.call("GET", "/config", token=token)).json()
    assert exported["grants"]["shop"]["credentials"] == ["sold"]
    assert "sold" not in exported["credentials"], "it is the operator's"


def test_only_the_operators_routes_see_the_installation() -> None:
    seeing = [route for route in ROUTES if route.sees == "installation"]
    others = {name_of(route) for route in seeing if route.permission not in PLATFORM}
    assert others == {"GET /platform-credentials", "POST /simulate"}, "both read which platform credentials are active"


async def isolation(world: World, url: str, tmp_path: Path) -> Check:
    database = await open_postgres(url, clock=world.clock)
    health = await check_health(deployment(world, database, load({"KEYSTEAD_HOME": str(tmp_path)})))
    await database.close()
    [check] = [check for check in health.checks if check.name == "isolation"]
    return check


async def test_the_doctor_warns_of_a_role_that_passes_the_wall_by(
    world: World, postgres_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    assert (await isolation(world, postgres_url, tmp_path)).state == "ok"
    superuser = await isolation(world, postgres_server.url_of("keystead_test", role="postgres"), tmp_path)
    assert superuser.state == "warning"
    assert "bypasses row-level security" in superuser.message
