"""Token counts and embeddings from any SDK for any provider, against one gateway."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anthropic
import msgspec
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import types as genai_types

from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # google-genai's own:
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

COUNTED = 11
"""What the fake's counters say."""
PROVIDERS = {"my-openai": "openai", "my-anthropic": "anthropic", "my-google": "google", "my-groq": "groq"}
COUNTERS = {
    "my-openai/gpt-5": "/v1/responses/input_tokens",
    "my-anthropic/claude-opus-5": "/v1/messages/count_tokens",
    "my-google/gemini-3-pro": "/v1beta/models/gemini-3-pro:countTokens",
}
MESSAGES: Any = [{"role": "user", "content": "What is a key stead?"}]
TOOL: Any = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}


class House(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeProvider
    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic
    genai: genai.Client

    async def newest(self) -> dict[str, Any]:
        [row] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
        detail: dict[str, Any] = await self.gateway.admin("GET", f"/requests/{row['id']}")
        return detail


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home = tmp_path_factory.mktemp("counts") / "home"
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeProvider())
        gateway = await stack.enter_async_context(Gateway.running(home, egress_allow="127.0.0.1"))
        for name, provider in PROVIDERS.items():
            await gateway.add_credential(name, provider, f"secret-of-{name}-0123456789", origin=fake.origin)
        fake.calls.clear()
        url, key = gateway.url, gateway.virtual_key
        yield House(
            gateway,
            fake,
            await stack.enter_async_context(openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)),
            await stack.enter_async_context(anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0)),
            genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=url)),
        )


@pytest.mark.parametrize(("model", "path"), COUNTERS.items())
async def test_claude_code_counts_with_the_counter_of_whatever_provider(house: House, model: str, path: str) -> None:
    raw = await house.anthropic.beta.messages.with_raw_response.count_tokens(
        model=model, messages=MESSAGES, system="Be brief.", tools=[TOOL], betas=["token-counting-2024-11-01"]
    )
    assert (await raw.parse()).input_tokens == COUNTED
    assert "x-keystead-estimate" not in raw.headers
    assert raw.headers["x-keystead-cost-state"] == "free"
    assert house.fake.calls[-1].path == path
    assert b"Look." in house.fake.calls[-1].body
    detail = await house.newest()
    assert detail["request"]["endpoint"] == "count_tokens"
    assert detail["attempts"][0]["cost_state"] == "free"


@pytest.mark.parametrize(("model", "path"), COUNTERS.items())
async def test_openais_sdk_counts_with_the_counter_of_whatever_provider(house: House, model: str, path: str) -> None:
    counted = await house.openai.responses.input_tokens.count(model=model, input="What is a key stead?")
    assert counted.object == "response.input_tokens"
    assert counted.input_tokens == COUNTED
    assert house.fake.calls[-1].path == path


@pytest.mark.parametrize(("model", "path"), COUNTERS.items())
async def test_googles_sdk_counts_with_the_counter_of_whatever_provider(house: House, model: str, path: str) -> None:
    counted = await house.genai.aio.models.count_tokens(model=model, contents="What is a key stead?")
    assert counted.total_tokens == COUNTED
    assert house.fake.calls[-1].path == path


async def test_without_a_counter_the_count_is_an_estimate_and_says_so(house: House) -> None:
    before = len(house.fake.calls)
    raw = await house.anthropic.messages.with_raw_response.count_tokens(
        model="my-groq/llama-4", messages=MESSAGES, tools=[TOOL]
    )
    assert (await raw.parse()).input_tokens > 300
    assert raw.headers["x-keystead-estimate"] == "input_tokens"
    assert len(house.fake.calls) == before
    detail = await house.newest()
    assert detail["decision"]["estimated"] is True
    assert detail["decision"]["credential"] == "my-groq"
    assert detail["attempts"] == []
    assert detail["request"]["state"] == "settled"


async def test_an_estimate_needs_the_same_rights_as_a_count(house: House) -> None:
    [team, *_] = (await house.gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": "narrow", "team": team["id"], "models": ["gpt-*"]}
    key = (await house.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    body = {"model": "my-groq/llama-4", "messages": MESSAGES}
    reply = await house.gateway.call("POST", "/v1/messages/count_tokens", body, key=key)
    assert reply.status == 403


async def test_a_body_that_cannot_be_counted_is_refused_by_name(house: House) -> None:
    reply = await house.gateway.call("POST", "/v1/messages/count_tokens", {"model": "my-groq/x", "messages": "Hi"})
    assert reply.status == 400
    assert "messages" in reply.json()["error"]["message"]


# -- embeddings -------------------------------------------------------------------------------------------------------


def vectors(count: int) -> Answer:
    data = [{"object": "embedding", "index": i, "embedding": [i + 0.5, -1.25]} for i in reversed(range(count))]
    usage = {"prompt_tokens": 21, "total_tokens": 21}
    body = {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": usage}
    return Answer(steps=(json.dumps(body).encode(),))


async def test_googles_sdk_embeds_with_openai_at_an_exact_cost(house: House) -> None:
    house.fake.next(vectors(2))
    answer = await house.genai.aio.models.embed_content(
        model="my-openai/text-embedding-3-small",
        contents=["one", "two"],
        config=genai_types.EmbedContentConfig(output_dimensionality=2, task_type="RETRIEVAL_QUERY"),
    )
    assert answer.embeddings is not None
    assert [each.values for each in answer.embeddings] == [[0.5, -1.25], [1.5, -1.25]]
    call = house.fake.calls[-1]
    assert call.path == "/v1/embeddings"
    assert json.loads(call.body) == {
        "model": "text-embedding-3-small",
        "input": ["one", "two"],
        "encoding_format": "float",
        "dimensions": 2,
    }
    [attempt] = (await house.newest())["attempts"]
    assert attempt["cost_state"] == "priced"
    assert attempt["cost"] == "0.00000042"  # 21 tokens at 0.02 USD a million


async def test_googles_own_embeddings_are_visibly_of_unknown_cost(house: House) -> None:
    """Google says nothing of what embedding has used."""
    answer = await house.genai.aio.models.embed_content(model="my-google/gemini-embedding-001", contents="one")
    assert answer.embeddings
    sent = json.loads(house.fake.calls[-1].body)
    assert sent["requests"][0]["model"] == "models/gemini-embedding-001"
    [attempt] = (await house.newest())["attempts"]
    assert (attempt["cost_state"], attempt["usage_source"]) == ("unknown", "none")


async def test_an_image_cannot_be_embedded_elsewhere_and_that_is_said(house: House) -> None:
    with pytest.raises(genai.errors.ClientError, match="Only text"):
        await house.genai.aio.models.embed_content(
            model="my-openai/text-embedding-3-small",
            contents=genai_types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
        )
