"""T11: a key is the same key however it is carried, and there is only ever one.

Open WebUI CVE-2026-45339: one carrier obeyed a restriction that another got around.
"""

import base64
import itertools
from collections.abc import Callable

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.keys import issue, unknown_key

pytestmark = pytest.mark.asyncio(loop_scope="session")

Carried = tuple[dict[str, str], str]
"""Headers, and what is added to the path."""

ACCEPTED: dict[str, Callable[[str], Carried]] = {
    "bearer": lambda key: ({"Authorization": f"Bearer {key}"}, ""),
    "bearer in lower case": lambda key: ({"authorization": f"bearer {key}"}, ""),
    "x-api-key": lambda key: ({"x-api-key": key}, ""),
    "x-goog-api-key": lambda key: ({"x-goog-api-key": key}, ""),
    "?key=": lambda key: ({}, f"?key={key}"),
    "?k%65y=": lambda key: ({}, f"?k%65y={key}"),
}
REFUSED: dict[str, Callable[[str], Carried]] = {
    "basic": lambda key: ({"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}, ""),
    "basic as password": lambda key: ({"Authorization": "Basic " + base64.b64encode(f":{key}".encode()).decode()}, ""),
    "authorization alone": lambda key: ({"Authorization": key}, ""),
    "token": lambda key: ({"Authorization": f"Token {key}"}, ""),
    "bearer twice in one": lambda key: ({"Authorization": f"Bearer {key}, Bearer {key}"}, ""),
    "bearer with more": lambda key: ({"Authorization": f"Bearer {key} x"}, ""),
    "api-key": lambda key: ({"api-key": key}, ""),
    "x-auth-token": lambda key: ({"x-auth-token": key}, ""),
    "cookie": lambda key: ({"Cookie": f"key={key}; token={key}; Authorization=Bearer {key}"}, ""),
    "websocket": lambda key: ({"Sec-WebSocket-Protocol": f"openai-insecure-api-key.{key}"}, ""),
    "?api_key=": lambda key: ({}, f"?api_key={key}"),
    "?KEY=": lambda key: ({}, f"?KEY={key}"),
    "?access_token=": lambda key: ({}, f"?access_token={key}"),
    "proxy": lambda key: ({"Proxy-Authorization": f"Bearer {key}"}, ""),
    "forwarded": lambda key: ({"X-Forwarded-Authorization": f"Bearer {key}"}, ""),
}
CALLS = {
    "/v1/chat/completions": {"model": "my-openai/gpt-5", "messages": []},
    "/v1/messages": {"model": "my-anthropic/claude", "messages": []},
    "/v1beta/models/my-google/gemini:generateContent": {"contents": []},
}


async def decision(stage: Stage, path: str, carried: Carried) -> tuple[int, str]:
    headers, query = carried
    reply = await stage.gateway.call("POST", path + query, CALLS[path], key="", headers=headers)
    return reply.status, reply.headers.get("x-keystead-error", "")


@pytest.mark.parametrize("path", CALLS)
async def test_every_carrier_leads_to_the_same_decision(each_stage: Stage, path: str) -> None:
    gateway = each_stage.gateway
    revoked = await issue(gateway, "carried")
    await gateway.admin("POST", f"/virtual-keys/{revoked['id']}/revoke")
    narrowed = (await issue(gateway, "narrowed", models=["nothing-*"]))["key"]
    expected = {
        gateway.virtual_key: (200, ""),
        unknown_key(): (401, "invalid_key"),
        revoked["key"]: (401, "invalid_key"),
        narrowed: (403, "model_not_allowed"),
    }
    for (name, carry), (key, wanted) in itertools.product(ACCEPTED.items(), expected.items()):
        assert await decision(each_stage, path, carry(key)) == wanted, name


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("name", REFUSED)
async def test_no_other_carrier_is_looked_at(stage: Stage, path: str, name: str) -> None:
    assert await decision(stage, path, REFUSED[name](stage.gateway.virtual_key)) == (401, "missing_key")


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(ACCEPTED, 2)))
async def test_two_keys_at_once_are_refused_even_if_both_are_good(stage: Stage, one: str, other: str) -> None:
    if {one, other} <= {"bearer", "bearer in lower case"}:
        return  # one header twice: refused by the edge, below
    path = "/v1/chat/completions"
    before = len(stage.fake.calls)
    for key in (stage.gateway.virtual_key, unknown_key()):
        headers, query = ACCEPTED[one](stage.gateway.virtual_key)
        more_headers, more_query = ACCEPTED[other](key)
        joined = query + more_query.replace("?", "&" if query else "?")
        carried = ({**headers, **more_headers}, joined)
        assert await decision(stage, path, carried) == (400, "several_keys")
    assert len(stage.fake.calls) == before


async def test_a_refused_carrier_beside_a_good_one_is_refused_where_it_could_be_meant(stage: Stage) -> None:
    key = stage.gateway.virtual_key
    for headers in (
        {"Authorization": "Basic eDp5", "x-api-key": key},
        {"Authorization": f"Bearer {key}", "api-key": key},
        {"api-key": unknown_key(), "x-api-key": key},
    ):
        assert await decision(stage, "/v1/chat/completions", (headers, "")) == (400, "several_keys")


async def test_the_key_in_a_query_goes_no_further(each_stage: Stage) -> None:
    path, key = "/v1beta/models/my-google/gemini:streamGenerateContent", each_stage.gateway.virtual_key
    reply = await each_stage.gateway.call("POST", f"{path}?alt=sse&key={key}", {"contents": []}, key="")
    assert reply.status == 200
    call = each_stage.fake.calls[-1]
    assert call.query == "alt=sse"
    assert key not in str(call.headers)


@pytest.mark.parametrize("name", [*REFUSED, *(name for name in ACCEPTED if not name.startswith("bearer"))])
async def test_the_admin_api_has_one_carrier(stage: Stage, name: str) -> None:
    headers, query = {**ACCEPTED, **REFUSED}[name](stage.gateway.admin_token)
    reply = await stage.gateway.call("GET", f"/admin/v1/self{query}", key="", headers=headers)
    assert reply.status in {401, 429}
    reply = await stage.gateway.call("GET", f"/metrics{query}", key="", headers=headers)
    assert reply.status in {401, 429}
