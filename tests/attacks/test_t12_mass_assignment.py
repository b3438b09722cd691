"""T12: nobody gives themselves what they were not given.

LiteLLM CVE-2026-47101 took `allowed_routes` from a request, 47102 a `user_role`.
"""

import json
import secrets
from typing import Any

import pytest

from keystead.domain.access import PERMISSIONS, PLATFORM, Permission, Role
from keystead.web.admin.routes import ROUTES
from tests.attacks.conftest import Stage
from tests.attacks.keys import issue

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRIVILEGED = (
    "organization_id",
    "organization",
    "role",
    "user_role",
    "permissions",
    "allowed_routes",
    "owner",
    "id",
    "created_by",
    "created_at",
    "revoked_at",
    "digest",
    "sealed",
    "fingerprint",
    "state",
    "is_admin",
    "__proto__",
    "constructor",
)


NOT_CHANGES_OF_THEIR_OWN = {"/explain", "/simulate", "/config/plan", "/config/apply"}
"""Questions with a body, and the one that makes each single change under that change's own permission."""


async def posts(stage: Stage) -> list[tuple[str, set[str]]]:
    """Return every route that takes a body, with the fields it takes, from the running gateway's own description."""
    document = (await stage.gateway.call("GET", "/openapi.json", key="")).json()
    found = []
    for path, item in document["paths"].items():
        if "post" in item:
            reference = (
                item["post"].get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            )
            schema = document["components"]["schemas"].get(reference.get("$ref", "").rpartition("/")[2], reference)
            found.append((path, set(schema.get("properties", {}))))
    assert len(found) > 10
    return found


async def test_a_field_that_no_route_asks_for_is_refused_by_every_route(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    before = await gateway.admin("GET", "/audit-events?limit=1")
    for path, fields in await posts(each_stage):
        target = path.replace("{credential}", "my-openai").replace("{", "").replace("}", "")
        for field in set(PRIVILEGED) - fields:
            reply = await gateway.call("POST", target, {field: ["/*"]}, key=gateway.admin_token)
            assert reply.status == 400, (path, field)
            assert field in reply.json()["detail"]
    assert await gateway.admin("GET", "/audit-events?limit=1") == before


async def test_an_administrator_cannot_become_an_owner(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    listed = (await gateway.admin("GET", "/members?limit=200"))["items"]
    owner = next(member for member in listed if member["operator"])
    name = f"climber-{secrets.token_hex(4)}"
    roles = [{"role": "administrator"}]
    await gateway.admin("POST", "/members", {"name": name, "team": "Default team", "roles": roles})
    token = (await gateway.admin("POST", "/admin-tokens", {"name": name, "member": name}))["token"]
    owning = {"role": "owner"}
    everything = [permission.value for permission in Permission]
    for path, body, status in (
        ("/admin-tokens", {"name": "t", "member": owner["id"]}, 403),
        ("/members", {"name": f"{name} 2", "team": "Default team", "roles": [owning]}, 403),
        ("/members", {"name": f"{name} 2", "team": "Default team", "roles": roles, "operator": True}, 403),
        (f"/members/{name}/assign", owning, 403),
        (f"/members/{owner['id']}/unassign", owning, 403),
        (f"/members/{owner['id']}/disable", {}, 403),
        ("/roles", {"name": name, "permissions": [Permission.CONSENT_WRITE.value]}, 403),
        ("/roles", {"name": name, "permissions": everything}, 400),
    ):
        reply = await gateway.call("POST", f"/admin/v1{path}", body, key=token)
        assert reply.status == status, (path, body)
    self_shown = (await gateway.call("GET", "/admin/v1/self", key=token)).json()
    assert set(self_shown["permissions"]) == PERMISSIONS[Role.ADMINISTRATOR]


async def test_every_route_that_changes_something_needs_a_permission_to_write() -> None:
    for route in ROUTES:
        if route.path.startswith("/self/"):
            assert "{" not in route.path, "it is about the caller, and nobody can be named"
        elif route.path.startswith("/playground/prompts"):
            assert route.permission is Permission.KEY_OWN, "the caller's own, and nobody else's"
        elif route.method == "POST" and route.path not in NOT_CHANGES_OF_THEIR_OWN:
            assert route.permission is not None
            assert route.permission in PLATFORM or route.permission.value.endswith(":write"), route.path


async def test_a_callers_words_about_itself_change_nothing_in_the_record(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    key = await issue(gateway, "honest")
    lies: dict[str, Any] = {
        "organization_id": "org_other",
        "team_id": "team_other",
        "virtual_key_id": "vk_other",
        "principal_id": "mem_other",
        "user": "administrator",
        "metadata": {"user_api_key": "ks_other", "team_id": "team_other", "tags": ["free"]},
        "owner": "platform",
        "credential_id": "cred_other",
        "cost": 0,
        "usage": {"total_tokens": 0},
    }
    headers = {f"x-keystead-{name}": "other" for name in ("organization", "team", "credential", "owner", "cost")}
    reply = await gateway.chat("my-openai/gpt-5", key=key["key"], headers=headers, **lies)
    assert reply.status == 200
    record = await each_stage.last_request()
    assert record["virtual_key_id"] == key["id"]
    assert record["team_id"] == key["team_id"]
    assert "other" not in json.dumps(record)
    assert record["output_total"] == 7
