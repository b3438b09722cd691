"""The tree of teams, where their cost goes, and who may change that."""

import asyncio
from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.domain.ids import TeamId
from keystead.identity import directory
from tests.integration.admin.world import World


async def team(world: World, name: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await world.post("/teams", {"name": name} | more, expect=201)
    return answer


async def test_teams_stand_below_teams_and_the_data_plane_knows(world: World) -> None:
    sales = await team(world, "Sales", cost_center="4711", data_class="internal")
    emea = await team(world, "EMEA", parent="Sales")
    assert (emea["parent"], emea["parent_id"], emea["cost_center"], emea["data_class"]) == (
        "Sales",
        sales["id"],
        "4711",
        "",
    )
    assert await world.get("/teams/EMEA") == emea
    async with world.database.read() as conn:
        facts = {one.id: one for one in await directory.team_facts(conn)}
        [organization] = await directory.organization_facts(conn)
    assert facts[emea["id"]].parent_id == sales["id"]
    assert facts[sales["id"]].data_class == "internal"
    assert facts[emea["id"]].cost_centers == ((world.clock.now_us(), "4711"),)
    assert (organization.id, organization.currency, organization.time_zone) == (world.organization_id, "USD", "UTC")


async def test_a_team_that_would_be_its_own_ancestor_is_refused(world: World) -> None:
    await team(world, "A")
    await team(world, "B", parent="A")
    await team(world, "C", parent="B")
    for name, parent in (("A", "A"), ("A", "C"), ("B", "C")):
        answer = await world.call("POST", f"/teams/{name}/move", {"parent": parent})
        assert (answer.status, answer.json()["code"]) == (400, "team_cycle"), (name, parent)
    moved = await world.post("/teams/C/move", {"parent": "A"})
    assert moved["parent"] == "A"
    assert (await world.post("/teams/C/move", {"top": True}))["parent"] is None
    for body in ({}, {"parent": "A", "top": True}, {"parent": None}):
        assert (await world.call("POST", "/teams/C/move", body)).status == 400
    assert (await world.call("POST", "/teams/C/move", {"parent": "nowhere"})).status == 404


async def test_moves_at_the_same_time_close_no_circle(world: World) -> None:
    for name in "ABC":
        await team(world, name)
    pairs = [("A", "B"), ("B", "C"), ("C", "A")]
    answers = await asyncio.gather(
        *(world.call("POST", f"/teams/{name}/move", {"parent": parent}) for name, parent in pairs)
    )
    assert sorted(answer.status for answer in answers) == [200, 200, 400]


async def test_a_cost_centre_changes_from_an_instant_on_and_the_past_stays(world: World) -> None:
    await team(world, "Sales", cost_center="1")
    world.clock.advance(3600)
    later = await world.post("/teams/Sales/cost-center", {"cost_center": "3", "valid_from": "2026-02-01T00:00:00Z"})
    assert later["cost_center"] == "1"
    now = await world.post("/teams/Sales/cost-center", {"cost_center": "2"})
    assert [(entry["cost_center"], entry["valid_from"]) for entry in now["cost_centers"]] == [
        ("1", "2026-01-01T00:00:00Z"),
        ("2", "2026-01-01T01:00:00Z"),
        ("3", "2026-02-01T00:00:00Z"),
    ]
    assert now["cost_center"] == "2"
    again = await world.post("/teams/Sales/cost-center", {"cost_center": "4", "valid_from": "2026-02-01T00:00:00Z"})
    assert again["cost_centers"][-1]["cost_center"] == "4", "what is planned gives way"
    answer = await world.call(
        "POST", "/teams/Sales/cost-center", {"cost_center": "5", "valid_from": "2026-01-01T00:59:59Z"}
    )
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (
        400,
        "cost_center_in_past",
        "valid_from",
    )
    world.clock.advance(40 * 86_400)
    assert (await world.get("/teams/Sales"))["cost_center"] == "4"


async def test_a_team_is_renamed_and_its_data_class_set(world: World) -> None:
    sales = await team(world, "Sales")
    assert (await world.post("/teams/Sales/rename", {"name": "Revenue"}))["id"] == sales["id"]
    answer = await world.call("POST", "/teams/Revenue/rename", {"name": "Default team"})
    assert (answer.status, answer.json()["code"]) == (409, "name_taken")
    assert (await world.post("/teams/Revenue/data-class", {"data_class": "restricted"}))["data_class"] == "restricted"
    assert (await world.post("/teams/Revenue/data-class", {"data_class": ""}))["data_class"] == ""
    answer = await world.call("POST", "/teams/Revenue/data-class", {"data_class": "secret"})
    assert (answer.status, answer.json()["code"]) == (400, "data_class_unknown")
    events = (await world.get(f"/audit-events?object={sales['id']}"))["items"]
    assert sorted(event["action"] for event in events) == [
        "team.created",
        "team.data_class_changed",
        "team.data_class_changed",
        "team.renamed",
    ]


async def test_a_team_lead_makes_and_changes_teams_below_their_own_alone(light_world: World) -> None:
    world = light_world
    sales, other = await team(world, "Sales"), await team(world, "Other")
    await team(world, "EMEA", parent="Sales")
    lead = await world.signed_in_as(Role.ADMINISTRATOR, team_id=TeamId(sales["id"]))
    for path, body, status in (
        ("/teams", {"name": "APAC", "parent": "Sales"}, 201),
        ("/teams", {"name": "Emea North", "parent": "EMEA", "data_class": "confidential"}, 201),
        ("/teams", {"name": "Mine"}, 403),
        ("/teams", {"name": "Mine", "parent": "Other"}, 403),
        ("/teams/EMEA/rename", {"name": "Europe"}, 200),
        ("/teams/Other/rename", {"name": "Mine"}, 403),
        ("/teams/Europe/cost-center", {"cost_center": "9"}, 200),
        ("/teams/Other/cost-center", {"cost_center": "9"}, 403),
        ("/teams/Other/data-class", {"data_class": "public"}, 403),
        # It would bring other grants, budgets and roles with it.
        ("/teams/Europe/move", {"parent": "Other"}, 403),
        ("/teams/Sales/move", {"top": True}, 403),
    ):
        assert (await world.call("POST", path, body, token=lead)).status == status, (path, body)
    seen = (await world.call("GET", "/teams", token=lead)).json()["items"]
    assert {item["name"] for item in seen} == {"Sales", "APAC", "Europe", "Emea North"}
    assert (await world.call("GET", f"/teams/{other['id']}", token=lead)).status == 404


async def test_what_a_lead_may_in_a_team_they_may_in_a_team_that_is_made_below_it_later(light_world: World) -> None:
    world = light_world
    sales = await team(world, "Sales")
    lead = await world.signed_in_as(Role.AUDITOR, team_id=TeamId(sales["id"]))
    new = await team(world, "EMEA", parent="Sales")
    held = (await world.call("GET", "/self", token=lead)).json()["in_teams"]
    assert {one["team_id"] for one in held} == {sales["id"], new["id"]}


async def test_a_tree_too_deep_is_refused(light_world: World) -> None:
    parent = None
    for number in range(32):
        parent = (await team(light_world, f"t{number}", parent=parent))["id"]
    answer = await light_world.call("POST", "/teams", {"name": "t32", "parent": parent})
    assert (answer.status, answer.json()["code"]) == (400, "tree_too_deep")


async def test_an_absurd_cost_centre_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[Any, ...] = (
        {"cost_center": ""},
        {"cost_center": "a\x00"},
        {"cost_center": "1", "valid_from": "2026-02-01T00:00:00"},
        {"cost_center": "1", "valid_from": "1969-12-31T00:00:00Z"},
        b'{"cost_center":"1","valid_from":1e309}',
    )
    path = f"/teams/{light_world.team_id}/cost-center"
    for body in cases:
        with subtests.test(body=body):
            assert (await light_world.call("POST", path, body)).status == 400
