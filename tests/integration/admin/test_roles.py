"""Members, their roles and their tokens: nobody gives more than they hold, and an owner is always left."""

import asyncio
from typing import Any

import pytest

from keystead.domain.access import PERMISSIONS, PLATFORM, Permission, Role
from keystead.domain.ids import TeamId
from tests.integration.admin.world import World


async def person(world: World, name: str, *roles: str, team: str | None = None) -> dict[str, Any]:
    """Make a member of the default team with `roles`, in `team` or in the whole organization."""
    given = [{"role": role, "team": team} for role in roles]
    body = {"name": name, "team": world.team_id, "roles": given}
    answer: dict[str, Any] = await world.post("/members", body, expect=201)
    return answer


async def token_of(world: World, name: str) -> str:
    return str((await world.post("/admin-tokens", {"name": name, "member": name}, expect=201))["token"])


async def who(world: World, token: str) -> Any:
    return (await world.call("GET", "/self", token=token)).json()


async def test_a_member_has_any_number_of_roles_in_the_organization_and_in_teams(world: World) -> None:
    sales = await world.post("/teams", {"name": "Sales"}, expect=201)
    roles = [{"role": "finance"}, {"role": "administrator", "team": "Sales"}]
    ada = await world.post("/members", {"name": "Ada", "team": "Sales", "roles": roles}, expect=201)
    assert [(role["name"], role["team"]) for role in ada["roles"]] == [("administrator", "Sales"), ("finance", None)]
    held = await who(world, await token_of(world, "Ada"))
    assert set(held["permissions"]) == PERMISSIONS[Role.FINANCE]
    [in_sales] = held["in_teams"]
    assert in_sales["team_id"] == sales["id"]
    assert set(in_sales["permissions"]) == PERMISSIONS[Role.ADMINISTRATOR] - PERMISSIONS[Role.FINANCE]


async def test_a_role_is_given_and_taken_and_counts_at_once(world: World) -> None:
    await person(world, "Ada", "developer")
    token = await token_of(world, "Ada")
    assert (await world.call("GET", "/audit-events", token=token)).status == 403
    world.clock.advance(1)
    ada = await world.post("/members/Ada/assign", {"role": "auditor"})
    assert [role["role"] for role in ada["roles"]] == ["developer", "auditor"]
    assert (await world.call("GET", "/audit-events", token=token)).status == 200
    again = await world.call("POST", "/members/Ada/assign", {"role": "auditor"})
    assert (again.status, again.json()["code"]) == (409, "role_assigned")
    await world.post("/members/Ada/unassign", {"role": "auditor"})
    assert (await world.call("GET", "/audit-events", token=token)).status == 403
    for body in ({"role": "auditor"}, {"role": "developer", "team": world.team_id}):
        answer = await world.call("POST", "/members/Ada/unassign", body)
        assert (answer.status, answer.json()["code"]) == (404, "role_not_assigned")
    assert (await world.call("POST", "/members/Ada/assign", {"role": "emperor"})).status == 404


async def test_nobody_takes_away_the_last_owner(world: World) -> None:
    owner = {"role": "owner"}
    answer = await world.call("POST", f"/members/{world.member_id}/unassign", owner)
    assert (answer.status, answer.json()["code"]) == (409, "last_owner")
    await person(world, "Ada", "owner")
    ada = await token_of(world, "Ada")
    # Owners of one team are none of the organization.
    await person(world, "Ben", "owner", team=world.team_id)
    answers = await asyncio.gather(
        world.call("POST", "/members/Ada/unassign", owner),
        world.call("POST", f"/members/{world.member_id}/unassign", owner, token=ada),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_a_disabled_owner_does_not_count(world: World) -> None:
    await person(world, "Ada", "owner")
    await world.post("/members/Ada/disable")
    answer = await world.call("POST", f"/members/{world.member_id}/unassign", {"role": "owner"})
    assert (answer.status, answer.json()["code"]) == (409, "last_owner")
    answer = await world.call("POST", "/members/Ada/assign", {"role": "auditor"})
    assert (answer.status, answer.json()["code"]) == (409, "member_disabled")


async def test_the_platform_keeps_an_operator(world: World) -> None:
    body = {"name": "Second", "team": world.team_id, "roles": [{"role": "owner"}], "operator": True}
    await world.post("/members", body, expect=201)
    second = await token_of(world, "Second")
    await person(world, "Ada", "owner")
    ada = await token_of(world, "Ada")
    answer = await world.call("POST", f"/members/{world.member_id}/disable", token=ada)
    assert (answer.status, answer.json()["code"]) == (403, "more_than_held"), "an owner is no operator"
    answers = await asyncio.gather(
        world.call("POST", "/members/Second/disable"),
        world.call("POST", f"/members/{world.member_id}/disable", token=second),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "last_operator"}


async def test_a_token_of_somebody_who_holds_more_cannot_be_had(world: World) -> None:
    await person(world, "Olga", "owner")
    await person(world, "Adam", "administrator")
    await person(world, "Dev", "developer")
    adam = await token_of(world, "Adam")
    for name, status in (("Olga", 403), (world.member_id, 403), ("Adam", 201), ("Dev", 201)):
        body = {"name": f"of {name}", "member": name}
        answer = await world.call("POST", "/admin-tokens", body, token=adam)
        assert answer.status == status, name
    olgas = await world.post("/admin-tokens", {"name": "hers", "member": "Olga"}, expect=201)
    path = f"/admin-tokens/{olgas['admin_token']['id']}/revoke"
    assert (await world.call("POST", path, token=adam)).json()["code"] == "more_than_held"
    assert (await world.call("POST", "/members/Olga/disable", token=adam)).json()["code"] == "more_than_held"
    assert (await world.call("POST", "/members/Olga/unassign", {"role": "owner"}, token=adam)).status == 403
    # What an administrator holds they do give, and take.
    assert (await world.call("POST", "/members/Dev/assign", {"role": "administrator"}, token=adam)).status == 200
    assert (await world.call("POST", "/members/Dev/disable", token=adam)).status == 200


async def test_a_team_lead_hires_and_gives_roles_in_their_team_alone(light_world: World) -> None:
    world = light_world
    sales = await world.post("/teams", {"name": "Sales"}, expect=201)
    lead = await world.signed_in_as(Role.ADMINISTRATOR, team_id=TeamId(sales["id"]))
    await person(world, "Ada", "developer")

    def hired(team: str, role: str, where: str | None) -> dict[str, Any]:
        return {"name": f"{team} {role} {where}", "team": team, "roles": [{"role": role, "team": where}]}

    for body, status in (
        (hired("Sales", "developer", "Sales"), 201),
        (hired("Sales", "administrator", "Sales"), 201),
        (hired("Sales", "developer", None), 403),
        (hired("Sales", "owner", "Sales"), 403),
        (hired("Default team", "developer", "Sales"), 403),
        (hired("Sales", "developer", "Default team"), 403),
    ):
        answer = await world.call("POST", "/members", body, token=lead)
        assert answer.status == status, body
    names = [item["name"] for item in (await world.call("GET", "/members", token=lead)).json()["items"]]
    assert "Sales developer None" not in names, "nothing is half done"
    assert "Ada" not in names
    assert (await world.call("POST", "/members/Ada/disable", token=lead)).status == 403
    assert (await world.call("POST", "/members/Ada/assign", {"role": "developer"}, token=lead)).status == 403
    body = {"role": "developer", "team": "Sales"}
    assert (await world.call("POST", "/members/Ada/assign", body, token=lead)).status == 200
    assert (await world.call("POST", "/members/Ada/unassign", body, token=lead)).status == 200
    for path in ("/credentials", "/audit-events", "/price-overrides"):
        assert (await world.call("GET", path, token=lead)).status == 403, path


async def test_an_own_role_is_a_named_set_of_permissions(world: World) -> None:
    body = {"name": "releaser", "permissions": ["key:write", "key:read", "key:read"]}
    role = await world.post("/roles", body, expect=201)
    assert (role["built_in"], role["permissions"]) == (False, ["key:read", "key:write"])
    ada = await person(world, "Ada", "releaser", team=world.team_id)
    assert [(one["role"], one["name"]) for one in ada["roles"]] == [(role["id"], "releaser")]
    token = await token_of(world, "Ada")
    assert (await who(world, token))["in_teams"][0]["permissions"] == ["key:read", "key:write"]
    changed = await world.post("/roles/releaser/change", {"permissions": ["key:read"]})
    assert changed["permissions"] == ["key:read"]
    assert (await who(world, token))["in_teams"][0]["permissions"] == ["key:read"]
    answer = await world.call("POST", "/roles/releaser/delete")
    assert (answer.status, answer.json()["code"]) == (409, "role_in_use")
    await world.post("/members/Ada/unassign", {"role": "releaser", "team": world.team_id})
    await world.post("/roles/releaser/delete")
    listed = (await world.get("/roles"))["items"]
    assert [item["name"] for item in listed] == [role.value for role in Role]
    assert {item["name"]: set(item["permissions"]) for item in listed} == {
        role.value: set(PERMISSIONS[role]) for role in Role
    }


async def test_a_role_that_cannot_be_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[Any, int, str], ...] = (
        ({"name": "owner", "permissions": ["key:read"]}, 409, "name_taken"),
        ({"name": "a", "permissions": []}, 400, "invalid_request"),
        ({"name": "a", "permissions": ["key:everything"]}, 400, "invalid_request"),
        ({"name": "a", "permissions": ["*"]}, 400, "invalid_request"),
        *[({"name": "a", "permissions": [permission.value]}, 400, "platform_permission") for permission in PLATFORM],
    )
    for body, status, code in cases:
        with subtests.test(body=body):
            answer = await light_world.call("POST", "/roles", body)
            assert (answer.status, answer.json()["code"]) == (status, code)
            assert len((await light_world.get("/roles"))["items"]) == len(Role)


async def test_a_role_of_more_than_one_holds_is_neither_made_nor_changed_nor_deleted(light_world: World) -> None:
    world = light_world
    await world.post("/roles", {"name": "strong", "permissions": ["consent:write", "key:read"]}, expect=201)
    adam = await world.signed_in_as(Role.ADMINISTRATOR)
    for path, body in (
        ("/roles", {"name": "mine", "permissions": ["consent:write"]}),
        ("/roles/strong/change", {"permissions": ["key:read"]}),
        ("/roles/strong/delete", {}),
        ("/members", {"name": "Eve", "team": world.team_id, "roles": [{"role": "strong"}]}),
    ):
        answer = await world.call("POST", path, body, token=adam)
        assert (answer.status, answer.json()["code"]) == (403, "more_than_held"), path
    await world.post("/roles", {"name": "weak", "permissions": ["key:read"]}, expect=201)
    answer = await world.call("POST", "/roles/weak/change", {"permissions": ["consent:write"]}, token=adam)
    assert (answer.status, answer.json()["code"]) == (403, "more_than_held")
    lead = await world.signed_in_as(Role.OWNER, team_id=world.team_id)
    answer = await world.call("POST", "/roles", {"name": "mine", "permissions": ["key:read"]}, token=lead)
    assert answer.status == 403, "a role can be given anywhere, so it takes the whole organization"


async def test_another_organizations_role_is_nobodys(light_world: World) -> None:
    world = light_world
    role = await world.post("/roles", {"name": "strong", "permissions": ["key:read"]}, expect=201)
    stranger = await world.other_organization()
    for name in (role["id"], "strong"):
        body = {"name": "Eve", "team": "Default team", "roles": [{"role": name}]}
        assert (await world.call("POST", "/members", body, token=stranger)).status == 404
        assert (await world.call("POST", f"/roles/{name}/delete", token=stranger)).status == 404
    mine = await world.call("POST", "/roles", {"name": "strong", "permissions": ["key:read"]}, token=stranger)
    assert mine.status == 201


async def test_the_permissions_of_the_api_are_those_there_are(light_world: World) -> None:
    everything = [permission.value for permission in Permission if permission not in PLATFORM]
    role = await light_world.post("/roles", {"name": "all", "permissions": everything}, expect=201)
    assert set(role["permissions"]) == PERMISSIONS[Role.OWNER]
