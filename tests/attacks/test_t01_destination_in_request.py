"""T1, T3: no part of a request moves it, on whichever route, by whichever method.

LiteLLM CVE-2024-6587 sent the stored key to an `api_base` of the caller's; Portkey CVE-2025-66405 was fixed on one
route and open on a deprecated one. Here the fields are passed on as data or dropped; the destination is the
credential's, and nothing else.
"""

import itertools
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.attacks.conftest import ANTHROPIC_KEY, GOOGLE_KEY, OPENAI_KEY, Stage
from tests.attacks.raw import keyed_request, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = (
    "api_base",
    "base_url",
    "baseURL",
    "api_key",
    "custom_host",
    "endpoint",
    "organization",
    "extra_headers",
    "extra_body",
    "proxy",
    "mock_response",
    "litellm_params",
    "x-portkey-custom-host",
    "__proto__",
)
HEADERS = (
    "x-portkey-custom-host",
    "x-portkey-config",
    "x-portkey-provider",
    "x-litellm-api-base",
    "x-base-url",
    "x-forwarded-host",
    "x-original-url",
    "x-rewrite-url",
    "x-host",
    "forwarded",
    "helicone-target-url",
    "helicone-openai-api-base",
    "cf-aig-custom-host",
    "openai-organization",
    "openai-project",
    "proxy-authorization",
    "destination",
    "referer",
    "origin",
)
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "/v1/chat/completions": ({"model": "my-openai/gpt-5", "messages": []}, OPENAI_KEY),
    "/v1/completions": ({"model": "my-openai/gpt-5", "prompt": "a"}, OPENAI_KEY),
    "/v1/responses": ({"model": "my-openai/gpt-5", "input": "a"}, OPENAI_KEY),
    "/v1/embeddings": ({"model": "my-openai/gpt-5", "input": "a"}, OPENAI_KEY),
    "/v1/moderations": ({"model": "my-openai/gpt-5", "input": "a"}, OPENAI_KEY),
    "/v1/messages": ({"model": "my-anthropic/claude", "messages": []}, ANTHROPIC_KEY),
    "/v1/messages/count_tokens": ({"model": "my-anthropic/claude", "messages": []}, ANTHROPIC_KEY),
    "/v1beta/models/my-google/gemini:generateContent": ({"contents": []}, GOOGLE_KEY),
    "/v1beta/models/my-google/gemini:embedContent": ({"content": {}}, GOOGLE_KEY),
    "/openai/v1/chat/completions": ({"model": "my-openai/gpt-5", "messages": []}, OPENAI_KEY),
}
UNSERVED = (
    "/",
    "/v1",
    "/v1/fine_tuning/jobs",
    "/v1/realtime",
    "/v1/proxy/chat/completions",
    "/v1/prompts/x/completions",
    "/openai/deployments/gpt-5/chat/completions",
    "/openai/responses",
    "/chat/completions",
    "/v2/chat",
    "/config/update",
    "/health",
    "/docs",
    "/metrics/",
    "/admin",
    "/admin/v2/self",
)
OWN = ("/v1/files", "/v1/batches")
"""Lists that the gateway answers itself: it asks nobody."""
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "QUERY")


def elsewhere(stage: Stage) -> Any:
    """Return a destination in every form that a gateway has ever obeyed."""
    evil = stage.internal.origin
    return [evil, {"url": evil, "api_base": evil, "base_url": evil, "api_key": "sk-mine", "host": evil}]


@pytest.mark.parametrize("path", CALLS)
async def test_a_destination_in_body_query_and_headers_is_not_obeyed(each_stage: Stage, path: str) -> None:
    gateway, fake = each_stage.gateway, each_stage.fake
    body, key = CALLS[path]
    sent = (
        body
        | dict.fromkeys(FIELDS, elsewhere(each_stage))
        | {"metadata": dict.fromkeys(FIELDS, each_stage.internal.origin)}
    )
    evil = quote(each_stage.internal.origin, safe="")
    query = "&".join(f"{field}={evil}" for field in FIELDS)
    before = len(fake.calls)
    reply = await gateway.call(
        "POST", f"{path}?{query}", sent, headers=dict.fromkeys(HEADERS, each_stage.internal.origin)
    )
    assert reply.status == 200, reply.body
    [call] = fake.calls[before:]
    assert call.auth.removeprefix("Bearer ") == key
    assert call.header("host") == fake.origin.removeprefix("http://")
    assert call.query == ""
    assert not {name for name, _ in call.headers} & set(HEADERS)
    shown = await gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
    assert [attempt["destination"] for attempt in shown["attempts"]] == [fake.origin]
    # What the provider is told beside that is the caller's own business: the bytes pass.
    passed = json.loads(call.body)
    assert {field: passed[field] for field in FIELDS} == {field: sent[field] for field in FIELDS}


@pytest.mark.parametrize("method", METHODS)
async def test_no_other_route_or_method_takes_a_destination(each_stage: Stage, method: str) -> None:
    gateway, fake = each_stage.gateway, each_stage.fake
    body = json.dumps({"model": "my-openai/gpt-5", "api_base": each_stage.internal.origin, "messages": []}).encode()
    served = () if method == "POST" else [path for path in CALLS if method != "GET" or "/models/" not in path]
    paths = (*UNSERVED, *OWN, *served, "/v1/responses/resp_1")
    before = len(fake.calls)
    for path, carried in itertools.product(paths, (None, body)):
        target = f"{path}?api_base={each_stage.internal.origin}"
        headers = [("X-Portkey-Custom-Host", each_stage.internal.origin), ("Content-Type", "application/json")]
        head_alone = method == "HEAD"  # its answer has a length and no body, which tells no end on the wire
        if head_alone:
            statuses = [(await gateway.call("HEAD", target, headers=dict(headers))).status]
        else:
            asked = keyed_request(method, target, gateway.virtual_key, carried, headers)
            statuses = (await talk(gateway.url, asked)).statuses
        own = {200} if method == "GET" and path in OWN else set()
        assert set(statuses) <= {400, 404, 405, 426} | own, (path, statuses)
    assert len(fake.calls) == before


@pytest.mark.parametrize(
    "path", [*(path for path in CALLS if "/models/" not in path), "/v1/realtime/", "/v1/responses", "/"]
)
async def test_a_websocket_is_opened_for_nothing_but_a_session(stage: Stage, path: str) -> None:
    headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{stage.gateway.virtual_key}"),
    ]
    before = len(stage.fake.calls)
    came = await talk(stage.gateway.url, keyed_request("GET", path, stage.gateway.virtual_key, None, headers))
    assert came.statuses[0] in {404, 405, 426}
    assert len(stage.fake.calls) == before


async def test_a_sessions_destination_is_the_credentials_whatever_is_asked(stage: Stage) -> None:
    evil = stage.internal.origin
    headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        *((name, evil) for name in HEADERS),
    ]
    query = "&".join(f"{field}={quote(evil, safe='')}" for field in FIELDS if field != "model")
    before = len(stage.fake.calls)
    target = f"/v1/realtime?model=my-openai/gpt-realtime&{query}"
    await talk(stage.gateway.url, keyed_request("GET", target, stage.gateway.virtual_key, None, headers))
    [call] = stage.fake.calls[before:]
    assert (call.path, call.query) == ("/v1/realtime", "model=gpt-realtime")
    assert not {name for name, _ in call.headers} & set(HEADERS)
