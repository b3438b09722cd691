"""Many organizations on one installation: made by its operator, and closed to each other and to them."""

from typing import Any

import pytest
from sqlalchemy import select

from keystead.domain.access import Role
from keystead.storage import governance, schema
from tests.integration.admin.world import World


async def made(world: World, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await world.post("/organizations", {"name": "Hospital"} | more, expect=201)
    return answer


async def test_an_operator_makes_an_organization_whose_owner_does_the_rest(world: World) -> None:
    new = await made(world, owner="Grace", time_zone="Europe/Berlin")
    assert (new["organization"]["name"], new["organization"]["currency"], new["organization"]["time_zone"]) == (
        "Hospital",
        "USD",
        "Europe/Berlin",
    )
    token = new["token"]
    who = (await world.call("GET", "/self", token=token)).json()
    assert (who["organization_id"], who["member"], who["operator"]) == (new["organization"]["id"], "Grace", False)
    assert "organization:write" in who["permissions"]
    assert not any(permission.startswith("platform:") for permission in who["permissions"])
    [team] = (await world.call("GET", "/teams", token=token)).json()["items"]
    assert (team["name"], team["cost_center"]) == ("Default team", "default")
    [sandbox] = (await world.call("GET", "/credentials", token=token)).json()["items"]
    assert (sandbox["name"], sandbox["active_version"]) == ("sandbox", 1), "its root key seals at once"
    assert (await world.call("POST", "/teams", {"name": "Ward 7"}, token=token)).status == 201


async def test_a_currency_in_which_no_budget_could_be_is_refused_with_the_reason(light_world: World) -> None:
    answer = await light_world.call("POST", "/organizations", {"name": "Hospital", "currency": "EUR"})
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (400, "currency_not_counted", "currency")
    assert "no exchange rate" in answer.json()["detail"]


async def test_a_new_organization_grants_nothing_unless_that_was_asked(world: World) -> None:
    closed, opened = await made(world), await made(world, open=True)
    grants = governance.grants.c
    async with world.database.read() as conn:
        rows = (await conn.execute(select(grants.organization_id, grants.effect, grants.subject_kind))).all()
    assert [row for row in rows if row.organization_id == closed["organization"]["id"]] == []
    assert [tuple(row) for row in rows if row.organization_id == opened["organization"]["id"]] == [
        (opened["organization"]["id"], "allow", "organization")
    ]


async def test_the_first_organization_begins_with_a_grant_so_that_the_first_request_works(world: World) -> None:
    async with world.database.read() as conn:
        [grant] = (await conn.execute(select(governance.grants))).mappings().all()
    assert (grant["effect"], grant["subject_kind"], grant["subject_id"]) == (
        "allow",
        "organization",
        world.organization_id,
    )
    assert grant["id"].startswith("grt_")
    assert (grant["credentials"], grant["models"], grant["endpoints"], grant["condition"], grant["expires_at"]) == (
        None,
        None,
        None,
        "",
        None,
    )
    assert "everybody" in grant["note"]


async def test_an_operator_sees_which_organizations_there_are_and_nothing_of_what_is_in_them(world: World) -> None:
    world.clock.advance(1)
    new = await made(world)
    listed = await world.get("/organizations")
    assert [item["name"] for item in listed["items"]] == ["Hospital", "Default organization"]
    told = {"id", "name", "currency", "time_zone", "created_at"}
    assert set(listed["items"][0]) == told
    owner = new["owner"]["id"]
    for path in (f"/members/{owner}/disable", f"/members/{owner}/assign"):
        body = {"role": "auditor"} if path.endswith("assign") else {}
        assert (await world.call("POST", path, body)).status == 404
    assert owner not in (await world.call("GET", "/members")).body.decode()
    answer = await world.call("POST", "/admin-tokens", {"name": "back door", "member": owner})
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_only_an_operator_makes_organizations_and_operators(light_world: World) -> None:
    world = light_world
    owner = (await made(world))["token"]
    only_operator = await world.signed_in_as(None, operator=True)
    for token, status in ((owner, 403), (await world.signed_in_as(Role.OWNER), 403), (only_operator, 201)):
        assert (await world.call("POST", "/organizations", {"name": "New"}, token=token)).status == status
    assert (await world.call("GET", "/teams", token=only_operator)).status == 403
    person = {"name": "Eve", "team": "Default team", "roles": [{"role": "auditor"}], "operator": True}
    answer = await world.call("POST", "/members", person, token=owner)
    assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    assert (await world.post("/members", person, expect=201))["operator"] is True


async def test_an_owner_renames_the_organization_and_sets_its_time_zone(world: World) -> None:
    changed = await world.post("/organization/change", {"time_zone": "America/New_York"})
    assert (changed["name"], changed["time_zone"]) == ("Default organization", "America/New_York")
    world.clock.advance(1)
    assert (await world.post("/organization/change", {"name": "Acme"}))["name"] == "Acme"
    assert (await world.get("/organization"))["time_zone"] == "America/New_York"
    event = (await world.get("/audit-events"))["items"][0]
    before = {"name": "Default organization", "time_zone": "America/New_York", "second_factor_required": False}
    assert event["details"]["before"] == before
    administrator = await world.signed_in_as(Role.ADMINISTRATOR)
    assert (await world.call("POST", "/organization/change", {"name": "Mine"}, token=administrator)).status == 403


async def test_a_time_zone_that_does_not_exist_is_refused_with_nothing_applied(
    light_world: World, subtests: pytest.Subtests
) -> None:
    refused = (400, "time_zone_unknown", "time_zone")
    for zone in ("Mars/Olympus", "europe/berlin", "../../etc/passwd", "localtime", "CEST", "+02:00", "Europe/Berlin "):
        with subtests.test(zone=zone):
            for path, body in (("/organization/change", {"name": "Acme"}), ("/organizations", {"name": "Hospital"})):
                answer = await light_world.call("POST", path, body | {"time_zone": zone})
                assert (answer.status, answer.json()["code"], answer.json()["param"]) == refused
            [only] = (await light_world.get("/organizations"))["items"]
            assert only["name"] == "Default organization"
    assert (await light_world.call("POST", "/organization/change", {})).status == 400


async def test_the_new_owners_token_is_shown_once_and_not_kept(light_world: World) -> None:
    new = await made(light_world)
    secret = new["token"][-50:-7].encode()
    async with light_world.database.read() as conn:
        rows = (await conn.execute(select(schema.admin_tokens))).all()
    assert not any(secret in str(row).encode() for row in rows)
    for path in ("/admin-tokens", "/audit-events"):
        assert secret not in (await light_world.call("GET", path, token=new["token"])).body
        assert secret not in (await light_world.call("GET", path)).body
