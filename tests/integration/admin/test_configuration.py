"""Configuration as code through the API: exported, compared, applied as a whole or not at all."""

import copy
from typing import Any

import pytest

from keystead.domain.access import Role
from tests.integration.admin.world import World, provider_key

DOCUMENT: dict[str, Any] = {
    "organization": {"name": "Acme", "time_zone": "Europe/Berlin"},
    "roles": {"release manager": {"permissions": ["route:read", "route:write"]}},
    "data_classes": {
        "confidential": {"requires": {"no_training": True, "regions": ["eu"]}},
        "patients": {"rank": 350, "requires": {"baa": True, "most_retention_days": 0}},
    },
    "teams": {
        "Hospital": {"parent": "Engineering", "data_class": "patients"},
        "Engineering": {"cost_center": "4711"},
    },
    "credentials": {
        "openai-eu": {
            "provider": "openai",
            "key": "${OPENAI_EU_KEY}",
            "origin": "https://EU.api.openai.com",
            "models": ["gpt-5*"],
            "terms": {"regions": ["eu"], "retention_days": 0, "no_training": True, "baa_reference": "BAA-1"},
        }
    },
    "recognizers": {"no-keys": {"kind": "secret", "action": "block"}},
    "service_accounts": {"ward-bot": {"team": "Hospital"}},
    "members": {
        "Ada": {"team": "Engineering", "roles": ["developer", {"role": "release manager", "team": "Hospital"}]}
    },
    "routes": {"coding": {"attempts": [{"credential": "openai-eu", "model": "gpt-5"}], "strategy": "fastest"}},
    "grants": {
        "hospital": {"team": "Hospital", "credentials": ["openai-eu"], "when": "hour < 20", "note": "day work"},
        "no-images": {"effect": "deny", "everyone": True, "endpoints": ["images"]},
        "bot": {"service_account": "ward-bot", "models": ["gpt-5-mini"], "expires_at": "2026-06-01T00:00:00Z"},
    },
    "consents": {
        "overflow": {
            "teams": ["Engineering"],
            "data_classes": ["internal"],
            "reasons": ["down"],
            "daily_cap": "10",
            "monthly_cap": "100.50",
            "expires_at": "2026-12-01T00:00:00Z",
        }
    },
    "budgets": {
        "research": {"team": "Engineering", "period": "month", "limit": "1000.50", "alert_percent": 75},
        "key": {
            "virtual_key": "first key",
            "period": "rolling",
            "rolling_hours": 24,
            "limit": "5",
            "hard": False,
            "unpriced": "hold",
            "unpriced_hold": "0.5",
            "ends_at": "2027-01-01T00:00:00Z",
        },
    },
    "limits": {
        "everything": {"organization": True, "measure": "concurrent_requests", "most": 100},
        "big models": {"model": "gpt-5*", "measure": "tokens_per_minute", "most": 100000},
        "eu": {"credential": "openai-eu", "measure": "requests_per_minute", "most": 60},
    },
}
KEYS = {"openai-eu": provider_key("eu")}


async def applied(world: World, document: Any, *, expect: int = 200, **more: Any) -> Any:
    return await world.post("/config/apply", {"document": document, "keys": KEYS} | more, expect=expect)


async def planned(world: World, document: Any, **more: Any) -> Any:
    return await world.post("/config/plan", {"document": document} | more)


def told(answer: Any) -> list[str]:
    return [f"{one['action']} {one['section']}.{one['name']}" for one in answer["differences"]]


async def test_a_document_is_put_in_force_and_comes_back_as_it_was(world: World) -> None:
    plan = await planned(world, DOCUMENT)
    assert plan["keys"] == ["openai-eu"]
    done = await applied(world, DOCUMENT)
    assert told(done) == told(plan)
    assert len(done["differences"]) == 20
    exported = await world.get("/config")
    for section in DOCUMENT.keys() - {"credentials", "teams"}:
        for name in DOCUMENT[section]:
            assert name in exported[section]
    assert exported["grants"]["hospital"] == DOCUMENT["grants"]["hospital"]
    assert exported["consents"]["overflow"] == DOCUMENT["consents"]["overflow"] | {"monthly_cap": "100.5"}
    assert exported["credentials"]["openai-eu"] == DOCUMENT["credentials"]["openai-eu"] | {
        "origin": "https://eu.api.openai.com",
        "region": "eu",
    }
    assert exported["teams"]["Hospital"] == DOCUMENT["teams"]["Hospital"] | {"cost_center": "4711"}
    for document in (DOCUMENT, exported):
        again = await applied(world, document, keys={})
        assert again == {"differences": [], "keys": [], "rotating": [], "ended": []}
    assert (await planned(world, exported, prune=True))["differences"] == []


async def test_a_rule_that_is_narrowed_in_the_document_is_narrowed_without_pruning(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    [before] = [one for one in (await world.get("/grants?in_force=true"))["items"] if one["note"].startswith("bot")]
    narrowed = copy.deepcopy(DOCUMENT)
    narrowed["grants"]["bot"]["models"] = ["gpt-5-nano"]
    done = await applied(world, narrowed)
    assert told(done) == ["change grants.bot"]
    assert done["differences"][0]["fields"] == [{"field": "models", "before": ["gpt-5-mini"], "after": ["gpt-5-nano"]}]
    [after] = [one for one in (await world.get("/grants?in_force=true"))["items"] if one["note"].startswith("bot")]
    assert (after["models"], after["id"] != before["id"]) == (["gpt-5-nano"], True)
    assert (await world.get(f"/grants/{before['id']}"))["state"] == "revoked"


async def test_everything_that_can_change_is_changed_in_place(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    document = copy.deepcopy(DOCUMENT)
    document["organization"]["time_zone"] = "UTC"
    document["roles"]["release manager"]["permissions"] = ["route:read"]
    document["data_classes"]["patients"]["rank"] = 360
    document["teams"]["Hospital"] |= {"parent": None, "cost_center": "0815", "data_class": "confidential"}
    document["credentials"]["openai-eu"] |= {
        "models": None,
        "on_disconnect": "cancel",
        "settings": {"project": "p"},
        "terms": {"regions": ["eu", "de"], "no_training": True},
    }
    document["recognizers"]["no-keys"]["action"] = "redact"
    document["members"]["Ada"]["roles"] = [{"role": "auditor", "team": "Hospital"}, "developer"]
    document["routes"]["coding"] |= {"strategy": "ordered", "unsupported": "drop"}
    document["consents"]["overflow"]["daily_cap"] = "11"
    document["budgets"]["research"] |= {"limit": "2000", "hard": False, "ends_at": "2026-12-31T00:00:00+01:00"}
    document["budgets"]["key"] |= {"unpriced": "allow", "unpriced_hold": None, "ends_at": None}
    document["limits"]["eu"]["most"] = 61
    done = await applied(world, document, keys={})
    assert {one["action"] for one in done["differences"]} == {"change"}
    assert len(done["differences"]) == 12
    assert (await planned(world, document))["differences"] == []
    shown = await world.get("/credentials/openai-eu")
    assert (shown["active_version"], shown["models"], shown["settings"]) == (1, None, {"project": "p"})


async def test_what_is_not_in_the_document_goes_only_when_that_is_asked_for(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    less: dict[str, Any] = {
        section: {}
        for section in ("roles", "data_classes", "teams", "credentials", "recognizers", "service_accounts", "routes")
    }
    less |= {"budgets": {}, "limits": {}, "grants": {"no-images": DOCUMENT["grants"]["no-images"]}, "consents": {}}
    assert (await applied(world, less))["differences"] == []
    plan = await planned(world, less, prune=True)
    assert "keep teams.Engineering" in told(plan)
    assert "keep credentials.openai-eu" in told(plan)
    assert not [one for one in told(plan) if "members" in one]
    # What others refer to cannot go before them: the team says `patients`, and Ada has the role.
    refused = await world.call("POST", "/config/apply", {"document": less, "prune": True})
    assert refused.status == 409
    less |= {"teams": {"Hospital": {"parent": "Engineering"}, "Engineering": {}}}
    less |= {"members": {"Ada": {"team": "Engineering", "roles": ["developer"]}, "administrator": ADMINISTRATOR}}
    done = await applied(world, less, prune=True)
    assert "remove grants.hospital" in told(done)
    left = await world.get("/config")
    assert set(left["grants"]) == {"no-images"}
    for section in (
        "roles",
        "data_classes",
        "recognizers",
        "service_accounts",
        "routes",
        "consents",
        "budgets",
        "limits",
    ):
        assert left[section] == {}
    assert "openai-eu" in left["credentials"]


ADMINISTRATOR = {"team": "Default team", "roles": ["owner"]}


async def test_if_one_part_cannot_be_nothing_is(world: World) -> None:
    before = await world.get("/config")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"grants": {"hospital": {"everyone": True, "when": "model =="}}}, "grants.hospital.when"),
        ({"grants": {"hospital": {"everyone": True, "team": "Hospital"}}}, "grants.hospital.team"),
        ({"grants": {"hospital": {}}}, "grants.hospital.team"),
        ({"grants": {"hospital": {"team": "Nobody"}}}, "grants.hospital"),
        ({"teams": {"Engineering": {"data_class": "unheard-of"}}}, "teams.Engineering.data_class"),
        ({"routes": {"coding": {"attempts": [{"model": "gpt-5"}]}}}, "routes.coding.attempts[0]"),
        ({"members": {"Ada": {"team": "Engineering"}}}, "members.Ada.roles"),
        ({"consents": {"overflow": DOCUMENT["consents"]["overflow"] | {"data_classes": ["restricted"]}}}, "consents"),
        ({"credentials": {"openai-eu": DOCUMENT["credentials"]["openai-eu"] | {"provider": "nobody"}}}, "credentials"),
        ({"budgets": {"research": {"period": "month", "limit": "1"}}}, "budgets.research.team"),
        ({"budgets": {"research": {"team": "Nobody", "period": "month", "limit": "1"}}}, "budgets.research"),
        ({"budgets": {"research": {"organization": True, "period": "month", "limit": "0"}}}, "budgets.research.limit"),
        ({"limits": {"eu": {"organization": True, "measure": "requests_per_minute", "most": 0}}}, "limits.eu.most"),
        ({"roles": {"release manager": {"permissions": ["platform:credits"]}}}, "roles.release manager.permissions"),
    ]
    for changes, param in bad:
        document = copy.deepcopy(DOCUMENT)
        for section, entries in changes.items():
            document[section] |= entries
        answer = await world.call("POST", "/config/apply", {"document": document, "keys": KEYS})
        assert answer.status in {400, 404}, (param, answer.body)
        assert answer.json()["param"].startswith(param), (param, answer.json())
        assert await world.get("/config") == before, param
    events = (await world.get("/audit-events"))["items"]
    assert not [event for event in events if event["action"].startswith(("configuration.", "grant.", "team."))]


async def test_a_team_that_stands_below_itself_is_refused_with_its_place(light_world: World) -> None:
    circle = {"teams": {"A": {"parent": "B"}, "B": {"parent": "A"}}}
    answer = await light_world.call("POST", "/config/plan", {"document": circle})
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (400, "team_cycle", "teams.A.parent")


async def test_a_budget_in_a_currency_that_nothing_is_counted_in_is_refused_by_the_plan_as_well(
    light_world: World,
) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["budgets"]["research"]["currency"] = "EUR"
    for path, more in (("/config/plan", {}), ("/config/apply", {"dry_run": True}), ("/config/apply", {"keys": KEYS})):
        answer = await light_world.call("POST", path, {"document": document} | more)
        told = (answer.status, answer.json()["code"], answer.json()["param"])
        assert told == (400, "currency_not_counted", "budgets.research.currency")
        assert "'EUR'" in answer.json()["detail"]
    assert "research" not in (await light_world.get("/config"))["budgets"]


async def test_what_cannot_be_changed_is_told_by_the_plan_and_refused(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    await world.post("/service-accounts/ward-bot/disable")
    document = copy.deepcopy(DOCUMENT)
    document["members"]["Ada"]["team"] = "Hospital"
    document["grants"]["new"] = {"everyone": True}
    document["budgets"]["research"] = {"organization": True, "period": "week", "limit": "1"}
    await world.post("/budgets/key/end")
    plan = await planned(world, document)
    problems = {f"{one['section']}.{one['name']}": one["problem"] for one in plan["differences"] if one["problem"]}
    assert set(problems) == {"members.Ada", "service_accounts.ward-bot", "budgets.research", "budgets.key"}
    answer = await world.call("POST", "/config/apply", {"document": document})
    assert (answer.status, answer.json()["code"]) == (409, "configuration_not_possible")
    assert "new" not in (await world.get("/config"))["grants"]


async def test_rules_that_have_ended_are_left_out_and_told(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    world.clock.advance(200 * 86_400)
    plan = await planned(world, DOCUMENT, prune=True)
    assert plan["ended"] == ["grants.bot"]
    assert [one for one in told(plan) if "grants" in one] == [
        f"remove grants.{name}" for name in await everything(world)
    ]
    assert (await applied(world, DOCUMENT))["differences"] == []


async def everything(world: World) -> list[str]:
    """Return the name of the grant that a new deployment makes: its id."""
    grants = (await world.get("/grants"))["items"]
    return [one["id"] for one in grants if one["note"].startswith("Made with the organization")]


# -- keys ---------------------------------------------------------------------------------------------------------


async def test_a_key_is_probed_before_anything_is_written_and_a_wrong_one_stops_it_all(light_world: World) -> None:
    world = light_world
    world.transport.answers[KEYS["openai-eu"]] = (401, b'{"error":{"code":"invalid_api_key","message":"no"}}')
    before = await world.get("/config")
    answer = await world.call("POST", "/config/apply", {"document": DOCUMENT, "keys": KEYS})
    assert (answer.status, answer.json()["param"]) == (400, "credentials.openai-eu.key")
    assert await world.get("/config") == before
    missing = await world.call("POST", "/config/apply", {"document": DOCUMENT})
    assert (missing.status, missing.json()["code"]) == (400, "key_missing")
    assert await world.get("/config") == before
    assert KEYS["openai-eu"].encode() not in answer.body + missing.body


async def test_a_key_that_turns_becomes_the_next_version_only_if_it_is_another_one(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    document = copy.deepcopy(DOCUMENT)
    document["credentials"]["openai-eu"]["rotate"] = True
    assert (await planned(world, document))["rotating"] == ["openai-eu"]
    asked = len(world.transport.asked)
    await applied(world, document)
    assert len(world.transport.asked) == asked
    assert (await world.get("/credentials/openai-eu"))["active_version"] == 1
    other = {"openai-eu": provider_key("next")}
    await applied(world, document, keys=other)
    await applied(world, document, keys=other)
    shown = await world.get("/credentials/openai-eu")
    assert [(one["version"], one["state"]) for one in shown["versions"]] == [(1, "draining"), (2, "active")]


async def test_another_origin_takes_the_key_again_and_keeps_the_terms(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    document = copy.deepcopy(DOCUMENT)
    document["credentials"]["openai-eu"]["origin"] = "https://us.api.openai.com"
    assert (await planned(world, document))["keys"] == ["openai-eu"]
    refused = await world.call("POST", "/config/apply", {"document": document})
    assert refused.json()["code"] == "key_missing"
    await applied(world, document, keys={"openai-eu": provider_key("us")})
    assert world.transport.asked[-1][0].startswith("https://us.api.openai.com/")
    shown = await world.get("/credentials/openai-eu")
    assert (shown["origin"], shown["active_version"]) == ("https://us.api.openai.com", 2)
    assert shown["terms"]["baa_reference"] == "BAA-1"
    assert (await planned(world, document))["differences"] == []


async def test_a_key_itself_is_not_taken_for_a_reference_and_not_told(light_world: World) -> None:
    document = {"credentials": {"c": {"provider": "openai", "key": KEYS["openai-eu"]}}}
    for path in ("/config/plan", "/config/apply"):
        answer = await light_world.call("POST", path, {"document": document})
        assert answer.status == 400
        assert KEYS["openai-eu"].encode() not in answer.body


async def test_nothing_that_is_exported_or_recorded_holds_a_key(light_world: World) -> None:
    world = light_world
    answer = await world.call("POST", "/config/apply", {"document": DOCUMENT, "keys": KEYS})
    exported = await world.call("GET", "/config")
    audit = await world.call("GET", "/audit-events")
    for body in (answer.body, exported.body, audit.body):
        assert KEYS["openai-eu"].encode() not in body


# -- who may ------------------------------------------------------------------------------------------------------


async def test_every_change_has_its_own_event_and_the_document_has_one(light_world: World) -> None:
    world = light_world
    world.clock.advance(60)
    await applied(world, DOCUMENT)
    events = (await world.get("/audit-events?limit=50"))["items"]
    done = {event["action"]: event for event in events}["configuration.applied"]
    assert (done["details"]["created"], done["details"]["changed"], done["details"]["removed"]) == (19, 1, 0)
    assert sorted(event["action"] for event in events if event["at"] == done["at"]) == sorted(
        [
            "configuration.applied",
            "organization.changed",
            "role.created",
            "data_class.set",
            "data_class.set",
            "team.created",
            "team.created",
            "credential.added",
            "credential.terms_set",
            "recognizer.added",
            "service_account.created",
            "member.created",
            "model_route.created",
            "grant.created",
            "grant.created",
            "grant.created",
            "consent.given",
            "budget.created",
            "budget.created",
            "rate_limit.created",
            "rate_limit.created",
            "rate_limit.created",
        ]
    )
    assert {event["actor_id"] for event in events if event["at"] == done["at"]} == {world.member_id}


async def test_applying_takes_what_each_single_change_takes(light_world: World) -> None:
    world = light_world
    for role, section in (
        (Role.ADMINISTRATOR, "organization"),
        (Role.ADMINISTRATOR, "consents"),
        (Role.AUDITOR, "routes"),
        (Role.AUDITOR, "grants"),
        (Role.AUDITOR, "credentials"),
        (Role.AUDITOR, "teams"),
        (Role.AUDITOR, "roles"),
        (Role.AUDITOR, "budgets"),
        (Role.KEY_CUSTODIAN, "data_classes"),
    ):
        token = await world.signed_in_as(role)
        body: dict[str, Any] = {"document": {section: DOCUMENT[section]}, "keys": KEYS, "dry_run": True}
        answer = await world.call("POST", "/config/apply", body, token=token)
        assert answer.status == 403, (role, section, answer.body)
        assert (await world.call("POST", "/config/plan", {"document": body["document"]}, token=token)).status == 200


async def test_nobody_gives_more_than_they_hold_by_a_document(light_world: World) -> None:
    world = light_world
    token = await world.signed_in_as(Role.ADMINISTRATOR)
    team = {"team": "Default team"}
    for section, entry in (
        ("members", {"Eve": team | {"roles": ["owner"]}}),
        ("roles", {"all": {"permissions": ["consent:write"]}}),
    ):
        answer = await world.call("POST", "/config/apply", {"document": {section: entry}}, token=token)
        assert (answer.status, answer.json()["code"]) == (403, "more_than_held"), section
    allowed = {"members": {"Eve": team | {"roles": ["administrator"]}}}
    assert (await world.call("POST", "/config/apply", {"document": allowed}, token=token)).status == 200


async def test_one_sees_and_compares_only_the_sections_that_one_may_see(light_world: World) -> None:
    world = light_world
    await applied(world, DOCUMENT)
    token = await world.signed_in_as(Role.DEVELOPER)
    exported = (await world.call("GET", "/config", token=token)).json()
    assert set(exported) == {"organization", "roles", "teams", "members", "routes"}
    answer = await world.call("POST", "/config/plan", {"document": {"grants": {}}}, token=token)
    assert answer.status == 403


async def test_another_organization_sees_and_changes_its_own_alone(world: World) -> None:
    await applied(world, DOCUMENT)
    before = await world.get("/config")
    stranger = await world.other_organization()
    exported = (await world.call("GET", "/config", token=stranger)).json()
    assert exported["grants"] == {}
    assert "Hospital" not in exported["teams"]
    body = {"document": {"grants": {"theirs": {"everyone": True, "credentials": ["openai-eu"]}}}}
    answer = await world.call("POST", "/config/apply", body, token=stranger)
    assert (answer.status, answer.json()["code"]) == (404, "credential_not_found")
    assert (
        await world.call("POST", "/config/apply", {"document": {"grants": {}}, "prune": True}, token=stranger)
    ).status == 200
    assert await world.get("/config") == before


async def test_a_dry_run_tries_everything_and_keeps_nothing(world: World) -> None:
    before = await world.get("/config")
    asked = len(world.transport.asked)
    done = await applied(world, DOCUMENT, keys={}, dry_run=True)
    assert len(done["differences"]) == 20
    assert await world.get("/config") == before
    assert len(world.transport.asked) == asked
    broken = {"grants": {"g": {"everyone": True, "when": "team = 1"}}}
    assert (await world.call("POST", "/config/apply", {"document": broken, "dry_run": True})).status == 400


async def test_a_change_by_somebody_else_meanwhile_stops_it(light_world: World) -> None:
    world = light_world

    async def somebody_else() -> None:
        world.transport.while_asked = None
        await world.post("/teams", {"name": "Engineering"}, expect=201)

    world.transport.while_asked = somebody_else
    answer = await world.call("POST", "/config/apply", {"document": DOCUMENT, "keys": KEYS})
    assert (answer.status, answer.json()["code"]) == (409, "configuration_changed")
    assert "Hospital" not in (await world.get("/config"))["teams"]
    assert (await applied(world, DOCUMENT))["differences"]


async def test_more_changes_than_one_transaction_takes_are_refused(light_world: World) -> None:
    roles = {f"r{number}": {"permissions": ["route:read"]} for number in range(2_001)}
    body = {"document": {"roles": roles}}
    assert len((await light_world.post("/config/plan", body))["differences"]) == 2_001
    answer = await light_world.call("POST", "/config/apply", body)
    assert (answer.status, answer.json()["code"]) == (400, "too_many_changes")
    assert (await light_world.get("/config"))["roles"] == {}


async def test_a_platform_credential_goes_by_its_name_unless_an_own_one_has_it(world: World) -> None:
    document = {"credentials": {"shared": {"provider": "openai", "margin_ppm": 200_000, "key": "${SHARED}"}}}
    await applied(world, document, keys={"shared": provider_key("shared")})
    assert (await world.get("/config"))["credentials"]["shared"]["margin_ppm"] == 200_000
    document["credentials"]["shared"]["margin_ppm"] = 0
    assert told(await applied(world, document)) == ["change credentials.shared"]
    stranger = await world.other_organization()
    granted = {"grants": {"bought": {"everyone": True, "credentials": ["shared"]}}}
    assert (await world.call("POST", "/config/apply", {"document": granted}, token=stranger)).status == 200
    exported = (await world.call("GET", "/config", token=stranger)).json()
    assert exported["grants"] == granted["grants"]
    assert "shared" not in exported["credentials"]
    own = {"document": document, "keys": {"shared": provider_key("own")}}
    answer = await world.call("POST", "/config/apply", own, token=stranger)
    assert (answer.status, answer.json()["param"]) == (403, "credentials.shared")
    del document["credentials"]["shared"]["margin_ppm"]
    assert (await world.call("POST", "/config/apply", own, token=stranger)).status == 200
    exported = (await world.call("GET", "/config", token=stranger)).json()
    assert exported["grants"]["bought"]["credentials"][0].startswith("cred_")
    again = await world.call("POST", "/config/plan", {"document": exported, "prune": True}, token=stranger)
    assert again.json()["differences"] == []


async def test_what_is_not_a_document_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[Any, ...] = (
        {"keystead": 2},
        {"unheard_of": {}},
        {"grants": {"a b": {"everyone": True}}},
        {"grants": {"a": {"effect": "maybe"}}},
        {"consents": {"a": {k: v for k, v in DOCUMENT["consents"]["overflow"].items() if k != "expires_at"}}},
        {"consents": {"a": DOCUMENT["consents"]["overflow"] | {"daily_cap": "-1"}}},
        {"consents": {"a": DOCUMENT["consents"]["overflow"] | {"daily_cap": "1e309"}}},
        {"consents": {"a": DOCUMENT["consents"]["overflow"] | {"daily_cap": 10}}},
    )
    for document in cases:
        with subtests.test(document=document):
            answer = await light_world.call("POST", "/config/plan", {"document": document})
            assert answer.status == 400, answer.body
