"""Provider keys: brought, probed, rotated, rolled back, revoked; recorded each time; shown never."""

import asyncio

import msgspec
import pytest
from sqlalchemy import select

from keystead.domain.access import Role
from keystead.domain.credential import VersionState
from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.storage import revision, schema
from keystead.vault.lease import LeaseDoor
from tests.integration.admin.world import World, provider_key

WRONG = (401, b'{"error":{"message":"Incorrect API key provided.","code":"invalid_api_key"}}')
NO_RIGHTS = (403, b'{"error":{"message":"You have insufficient permissions.","code":"insufficient_permissions"}}')
SICK = (500, b"{}")
AWAY = ProviderError("The provider could not be reached.", error_class=ErrorClass.UNREACHABLE, sent=False)


async def served_key(world: World) -> str | None:
    """Return the key the data plane would use now."""
    for credential in world.snapshots.current.rules[world.organization_id].credentials:
        if credential.active is not None:
            return (await LeaseDoor(world.keyring).lease(credential, credential.active)).reveal()
    return None


def states(credential: dict[str, object]) -> list[str]:
    versions = credential["versions"]
    assert isinstance(versions, list)
    return [version["state"] for version in versions]


async def test_a_good_key_is_probed_kept_and_served_at_once(world: World) -> None:
    answer = await world.post(
        "/credentials",
        {"name": "main", "provider": "openai", "key": provider_key("a"), "models": ["gpt-5*"], "settings": {"a": "b"}},
        expect=201,
    )
    assert answer["probe"]["outcome"] == "valid"
    credential = answer["credential"]
    assert states(credential) == ["active"]
    assert credential["active_version"] == 1
    assert (credential["origin"], credential["owner"], credential["models"]) == (
        "https://api.openai.com",
        "own",
        ["gpt-5*"],
    )
    assert credential["versions"][0]["probe"] == answer["probe"]
    assert credential["created_at"] == "2026-01-01T00:00:00Z"
    assert world.transport.asked == [("https://api.openai.com/v1/models", provider_key("a"))]
    assert await served_key(world) == provider_key("a")
    assert await world.get("/credentials/main") == credential
    assert (await world.get("/credentials"))["items"] == [credential]


async def test_the_origins_region_is_the_credentials(light_world: World) -> None:
    eu = await light_world.add_credential("eu", origin="https://EU.api.openai.com:443/")
    assert (eu["origin"], eu["region"]) == ("https://eu.api.openai.com", "eu")
    named = await light_world.add_credential("named", region="jp")
    assert (named["origin"], named["region"]) == ("https://api.openai.com", "jp")


async def test_a_wrong_key_is_refused_and_not_kept(world: World) -> None:
    world.transport.answers[provider_key("bad")] = WRONG
    body = {"name": "main", "provider": "openai", "key": provider_key("bad"), "force": True}
    answer = await world.call("POST", "/credentials", body)
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (400, "key_refused", "key")
    assert (await world.get("/credentials"))["items"] == []
    assert (await world.get("/audit-events?action=credential.added"))["items"] == []


async def test_a_wrong_key_is_kept_staged_when_asked(world: World) -> None:
    world.transport.answers[provider_key("main")] = WRONG
    credential = await world.add_credential(keep=True, force=True)
    assert states(credential) == ["staged"]
    assert await served_key(world) is None


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (NO_RIGHTS, 400, "key_without_rights"),
        (SICK, 502, "probe_inconclusive"),
        (AWAY, 502, "probe_inconclusive"),
    ],
)
async def test_what_proves_nothing_needs_force(
    light_world: World, answer: tuple[int, bytes] | Exception, status: int, code: str
) -> None:
    light_world.transport.answers[provider_key("main")] = answer
    body = {"name": "main", "provider": "openai", "key": provider_key("main")}
    refused = await light_world.call("POST", "/credentials", body)
    assert (refused.status, refused.json()["code"]) == (status, code)
    assert refused.json()["fault"] == ("caller" if status == 400 else "provider")
    staged = await light_world.post("/credentials", body | {"name": "later", "activate": False}, expect=201)
    assert states(staged["credential"]) == ["staged"]
    forced = await light_world.post("/credentials/later/activate", {"version": 1, "force": True})
    assert states(forced["credential"]) == ["active"]


async def test_rotation_drains_the_old_key_and_rollback_brings_it_back(world: World) -> None:
    await world.add_credential()
    rotated = await world.post("/credentials/main/rotate", {"key": provider_key("second")})
    assert states(rotated["credential"]) == ["draining", "active"]
    assert await served_key(world) == provider_key("second")
    rolled_back = await world.post("/credentials/main/rollback")
    assert states(rolled_back) == ["active", "draining"]
    assert await served_key(world) == provider_key("main")
    retired = await world.post("/credentials/main/retire", {"version": 2})
    assert states(retired) == ["active", "retired"]


async def test_a_bad_new_key_changes_nothing(world: World) -> None:
    before = await world.add_credential()
    world.transport.answers[provider_key("bad")] = WRONG
    answer = await world.call("POST", "/credentials/main/rotate", {"key": provider_key("bad"), "force": True})
    assert (answer.status, answer.json()["code"]) == (400, "key_refused")
    assert await world.get("/credentials/main") == before
    assert await served_key(world) == provider_key("main")


async def test_a_staged_key_waits_for_its_activation_which_asks_again(world: World) -> None:
    await world.add_credential()
    await world.post("/credentials/main/rotate", {"key": provider_key("next"), "activate": False})
    assert await served_key(world) == provider_key("main")
    world.transport.answers[provider_key("next")] = WRONG
    answer = await world.call("POST", "/credentials/main/activate", {"version": 2, "force": True})
    assert (answer.status, answer.json()["code"]) == (400, "key_refused")
    del world.transport.answers[provider_key("next")]
    activated = await world.post("/credentials/main/activate", {"version": 2})
    assert states(activated["credential"]) == ["draining", "active"]


async def test_a_probe_records_what_it_found(world: World) -> None:
    await world.add_credential()
    world.clock.advance(60)
    world.transport.answers[provider_key("main")] = WRONG
    answer = await world.post("/credentials/main/probe")
    assert (answer["version"], answer["probe"]["outcome"], answer["probe"]["status"]) == (1, "invalid", 401)
    [version] = (await world.get("/credentials/main"))["versions"]
    assert (version["probed_at"], version["probe"]) == ("2026-01-01T00:01:00Z", answer["probe"])
    # A probe looks; it does not judge: the key keeps serving until somebody decides.
    assert version["state"] == VersionState.ACTIVE


async def test_nothing_waits_for_a_provider_that_is_being_asked(light_world: World) -> None:
    async def write() -> None:
        # On SQLite one transaction writes at a time: this one would wait for one that is open around the probe.
        async with asyncio.timeout(5), light_world.database.write() as conn:
            await revision.touch(conn)

    light_world.transport.while_asked = write
    await light_world.add_credential()
    await light_world.post("/credentials/main/rotate", {"key": provider_key("second")})
    await light_world.post("/credentials/main/probe")
    await light_world.post("/credentials/main/activate", {"version": 1})
    assert len(light_world.transport.asked) == 4


async def test_what_changed_while_the_provider_was_asked_is_not_overrun(light_world: World) -> None:
    async def move() -> None:
        light_world.transport.while_asked = None
        await light_world.post("/credentials/main/destination", {"origin": "https://eu.api.openai.com"})

    await light_world.add_credential()
    light_world.transport.while_asked = move
    answer = await light_world.call("POST", "/credentials/main/rotate", {"key": provider_key("second")})
    assert answer.status == 409
    # The new key was proven at the old destination, and is bound to neither.
    assert states(await light_world.get("/credentials/main")) == ["revoked"]


async def test_a_revoked_credential_is_gone_at_once_and_sends_no_key_anywhere(world: World) -> None:
    await world.add_credential()
    revoked = await world.post("/credentials/main/revoke")
    assert (states(revoked), revoked["active_version"]) == (["revoked"], None)
    assert await served_key(world) is None
    asked = len(world.transport.asked)
    for path, body in (
        ("rotate", {"key": provider_key("second")}),
        ("probe", {}),
        ("activate", {"version": 1}),
    ):
        answer = await world.call("POST", f"/credentials/main/{path}", body)
        assert (answer.status, answer.json()["code"]) == (409, "credential_revoked")
    assert len(world.transport.asked) == asked
    async with world.database.read() as conn:
        assert [row.sealed for row in await conn.execute(select(schema.credential_versions.c.sealed))] == [None]


async def test_one_version_can_be_revoked_alone(world: World) -> None:
    await world.add_credential()
    await world.post("/credentials/main/rotate", {"key": provider_key("second")})
    revoked = await world.post("/credentials/main/revoke", {"version": 1})
    assert (states(revoked), revoked["revoked_at"]) == (["revoked", "active"], None)
    assert await served_key(world) == provider_key("second")


async def test_another_destination_destroys_the_keys(world: World) -> None:
    await world.add_credential()
    moved = await world.post("/credentials/main/destination", {"origin": "https://eu.api.openai.com"})
    assert (moved["origin"], states(moved)) == ("https://eu.api.openai.com", ["revoked"])
    assert await served_key(world) is None
    await world.post("/credentials/main/rotate", {"key": provider_key("second")})
    assert world.transport.asked[-1] == ("https://eu.api.openai.com/v1/models", provider_key("second"))


async def test_a_destination_that_is_not_allowed_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[str, int, str], ...] = (
        ("https://127.0.0.1", 403, "egress_denied"),
        ("https://169.254.169.254", 403, "egress_denied"),
        ("http://api.openai.com", 400, "insecure_origin"),
        ("https://api.openai.com/v1", 400, "invalid_origin"),
        ("https://key@api.openai.com", 400, "invalid_origin"),
    )
    for origin, status, code in cases:
        with subtests.test(origin=origin):
            body = {"name": "main", "provider": "openai", "key": provider_key("main"), "origin": origin}
            answer = await light_world.call("POST", "/credentials", body)
            assert (answer.status, answer.json()["code"]) == (status, code)
            assert light_world.transport.asked == []


async def test_a_key_that_cannot_be_one_is_not_sent_to_anybody(light_world: World) -> None:
    for key, code in (
        (f"sk-admin-{'k' * 40}", "admin_key_refused"),
        (f"sk-ant-api03-{'k' * 40}", "other_providers_key"),
        ("with space", "invalid_provider_key"),
    ):
        answer = await light_world.call("POST", "/credentials", {"name": "m", "provider": "openai", "key": key})
        assert (answer.status, answer.json()["code"]) == (400, code)
        assert key not in answer.body.decode()
    assert light_world.transport.asked == []


async def test_the_same_key_twice_is_refused_unless_asked(world: World) -> None:
    await world.add_credential("first")
    body = {"name": "second", "provider": "openai", "key": provider_key("first")}
    answer = await world.call("POST", "/credentials", body)
    assert answer.status == 409
    assert "first" in answer.json()["detail"]
    await world.post("/credentials", body | {"allow_duplicate": True}, expect=201)


async def test_names_are_ones_own(light_world: World) -> None:
    first = await light_world.add_credential("first")
    for name, status, code in (
        ("first", 409, "name_taken"),
        (first["id"], 400, "invalid_name"),
        ("anthropic", 400, "invalid_name"),
        ("a/b", 400, "invalid_request"),
        ("a\n", 400, "invalid_request"),
        (" a", 400, "invalid_request"),
        ("", 400, "invalid_request"),
        ("a" * 101, 400, "invalid_request"),
    ):
        body = {"name": name, "provider": "openai", "key": provider_key("x")}
        answer = await light_world.call("POST", "/credentials", body)
        assert (answer.status, answer.json()["code"], answer.json()["param"]) == (status, code, "name"), name


async def test_an_unknown_provider_is_told_with_those_there_are(light_world: World) -> None:
    answer = await light_world.call("POST", "/credentials", {"name": "m", "provider": "openia", "key": "k" * 40})
    assert (answer.status, answer.json()["code"]) == (400, "unknown_provider")
    assert "openai" in answer.json()["next_step"]


async def test_a_provider_without_an_address_needs_one(light_world: World) -> None:
    answer = await light_world.call("POST", "/credentials", {"name": "m", "provider": "azure", "key": "k" * 40})
    assert (answer.status, answer.json()["code"]) == (400, "origin_missing")


async def test_every_act_is_recorded_with_who_and_what_and_without_the_key(world: World) -> None:
    world.clock.advance(1)
    await world.add_credential()
    for action, body in (("rotate", {"key": provider_key("second")}), ("rollback", {}), ("revoke", {})):
        world.clock.advance(1)
        await world.post(f"/credentials/main/{action}", body)
    page = await world.get("/audit-events?limit=4")
    assert [event["action"] for event in page["items"]] == [
        "credential.revoked",
        "credential.rolled_back",
        "credential.rotated",
        "credential.added",
    ]
    assert {(event["actor_kind"], event["actor_id"], event["actor"]) for event in page["items"]} == {
        ("member", world.member_id, "administrator")
    }
    added = page["items"][-1]["details"]
    assert (added["provider"], added["version"], added["probe"]) == ("openai", 1, "valid")
    assert provider_key("main") not in msgspec.json.encode(page).decode()


async def test_a_key_custodian_can_rotate_and_an_auditor_can_only_look(light_world: World) -> None:
    await light_world.add_credential()
    custodian = await light_world.signed_in_as(Role.KEY_CUSTODIAN)
    auditor = await light_world.signed_in_as(Role.AUDITOR)
    body = {"key": provider_key("second")}
    assert (await light_world.call("POST", "/credentials/main/rotate", body, token=auditor)).status == 403
    assert (await light_world.call("GET", "/credentials/main", token=auditor)).status == 200
    assert (await light_world.call("POST", "/credentials/main/rotate", body, token=custodian)).status == 200


async def test_another_organizations_credential_is_as_absent_as_one_that_never_was(world: World) -> None:
    credential = await world.add_credential()
    stranger = await world.other_organization()
    absent = f"cred_{'0' * 26}"
    for path, body in (
        ("", None),
        ("/rotate", {"key": provider_key("x")}),
        ("/probe", {}),
        ("/activate", {"version": 1}),
        ("/rollback", {}),
        ("/retire", {"version": 1}),
        ("/revoke", {}),
        ("/destination", {"origin": "https://api.openai.com"}),
    ):
        method = "GET" if body is None else "POST"
        answers = []
        for name in (credential["id"], "main", absent):
            answer = await world.call(method, f"/credentials/{name}{path}", body, token=stranger)
            problem = answer.json() | {"request_id": ""}
            answers.append((answer.status, msgspec.json.encode(problem).decode().replace(name, "…")))
        assert answers[0][0] == 404
        assert len(set(answers)) == 1, path
    assert len(world.transport.asked) == 1
    listed = (await world.call("GET", "/credentials", token=stranger)).json()["items"]
    assert [item["name"] for item in listed] == ["sandbox"], "its own"


async def test_what_no_key_is_bound_to_can_change_without_another_key(light_world: World) -> None:
    world = light_world
    await world.add_credential(models=["gpt-5*"], settings={"project": "a"})
    changed = await world.post("/credentials/main/change", {"all_models": True, "on_disconnect": "cancel"})
    assert (changed["models"], changed["on_disconnect"], changed["settings"]) == (None, "cancel", {"project": "a"})
    changed = await world.post("/credentials/main/change", {"models": ["o3"], "region": "eu", "settings": {}})
    assert (changed["models"], changed["region"], changed["settings"]) == (["o3"], "eu", {})
    assert (changed["active_version"], changed["on_disconnect"]) == (1, "cancel")
    [event, _] = [one for one in (await world.get("/audit-events"))["items"] if one["action"] == "credential.changed"]
    assert {event["details"]["after"]["region"], event["details"]["before"]["region"]} <= {"", "eu"}
    for body in ({}, {"models": ["o3"], "all_models": True}, {"origin": "https://evil.example"}):
        assert (await world.call("POST", "/credentials/main/change", body)).status == 400
    await world.post("/credentials/main/revoke")
    assert (await world.call("POST", "/credentials/main/change", {"region": "us"})).status == 409
