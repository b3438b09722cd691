"""Grants, and the consents beside them, through the admin API."""

from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.domain.ids import TeamId
from tests.integration.admin.world import World

CONSENT: dict[str, Any] = {
    "data_classes": ["internal"],
    "reasons": ["down"],
    "daily_cap": "10",
    "monthly_cap": "100.5",
    "expires_at": "2026-06-01T00:00:00Z",
}


async def grant(world: World, **changes: Any) -> Any:
    return await world.post("/grants", {"team": world.team_id, **changes}, expect=201)


async def event_of(world: World, action: str) -> Any:
    [event] = (await world.get(f"/audit-events?action={action}"))["items"]
    return event


async def test_a_grant_is_created_shown_listed_and_revoked(world: World) -> None:
    credential = await world.add_credential("openai-eu")
    made = await grant(
        world,
        credentials=["openai-eu"],
        models=["gpt-5*"],
        endpoints=["chat"],
        condition='request.stream && tags.purpose == "lab"',
        note="the lab",
        expires_at="2026-02-01T00:00:00Z",
    )
    assert (made["subject_kind"], made["subject"], made["subject_id"]) == ("team", "Default team", world.team_id)
    assert (made["credential_ids"], made["credentials"]) == ([credential["id"]], ["openai-eu"])
    assert (made["effect"], made["state"], made["created_by"]) == ("allow", "active", world.member_id)
    event = await event_of(world, "grant.created")
    assert event["object_id"] == made["id"]
    assert event["details"]["condition"] == made["condition"]
    assert await world.get(f"/grants/{made['id']}") == made
    assert made in (await world.get("/grants"))["items"]
    revoked = await world.post(f"/grants/{made['id']}/revoke")
    assert (revoked["state"], revoked["revoked_at"]) == ("revoked", "2026-01-01T00:00:00Z")
    assert made["id"] not in {item["id"] for item in (await world.get("/grants?in_force=true"))["items"]}
    assert (await event_of(world, "grant.revoked"))["object_id"] == made["id"]


async def test_a_grant_is_for_a_team_a_member_a_service_account_or_everyone(world: World) -> None:
    key = await world.post("/virtual-keys", {"name": "ci", "team": world.team_id}, expect=201)
    account = key["virtual_key"]["principal_id"]
    for body, kind, subject in (
        ({"team": "Default team"}, "team", "Default team"),
        ({"member": world.member_id}, "member", "administrator"),
        ({"service_account": account}, "service_account", "ci"),
        ({"everyone": True}, "organization", None),
    ):
        made = await world.post("/grants", body, expect=201)
        assert (made["subject_kind"], made["subject"]) == (kind, subject)
        assert (made["credential_ids"], made["models"], made["endpoints"]) == (None, None, None)


async def test_a_grant_that_is_not_one_is_refused_with_the_reason_and_nothing_changes(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str, str | None], ...] = (
        ({}, "invalid_request", "team"),
        ({"everyone": True, "member": "administrator"}, "invalid_request", "team"),
        ({"team": "nowhere"}, "not_found", None),
        ({"everyone": True, "effect": "maybe"}, "invalid_request", "effect"),
        ({"everyone": True, "condition": "request.modle == 'x'"}, "condition_invalid", "condition"),
        ({"everyone": True, "condition": "request.model"}, "condition_invalid", "condition"),
        ({"everyone": True, "models": ["gpt-[5"]}, "pattern_invalid", "models"),
        ({"everyone": True, "models": []}, "invalid_request", "models"),
        ({"everyone": True, "credentials": ["nothing"]}, "credential_not_found", "credentials"),
        ({"everyone": True, "expires_at": "2025-12-31T00:00:00Z"}, "expiry_passed", "expires_at"),
        ({"everyone": True, "note": "two\nlines"}, "invalid_request", "note"),
    )
    before = await light_world.get("/grants"), await light_world.get("/audit-events")
    for body, code, param in cases:
        with subtests.test(body=body):
            answer = await light_world.call("POST", "/grants", body)
            assert answer.status in {400, 404}
            problem = answer.json()
            assert (problem["code"], problem.get("param")) == (code, param)
            assert (await light_world.get("/grants"), await light_world.get("/audit-events")) == before


async def test_another_organizations_credential_cannot_be_granted_and_a_platform_credential_can(world: World) -> None:
    theirs = await world.other_organization()
    await world.add_credential("mine")
    sold = await world.add_credential("sold", platform=True, margin_ppm=0)
    answer = await world.call("POST", "/grants", {"everyone": True, "credentials": ["mine"]}, token=theirs)
    assert (answer.status, answer.json()["code"]) == (404, "credential_not_found")
    answer = await world.call("POST", "/grants", {"everyone": True, "credentials": ["sold"]}, token=theirs)
    assert answer.status == 201, answer.body
    assert (answer.json()["credential_ids"], answer.json()["credentials"]) == ([sold["id"]], ["sold"])


async def test_who_adds_a_key_cannot_grant_it(light_world: World) -> None:
    custodian = await light_world.signed_in_as(Role.KEY_CUSTODIAN)
    assert (await light_world.call("GET", "/grants", token=custodian)).status == 200
    assert (await light_world.call("POST", "/grants", {"everyone": True}, token=custodian)).status == 403


async def test_who_holds_it_in_a_team_may_take_away_there_and_not_give(world: World) -> None:
    below = await world.post("/teams", {"name": "Below", "parent": world.team_id}, expect=201)
    elsewhere = await world.post("/teams", {"name": "Elsewhere"}, expect=201)
    there = await grant(world)
    far = await grant(world, team=elsewhere["id"])
    token = await world.signed_in_as(Role.ADMINISTRATOR, team_id=world.team_id)

    async def status(method: str, path: str, body: Any = None) -> int:
        return (await world.call(method, path, body, token=token)).status

    listed = (await world.call("GET", "/grants", token=token)).json()["items"]
    assert {item["id"] for item in listed} >= {there["id"]}
    assert far["id"] not in {item["id"] for item in listed}
    assert await status("GET", f"/grants/{far['id']}") == 404
    assert await status("POST", f"/grants/{far['id']}/revoke") == 404
    for team in (world.team_id, below["id"]):
        assert await status("POST", "/grants", {"team": team}) == 403
        assert await status("POST", "/grants", {"team": team, "effect": "deny", "models": ["o5"]}) == 201
    assert await status("POST", "/grants", {"team": elsewhere["id"], "effect": "deny"}) == 403
    assert await status("POST", "/grants", {"everyone": True, "effect": "deny"}) == 403
    denied = await grant(world, effect="deny")
    assert await status("POST", f"/grants/{denied['id']}/revoke") == 403
    assert await status("POST", f"/grants/{there['id']}/revoke") == 200


async def test_a_members_grants_are_their_teams_matter(light_world: World) -> None:
    elsewhere = await light_world.post("/teams", {"name": "Elsewhere"}, expect=201)
    mine = await grant(light_world, team=None, member=light_world.member_id)
    token = await light_world.signed_in_as(Role.ADMINISTRATOR, team_id=light_world.team_id)
    other = await light_world.signed_in_as(Role.ADMINISTRATOR, team_id=TeamId(elsewhere["id"]))
    assert (await light_world.call("GET", f"/grants/{mine['id']}", token=token)).status == 200
    assert (await light_world.call("GET", f"/grants/{mine['id']}", token=other)).status == 404
    ids = {item["id"] for item in (await light_world.call("GET", "/grants", token=token)).json()["items"]}
    assert mine["id"] in ids


async def test_a_consent_is_given_listed_and_revoked(world: World) -> None:
    given = await world.post("/consents", CONSENT | {"teams": ["Default team"], "note": "board"}, expect=201)
    assert (given["created_by"], given["state"]) == (world.member_id, "active")
    assert (given["teams"], given["team_ids"]) == (["Default team"], [world.team_id])
    assert (given["daily_cap"], given["monthly_cap"]) == ("10", "100.5")
    assert (await world.get("/consents"))["items"] == [given]
    assert [one.id for one in world.snapshots.current.rules[world.organization_id].consents] == [given["id"]]
    revoked = await world.post(f"/consents/{given['id']}/revoke")
    assert revoked["state"] == "revoked"
    assert (await world.get("/consents?in_force=true"))["items"] == []
    assert world.snapshots.current.rules[world.organization_id].consents == ()
    for action in ("consent.given", "consent.revoked"):
        assert (await event_of(world, action))["object_id"] == given["id"]


async def test_a_consent_that_is_not_one_is_refused_with_the_reason_and_nothing_changes(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str, str | None], ...] = (
        ({"expires_at": None}, "invalid_request", "expires_at"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "expiry_passed", "expires_at"),
        ({"expires_at": "2027-06-01T00:00:00Z"}, "expiry_too_far", "expires_at"),
        ({"expires_at": "2026-06-01T00:00:00"}, "invalid_request", "expires_at"),
        ({"daily_cap": "-1"}, "invalid_credits", "daily_cap"),
        ({"daily_cap": "0"}, "invalid_credits", "daily_cap"),
        ({"daily_cap": "1e309"}, "invalid_credits", "daily_cap"),
        ({"daily_cap": 1}, "invalid_request", "daily_cap"),
        ({"monthly_cap": "NaN"}, "invalid_credits", "monthly_cap"),
        ({"monthly_cap": "99999999"}, "invalid_credits", "monthly_cap"),
        ({"reasons": []}, "invalid_request", "reasons"),
        ({"reasons": ["auth_failed"]}, "reason_not_consentable", "reasons"),
        ({"data_classes": ["restricted"]}, "own_key_only", "data_classes"),
        ({"data_classes": ["nothing"]}, "data_class_unknown", "data_classes"),
        ({"teams": ["nowhere"]}, "not_found", None),
        ({"unlimited": True}, "invalid_request", None),
    )
    before = await light_world.get("/audit-events")
    for changes, code, param in cases:
        with subtests.test(changes=changes):
            answer = await light_world.call("POST", "/consents", CONSENT | changes)
            assert answer.status in {400, 404}
            problem = answer.json()
            assert (problem["code"], problem.get("param")) == (code, param)
            assert (await light_world.get("/consents"))["items"] == []
            assert await light_world.get("/audit-events") == before


async def test_a_consent_without_an_expiry_is_refused(light_world: World) -> None:
    body = {name: value for name, value in CONSENT.items() if name != "expires_at"}
    assert (await light_world.call("POST", "/consents", body)).status == 400


async def test_only_an_owner_consents(light_world: World) -> None:
    for role, status in ((Role.ADMINISTRATOR, 403), (Role.FINANCE, 403), (Role.OWNER, 201)):
        token = await light_world.signed_in_as(role)
        assert (await light_world.call("POST", "/consents", CONSENT, token=token)).status == status
