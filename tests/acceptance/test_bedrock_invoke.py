"""InvokeModel: Claude at Bedrock by Anthropic's own SDK, with nothing lost; and boto3's InvokeModel for Claude wherever it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, closing
from typing import Any

import anthropic
import msgspec
import pytest
import pytest_asyncio
from botocore.exceptions import ClientError, EventStreamError

from tests.acceptance import upstreams
from tests.acceptance.aws_caller import invoker
from tests.acceptance.upstreams import Said
from tests.acceptance.valid import valid, valid_count
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.tokens import service_account
from tests.fakes.wire import Answer, Call, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

ID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL = f"aws/{ID}"
COST = "0.00020262"
"""As through Converse: 16 tokens at 3.30 USD per million, 4 from the cache at 0.33, 9 written at 16.50."""
TOOL: Any = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CACHED: Any = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
CITED: Any = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "The keep is old."},
    "citations": {"enabled": True},
}
ASKED: dict[str, Any] = {
    "max_tokens": 5000,
    "system": [CACHED],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "messages": [{"role": "user", "content": [CITED, {"type": "text", "text": "How old?"}]}],
}
SAID = Said(thought="I look it up.", seal="c2VhbA==", text="Old.", calls=(("toolu_1", "look", {"at": "keep"}),))
CREDENTIALS = {"aws": "ABSKcanaryBEDROCK7f3b1c9d5e2a4860", "anthropic": "sk-ant-api03-canary-7f3b1c9d5e2a"}


class Room(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeProvider
    anthropic: anthropic.AsyncAnthropic
    aws: Any

    async def record(self) -> dict[str, Any]:
        """Return the newest record, once it is settled."""
        async with asyncio.timeout(10):
            while True:
                [row] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
                if row["state"] != "intent":
                    return dict(await self.gateway.admin("GET", f"/requests/{row['id']}"))

    async def invoke(self, model: str, body: Mapping[str, Any]) -> Any:
        given = {"modelId": model, "body": json.dumps(body)}
        answer = await asyncio.to_thread(self.aws.invoke_model, **given)
        return json.loads(await asyncio.to_thread(answer["body"].read))

    async def stream(self, model: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        def heard() -> list[dict[str, Any]]:
            answer = self.aws.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
            with closing(answer["body"]) as events:
                return [json.loads(event["chunk"]["bytes"]) for event in events]

        return await asyncio.to_thread(heard)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    home = tmp_path_factory.mktemp("invoke") / "home"
    async with (
        FakeProvider() as fake,
        FakeProvider() as tokens,
        Gateway.running(home, egress_allow="127.0.0.1", google_token_origin=tokens.origin) as gateway,
        AsyncExitStack() as stack,
    ):
        tokens.always(Answer(steps=(b'{"access_token":"ya29.canary-VERTEX-7f3b1c9d","expires_in":3599}',)))
        region = {"settings": {"region": "us-east-1"}}
        await gateway.add_credential("aws", "bedrock", CREDENTIALS["aws"], origin=fake.origin, **region)
        await gateway.add_credential("anthropic", "anthropic", CREDENTIALS["anthropic"], origin=fake.origin)
        await gateway.add_credential("openai", "openai", "sk-proj-canary-7f3b1c9d5e2a4860", origin=fake.origin)
        place = {"origin": fake.origin, "settings": {"project": "example", "location": "global"}}
        await gateway.add_credential("vertex", "vertex", service_account(), **place)
        client = anthropic.AsyncAnthropic(base_url=gateway.url, api_key=gateway.virtual_key, max_retries=0)
        yield Room(
            gateway,
            fake,
            await stack.enter_async_context(client),
            stack.enter_context(invoker(f"{gateway.url}/bedrock", gateway.virtual_key)),
        )


def _events(body: bytes) -> list[tuple[str, Any]]:
    """Take a stream apart: the fake answers with the model's name that its body holds, and Bedrock's holds none."""
    assert body.endswith(b"\n\n")
    pairs = [event.split("\ndata: ") for event in body.decode().strip().replace(ID, "").split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in pairs]


def broken(call: Call, kind: str, message: str) -> Answer:
    """Begin to answer, and break off with an exception."""
    begun = tuple(upstreams.answer_to(call, SAID).steps)[:3]
    headers = (("content-type", "application/vnd.amazon.eventstream"),)
    steps = (*begun, upstreams.exception_frame(kind, message))
    return Answer(headers=headers, framing=Framing.CHUNKED, steps=steps)


# -- as a provider ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_anthropics_sdk_reaches_claude_at_bedrock_with_nothing_lost(room: Room, stream: bool) -> None:
    room.fake.always(lambda call: upstreams.answer_to(call, SAID))
    asked: dict[str, Any] = {**ASKED, "model": MODEL, "tools": [TOOL], "metadata": {"user_id": "u1"}}
    betas = ["context-1m-2025-08-07", "advanced-tool-use-2025-11-20", "files-api-2025-04-14"]
    if stream:
        async with room.anthropic.beta.messages.stream(**asked, betas=betas) as events:
            message = await events.get_final_message()
        dropped = events.response.headers["x-keystead-dropped"]
    else:
        raw = await room.anthropic.beta.messages.with_raw_response.create(**asked, betas=betas)
        message, dropped = await raw.parse(), raw.headers["x-keystead-dropped"]
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[0].signature == "c2VhbA=="  # type: ignore[union-attr]
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", upstreams.OUTPUT)
    assert dropped == "anthropic-beta: files-api-2025-04-14"

    call = room.fake.calls[-1]
    assert call.path == f"/model/{ID.replace(':', '%3A')}/{'invoke-with-response-stream' if stream else 'invoke'}"
    assert call.header("anthropic-beta") is call.header("anthropic-version") is None
    sent = json.loads(call.body)
    assert sent.pop("anthropic_beta") == ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"]
    assert sent.pop("anthropic_version") == "bedrock-2023-05-31"
    assert sent == {name: value for name, value in asked.items() if name != "model"}

    record = await room.record()
    assert (record["request"]["endpoint"], record["request"]["model_asked"]) == ("messages", MODEL)
    [attempt] = record["attempts"]
    assert (record["request"]["state"], attempt["model_sent"], attempt["cost_state"]) == ("settled", ID, "priced")
    assert attempt["cost"] == COST


async def test_the_events_are_the_very_ones_that_anthropic_sends(room: Room) -> None:
    body = {**ASKED, "stream": True}
    room.fake.always(lambda call: upstreams.answer_to(call, SAID))
    through = await room.gateway.call("POST", "/v1/messages", {**body, "model": MODEL})
    straight = await room.gateway.call("POST", "/v1/messages", {**body, "model": f"anthropic/{ID}"})
    assert through.headers["Content-Type"].startswith("text/event-stream")
    assert through.headers["x-keystead-translated"] == "bedrock/messages"
    assert _events(through.body) == _events(straight.body)


async def test_a_throttle_is_raised_as_the_sdk_raises_its_own_and_awss_id_is_recorded(room: Room) -> None:
    def throttles(_call: Call) -> Answer:
        headers = (
            ("content-type", "application/json"),
            ("x-amzn-errortype", "ThrottlingException"),
            ("x-amzn-requestid", "a1b2-of-aws"),
        )
        return Answer(status=429, headers=headers, steps=(b'{"message":"Too many tokens, please wait."}',))

    room.fake.always(throttles)
    with pytest.raises(anthropic.RateLimitError, match="Too many tokens") as raised:
        await room.anthropic.messages.create(model=MODEL, **ASKED)
    body: Any = raised.value.body
    assert body["error"]["type"] == "rate_limit_error"
    [attempt] = (await room.record())["attempts"]
    assert (attempt["error_class"], attempt["upstream_request_id"]) == ("throttled", "a1b2-of-aws")


async def test_an_exception_inside_a_stream_is_anthropics_error_event(room: Room) -> None:
    room.fake.always(lambda call: broken(call, "throttlingException", "Too many tokens"))
    with pytest.raises(anthropic.APIStatusError, match="Too many tokens"):
        async with room.anthropic.messages.stream(model=MODEL, **ASKED) as events:
            await events.get_final_message()
    assert (await room.record())["request"]["state"] == "failed_billed"


@pytest.mark.parametrize("asker", ["anthropic", "openai"])
async def test_tokens_are_counted_by_bedrock_itself(room: Room, asker: str) -> None:
    room.fake.always(Answer(steps=(b'{"inputTokens":77}',)))
    if asker == "openai":
        reply = await room.gateway.call("POST", "/v1/responses/input_tokens", {"model": MODEL, "input": "How old?"})
    else:
        asked = {name: value for name, value in ASKED.items() if name != "max_tokens"}
        reply = await room.gateway.call("POST", "/v1/messages/count_tokens", {"model": MODEL, "tools": [TOOL], **asked})
    assert reply.json()["input_tokens"] == 77
    assert "x-keystead-estimate" not in reply.headers
    call = room.fake.calls[-1]
    assert call.path == f"/model/{ID.removeprefix('us.').replace(':', '%3A')}/count-tokens"
    counted = valid_count(json.loads(call.body))
    assert "How old?" in json.dumps(counted)
    if asker == "anthropic":
        assert counted.pop("max_tokens") > ASKED["thinking"]["budget_tokens"]
        assert (counted["system"], counted["tools"]) == (ASKED["system"], [TOOL])
    assert (await room.record())["attempts"][0]["cost_state"] == "free"


async def test_tokens_of_other_models_there_are_estimated(room: Room) -> None:
    asked = {"model": "aws/eu.amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "How old?"}]}
    reply = await room.gateway.call("POST", "/v1/messages/count_tokens", asked)
    assert reply.headers["x-keystead-estimate"] == "input_tokens"


# -- as the callers' dialect ------------------------------------------------------------------------------------------

INVOKED = {"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["context-1m-2025-08-07"], **ASKED}
AT = {
    MODEL: f"/model/{ID.replace(':', '%3A')}/invoke",
    "anthropic/claude-sonnet-4-5": "/v1/messages",
    "vertex/claude-sonnet-4-5": "/v1/projects/example/locations/global/publishers/anthropic/models/claude-sonnet-4-5:",
}


@pytest.mark.parametrize("model", AT)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_boto3_invokes_claude_wherever_it_is(room: Room, model: str, stream: bool) -> None:
    room.fake.always(lambda call: upstreams.answer_to(call, SAID))
    if stream:
        events = await room.stream(model, INVOKED)
        assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
        assert {"type": "signature_delta", "signature": "c2VhbA=="} in [event.get("delta") for event in events]
    else:
        message = await room.invoke(model, INVOKED)
        assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    call = room.fake.calls[-1]
    assert call.path.startswith(AT[model])
    sent = valid(call)
    assert {name: sent[name] for name in ASKED} == ASKED
    betas = json.loads(call.body).get("anthropic_beta") or [call.header("anthropic-beta")]
    assert betas == ["context-1m-2025-08-07"]
    record = await room.record()
    assert (record["request"]["endpoint"], record["request"]["state"]) == ("messages", "settled")
    assert (record["request"]["input_total"], record["request"]["output_total"]) == (upstreams.INPUT, upstreams.OUTPUT)
    assert record["attempts"][0]["cost_state"] == "priced"


async def test_an_error_of_anthropics_is_awss_to_boto3(room: Room) -> None:
    room.fake.always(lambda call: upstreams.error_to(call, 429, "rate_limit_error", "Slow down."))
    with pytest.raises(ClientError, match="Slow down") as raised:
        await room.invoke("anthropic/claude-sonnet-4-5", INVOKED)
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"

    def breaks(call: Call) -> Answer:
        begun = upstreams.answer_to(call, SAID)
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return msgspec.structs.replace(
            begun, steps=(*tuple(begun.steps)[:3], b"event: error\ndata: %b\n\n" % json.dumps(error).encode())
        )

    room.fake.always(breaks)
    with pytest.raises(EventStreamError, match=r"serviceUnavailableException.*Overloaded"):
        await room.stream("anthropic/claude-sonnet-4-5", INVOKED)
    assert (await room.record())["request"]["state"] == "failed_billed"


@pytest.mark.parametrize("model", list(AT)[:2])
async def test_a_cut_stream_is_never_taken_for_whole(room: Room, model: str) -> None:
    room.fake.always(lambda call: upstreams.answer_to(call, SAID, cut=True))
    with pytest.raises(Exception) as raised:  # noqa: PT011 - a cut connection or a frame that tells
        await room.stream(model, INVOKED)
    assert not isinstance(raised.value, AssertionError | KeyError | TypeError)
    assert (await room.record())["request"]["state"] == "failed_billed"


@pytest.mark.parametrize("model", ["aws/eu.amazon.nova-lite-v1:0", "openai/gpt-5"])
async def test_what_is_not_spoken_to_in_anthropics_words_is_refused_in_awss(room: Room, model: str) -> None:
    before = len(room.fake.calls)
    with pytest.raises(ClientError, match="Call Converse") as raised:
        await room.invoke(model, INVOKED)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert len(room.fake.calls) == before
