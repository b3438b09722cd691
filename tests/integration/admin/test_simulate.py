"""What would have been decided: recorded requests under the rules of a document."""

import asyncio
import json
from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.domain.ids import InstanceId, new_id
from keystead.domain.records import FREE, RequestIntent, Settlement
from keystead.domain.traffic import Fault, State
from keystead.metering.recordings import recorded as recordings
from keystead.web.admin import simulate
from keystead.web.admin.places import MOST_SIMULATIONS
from tests.integration.admin.asgi import call
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World

DENIED = {"grants": {"no-mini": {"effect": "deny", "everyone": True, "models": ["gpt-5-mini"]}}}
OUTLINE = '{"body_bytes":400}'


async def simulated(world: World, document: Any, **more: Any) -> Any:
    return await world.post("/simulate", {"document": document} | more)


def counts(answer: Any) -> dict[str, int]:
    """How many requests of each kind there are, of those there are any of."""
    return {kind: sums["requests"] for kind, sums in answer["totals"].items() if sums["requests"]}


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
    assert counts(answer) == {"same": 1, "refused_now": 2}
    assert (answer["requests"], answer["otherwise_recorded"]) == (3, 0)
    assert answer["totals"]["refused_now"] == {
        "requests": 2,
        "input_tokens": 200,
        "output_tokens": 40,
        "paid_today": {"USD": "0.00065"},
        "paid_other": {},
        "at_most": {},
    }
    [finding] = answer["findings"]
    assert (finding["kind"], finding["code"], finding["examples"]) == ("refused_now", "not_granted", [mini, again])
    assert finding["today"].startswith("Credential main, model gpt-5-mini. Allowed by grant grt_")
    assert "(no-mini)" in finding["other"]
    assert [(one["name"], one["requests"]) for one in answer["models"]] == [
        ("openai/gpt-5-mini", {"refused_now": 2}),
        ("openai/gpt-5", {"same": 1}),
    ]
    assert [one["name"] for one in (*answer["teams"], *answer["virtual_keys"])] == ["Default team", "first key"]
    [use] = answer["credentials"]
    assert (use["credential"], use["requests_today"], use["requests_other"]) == ("main", 3, 1)
    assert (use["paid_today"], use["paid_other"]) == ({"USD": "0.000975"}, {"USD": "0.000325"})
    first, second = answer["examples"]
    assert (first["request"], second["request"], first["virtual_key"]) == (mini, again, "first key")
    assert await world.get("/config") == before


async def test_a_hard_budget_is_replayed_in_the_order_of_the_requests(world: World) -> None:
    asked = await recorded(world, *["gpt-5"] * 4)
    # 0.0071 are held for each request, and 0.000325 spent.
    hard = {"budgets": {"daily": {"organization": True, "period": "day", "limit": "0.008", "hard": True}}}
    answer = await simulated(world, hard, examples=1)
    assert counts(answer) == {"same": 3, "refused_now": 1}
    [finding], [example] = answer["findings"], answer["examples"]
    assert (finding["code"], finding["examples"], example["request"]) == ("budget_exceeded", [asked[-1]], asked[-1])
    assert example["other"] == "The budget 'daily' has no room for this request."
    later = await simulated(world, hard, since="2026-01-01T00:02:30Z")
    assert counts(later) == {"same": 1, "refused_now": 1}
    assert later["read_since"] == "2026-01-01T00:00:00Z"
    await world.post("/config/apply", {"document": hard})
    assert counts(await simulated(world, hard)) == {"same": 4}
    raised = {"budgets": {"daily": {"organization": True, "period": "day", "limit": "1", "hard": True}}}
    again = await simulated(world, raised)
    assert counts(again) == {"same": 3, "allowed_now": 1}
    assert again["otherwise_recorded"] == 1, "it was answered before there was a budget"


async def test_a_limit_is_replayed_by_the_recorded_times(world: World) -> None:
    await recorded(world, *["gpt-5"] * 3)
    slow = {"limits": {"slow": {"organization": True, "measure": "requests_per_minute", "most": 1}}}
    # One a minute comes, and what was counted leaves after 60 to 65 seconds.
    assert counts(await simulated(world, slow)) == {"same": 2, "refused_now": 1}
    longest = {"limits": {"short": {"organization": True, "measure": "max_output_tokens", "most": 99}}}
    assert counts(await simulated(world, longest)) == {"refused_now": 3}


def coding(credential: str, model: str) -> Any:
    return {"routes": {"coding": {"attempts": [{"credential": credential, "model": model}]}}}


async def test_a_route_that_leads_elsewhere_is_told_with_what_it_costs_there(world: World) -> None:
    await recorded(world)
    await world.add_credential("other")
    await world.post("/config/apply", {"document": coding("main", "gpt-5")})
    await settled(world, asked="coding")
    world.clock.advance(1)
    assert counts(await simulated(world, coding("main", "gpt-5"))) == {"same": 1}
    answer = await simulated(world, coding("other", "gpt-5-mini"))
    assert counts(answer) == {"other_credential": 1}
    assert answer["totals"]["other_credential"]["paid_other"] == {"USD": "0.000065"}
    assert [(one["credential"], one["requests_other"]) for one in answer["credentials"]] == [("other", 1), ("main", 0)]


async def refused(world: World, *, model: str, code: str, outline: str = OUTLINE, decision: str = "{}") -> str:
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
        decision=decision,
        outline=outline,
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
    await refused(world, model="coding", code="invalid_request")
    world.clock.advance(1)
    answer = await simulated(world, {"routes": {"coding": {"attempts": [{"provider": "openai", "model": "gpt-5"}]}}})
    assert counts(answer) == {"same": 1, "allowed_now": 1}
    [finding] = answer["findings"]
    assert finding["examples"] == [identifier]
    assert "Allowed by grant" in finding["other"]
    assert answer["totals"]["allowed_now"]["at_most"].keys() == {"USD"}
    assert answer["otherwise_recorded"] == 0


async def test_a_team_that_becomes_more_sensitive_needs_other_contracts(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5")
    [finding] = (await simulated(world, {"teams": {"Default team": {"data_class": "restricted"}}}))["findings"]
    assert finding["code"] == "data_class_refused"
    assert "zero data retention" in finding["other"]
    terms = {"retention_days": 0, "no_training": True, "dpa_reference": "DPA-1"}
    document = {
        "teams": {"Default team": {"data_class": "restricted"}},
        "credentials": {"main": {"provider": "openai", "terms": terms}},
    }
    assert (await simulated(world, document))["findings"] == []


async def test_a_credential_that_is_not_there_yet_counts_without_its_key(light_world: World) -> None:
    world = light_world
    identifier = await refused(world, model="claude-sonnet-4-5", code="model_not_found")
    world.clock.advance(1)
    document = {"credentials": {"claude": {"provider": "openrouter", "models": ["claude-*"], "key": "${CLAUDE}"}}}
    answer = await simulated(world, document)
    assert [(one["kind"], one["examples"]) for one in answer["findings"]] == [("allowed_now", [identifier])]
    assert "claude" not in (await world.get("/config"))["credentials"]
    assert world.transport.asked == []


async def test_a_condition_looks_at_the_hour_of_each_request(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    for _ in range(24):
        await settled(world)
        world.clock.advance(3600)
    document = {"grants": {"nights": {"effect": "deny", "everyone": True, "when": "hour < 6"}}}
    assert counts(await simulated(world, document)) == {"same": 18, "refused_now": 6}
    berlin = document | {"organization": {"time_zone": "Europe/Berlin"}}
    assert counts(await simulated(world, berlin)) == {"same": 18, "refused_now": 6}


async def test_what_tags_decide_nobody_can_say_and_it_says_so(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    await refused(world, model="gpt-5", code="not_granted", outline='{"body_bytes":400,"tagged":true}')
    world.clock.advance(1)
    document = {"grants": {"no": {"effect": "deny", "everyone": True, "when": 'has(tags.x) && tags.x == "y"'}}}
    answer = await simulated(world, document)
    assert counts(answer) == {"undecidable": 1}
    [finding] = answer["findings"]
    assert finding["code"] == "tags_unknown"
    assert finding["other"].startswith("Its tags decide, which are not recorded: `has(tags.x)")


async def test_recognisers_are_said_not_to_be_replayed(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5")
    plain = await simulated(world, DENIED)
    assert plain["not_replayed"][0].startswith("Recognisers: prompts are not stored")
    changed = await simulated(world, {"recognizers": {"mail": {"kind": "email", "action": "block"}}})
    assert changed["not_replayed"][0].startswith("The document changes recognisers.")
    assert counts(changed) == {"same": 1}


async def test_taking_away_everything_refuses_everything(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5", "gpt-5-mini")
    assert counts(await simulated(world, {"grants": {}})) == {"same": 2}
    answer = await simulated(world, {"grants": {}}, prune=True)
    assert counts(answer) == {"refused_now": 2}
    assert {one["code"] for one in answer["findings"]} == {"not_granted"}


async def test_whose_service_account_the_document_lets_go_is_refused(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    await world.post("/virtual-keys", {"name": "ci", "team": "Default team"}, expect=201)
    await settled(world, key_name="ci")
    await settled(world)
    world.clock.advance(1)
    staying = {name: one for name, one in (await world.get("/config"))["service_accounts"].items() if name != "ci"}
    answer = await simulated(world, {"service_accounts": staying}, prune=True)
    assert counts(answer) == {"same": 1, "refused_now": 1}
    assert [(one["code"], one["kind"]) for one in answer["findings"]] == [("key_revoked", "refused_now")]
    assert "ci" in (await world.get("/config"))["service_accounts"]


async def test_a_key_that_was_revoked_since_counts_as_it_did(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5")
    await world.post("/virtual-keys/first key/revoke", {})
    answer = await simulated(world, DENIED)
    assert (counts(answer), answer["otherwise_recorded"]) == ({"same": 1}, 0)


async def test_only_the_span_is_looked_at(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5-mini", "gpt-5-mini")
    since = "2026-01-01T00:01:30Z"
    assert counts(await simulated(world, DENIED, since=since)) == {"refused_now": 1}
    world.clock.advance(8 * 86_400)
    assert (await simulated(world, DENIED))["requests"] == 0
    backwards = {"document": DENIED, "since": since, "until": "2026-01-01T00:00:00Z"}
    assert (await world.call("POST", "/simulate", backwards)).status == 400


async def test_another_organizations_requests_are_not_looked_at(world: World) -> None:
    await recorded(world, "gpt-5-mini")
    token = await world.other_organization()
    answer = await world.call("POST", "/simulate", {"document": DENIED}, token=token)
    assert (answer.status, answer.json()["requests"]) == (200, 0)


async def test_who_may_look_may_simulate_and_gains_nothing_by_it(light_world: World) -> None:
    world = light_world
    await recorded(world, "gpt-5-mini")
    before = await world.get("/config")
    events = (await world.get("/audit-events"))["items"]
    token = await world.signed_in_as(Role.AUDITOR)
    answer = await world.call("POST", "/simulate", {"document": DENIED}, token=token)
    assert (answer.status, counts(answer.json())) == (200, {"refused_now": 1})
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
    for progress in (False, True):
        answer = await light_world.call("POST", "/simulate", {"document": broken, "progress": progress})
        assert (answer.status, answer.json()["param"]) == (400, "grants.g.when")


async def test_with_progress_it_says_how_far_it_is_line_by_line(world: World) -> None:
    await recorded(world, "gpt-5", "gpt-5-mini", "gpt-5-mini")
    answer = await world.call("POST", "/simulate", {"document": DENIED, "progress": True})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-keystead-request-id"].startswith("op_")
    progress, last = [json.loads(line) for line in answer.body.splitlines()]
    assert progress == {"progress": {"done": 3, "of": 3}}
    assert last["simulated"]["totals"] == (await simulated(world, DENIED))["totals"]


async def test_what_goes_wrong_after_the_first_line_is_told_in_the_last(
    light_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = light_world
    await recorded(world, "gpt-5")

    async def broken(*_arguments: Any, **_more: Any) -> Any:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("keystead.web.admin.simulate._told", broken)
    answer = await world.call("POST", "/simulate", {"document": DENIED, "progress": True})
    *_, last = [json.loads(line) for line in answer.body.splitlines()]
    assert (answer.status, last["problem"]["code"], last["problem"]["status"]) == (200, "internal_error", 500)
    assert b"disk" not in answer.body


async def test_who_hangs_up_is_not_worked_for_any_longer(light_world: World) -> None:
    world = light_world
    await recorded(world, *["gpt-5"] * 3)
    body = json.dumps({"document": DENIED, "progress": True}).encode()
    headers = [("Authorization", f"Bearer {world.token}"), ("Content-Type", "application/json")]
    async with asyncio.timeout(10):
        for _ in range(2 * MOST_SIMULATIONS):  # and leaves its place to others
            answer = await call(world.app, "POST", "/admin/v1/simulate", headers=headers, chunks=[body], leaves_after=1)
            assert answer.status == 200
            assert b"simulated" not in answer.body


@pytest.mark.parametrize("progress", [True, False])
async def test_no_more_than_a_few_run_at_once(
    light_world: World, monkeypatch: pytest.MonkeyPatch, *, progress: bool
) -> None:
    world = light_world
    await recorded(world, "gpt-5")
    running, go_on, told = asyncio.Semaphore(0), asyncio.Event(), simulate._told

    async def held(*arguments: Any, **more: Any) -> Any:
        running.release()
        await go_on.wait()
        return await told(*arguments, **more)

    monkeypatch.setattr(simulate, "_told", held)
    body = {"document": DENIED, "progress": progress}
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        some = [group.create_task(world.call("POST", "/simulate", body)) for _ in range(MOST_SIMULATIONS)]
        for _ in some:
            await running.acquire()
        refused = await world.call("POST", "/simulate", body)
        go_on.set()
    assert (refused.status, refused.json()["code"], refused.headers["retry-after"]) == (429, "simulations_busy", "10")
    assert [task.result().status for task in some] == [200] * MOST_SIMULATIONS
    assert (await world.call("POST", "/simulate", body)).status == 200


async def test_records_are_read_in_pages_each_request_once(world: World) -> None:
    asked = await recorded(world, *["gpt-5"] * 5)
    world.clock.advance(-60)
    asked += [await settled(world), await settled(world)]  # in the same instant
    pages = [
        page
        async for page in recordings(
            world.database,
            organization_id=world.organization_id,
            from_at=0,
            to_at=world.clock.now_us() + 1,
            page=2,
        )
    ]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sorted(one.id for page in pages for one in page) == sorted(asked)
    assert {len(one.tried) for page in pages for one in page} == {1}
