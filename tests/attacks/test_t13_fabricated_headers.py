"""T13: no header makes up for a key.

LiteLLM CVE-2026-59822: a header from outside turned a failed sign-in into an empty principal, which was let through.
"""

import pytest

from keystead.domain.access import Administrator, VirtualKey
from tests.attacks.conftest import Stage
from tests.attacks.keys import unknown_key

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = (
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-real-ip",
    "x-remote-user",
    "remote-user",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-auth-request-user",
    "x-user",
    "x-user-id",
    "x-user-role",
    "x-role",
    "x-admin",
    "x-organization-id",
    "x-tenant-id",
    "x-team-id",
    "x-principal",
    "x-internal",
    "x-internal-request",
    "x-debug",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-method-override",
    "x-amzn-oidc-data",
    "x-goog-authenticated-user-email",
    "cf-access-jwt-assertion",
    "x-ms-client-principal",
    "x-litellm-key",
    "x-litellm-user-role",
    "x-portkey-api-key",
    "x-keystead-organization",
    "x-keystead-administrator",
    "x-keystead-virtual-key",
    "proxy-authorization",
    "forwarded",
    "via",
    "true-client-ip",
    "client-cert",
    "ssl-client-verify",
    "x-csrf-token",
    "x-requested-with",
)
VALUES = ("administrator", "127.0.0.1", "true", "1", "", "null", "/admin/v1/self", "for=127.0.0.1;proto=https")
REFUSED = {401, 429}
TARGETS = (
    ("GET", "/admin/v1/self"),
    ("GET", "/admin/v1/credentials"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
)


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_from_outside_is_no_sign_in(stage: Stage, name: str) -> None:
    for value in (*VALUES, stage.gateway.admin_token, f"Bearer {stage.gateway.virtual_key}"):
        for method, path in TARGETS:
            for shown in ({}, {"Authorization": f"Bearer {unknown_key()}"}):
                reply = await stage.gateway.call(method, path, key="", headers={name: value, **shown})
                assert reply.status in REFUSED


async def test_all_of_them_together_are_no_sign_in(stage: Stage) -> None:
    for method, path in TARGETS:
        reply = await stage.gateway.call(method, path, key="", headers=dict.fromkeys(NAMES, "administrator"))
        assert reply.status in REFUSED


@pytest.mark.parametrize("principal", [Administrator, VirtualKey])
async def test_there_is_no_empty_principal(principal: type) -> None:
    with pytest.raises(TypeError):
        principal()
