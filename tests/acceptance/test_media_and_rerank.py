"""Images, sound, moderation and reranking with OpenAI's own SDK, plain and as they stream: what comes, and what it cost."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import openai
import pytest
import pytest_asyncio

from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDERS = {"my-openai": "openai", "my-cohere": "cohere", "my-vllm": "vllm", "my-together": "together"}
PNG = base64.b64encode(b"\x89PNG\r\n").decode()
IMAGE_USAGE: dict[str, Any] = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 272,
    "total_tokens": 322,
}
SOUND_USAGE: dict[str, Any] = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    "output_tokens": 45,
    "total_tokens": 59,
}


class House(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeProvider
    client: openai.AsyncOpenAI

    async def attempt(self) -> dict[str, Any]:
        """Return the newest request's one attempt."""
        [row] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
        [attempt] = (await self.gateway.admin("GET", f"/requests/{row['id']}"))["attempts"]
        found: dict[str, Any] = attempt
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home = tmp_path_factory.mktemp("media") / "home"
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeProvider())
        gateway = await stack.enter_async_context(Gateway.running(home, egress_allow="127.0.0.1"))
        for name, provider in PROVIDERS.items():
            await gateway.add_credential(name, provider, f"secret-of-{name}-0123456789", origin=fake.origin)
        fake.calls.clear()
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.virtual_key, max_retries=0)
        yield House(gateway, fake, await stack.enter_async_context(client))


def plain(body: Any) -> Answer:
    return Answer(steps=(json.dumps(body).encode(),))


def events(*bodies: dict[str, Any]) -> Answer:
    steps = tuple(f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode() for body in bodies)
    return Answer(headers=(("content-type", "text/event-stream"),), framing=Framing.CHUNKED, steps=steps)


async def test_an_image_is_priced_by_its_tokens(house: House) -> None:
    house.fake.next(plain({"created": 1, "data": [{"b64_json": PNG}], "usage": IMAGE_USAGE}))
    answer = await house.client.images.generate(model="my-openai/gpt-image-1", prompt="A key", size="1024x1024")
    assert answer.data is not None
    assert answer.data[0].b64_json == PNG
    attempt = await house.attempt()
    # 10 × 5 + 40 × 10 + 272 × 40 USD a million
    assert (attempt["cost"], attempt["cost_state"]) == ("0.01133", "priced")
    assert attempt["units"] == {"images": "1"}


async def test_partial_images_stream_and_are_priced_once(house: House) -> None:
    part = {"type": "image_generation.partial_image", "b64_json": PNG, "partial_image_index": 0, "created_at": 1}
    common = {"background": "auto", "output_format": "png", "quality": "low", "size": "1024x1024"}
    done = {"type": "image_generation.completed", "b64_json": PNG, "created_at": 1, "usage": IMAGE_USAGE}
    house.fake.next(events({**part, **common}, {**done, **common}))
    stream = await house.client.images.generate(
        model="my-openai/gpt-image-1", prompt="A key", stream=True, partial_images=1
    )
    kinds = [event.type async for event in stream]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    attempt = await house.attempt()
    assert (attempt["cost"], attempt["cost_state"], attempt["usage_source"]) == ("0.01133", "priced", "provider")


async def test_images_are_edited_from_a_form_that_streams(house: House) -> None:
    done = {"type": "image_edit.completed", "b64_json": PNG, "created_at": 1, "usage": IMAGE_USAGE}
    done |= {"background": "auto", "output_format": "png", "quality": "low", "size": "1024x1024"}
    house.fake.next(events(done))
    stream = await house.client.images.edit(
        model="my-openai/gpt-image-1", prompt="A key", image=("a.png", b"\x89PNG\r\n", "image/png"), stream=True
    )
    assert [event.type async for event in stream] == ["image_edit.completed"]
    assert b"my-openai" not in house.fake.calls[-1].body
    assert (await house.attempt())["cost"] == "0.01133"


async def test_an_image_without_a_price_is_visibly_unpriced(house: House) -> None:
    house.fake.next(plain({"created": 1, "data": [{"url": "https://x.example/1.png"}] * 2}))
    await house.client.images.generate(model="my-openai/dall-e-3", prompt="A key", n=2)
    attempt = await house.attempt()
    assert (attempt["units"], attempt["cost"], attempt["cost_state"]) == ({"images": "2"}, None, "unpriced")


async def test_a_transcript_is_priced_by_tokens_or_by_seconds(house: House) -> None:
    house.fake.next(plain({"text": "Hi", "usage": SOUND_USAGE}))
    answer = await house.client.audio.transcriptions.create(
        model="my-openai/gpt-4o-transcribe", file=("a.wav", b"RIFF", "audio/wav")
    )
    assert answer.text == "Hi"
    assert (await house.attempt())["cost"] == "0.000534"  # 14 × 6 + 45 × 10 USD a million
    house.fake.next(plain({"text": "Hi", "usage": {"type": "duration", "seconds": 12}}))
    await house.client.audio.transcriptions.create(model="my-openai/whisper-1", file=("a.wav", b"RIFF", "audio/wav"))
    attempt = await house.attempt()
    assert (attempt["units"], attempt["cost"]) == ({"audio_seconds": "12"}, "0.0012")


async def test_a_transcript_streams(house: House) -> None:
    delta = {"type": "transcript.text.delta", "delta": "Hi"}
    house.fake.next(events(delta, {"type": "transcript.text.done", "text": "Hi", "usage": SOUND_USAGE}))
    stream = await house.client.audio.transcriptions.create(
        model="my-openai/gpt-4o-transcribe", file=("a.wav", b"RIFF", "audio/wav"), stream=True
    )
    assert [event.type async for event in stream] == ["transcript.text.delta", "transcript.text.done"]
    attempt = await house.attempt()
    assert (attempt["cost"], attempt["cost_state"]) == ("0.000534", "priced")


async def test_speech_is_priced_by_the_characters_that_were_asked_for(house: House) -> None:
    sound = Answer(headers=(("content-type", "audio/mpeg"),), framing=Framing.CHUNKED, steps=(b"\xff\xf3", b"\x00" * 9))
    house.fake.next(sound)
    async with house.client.audio.speech.with_streaming_response.create(
        model="my-openai/tts-1", voice="alloy", input="Grüezi"
    ) as answer:
        assert await answer.read() == b"\xff\xf3" + b"\x00" * 9
    attempt = await house.attempt()
    assert (attempt["units"], attempt["usage_source"]) == ({"characters": "6"}, "estimated")
    assert (attempt["cost"], attempt["cost_state"]) == ("0.00009", "estimated")


async def test_speech_streams_as_events_with_the_providers_own_usage(house: House) -> None:
    usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
    house.fake.next(events({"type": "speech.audio.delta", "audio": PNG}, {"type": "speech.audio.done", "usage": usage}))
    async with house.client.audio.speech.with_streaming_response.create(
        model="my-openai/gpt-4o-mini-tts", voice="alloy", input="Hello", stream_format="sse"
    ) as answer:
        lines = [line async for line in answer.iter_lines() if line.startswith("data:")]
    assert json.loads(lines[-1][5:])["usage"] == usage
    attempt = await house.attempt()
    assert attempt["usage"] == {"input_tokens": 14, "output_audio_tokens": 101}
    assert attempt["usage_source"] == "provider"


async def test_moderation_is_free_and_recorded(house: House) -> None:
    house.fake.next(plain({"id": "modr-1", "model": "omni-moderation-latest", "results": []}))
    answer = await house.client.moderations.create(model="my-openai/omni-moderation-latest", input="Hello")
    assert answer.id == "modr-1"
    attempt = await house.attempt()
    assert (attempt["cost"], attempt["cost_state"]) == ("0", "free")


COHERE = {"id": "r-1", "results": [{"index": 0, "relevance_score": 0.9}], "meta": {"billed_units": {"search_units": 1}}}
VLLM = {"id": "r-2", "model": "bge", "results": [], "usage": {"total_tokens": 56}}
TOGETHER = {"model": "rank", "results": [], "usage": {"prompt_tokens": 40, "completion_tokens": 0, "total_tokens": 40}}


@pytest.mark.parametrize(
    ("model", "path", "answer", "counted"),
    [
        ("my-cohere/rerank-v4.0-pro", "/v2/rerank", COHERE, ({}, {"search_units": "1"})),
        ("my-vllm/bge-reranker", "/v1/rerank", VLLM, ({"input_tokens": 56}, {})),
        ("my-together/rank", "/v1/rerank", TOGETHER, ({"input_tokens": 40}, {})),
    ],
)
@pytest.mark.parametrize("asked", ["/v1/rerank", "/v2/rerank"])
async def test_reranking_passes_and_is_metered_as_its_provider_bills(
    house: House, *, asked: str, model: str, path: str, answer: Any, counted: Any
) -> None:
    house.fake.next(plain(answer))
    body = {"model": model, "query": "key", "documents": ["a", "b"], "top_n": 1, "a_field_of_tomorrow": 1}
    reply = await house.gateway.call("POST", asked, body)
    assert reply.json() == answer
    call = house.fake.calls[-1]
    assert call.path == path
    assert json.loads(call.body) == body | {"model": model.partition("/")[2]}
    attempt = await house.attempt()
    assert ((attempt["usage"], attempt["units"]), attempt["cost_state"]) == (counted, "unpriced")


async def test_a_price_of_the_organizations_own_prices_search_units(house: House) -> None:
    override = {"provider": "cohere", "model": "rerank-v4.0-pro", "prices": {"search_units": "0.0025"}}
    await house.gateway.admin("POST", "/price-overrides", override)
    house.fake.next(plain(COHERE))
    body = {"model": "my-cohere/rerank-v4.0-pro", "query": "key", "documents": ["a", "b"]}
    reply = await house.gateway.call("POST", "/v2/rerank", body)
    assert reply.headers["x-keystead-cost"] == "0.0025 USD"


async def test_reranking_needs_a_model(house: House) -> None:
    reply = await house.gateway.call("POST", "/v1/rerank", {"query": "key", "documents": ["a"]})
    assert (reply.status, reply.json()["error"]["code"]) == (400, "missing_model")
