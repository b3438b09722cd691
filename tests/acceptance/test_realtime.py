"""Realtime sessions through a real gateway: OpenAI's SDK, a browser's way, and how each of them ends."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import openai
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from keystead.web.realtime import RESPONSES_HELD
from tests.fakes.gateway import Gateway
from tests.fakes.realtime import FakeRealtime

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-proj-canary-REALTIME-7f3b1c9d5e2a4860"
MODEL = "my-openai/gpt-realtime"
# 55 text and 13 audio tokens in, 64 text tokens cached; 30 text and 91 audio tokens out.
COST = "0.0069656"


class House(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeRealtime

    async def session(self, model: str = MODEL, key: str = "", **more: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {key or self.gateway.virtual_key}"} | more.pop("headers", {})
        url = f"ws{self.gateway.url.removeprefix('http')}/v1/realtime?model={model}"
        return await connect(url, additional_headers=headers, max_size=None, compression=None, **more)

    async def key(self, **narrowing: Any) -> dict[str, Any]:
        [team, *_] = (await self.gateway.admin("GET", "/teams"))["items"]
        wanted = {"name": f"key-{secrets.token_hex(4)}", "team": team["id"], **narrowing}
        issued = await self.gateway.admin("POST", "/virtual-keys", wanted)
        return {**issued["virtual_key"], "key": issued["key"]}

    async def record(self, connection: ClientConnection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the settled record of a session."""
        assert connection.response is not None
        identifier = connection.response.headers["x-keystead-request-id"]
        async with asyncio.timeout(10):
            while True:
                detail = await self.gateway.admin("GET", f"/requests/{identifier}")
                if detail["request"]["state"] != "intent":
                    return detail["request"], detail["attempts"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield await house_with(stack, tmp_path_factory)


async def house_with(stack: AsyncExitStack, folders: pytest.TempPathFactory, **settings: str) -> House:
    fake = await stack.enter_async_context(FakeRealtime.running())
    home = folders.mktemp("realtime") / "home"
    gateway = await stack.enter_async_context(Gateway.running(home, egress_allow="127.0.0.1", **settings))
    await gateway.add_credential("my-openai", "openai", KEY, origin=fake.origin)
    return House(gateway, fake)


async def heard(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Read on until an event of a kind."""
    async with asyncio.timeout(10):
        while (event := json.loads(await connection.recv()))["type"] != kind:
            pass
    found: dict[str, Any] = event
    return found


async def ask(connection: ClientConnection, instructions: str = "") -> None:
    await connection.send(json.dumps({"type": "response.create", "response": {"instructions": instructions}}))


async def test_the_sdk_holds_a_session_that_is_metered_to_the_token(house: House) -> None:
    url, key = f"{house.gateway.url}/v1", house.gateway.virtual_key
    async with openai.AsyncOpenAI(base_url=url, api_key=key) as client, client.realtime.connect(model=MODEL) as session:
        created = await session.recv()
        assert created.type == "session.created"
        for _ in range(2):
            await session.response.create(response={"instructions": "Say pong."})
            kinds: list[str] = []
            while not kinds or kinds[-1] != "response.done":
                kinds.append((await session.recv()).type)
            assert "response.output_text.delta" in kinds
    shaken = house.fake.handshakes[-1]
    assert shaken.path == "/v1/realtime?model=gpt-realtime"
    assert shaken.headers["authorization"] == f"Bearer {KEY}"
    async with asyncio.timeout(10):
        while (row := (await house.gateway.admin("GET", "/requests?limit=1"))["items"][0])["state"] == "intent":
            pass
    detail = await house.gateway.admin("GET", f"/requests/{row['id']}")
    assert (detail["request"]["state"], detail["request"]["endpoint"]) == ("settled", "realtime")
    [attempt] = detail["attempts"]
    assert attempt["usage"] == {
        "input_tokens": 2 * 55,
        "input_audio_tokens": 2 * 13,
        "cache_read_tokens": 2 * 64,
        "output_tokens": 2 * 30,
        "output_audio_tokens": 2 * 91,
    }
    assert (attempt["cost"], attempt["cost_state"], attempt["usage_source"]) == ("0.0139312", "priced", "provider")


async def test_a_browser_carries_its_key_in_a_subprotocol(house: House) -> None:
    protocols = [
        Subprotocol("realtime"),
        Subprotocol(f"openai-insecure-api-key.{house.gateway.virtual_key}"),
        Subprotocol("openai-beta.realtime-v1"),
    ]
    url = f"ws{house.gateway.url.removeprefix('http')}/openai/v1/realtime?model={MODEL}"
    async with connect(url, subprotocols=protocols) as connection:
        assert connection.subprotocol == "realtime"
        await heard(connection, "session.created")
    shaken = house.fake.handshakes[-1]
    assert shaken.headers["openai-beta"] == "realtime=v1"
    assert house.gateway.virtual_key not in str(shaken.headers)
    assert "sec-websocket-protocol" not in shaken.headers


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        (f"model={MODEL}", {"Authorization": "Bearer ks_01jbad_bad"}, 401),
        (f"model={MODEL}", {}, 401),
        ("", None, 400),
        (f"model={MODEL}&model=other", None, 400),
        (f"model={MODEL}&call_id=rtc_1", None, 400),
    ],
)
async def test_a_refused_session_is_an_http_answer_and_reaches_nobody(
    house: House, query: str, headers: dict[str, str] | None, status: int
) -> None:
    before = len(house.fake.handshakes)
    url = f"ws{house.gateway.url.removeprefix('http')}/v1/realtime?{query}"
    sent = {"Authorization": f"Bearer {house.gateway.virtual_key}"} if headers is None else headers
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers=sent)
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body)["error"]["code"]
    assert len(house.fake.handshakes) == before


async def test_a_key_that_is_narrowed_from_it_holds_no_session(house: House) -> None:
    for narrowing in ({"endpoints": ["chat"]}, {"models": ["gpt-5*"]}, {"max_output_tokens": 100}):
        issued = await house.key(**narrowing)
        with pytest.raises(InvalidStatus) as caught:
            await house.session(key=issued["key"])
        assert caught.value.response.status_code in {400, 403}


@pytest.mark.parametrize(("status", "told"), [(401, 401), (429, 429), (302, 502)])
async def test_a_providers_refusal_is_told_and_recorded(house: House, status: int, told: int) -> None:
    house.fake.refuse = status, b'{"error":{"message":"No.","code":"no"}}'
    try:
        with pytest.raises(InvalidStatus) as caught:
            await house.session()
    finally:
        house.fake.refuse = None
    response = caught.value.response
    assert response.status_code == told
    detail = await house.gateway.admin("GET", f"/requests/{response.headers['x-keystead-request-id']}")
    [attempt] = detail["attempts"]
    assert attempt["state"] in {"rejected", "failed_billed", "failed_unsent"}


async def test_revoking_the_key_ends_its_sessions_within_a_second(house: House) -> None:
    issued = await house.key()
    connection = await house.session(key=issued["key"])
    await heard(connection, "session.created")
    await house.gateway.admin("POST", f"/virtual-keys/{issued['id']}/revoke")
    async with asyncio.timeout(1):
        told = await heard(connection, "error")
        await connection.wait_closed()
    assert told["error"]["code"] == "invalid_key"
    assert connection.close_code == 1008
    request, _ = await house.record(connection)
    assert (request["state"], request["error_code"]) == ("cancelled_partial", "invalid_key")
    async with asyncio.timeout(1):
        await house.fake.nobody()


async def test_a_session_that_the_provider_closes_is_closed_and_settled(house: House) -> None:
    connection = await house.session()
    await ask(connection, "close")
    await connection.wait_closed()
    assert connection.close_code == 1000
    request, [attempt] = await house.record(connection)
    assert (request["state"], attempt["cost"]) == ("settled", COST)


async def test_a_session_that_is_cut_says_so_and_what_is_known_is_partial(house: House) -> None:
    connection = await house.session()
    await ask(connection)
    await heard(connection, "response.done")
    await ask(connection, "cut")
    assert (await heard(connection, "error"))["error"]["code"] == "upstream_cut"
    await connection.wait_closed()
    assert connection.close_code == 1011
    request, [attempt] = await house.record(connection)
    assert (request["state"], attempt["usage_source"]) == ("failed_billed", "provider_partial")
    assert (attempt["cost"], attempt["cost_state"]) == (COST, "estimated")


async def test_the_providers_key_does_not_come_back(house: House) -> None:
    connection = await house.session()
    await ask(connection, "leak")
    told = await heard(connection, "error")
    await connection.close()
    assert KEY not in json.dumps(told)
    assert "[redacted]" in told["error"]["message"]


async def test_transcription_by_another_model_shows_as_unpriced(house: House) -> None:
    connection = await house.session()
    await ask(connection, "transcribe")
    await heard(connection, "response.done")
    await connection.close()
    _, [attempt] = await house.record(connection)
    assert attempt["units"] == {"transcription_seconds": "2.5"}
    assert attempt["cost_state"] == "unpriced"
    assert "other_model" in attempt["anomalies"]


async def test_binary_messages_are_refused(house: House) -> None:
    connection = await house.session()
    await connection.send(b"\x00")
    assert (await heard(connection, "error"))["error"]["code"] == "binary_message"


async def test_a_limit_of_requests_at_once_counts_sessions(house: House) -> None:
    issued = await house.key()
    limit = {"name": "one", "measure": "concurrent_requests", "most": 1, "virtual_key": issued["id"]}
    await house.gateway.admin("POST", "/rate-limits", limit)
    first = await house.session(key=issued["key"])
    await heard(first, "session.created")
    with pytest.raises(InvalidStatus) as caught:
        await house.session(key=issued["key"])
    assert caught.value.response.status_code == 429
    await first.close()
    await house.record(first)
    second = await house.session(key=issued["key"])
    await second.close()


async def test_a_session_ends_before_it_costs_more_than_is_held(house: House) -> None:
    issued = await house.key()
    budget = {"name": "poor", "limit": "6", "period": "month", "virtual_key": issued["id"]}
    await house.gateway.admin("POST", "/budgets", budget)
    connection = await house.session(key=issued["key"])
    for _ in range(3):
        await ask(connection)
        await heard(connection, "response.done")
    await connection.close()
    request, [attempt] = await house.record(connection)
    assert request["state"] == "settled"
    assert "cost_beyond_held" not in attempt["anomalies"]
    spender = await house.session(key=issued["key"])
    await ask(spender, "dear")
    assert (await heard(spender, "error"))["error"]["code"] == "session_budget"
    await spender.wait_closed()
    assert spender.close_code == 1008
    request, [attempt] = await house.record(spender)
    assert (request["state"], attempt["cost"]) == ("cancelled_partial", "5.12")


async def test_responses_at_once_are_all_held_for(house: House) -> None:
    issued = await house.key()
    budget = {"name": "at once", "limit": "6", "period": "month", "virtual_key": issued["id"]}
    await house.gateway.admin("POST", "/budgets", budget)
    connection = await house.session(key=issued["key"])
    before = len(house.fake.heard)
    for _ in range(RESPONSES_HELD + 1):
        await ask(connection, "never")
    assert (await heard(connection, "error"))["error"]["code"] == "session_budget"
    await connection.wait_closed()
    assert len(house.fake.heard) - before <= RESPONSES_HELD


@pytest.mark.parametrize(
    "session",
    [
        {"type": "realtime", "model": "gpt-realtime-2"},
        {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}},
        {"input_audio_transcription": {"mod\\u0065l": "whisper-1"}},
    ],
)
async def test_a_narrowed_key_brings_no_other_model_in(house: House, session: dict[str, Any]) -> None:
    issued = await house.key(models=[MODEL.partition("/")[2] or MODEL])
    connection = await house.session(key=issued["key"])
    before = len(house.fake.heard)
    text = json.dumps({"type": "session.update", "session": session}).replace("\\\\", "\\")
    await connection.send(text)
    error = (await heard(connection, "error"))["error"]
    assert error["code"] == "model_not_allowed"
    await connection.wait_closed()
    assert len(house.fake.heard) == before
    whole = await house.session()
    await whole.send(text)
    await heard(whole, "conversation.item.done")
    await whole.close()


async def test_what_is_no_text_is_the_providers_fault(house: House) -> None:
    connection = await house.session()
    await ask(connection, "garbage")
    assert (await heard(connection, "error"))["error"]["code"] == "unreadable_answer"
    request, _ = await house.record(connection)
    assert request["state"] == "failed_billed"
    assert '"event":"defect"' not in house.gateway.log.read_text()


async def test_a_subprotocol_that_is_none_is_refused(house: House) -> None:
    host, port = house.gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"GET /v1/realtime?model={MODEL} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.\xe9, openai-beta.\xff\r\n\r\n"
    )
    writer.write(head.encode("latin-1"))
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()
    assert status.split()[1] == b"400", status
    assert '"event":"defect"' not in house.gateway.log.read_text()


async def test_recognisers_look_into_what_is_typed(house: House) -> None:
    wanted = {"name": "cards", "kind": "payment_card", "action": "block"}
    made = await house.gateway.admin("POST", "/recognizers", wanted)
    try:
        connection = await house.session()
        await connection.send(json.dumps({"type": "conversation.item.create", "item": {"text": "4111 1111 1111 1111"}}))
        assert (await heard(connection, "error"))["error"]["code"] == "blocked_content"
        disguised = await house.session()
        item = {"a": "input_audio_buffer.append", "type": "conversation.item.create", "b": "4111 1111 1111 1111"}
        await disguised.send(json.dumps(item))
        assert (await heard(disguised, "error"))["error"]["code"] == "blocked_content"
        sound = await house.session()
        await sound.send(json.dumps({"type": "input_audio_buffer.append", "audio": "4111111111111111"}))
        await heard(sound, "conversation.item.done")
        await sound.close()
        del house.fake.heard[-1]
        assert "4111" not in json.dumps(house.fake.heard)
    finally:
        await house.gateway.admin("POST", f"/recognizers/{made['id']}/remove")


async def test_silence_and_large_messages_end_a_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with AsyncExitStack() as stack:
        house = await house_with(stack, tmp_path_factory, idle_timeout_s="0.6", max_body_bytes="65536")
        silent = await house.session()
        assert (await heard(silent, "error"))["error"]["code"] == "session_idle"
        loud = await house.session()
        await loud.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 70_000}))
        with pytest.raises(ConnectionClosed):
            await heard(loud, "never")
        assert loud.close_code == 1009
        request, _ = await house.record(loud)
        assert request["state"] == "settled"


async def test_nothing_of_a_session_is_logged(house: House) -> None:
    key = house.gateway.virtual_key
    url = f"ws{house.gateway.url.removeprefix('http')}/v1/realtime?model={MODEL}&key={key}"
    async with connect(url) as connection:
        await ask(connection, "canary-of-what-is-said")
        await heard(connection, "response.done")
    assert house.fake.heard[-1]["response"]["instructions"] == "canary-of-what-is-said"
    logged = house.gateway.log.read_text()
    assert key not in logged
    assert KEY not in logged
    assert "canary-of-what-is-said" not in logged
    assert "response.done" not in logged


async def test_a_plain_request_for_a_session_is_told_to_upgrade(house: House) -> None:
    reply = await house.gateway.call("GET", f"/v1/realtime?model={MODEL}")
    assert reply.status == 426
    assert reply.json()["error"]["code"] == "websocket_only"


async def test_any_other_path_stays_http(house: House) -> None:
    """Codex offers a WebSocket for responses first, and goes on with HTTP only when it is told 426."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws{house.gateway.url.removeprefix('http')}/v1/responses")
    assert caught.value.response.status_code == 426
