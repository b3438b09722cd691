"""Virtual keys and the principals they act for: what a key is narrowed to, and who may issue which."""

from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.domain.errors import AuthenticationError
from keystead.domain.ids import TeamId
from keystead.domain.traffic import Endpoint
from tests.integration.admin.world import World, provider_key


async def me(world: World, token: str) -> dict[str, Any]:
    found: dict[str, Any] = (await world.call("GET", "/self", token=token)).json()
    return found


async def test_a_key_is_narrowed_to_endpoints_networks_a_class_and_a_length(world: World) -> None:
    body = {
        "name": "narrow",
        "team": world.team_id,
        "endpoints": ["embeddings", "chat", "embeddings"],
        "networks": ["10.0.0.0/8", "192.0.2.7", "2001:DB8::/32"],
        "data_class": "confidential",
        "max_output_tokens": 4096,
    }
    issued = await world.post("/virtual-keys", body, expect=201)
    shown = issued["virtual_key"]
    assert (shown["endpoints"], shown["networks"], shown["data_class"], shown["max_output_tokens"]) == (
        ["embeddings", "chat"],
        ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"],
        "confidential",
        4096,
    )
    key = world.snapshots.virtual_key(issued["key"])
    assert (key.endpoints, key.networks, key.data_class, key.max_output_tokens) == (
        (Endpoint.EMBEDDINGS, Endpoint.CHAT),
        ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"),
        "confidential",
        4096,
    )
    [listed] = [item for item in (await world.get("/virtual-keys"))["items"] if item["name"] == "narrow"]
    assert listed == shown
    event = (await world.get("/audit-events?action=virtual_key.created"))["items"][0]
    assert event["details"]["narrowing"]["networks"] == shown["networks"]


async def test_a_key_is_narrowed_to_credentials_of_its_organization_and_of_the_platform(world: World) -> None:
    theirs = await world.other_organization()
    own, sold = await world.add_credential("own"), await world.add_credential("sold", platform=True, margin_ppm=0)
    for number, named in enumerate((["sold"], [sold["id"]], ["own", "sold", sold["id"]])):
        body = {"name": f"k{number}", "team": world.team_id, "credentials": named}
        shown = (await world.post("/virtual-keys", body, expect=201))["virtual_key"]
        assert shown["credential_ids"] == ([own["id"], sold["id"]] if "own" in named else [sold["id"]])

    [team] = (await world.call("GET", "/teams", token=theirs)).json()["items"]
    for name, expected in (("sold", 201), (sold["id"], 201), ("own", 404), (own["id"], 404), ("cred_none", 404)):
        body = {"name": f"theirs by {len(name)}", "team": team["id"], "credentials": [name]}
        answer = await world.call("POST", "/virtual-keys", body, token=theirs)
        assert answer.status == expected, answer.body
    name_is_theirs = {"name": "sold", "provider": "openai", "key": provider_key("theirs")}
    their_own = (await world.call("POST", "/credentials", name_is_theirs, token=theirs)).json()["credential"]
    body = {"name": "mine first", "team": team["id"], "credentials": ["sold"]}
    issued = (await world.call("POST", "/virtual-keys", body, token=theirs)).json()
    assert issued["virtual_key"]["credential_ids"] == [their_own["id"]]


async def test_an_absurd_narrowing_is_refused_and_no_account_is_left_behind(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[Any, str], ...] = (
        ({"endpoints": []}, "invalid_request"),
        ({"endpoints": ["everything"]}, "invalid_request"),
        ({"networks": []}, "invalid_request"),
        ({"networks": ["10.0.0.1/8"]}, "network_invalid"),
        ({"networks": ["10.0.0.0/8", "nowhere"]}, "network_invalid"),
        ({"data_class": "top secret"}, "data_class_unknown"),
        ({"data_class": "\x00"}, "invalid_request"),
        ({"max_output_tokens": 0}, "invalid_request"),
        ({"max_output_tokens": -1}, "invalid_request"),
        ({"max_output_tokens": 1e300}, "invalid_request"),
        ({"max_output_tokens": True}, "invalid_request"),
        ({"digest": "x"}, "invalid_request"),
    )
    body = {"name": "k", "team": light_world.team_id}
    for changes, code in cases:
        with subtests.test(changes=changes):
            answer = await light_world.call("POST", "/virtual-keys", body | changes)
            assert (answer.status, answer.json()["code"]) == (400, code)
            [account] = (await light_world.get("/service-accounts"))["items"]
            assert account["name"] == "first key"


async def test_a_service_account_lives_from_its_creation_to_its_end(world: World) -> None:
    world.clock.advance(1)
    account = await world.post("/service-accounts", {"name": "nightly", "team": "Default team"}, expect=201)
    assert (account["team"], account["created_by"], account["disabled_at"]) == (
        "Default team",
        world.member_id,
        None,
    )
    keys = []
    for number, reference in enumerate(("nightly", account["id"])):
        body = {"name": f"k{number}", "team": "Default team", "service_account": reference}
        issued = await world.post("/virtual-keys", body, expect=201)
        assert issued["virtual_key"]["principal"] == "nightly"
        keys.append(issued["key"])
    assert [item["name"] for item in (await world.get("/service-accounts"))["items"]] == ["nightly", "first key"]
    answer = await world.call("POST", "/service-accounts", {"name": "nightly", "team": "Default team"})
    assert (answer.status, answer.json()["code"]) == (409, "name_taken")
    disabled = await world.post("/service-accounts/nightly/disable")
    assert disabled["disabled_at"] == "2026-01-01T00:00:01Z"
    for key in keys:
        with pytest.raises(AuthenticationError):
            world.snapshots.virtual_key(key)
    world.clock.advance(60)
    assert await world.post("/service-accounts/nightly/disable") == disabled
    body = {"name": "k2", "team": "Default team", "service_account": "nightly"}
    answer = await world.call("POST", "/virtual-keys", body)
    assert (answer.status, answer.json()["code"]) == (409, "service_account_disabled")


async def test_a_key_for_nobody_makes_a_service_account_of_its_name(world: World) -> None:
    world.clock.advance(1)
    issued = await world.post("/virtual-keys", {"name": "ci", "team": "Default team"}, expect=201)
    [account, _] = (await world.get("/service-accounts"))["items"]
    assert (account["name"], account["id"]) == ("ci", issued["virtual_key"]["principal_id"])
    await world.post("/service-accounts", {"name": "taken", "team": "Default team"}, expect=201)
    answer = await world.call("POST", "/virtual-keys", {"name": "taken", "team": "Default team"})
    assert (answer.status, answer.json()["code"]) == (409, "name_taken")
    assert all(item["name"] != "taken" for item in (await world.get("/virtual-keys"))["items"])


async def test_a_developer_issues_lists_and_revokes_their_own_keys_and_no_others(world: World) -> None:
    await world.post("/teams", {"name": "Other"}, expect=201)
    developer = await world.signed_in_as(Role.DEVELOPER, team_id=world.team_id, scoped=False)
    mine = (await me(world, developer))["member_id"]
    colleague = (await me(world, await world.signed_in_as(Role.DEVELOPER)))["member_id"]
    for body, status in (
        ({"name": "laptop", "team": "Default team", "member": mine}, 201),
        ({"name": "x", "team": "Other", "member": mine}, 403),
        ({"name": "x", "team": "Default team", "member": colleague}, 403),
        ({"name": "x", "team": "Default team"}, 403),
    ):
        answer = await world.call("POST", "/virtual-keys", body, token=developer)
        assert answer.status == status, body
    [seen] = (await world.call("GET", "/virtual-keys", token=developer)).json()["items"]
    assert (seen["name"], seen["principal_id"]) == ("laptop", mine)
    for name in ("first key", "nothing"):
        answer = await world.call("POST", f"/virtual-keys/{name.replace(' ', '%20')}/revoke", token=developer)
        assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert (await world.call("POST", "/virtual-keys/laptop/revoke", token=developer)).status == 200
    assert (
        await world.call("POST", "/service-accounts", {"name": "x", "team": "Other"}, token=developer)
    ).status == 403


async def test_a_developer_of_another_team_may_issue_a_key_there_too(light_world: World) -> None:
    world = light_world
    for team in ("Other", "Third"):
        await world.post("/teams", {"name": team}, expect=201)
    roles = [{"role": "developer", "team": "Other"}]
    ada = await world.post("/members", {"name": "Ada", "team": "Default team", "roles": roles}, expect=201)
    token = (await world.post("/admin-tokens", {"name": "t", "member": "Ada"}, expect=201))["token"]
    for team, status in (("Other", 201), ("Default team", 403), ("Third", 403)):
        body = {"name": f"in {team}", "team": team, "member": ada["id"]}
        assert (await world.call("POST", "/virtual-keys", body, token=token)).status == status, team


async def test_who_administers_a_team_issues_keys_in_it_for_those_who_belong_to_it(light_world: World) -> None:
    world = light_world
    sales = await world.post("/teams", {"name": "Sales"}, expect=201)
    await world.post("/teams", {"name": "EMEA", "parent": "Sales"}, expect=201)
    lead = await world.signed_in_as(Role.ADMINISTRATOR, team_id=TeamId(sales["id"]))
    await world.post("/members", {"name": "Out", "team": "Default team", "roles": [{"role": "developer"}]}, expect=201)
    await world.post("/members", {"name": "In", "team": "EMEA", "roles": [{"role": "developer"}]}, expect=201)
    await world.post("/service-accounts", {"name": "outside", "team": "Default team"}, expect=201)
    for body, status in (
        ({"name": "1", "team": "Sales", "member": "In"}, 201),
        ({"name": "2", "team": "EMEA"}, 201),
        ({"name": "3", "team": "Default team", "member": "In"}, 403),
        # The key would use what is granted to somebody of another team.
        ({"name": "4", "team": "Sales", "member": "Out"}, 403),
        ({"name": "5", "team": "Sales", "service_account": "outside"}, 403),
        ({"name": "6", "team": "Default team"}, 403),
    ):
        assert (await world.call("POST", "/virtual-keys", body, token=lead)).status == status, body
    seen = (await world.call("GET", "/virtual-keys", token=lead)).json()["items"]
    assert sorted(item["name"] for item in seen) == ["1", "2"]
    accounts = (await world.call("GET", "/service-accounts", token=lead)).json()["items"]
    assert [item["name"] for item in accounts] == ["2"]
    first = (await world.get("/virtual-keys?team=Default%20team"))["items"][0]
    assert (await world.call("POST", f"/virtual-keys/{first['id']}/revoke", token=lead)).status == 404
    assert (await world.call("POST", "/virtual-keys/2/revoke", token=lead)).status == 200
