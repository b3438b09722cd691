"""Virtual keys, admin tokens, teams and members."""

import asyncio

import pytest
from sqlalchemy import func, select

from keystead.domain.access import PERMISSIONS, Role, VirtualKey
from keystead.domain.errors import AuthenticationError
from keystead.domain.ids import TeamId
from keystead.domain.secret import Secret
from keystead.identity import audit, directory
from keystead.identity.bootstrap import Bootstrap, bootstrap
from keystead.storage import governance, schema, sign_in
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.integration.admin.world import World

PEPPER = b"p" * 32


async def test_the_first_start_makes_everything_once_however_many_start(database: Database, clock: FakeClock) -> None:
    async def start() -> Bootstrap | None:
        async with database.write() as conn:
            return await bootstrap(conn, clock=clock, pepper=PEPPER)

    made = [first for first in await asyncio.gather(*(start() for _ in range(4))) if first is not None]
    assert len(made) == 1
    assert await start() is None
    async with database.read() as conn:
        for table in (
            schema.organizations,
            schema.teams,
            schema.members,
            schema.admin_tokens,
            schema.virtual_keys,
            governance.service_accounts,
            governance.role_assignments,
            governance.grants,
        ):
            assert (await conn.execute(select(func.count()).select_from(table))).scalar_one() == 1
        [key] = await directory.virtual_keys(conn)
        [token] = await directory.admin_tokens(conn)
    first = made[0]
    assert (first.organization.name, first.team.name, first.team.cost_center(clock.now_us())) == (
        "Default organization",
        "Default team",
        "default",
    )
    assert (key.name, key.principal_kind, key.expires_at) == ("first key", "service_account", None)
    assert (first.member.name, token.administrator.operator) == ("administrator", True)
    assert token.administrator.everywhere == PERMISSIONS[Role.OWNER], "an owner, who runs the platform as well"


async def test_the_first_key_works_on_the_data_plane(light_world: World) -> None:
    assert light_world.snapshots.virtual_key(light_world.key).name == "first key"


async def test_a_virtual_key_works_until_it_is_revoked(world: World) -> None:
    issued = await world.post("/virtual-keys", {"name": "ci", "team": "Default team"}, expect=201)
    assert issued["virtual_key"] | {"principal_id": ""} == {
        "id": issued["virtual_key"]["id"],
        "name": "ci",
        "team_id": world.team_id,
        "team": "Default team",
        "principal_kind": "service_account",
        "principal_id": "",
        "principal": "ci",
        "models": None,
        "credential_ids": None,
        "endpoints": None,
        "networks": None,
        "data_class": "",
        "max_output_tokens": None,
        "state": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "created_by": world.member_id,
        "expires_at": None,
        "revoked_at": None,
        "tags": {},
    }
    assert world.snapshots.virtual_key(issued["key"]).id == issued["virtual_key"]["id"]
    revoked = await world.post("/virtual-keys/ci/revoke")
    assert (revoked["state"], revoked["revoked_at"]) == ("revoked", "2026-01-01T00:00:00Z")
    with pytest.raises(AuthenticationError):
        world.snapshots.virtual_key(issued["key"])
    world.clock.advance(60)
    assert await world.post("/virtual-keys/ci/revoke") == revoked


async def test_a_virtual_key_is_narrowed_to_what_was_asked(world: World) -> None:
    main = await world.add_credential("main")
    spare = await world.add_credential("spare")
    issued = await world.post(
        "/virtual-keys",
        {
            "name": "narrow",
            "team": world.team_id,
            "models": ["gpt-5*", "anthropic/*"],
            "credentials": ["spare", main["id"], "spare"],
            "expires_at": "2026-01-01T02:00:00+01:00",
        },
        expect=201,
    )
    key: VirtualKey = world.snapshots.virtual_key(issued["key"])
    assert key.models == ("gpt-5*", "anthropic/*")
    assert key.credential_ids == (spare["id"], main["id"])
    assert issued["virtual_key"]["expires_at"] == "2026-01-01T01:00:00Z"
    world.clock.advance(3600)
    with pytest.raises(AuthenticationError):
        world.snapshots.virtual_key(issued["key"])
    [shown] = [key for key in (await world.get("/virtual-keys"))["items"] if key["name"] == "narrow"]
    assert shown["state"] == "expired"


async def test_a_members_keys_stop_with_the_member(world: World) -> None:
    await world.post("/members", {"name": "Ada", "team": "Default team", "roles": [{"role": "developer"}]}, expect=201)
    issued = await world.post("/virtual-keys", {"name": "ada", "team": "Default team", "member": "Ada"}, expect=201)
    assert (issued["virtual_key"]["principal_kind"], issued["virtual_key"]["principal"]) == ("member", "Ada")
    world.snapshots.virtual_key(issued["key"])
    await world.post("/members/Ada/disable")
    with pytest.raises(AuthenticationError):
        world.snapshots.virtual_key(issued["key"])
    answer = await world.call("POST", "/virtual-keys", {"name": "ada 2", "team": "Default team", "member": "Ada"})
    assert (answer.status, answer.json()["code"]) == (409, "member_disabled")


async def test_a_service_account_can_get_a_second_key(world: World) -> None:
    first = await world.post("/virtual-keys", {"name": "ci 1", "team": "Default team"}, expect=201)
    account = first["virtual_key"]["principal_id"]
    body = {"name": "ci 2", "team": "Default team", "service_account": account}
    second = await world.post("/virtual-keys", body, expect=201)
    assert second["virtual_key"]["principal_id"] == account
    stranger = await world.other_organization()
    theirs = {"name": "x", "team": "Other team", "service_account": account}
    assert (await world.call("POST", "/virtual-keys", theirs, token=stranger)).status == 404
    both = {"name": "x", "team": "Default team", "service_account": account, "member": "administrator"}
    assert (await world.call("POST", "/virtual-keys", both)).status == 400


async def test_what_a_key_refers_to_must_be_ones_own(world: World) -> None:
    credential = await world.add_credential("main")
    stranger = await world.other_organization()
    for changes in (
        {"team": world.team_id},
        {"team": "Other team", "member": world.member_id},
        {"team": "Other team", "credentials": [credential["id"]]},
        {"team": "Other team", "credentials": ["main"]},
    ):
        answer = await world.call("POST", "/virtual-keys", {"name": "x"} | changes, token=stranger)
        assert answer.status == 404, changes
    assert (await world.call("GET", "/virtual-keys", token=stranger)).json()["items"] == []
    [key] = (await world.get("/virtual-keys"))["items"]
    assert (await world.call("POST", f"/virtual-keys/{key['id']}/revoke", token=stranger)).status == 404


async def test_lists_come_in_pages_newest_first(world: World) -> None:
    for number in range(4):
        world.clock.advance(1)
        await world.post("/virtual-keys", {"name": f"key {number}", "team": "Default team"}, expect=201)
    first = await world.get("/virtual-keys?limit=2")
    second = await world.get(f"/virtual-keys?limit=2&cursor={first['next_cursor']}")
    third = await world.get(f"/virtual-keys?limit=2&cursor={second['next_cursor']}")
    names = [key["name"] for page in (first, second, third) for key in page["items"]]
    assert names == ["key 3", "key 2", "key 1", "key 0", "first key"]
    assert third["next_cursor"] is None
    assert first["items"][0]["id"] not in first["next_cursor"]


async def test_the_token_in_use_cannot_revoke_itself_nor_its_member_disable_themselves(light_world: World) -> None:
    [token] = (await light_world.get("/admin-tokens"))["items"]
    assert (token["name"], token["member"], token["state"]) == ("first token", "administrator", "active")
    answer = await light_world.call("POST", f"/admin-tokens/{token['id']}/revoke")
    assert (answer.status, answer.json()["code"]) == (409, "token_in_use")
    answer = await light_world.call("POST", "/members/administrator/disable")
    assert (answer.status, answer.json()["code"]) == (409, "self_disable")
    assert (await light_world.get("/self"))["member_id"] == light_world.member_id


async def test_teams_and_members_belong_to_the_organization(world: World) -> None:
    world.clock.advance(1)
    team = await world.post("/teams", {"name": "Research", "cost_center": "R&D/4711"}, expect=201)
    answer = await world.call("POST", "/teams", {"name": "Research"})
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (409, "name_taken", "name")
    member = await world.post(
        "/members", {"name": "Ada", "team": "Research", "roles": [{"role": "key_custodian"}]}, expect=201
    )
    assert (member["team"], [role["role"] for role in member["roles"]]) == ("Research", ["key_custodian"])
    assert [row["name"] for row in (await world.get("/teams"))["items"]] == ["Research", "Default team"]
    assert [row["name"] for row in (await world.get("/members"))["items"]] == ["Ada", "administrator"]
    organization = await world.get("/organization")
    assert (organization["id"], organization["currency"]) == (world.organization_id, "USD")
    stranger = await world.other_organization()
    body = {"name": "Eve", "team": team["id"], "roles": [{"role": "administrator"}]}
    assert (await world.call("POST", "/members", body, token=stranger)).status == 404
    assert (await world.call("POST", f"/members/{member['id']}/disable", token=stranger)).status == 404
    # The same name is free in another organization.
    assert (await world.call("POST", "/teams", {"name": "Research"}, token=stranger)).status == 201


async def test_a_secret_cannot_get_into_the_audit_log(world: World) -> None:
    with pytest.raises(TypeError):
        async with world.database.write() as conn:
            await audit.record_event(
                conn,
                organization_id=world.organization_id,
                at=world.clock.now_us(),
                actor_kind="member",
                actor_id=world.member_id,
                action="a.b",
                object_kind="a",
                object_id="b",
                details={"key": Secret("canary")},
            )


async def test_events_of_one_millisecond_are_listed_in_the_order_in_which_they_came(world: World) -> None:
    async with world.database.write() as conn:
        for number in range(12):
            world.clock.advance(1e-6)
            await audit.record_event(
                conn,
                organization_id=world.organization_id,
                at=world.clock.now_us(),
                actor_kind="member",
                actor_id=world.member_id,
                action="a.b",
                object_kind="a",
                object_id=str(number),
                details={},
            )
    seen: list[str] = []
    following: str | None = ""
    while following is not None:
        page = await world.get(f"/audit-events?action=a.b&limit=5{following}")
        seen += [event["object_id"] for event in page["items"]]
        following = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert seen == [str(number) for number in reversed(range(12))]


async def test_the_audit_log_can_be_narrowed(world: World) -> None:
    world.clock.advance(60)
    team = await world.post("/teams", {"name": "Research"}, expect=201)
    [token] = world.snapshots.current.admin_tokens
    for query, expected in (
        ("action=team.created", ["team.created"]),
        (f"object={team['id']}", ["team.created"]),
        ("actor=bootstrap", ["organization.created"]),
        ("since=2026-01-01T00:01:00Z", ["team.created"]),
        ("until=2026-01-01T00:01:00Z", ["organization.created"]),
        ("", ["team.created", "organization.created"]),
    ):
        found = await world.get(f"/audit-events?{query}")
        assert [event["action"] for event in found["items"]] == expected, query
    event = (await world.get("/audit-events"))["items"][0]
    assert event["details"] == {
        "name": "Research",
        "parent": None,
        "cost_center": "default",
        "data_class": "",
        "token": token,
    }
    stranger = await world.other_organization()
    [theirs] = (await world.call("GET", "/audit-events", token=stranger)).json()["items"]
    assert (theirs["action"], theirs["actor_id"], theirs["details"]) == (
        "organization.created",
        "operator",
        {"name": "Other", "open": False},
    )


async def test_no_secret_of_ours_is_in_the_database(world: World) -> None:
    issued = await world.post("/virtual-keys", {"name": "ci", "team": "Default team"}, expect=201)
    secrets = [text[-50:-7].encode() for text in (world.token, world.key, issued["key"])]
    async with world.database.read() as conn:
        values = [
            value for table in metadata.sorted_tables for row in await conn.execute(select(table)) for value in row
        ]
    dump = b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
    assert b"first key" in dump
    assert not any(secret in dump for secret in secrets)


async def test_who_comes_back_comes_with_nothing_that_was_issued_before(world: World) -> None:
    team = world.team_id
    await world.post("/members", {"name": "bob", "team": team, "roles": [{"role": "auditor"}]}, expect=201)
    key = (await world.post("/virtual-keys", {"name": "bobs", "team": team, "member": "bob"}, expect=201))["key"]
    token = (await world.post("/admin-tokens", {"name": "t", "member": "bob"}, expect=201))["token"]
    await world.post("/members/bob/sign-in-link", expect=201)
    gone = await world.post("/members/bob/disable")
    back = await world.post("/members/bob/enable")
    assert (gone["disabled_at"] is None, back["disabled_at"], back["roles"]) == (False, None, gone["roles"])
    assert (await world.call("GET", "/self", token=token)).status == 401
    with pytest.raises(AuthenticationError):
        world.snapshots.virtual_key(key)
    async with world.database.read() as conn:
        for table in (sign_in.passwords, sign_in.sign_in_links):
            assert (await conn.execute(select(func.count()).select_from(table))).scalar_one() == 0
    await world.post("/virtual-keys", {"name": "anew", "team": team, "member": "bob"}, expect=201)
    assert (await world.post("/members/bob/enable"))["disabled_at"] is None


async def test_nobody_brings_back_who_holds_more(world: World) -> None:
    await world.post("/members", {"name": "boss", "team": world.team_id, "roles": [{"role": "owner"}]}, expect=201)
    await world.post("/members/boss/disable")
    token = await world.signed_in_as(Role.ADMINISTRATOR)
    assert (await world.call("POST", "/members/boss/enable", token=token)).status == 403


async def test_lists_are_narrowed_to_a_team_and_to_a_principal(world: World) -> None:
    labs = (await world.post("/teams", {"name": "Labs"}, expect=201))["id"]
    member = await world.post("/members", {"name": "lin", "team": labs, "roles": [{"role": "developer"}]}, expect=201)
    account = await world.post("/service-accounts", {"name": "bot", "team": labs}, expect=201)
    await world.post("/virtual-keys", {"name": "k", "team": labs, "service_account": "bot"}, expect=201)

    async def listed(path: str) -> list[str]:
        return [item["name"] for item in (await world.get(path))["items"]]

    assert await listed("/members?team=Labs") == ["lin"]
    assert await listed(f"/service-accounts?team={labs}") == ["bot"]
    assert await listed(f"/virtual-keys?principal={account['id']}") == ["k"]
    assert await listed(f"/virtual-keys?principal={member['id']}") == []
    assert await world.get("/members/lin") == member
    assert await world.get("/service-accounts/bot") == account
    assert (await world.get("/teams/Labs"))["members"] == 1
    lead = await world.signed_in_as(Role.ADMINISTRATOR, team_id=TeamId(labs))
    for path in ("/members/administrator", "/service-accounts/first%20key"):
        assert (await world.call("GET", path, token=lead)).status == 404
    seen = await world.call("GET", f"/members?team={world.team_id}", token=lead)
    assert seen.json()["items"] == []
