"""T21: what a caller writes never becomes SQL.

LiteLLM CVE-2026-42208: injection in the key check, before any sign-in, exploited 36 hours after it was told. Here
every place that takes text takes every payload, on both engines: the answers stay the same, nothing fails inside,
nothing takes longer, and nothing is different afterwards.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from tests.attacks.conftest import Stage
from tests.fakes.gateway import Reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYLOADS = (
    "'",
    '"',
    "`",
    "\\",
    "'--",
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR 1=1 --',
    "') OR ('1'='1",
    "' OR 1=1 #",
    "' OR 1=1 /*",
    "admin'/**/OR/**/1=1--",
    "' UNION SELECT NULL --",
    "' UNION SELECT digest FROM virtual_keys --",
    "' UNION ALL SELECT randomblob(9) --",
    "' UNION ALL SELECT version() --",
    "' AND 1=(SELECT COUNT(*) FROM virtual_keys) --",
    "' AND (SELECT 1 FROM pg_sleep(60)) IS NOT NULL --",
    "'; SELECT pg_sleep(60) --",
    "'||pg_sleep(60)||'",
    "' || (SELECT CASE WHEN 1=1 THEN pg_sleep(60) END) || '",
    "1 AND 1=LIKE('ABCDEFG',UPPER(HEX(RANDOMBLOB(300000000))))",
    "'; WAITFOR DELAY '0:1:0' --",
    "' AND SLEEP(60) --",
    "'; DROP TABLE requests; --",
    "'; UPDATE virtual_keys SET revoked_at = NULL; --",
    "'; INSERT INTO admin_tokens VALUES (1); --",
    "'; COPY requests TO PROGRAM 'id'; --",
    "'; ATTACH DATABASE 'other.db' AS x; --",
    "' AND CAST((SELECT version()) AS int)=1 --",
    "' AND 1=CAST(CHR(65) AS INT) --",
    "' HAVING 1=1 --",
    "' ORDER BY 99 --",
    "' LIMIT 1 OFFSET 1 --",
    "1;1",
    "1 OR 1=1",
    "1) OR 1=1 --",
    "%' OR 1=1 --",
    "%",
    "_",
    "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
    "$1",
    "?1",
    ":id",
    "%(id)s",
    "{0}",
    "$$' OR 1=1$$",
    "E'\\x27'",
    "\u02bc OR 1=1 --",
    "\uff07 OR 1=1 --",
    "0x27206f7220313d31",
    "CHAR(39)",
    "NULL",
    "'\"`;)}]>",
    "a'b''c",
    "\u00bf'",
)
SLOW_S = 40
"""Less than any payload asks the database to sleep, and more than a busy machine makes an answer wait."""
AT_ONCE = 8


async def all_of(calls: Sequence[Callable[[], Awaitable[Reply]]]) -> list[Reply]:
    """Make the calls, a few at once; every answer is quick."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[Reply]]) -> Reply:
        async with gate:
            began = time.monotonic()
            reply = await call()
            assert time.monotonic() - began < SLOW_S
            return reply

    return await asyncio.gather(*[one(call) for call in calls])


def header_text(payload: str) -> str:
    """Return a payload as a header can carry it."""
    return payload if payload.isascii() else quote(payload)


async def test_a_payload_as_key_is_one_more_wrong_key(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    key = gateway.virtual_key
    shown = [
        text
        for payload in map(header_text, PAYLOADS)
        for text in (payload, f"ks_{payload}", key + payload, key[:29] + payload + key[29:], payload + key)
    ]
    carriers: tuple[Callable[[str], dict[str, Any]], ...] = (
        lambda text: {"headers": {"Authorization": f"Bearer {text.replace(' ', '+')}"}},
        lambda text: {"headers": {"x-api-key": text}},
        lambda text: {"headers": {"x-goog-api-key": text}},
        lambda text: {"query": f"?key={quote(text, safe='')}"},
    )

    async def call(path: str, carrier: Callable[[str], dict[str, Any]], text: str) -> Reply:
        carried = carrier(text)
        return await gateway.call("GET", path + carried.get("query", ""), key="", headers=carried.get("headers", {}))

    calls = [
        (lambda c=carrier, t=text: call("/v1/models", c, t)) for carrier, text in itertools.product(carriers, shown)
    ]
    replies = await all_of(calls)
    told = {(reply.status, reply.headers["x-keystead-error"]) for reply in replies}
    assert told <= {(401, "invalid_key"), (429, "too_many_failures"), (401, "missing_key")}
    for reply in replies:
        if reply.status == 401 and reply.headers["x-keystead-error"] == "invalid_key":
            assert reply.json()["error"]["message"].startswith("The key is missing or not valid.")


async def test_a_payload_as_admin_token_is_one_more_wrong_token(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    token = gateway.admin_token
    shown = [
        text
        for payload in map(header_text, PAYLOADS)
        for text in (payload, f"ksa_{payload}", token + payload, token[:30] + payload + token[30:])
    ]
    calls = [
        (lambda p=path, t=text: gateway.call("GET", p, key=t))
        for path in ("/admin/v1/self", "/metrics")
        for text in shown
    ]
    assert {reply.status for reply in await all_of(calls)} <= {401, 429}


async def test_a_payload_in_any_header_changes_nothing(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    names = ("user-agent", "anthropic-beta", "idempotency-key", "x-forwarded-for", "cookie")
    calls = [
        (lambda n=name, p=payload: gateway.chat("my-openai/gpt-5", headers={n: p}))
        for name, payload in itertools.product(names, map(header_text, PAYLOADS))
    ]
    assert {reply.status for reply in await all_of(calls)} == {200}


async def test_a_payload_in_any_place_of_a_call_is_a_name_or_an_error(each_stage: Stage) -> None:
    gateway = each_stage.gateway

    def bodies(payload: str) -> list[tuple[str, str, Any]]:
        path = quote(payload, safe="")
        return [
            ("POST", "/v1/chat/completions", {"model": payload, "messages": []}),
            ("POST", "/v1/chat/completions", {"model": f"my-openai/{payload}", "messages": []}),
            (
                "POST",
                "/v1/chat/completions",
                {"model": "my-openai/gpt-5", "messages": [], "user": payload, payload: payload},
            ),
            ("POST", "/v1/responses", {"model": "my-openai/gpt-5", "input": payload, "previous_response_id": payload}),
            ("POST", "/v1/messages", {"model": f"my-anthropic/{payload}", "messages": [{"content": payload}]}),
            ("POST", f"/v1beta/models/{path}:generateContent", {"contents": []}),
            ("GET", f"/v1/responses/{path}", None),
            ("GET", f"/v1/models/{path}", None),
            ("GET", f"/v1/models?after={path}&limit={path}", None),
            ("GET", f"/{path}", None),
        ]

    calls = [
        (lambda m=method, p=path, b=body: gateway.call(m, p, b))
        for payload in PAYLOADS
        for method, path, body in bodies(payload)
    ]
    assert {reply.status for reply in await all_of(calls)} <= {200, 400, 404}


def targets(path: str, operation: dict[str, Any], text: str) -> list[str]:
    """Return the path with `text` for each name in it, once for each query parameter, which is `text` too."""
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        path = path.replace(f"{{{parameter['name']}}}", text)
    return [f"{path}?{p['name']}={text}" for p in parameters if p["in"] == "query"] or [path]


async def test_a_payload_in_any_place_of_the_admin_api_is_a_name_or_an_error(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    token = gateway.admin_token
    document = (await gateway.call("GET", "/openapi.json", key="")).json()
    calls = [
        (lambda m=method, t=target: gateway.call(m, t, {} if m == "POST" else None, key=token))
        for path, item in document["paths"].items()
        for method, operation in ((name.upper(), item[name]) for name in item)
        for payload in PAYLOADS[::4]
        for target in targets(path, operation, quote(payload, safe=""))
        if method == "GET" or "{" in path
    ]
    assert len(calls) > 700
    replies = await all_of(calls)
    assert {reply.status for reply in replies} <= {200, 400, 404, 405, 409}
    for reply in replies:
        for word in (b"syntax error", b"sqlite3", b"asyncpg", b"sqlalchemy", b"no such column", b"traceback"):
            assert word not in reply.body.lower()


async def test_a_payload_as_any_name_is_kept_as_it_is(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    for payload in PAYLOADS:
        made = await gateway.call(
            "POST", "/admin/v1/teams", {"name": payload, "cost_center": payload}, key=gateway.admin_token
        )
        assert made.status in {201, 400}
        if made.status == 201:
            assert (made.json()["name"], made.json()["cost_center"]) == (payload, payload)


async def test_afterwards_everything_is_as_it_was(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    assert (await gateway.chat("my-openai/gpt-5")).status == 200
    assert (await each_stage.last_request())["state"] == "settled"
    teams = await gateway.admin("GET", "/teams?limit=200")
    assert "Default team" in json.dumps(teams)
