"""What would have been refused: recorded requests under the rules of a document."""

from typing import Any

from keystead.domain.access import Role
from keystead.domain.ids import InstanceId, new_id
from keystead.domain.records import FREE, RequestIntent, Settlement
from keystead.domain.traffic import Fault, State
from keystead.metering import asked as recorded_asks
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World

DENIED = {"grants": {"no-mini": {"effect": "deny", "everyone": True, "models": ["gpt-5-mini"]}}}


async def simulated(world: World, document: Any, **more: Any) -> Any:
    return await world.post("/simulate", {"document": document} | more)


async def recorded(world: World, *models: str) -> list[str]:
    await world.add_credential()
    found = []
    for model in models:
        world.clock.advance(60)
        found.append(await settled(world, model=model))
    world.clock.advance(60)
    return found


async def test_what_a_new_deny_would_have_refused_is_told_with_its_cost(world: World) -> None:
    _, mini, again = await recorded(world, "gpt-5", "gpt-5-mini", "gpt-5-mini")
    before = await world.get("/config")
    answer = await simulated(world, DENIED)
    assert answer["complete"]
    assert (answer["requests"], answer["combinations"], answer["otherwise_recorded"]) == (3, 2, 0)
    assert answer["refused_now"] == {
        "requests": 2,
        "input_tokens": 200,
        "output_tokens": 40,
        "cost": {"USD": "0.00065"},
    }
    [refusal] = answer["refusals"]
    assert refusal["code"] == "not_granted"
    assert "(no-mini)" in refusal["reason"]
    assert refusal["examples"] == [again]
    assert answer["allowed_now"]["requests"] == 0
    assert answer["unchanged"]["requests"] == 1
    assert mini < again
    assert await world.get("/config") == before


async def refused(world: World, *, model: str, code: str) -> str:
    """Record a request that was refused before any attempt."""
    now = world.clock.now_us()
    [key] = [key for key in world.snapshots.current.keys.values() if key.name == "first key"]
    request = RequestIntent(
        id=new_id("req", now),
        organization_id=world.organization_id,
        started_at=now,
        instance_id=InstanceId("ins_1"),
        team_id=key.team_id,
        principal_kind=key.principal_kind,
        principal_id=key.principal_id,
        virtual_key_id=key.id,
        dialect="openai",
        endpoint="chat",
        model_asked=model,
        stream=True,
        decision="{}",
    )
    await world.database.heartbeat(InstanceId("ins_1"))
    await world.database.journal.settle(
        Settlement(
            request=request,
            attempt=None,
            state=State.REJECTED,
            finished_at=now,
            duration_us=5,
            status_code=403,
            error_code=code,
            fault=Fault.POLICY,
            cost=FREE,
        )
    )
    return request.id


async def test_what_a_document_would_let_through_is_told(light_world: World) -> None:
    world = light_world
    await recorded(world)
    await world.add_credential("other", provider="openrouter", key=f"sk-or-v1-{'0' * 40}")
    identifier = await refused(world, model="coding", code="model_ambiguous")
    await refused(world, model="coding", code="budget_exceeded")
    world.clock.advance(1)
    answer = await simulated(world, {"routes": {"coding": {"attempts": [{"provider": "openai", "model": "gpt-5"}]}}})
    [allowance] = answer["allowances"]
    assert (allowance["sums"]["requests"], allowance["examples"]) == (1, [identifier])
    assert "Allowed by grant" in allowance["reason"]
    assert (answer["requests"], answer["unchanged"]["requests"], answer["otherwise_recorded"]) == (2, 0, 0)


async def test_a_team_that_becomes_more_sensitive_needs_other_contracts(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5")
    answer = await simulated(world, {"teams": {"Default team": {"data_class": "restricted"}}})
    [refusal] = answer["refusals"]
    assert refusal["code"] == "data_class_refused"
    assert "zero data retention" in refusal["reason"]
    terms = {"retention_days": 0, "no_training": True, "dpa_reference": "DPA-1"}
    document = {
        "teams": {"Default team": {"data_class": "restricted"}},
        "credentials": {"main": {"provider": "openai", "terms": terms}},
    }
    assert (await simulated(world, document))["refusals"] == []


async def test_a_credential_that_is_not_there_yet_counts_without_its_key(light_world: World) -> None:
    world = light_world
    identifier = await refused(world, model="claude-sonnet-4-5", code="model_not_found")
    world.clock.advance(1)
    document = {"credentials": {"claude": {"provider": "openrouter", "models": ["claude-*"], "key": "${CLAUDE}"}}}
    answer = await simulated(world, document)
    assert [one["examples"] for one in answer["allowances"]] == [[identifier]]
    assert "claude" not in (await world.get("/config"))["credentials"]
    assert world.transport.asked == []


async def test_a_condition_looks_at_the_hour_of_each_request(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    for _ in range(24):
        await settled(world)
        world.clock.advance(3600)
    document = {"grants": {"nights": {"effect": "deny", "everyone": True, "when": "hour < 6"}}}
    answer = await simulated(world, document)
    assert (answer["refused_now"]["requests"], answer["unchanged"]["requests"]) == (6, 18)
    berlin = document | {"organization": {"time_zone": "Europe/Berlin"}}
    assert (await simulated(world, berlin))["refused_now"]["requests"] == 6


async def test_taking_away_everything_refuses_everything(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5", "gpt-5-mini")
    assert (await simulated(world, {"grants": {}}))["refused_now"]["requests"] == 0
    answer = await simulated(world, {"grants": {}}, prune=True)
    assert answer["refused_now"]["requests"] == 2
    assert {one["code"] for one in answer["refusals"]} == {"not_granted"}


async def test_only_the_span_is_looked_at(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5-mini", "gpt-5-mini")
    since = "2026-01-01T00:01:30Z"
    assert (await simulated(world, DENIED, since=since))["refused_now"]["requests"] == 1
    world.clock.advance(8 * 86_400)
    assert (await simulated(world, DENIED))["requests"] == 0
    backwards = {"document": DENIED, "since": since, "until": "2026-01-01T00:00:00Z"}
    assert (await world.call("POST", "/simulate", backwards)).status == 400


async def test_who_may_look_may_simulate_and_gains_nothing_by_it(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5-mini")
    before = await world.get("/config")
    events = (await world.get("/audit-events"))["items"]
    token = await world.signed_in_as(Role.AUDITOR)
    answer = await world.call("POST", "/simulate", {"document": DENIED}, token=token)
    assert (answer.status, answer.json()["refused_now"]["requests"]) == (200, 1)
    owner = {"members": {"Eve": {"team": "Default team", "roles": ["owner"]}}}
    assert (await world.call("POST", "/simulate", {"document": owner}, token=token)).status == 200
    assert (await world.get("/config"))["members"].keys() - before["members"].keys() == {
        name for name in (await world.get("/config"))["members"] if name.startswith("auditor")
    }
    assert (await world.get("/audit-events"))["items"] == events
    for role in (Role.DEVELOPER, Role.KEY_CUSTODIAN, Role.FINANCE):
        token = await world.signed_in_as(role)
        document = {"budgets": {}} if role is Role.KEY_CUSTODIAN else DENIED
        assert (await world.call("POST", "/simulate", {"document": document}, token=token)).status == 403


async def test_a_document_that_could_not_be_applied_is_refused(light_world: World) -> None:
    broken = {"grants": {"g": {"everyone": True, "when": "tags ="}}}
    answer = await light_world.call("POST", "/simulate", {"document": broken})
    assert (answer.status, answer.json()["param"]) == (400, "grants.g.when")


async def test_more_requests_than_are_looked_at_are_said_to_be_there(world: World) -> None:
    await recorded(world, "gpt-5", "gpt-5-mini", "gpt-5-mini")
    async with world.database.read() as conn:
        page = await recorded_asks.asked(
            conn,
            organization_id=world.organization_id,
            from_at=0,
            to_at=world.clock.now_us(),
            by_quarter=False,
            most_requests=2,
        )
    assert (page.complete, page.requests, [one.requests for one in page.asked]) == (False, 2, [2])
    assert page.asked[0].model == "openai/gpt-5-mini"
