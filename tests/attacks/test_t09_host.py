"""T9: the gateway answers to its own names, in one form of request target, and decides by nothing else.

BadHost, CVE-2026-48710: a Host header that ended in a path changed what the framework took for the path.
"""

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.raw import request, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")

TARGETS = ("/livez", "/admin/v1/self", "/v1/models", "/openapi.json")
HOSTS = (
    "",
    "evil.example",
    "localhost/admin/v1/self?x=",
    "localhost/#@evil.example",
    "x/#y@localhost",
    "x?",
    "localhost?",
    "localhost#",
    "localhost/",
    "localhost\\",
    "user@localhost",
    "localhost:80:80",
    "localhost:",
    "localhost:0x50",
    "localhost.",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.1",
    "2130706433",
    "[::1",
    "::1",
    "[::1%25lo]",
    "localhost, evil.example",
    "localhost evil.example",
    "l\u043ecalhost",
    "http://localhost",
)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_that_is_not_ours_gets_nothing(stage: Stage, host: str) -> None:
    for target in TARGETS:
        headers = [("Authorization", f"Bearer {stage.gateway.admin_token}")]
        head = request("GET", target, headers, host=host.encode().decode("latin-1"))
        came = await talk(stage.gateway.url, head)
        assert came.statuses[0] in {400, 421}
        assert came.closed
        assert b"organization" not in came.answers[0].body


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nhost: localhost\r\n",
        "Host : localhost\r\n",
        "Host\r\n",
        "X-Forwarded-Host: localhost\r\n",
    ],
)
async def test_no_host_or_two_are_refused(stage: Stage, lines: str) -> None:
    head = f"GET /admin/v1/self HTTP/1.1\r\n{lines}Authorization: Bearer {stage.gateway.admin_token}\r\n\r\n"
    came = await talk(stage.gateway.url, head.encode())
    assert (came.statuses, came.closed) == ([400], True)


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost/admin/v1/self",
        "https://localhost/admin/v1/self",
        "http://evil.example/admin/v1/self",
        "localhost:80",
        "*",
        "admin/v1/self",
        "/admin/v1/self#x",
        "/livez#/../admin/v1/self",
        "?/admin/v1/self",
        "\\admin\\v1\\self",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "CONNECT"])
async def test_other_forms_of_a_request_target_are_refused(stage: Stage, method: str, target: str) -> None:
    headers = [("Authorization", f"Bearer {stage.gateway.admin_token}")]
    came = await talk(stage.gateway.url, request(method, target, headers))
    assert (came.statuses, came.closed) == ([400], True)


@pytest.mark.parametrize(
    "target",
    [
        "/%61dmin/v1/self",
        "/admin%2fv1/self",
        "//admin/v1/self",
        "/admin//v1/self",
        "/admin/v1/self/",
        "/admin/v1/./self",
        "/v1/../admin/v1/self",
        "/v1/%2e%2e/admin/v1/self",
        "/ADMIN/v1/self",
        "/admin/v1/self;x",
        "/admin/v1/self%20",
        "/admin/v1/self%00",
        "/admin\\v1\\self",
        "/openai/admin/v1/self",
        "/anthropic/admin/v1/self",
        "/%6cetrics",
        "/%6detrics",
        "/metrics/",
    ],
)
async def test_other_spellings_of_a_path_are_other_paths(stage: Stage, target: str) -> None:
    # Whoever keeps the world out of /admin/ with a rule in front of the gateway must not be got around.
    headers = [("Authorization", f"Bearer {stage.gateway.admin_token}")]
    came = await talk(stage.gateway.url, request("GET", target, headers))
    assert came.statuses[0] in {400, 404}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost:5397", "127.0.0.1", "[::1]", "[::1]:80"])
async def test_our_own_names_are_answered(stage: Stage, host: str) -> None:
    came = await talk(stage.gateway.url, request("GET", "/livez", host=host))
    assert came.statuses == [200]
