"""Who reads in a team alone sees the requests and the usage of that team and those below it, and nothing else."""

import msgspec

from keystead.domain.access import Role
from keystead.domain.ids import TeamId
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World


async def test_requests_and_usage_are_those_of_ones_teams(world: World) -> None:
    await world.add_credential()
    sales = await world.post("/teams", {"name": "Sales"}, expect=201)
    emea = await world.post("/teams", {"name": "EMEA", "parent": "Sales"}, expect=201)
    ids = {team: await settled(world, team_id=team) for team in (world.team_id, sales["id"], emea["id"])}
    reader = await world.signed_in_as(Role.AUDITOR, team_id=TeamId(sales["id"]))
    seen = (await world.call("GET", "/requests", token=reader)).json()["items"]
    assert {row["id"] for row in seen} == {ids[sales["id"]], ids[emea["id"]]}
    for team, identifier in ids.items():
        answer = await world.call("GET", f"/requests/{identifier}", token=reader)
        assert answer.status == (404 if team == world.team_id else 200)
    assert (await world.call("GET", f"/requests?team={world.team_id}", token=reader)).json()["items"] == []
    world.clock.advance(1)
    usage = (await world.call("GET", "/usage?by=team", token=reader)).json()
    assert {line["keys"][0]["name"] for line in usage["lines"]} == {"Sales", "EMEA"}
    assert [total["requests"] for total in usage["totals"]] == [2]
    everything = await world.get("/usage?by=team")
    assert [total["requests"] for total in everything["totals"]] == [3]


async def test_a_request_of_another_team_is_as_absent_as_one_that_never_was(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    sales = await world.post("/teams", {"name": "Sales"}, expect=201)
    identifier = await settled(world)
    reader = await world.signed_in_as(Role.AUDITOR, team_id=TeamId(sales["id"]))
    answers = set()
    for asked in (identifier, "req_01hf7yat002js5kpthz4dbqfx6"):
        answer = await world.call("GET", f"/requests/{asked}", token=reader)
        answers.add((answer.status, msgspec.json.encode(answer.json() | {"request_id": ""})))
    assert len(answers) == 1


async def test_requests_name_the_service_account_that_made_them(light_world: World) -> None:
    await light_world.add_credential()
    await settled(light_world)
    [row] = (await light_world.get("/requests"))["items"]
    assert (row["principal_kind"], row["principal"]) == ("service_account", "first key")
    light_world.clock.advance(1)
    usage = await light_world.get("/usage?by=principal")
    assert usage["lines"][0]["keys"][0]["name"] == "first key"
