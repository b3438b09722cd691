"""The official Python SDKs, unchanged but for base URL and key, against a real gateway on both engines."""

import contextlib
import gc
from collections.abc import AsyncIterator

import anthropic
import msgspec
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from tests.acceptance.conftest import Stage
from tests.fakes.wire import Answer, Framing

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # google-genai's own:
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


class Sdks(msgspec.Struct, frozen=True):
    """One client of each SDK, configured by base URL and key alone."""

    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic
    genai: genai.Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdks(stage: Stage) -> AsyncIterator[Sdks]:
    url, key = stage.gateway.url, stage.gateway.virtual_key
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as openai_client,
        anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as anthropic_client,
        genai_client(url, key) as genai_sdk,
    ):
        yield Sdks(openai_client, anthropic_client, genai_sdk)


@contextlib.asynccontextmanager
async def genai_client(url: str, key: str, version: str | None = None) -> AsyncIterator[genai.Client]:
    client = genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=url, api_version=version))
    yield client


# -- OpenAI ---------------------------------------------------------------------------------------------------------


async def test_openai_chat(sdks: Sdks) -> None:
    answer = await sdks.openai.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "Hello"}]
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_openai_chat_headers_say_which_key_did_it(sdks: Sdks) -> None:
    raw = await sdks.openai.chat.completions.with_raw_response.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "Hello"}]
    )
    assert raw.headers["x-keystead-request-id"].startswith("req_")
    assert raw.headers["x-keystead-credential"].startswith("cred_")
    assert raw.headers["x-keystead-credential"].endswith("@1")
    assert raw.headers["x-keystead-owner"] == "own"
    assert raw.headers["x-keystead-cost"].endswith(" USD")


async def test_openai_stream_without_usage_gets_none_but_the_record_does(stage: Stage, sdks: Sdks) -> None:
    stream = await sdks.openai.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    page = await stage.gateway.admin("GET", "/requests?limit=1")
    assert page["items"][0]["output_total"] > 0
    assert page["items"][0]["usage_source"] == "provider"


async def test_openai_stream_with_usage_gets_it(sdks: Sdks) -> None:
    stream = await sdks.openai.chat.completions.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []


async def test_openai_tools_and_images_pass_untouched(stage: Stage, sdks: Sdks) -> None:
    await sdks.openai.chat.completions.create(
        model="gpt-5-mini",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}],
    )
    sent = stage.fake.calls[-1].body
    assert PIXEL.encode() in sent
    assert b'"name":"weather"' in sent


async def test_openai_tool_call_comes_back_typed(sdks: Sdks) -> None:
    answer = await sdks.openai.chat.completions.create(
        model="sandbox/tools",
        messages=[{"role": "user", "content": "Weather in Bern?"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}],
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"


async def test_openai_responses_plain_and_streamed(sdks: Sdks) -> None:
    client = sdks.openai
    answer = await client.responses.create(model="gpt-5-mini", input="Hello")
    assert answer.output_text
    assert answer.usage is not None
    kinds = [
        event.type async for event in await client.responses.create(model="gpt-5-mini", input="Hello", stream=True)
    ]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


async def test_openai_stored_response_is_retrieved_from_the_credential_that_made_it(stage: Stage, sdks: Sdks) -> None:
    client = sdks.openai
    made = await client.responses.create(model="gpt-5-mini", input="Hello")
    again = await client.responses.retrieve(made.id)
    assert stage.fake.calls[-1].path == f"/v1/responses/{made.id}"
    assert again.object == "response"


async def test_openai_response_of_nobody_is_not_found(stage: Stage, sdks: Sdks) -> None:
    before = len(stage.fake.calls)
    with pytest.raises(openai.NotFoundError):
        await sdks.openai.responses.retrieve("resp_of_somebody_else")
    assert len(stage.fake.calls) == before


async def test_openai_embeddings(sdks: Sdks) -> None:
    answer = await sdks.openai.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert answer.data[0].embedding


async def test_openai_lists_models(sdks: Sdks) -> None:
    models = [model.id async for model in await sdks.openai.models.list()]
    assert models


# -- Anthropic ------------------------------------------------------------------------------------------------------


async def test_anthropic_message_with_image_and_tools(stage: Stage, sdks: Sdks) -> None:
    answer = await sdks.anthropic.messages.create(
        model="claude-opus-5",
        max_tokens=64,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "text", "text": "Hello"},
                ],
            }
        ],
        tools=[{"name": "weather", "input_schema": WEATHER}],
    )
    assert answer.content[0].type == "text"
    assert answer.usage.output_tokens > 0
    call = stage.fake.calls[-1]
    assert PIXEL.encode() in call.body
    assert dict(call.headers)["anthropic-version"]


async def test_anthropic_stream(sdks: Sdks) -> None:
    async with sdks.anthropic.messages.stream(
        model="claude-opus-5", max_tokens=64, messages=[{"role": "user", "content": "Hello"}]
    ) as stream:
        final = await stream.get_final_message()
    assert final.usage.output_tokens > 0


async def test_anthropic_beta_header_is_forwarded(stage: Stage, sdks: Sdks) -> None:
    await sdks.anthropic.messages.create(
        model="claude-opus-5",
        max_tokens=64,
        messages=[{"role": "user", "content": "Hello"}],
        extra_headers={"anthropic-beta": "context-management-2025-06-27,effort-2025-11-24"},
    )
    sent = dict(stage.fake.calls[-1].headers)
    assert sent["anthropic-beta"] == "context-management-2025-06-27,effort-2025-11-24"


async def test_anthropic_counts_tokens(sdks: Sdks) -> None:
    counted = await sdks.anthropic.messages.count_tokens(
        model="claude-opus-5", messages=[{"role": "user", "content": "Hello"}]
    )
    assert counted.input_tokens > 0


async def test_anthropic_lists_models(sdks: Sdks) -> None:
    page = await sdks.anthropic.models.list()
    assert page.data


async def test_anthropic_tool_use_comes_back_typed(sdks: Sdks) -> None:
    answer = await sdks.anthropic.messages.create(
        model="sandbox/tools",
        max_tokens=64,
        messages=[{"role": "user", "content": "Weather in Bern?"}],
        tools=[{"name": "weather", "input_schema": WEATHER}],
    )
    assert answer.stop_reason == "tool_use"
    assert any(block.type == "tool_use" and block.name == "weather" for block in answer.content)


# -- Google ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "v1", "v1beta"])
async def test_genai_generates(stage: Stage, version: str | None) -> None:
    async with genai_client(stage.gateway.url, stage.gateway.virtual_key, version) as client:
        answer = await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert answer.text
    assert answer.usage_metadata is not None


async def test_genai_streams(sdks: Sdks) -> None:
    client = sdks.genai
    stream = await client.aio.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage_metadata is not None
    assert "".join(chunk.text or "" for chunk in chunks)


async def test_genai_sees_images_tools_counts_and_embeds(stage: Stage, sdks: Sdks) -> None:
    client = sdks.genai
    await client.aio.models.generate_content(
        model="gemini-2.5-flash",
        contents=[genai_types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"), "What is this?"],
        config=genai_types.GenerateContentConfig(
            tools=[
                genai_types.Tool(
                    function_declarations=[
                        genai_types.FunctionDeclaration(name="weather", parameters_json_schema=WEATHER)
                    ]
                )
            ]
        ),
    )
    assert b"weather" in stage.fake.calls[-1].body
    counted = await client.aio.models.count_tokens(model="gemini-2.5-flash", contents="Hello")
    assert counted.total_tokens
    embedded = await client.aio.models.embed_content(model="gemini-embedding-001", contents="Hello")
    assert embedded.embeddings
    assert [model.name async for model in await client.aio.models.list()]


async def test_the_provider_sees_its_own_key_and_never_ours(stage: Stage, sdks: Sdks) -> None:
    client = sdks.genai
    await client.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    call = stage.fake.calls[-1]
    assert dict(call.headers)["x-goog-api-key"].startswith("AIza")
    assert "key=" not in call.query
    assert stage.gateway.virtual_key not in str(call.headers)


# -- typed errors ---------------------------------------------------------------------------------------------------

OPENAI_ERRORS = [
    (400, openai.BadRequestError),
    (401, openai.AuthenticationError),
    (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


@pytest.mark.parametrize(("status", "kind"), OPENAI_ERRORS)
async def test_openai_raises_its_typed_error(sdks: Sdks, status: int, kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind) as caught:
        await sdks.openai.chat.completions.create(
            model=f"my-openai/fake-error-{status}", messages=[{"role": "user", "content": "Hello"}]
        )
    assert caught.value.status_code == status
    assert caught.value.response.headers["x-keystead-error"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_anthropic_raises_its_typed_error(sdks: Sdks, status: int, kind: type[anthropic.APIStatusError]) -> None:
    with pytest.raises(kind) as caught:
        await sdks.anthropic.messages.create(
            model=f"my-anthropic/fake-error-{status}",
            max_tokens=8,
            messages=[{"role": "user", "content": "Hello"}],
        )
    assert caught.value.status_code == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_genai_raises_its_typed_error(sdks: Sdks, status: int) -> None:
    client = sdks.genai
    kind = genai_errors.ClientError if status < 500 else genai_errors.ServerError
    with pytest.raises(kind) as caught:
        await client.aio.models.generate_content(model=f"fake-error-{status}", contents="Hello")
    assert caught.value.code == status


async def test_our_own_errors_are_typed_in_every_sdk(stage: Stage) -> None:
    url = stage.gateway.url
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="ks_wrong", max_retries=0) as wrong_openai:
        with pytest.raises(openai.AuthenticationError):
            await wrong_openai.chat.completions.create(model="gpt-5", messages=[])
    async with anthropic.AsyncAnthropic(base_url=url, api_key="ks_wrong", max_retries=0) as wrong_anthropic:
        with pytest.raises(anthropic.AuthenticationError):
            await wrong_anthropic.messages.create(model="claude-opus-5", max_tokens=8, messages=[])
    async with genai_client(url, "ks_wrong") as wrong_genai:
        with pytest.raises(genai_errors.ClientError) as caught:
            await wrong_genai.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert caught.value.code == 401


@pytest.mark.parametrize("script", ["fake-cut-fin", "fake-cut-rst", "fake-cut-chunk"])
async def test_a_cut_stream_is_an_error_in_the_openai_sdk(sdks: Sdks, script: str) -> None:
    with pytest.raises(openai.APIError):
        async for _ in await sdks.openai.chat.completions.create(
            model=f"my-openai/{script}", messages=[{"role": "user", "content": "Hello"}], stream=True
        ):
            pass


async def test_a_cut_stream_is_an_error_in_the_anthropic_sdk(sdks: Sdks) -> None:
    with pytest.raises(anthropic.APIError):
        async with sdks.anthropic.messages.stream(
            model="my-anthropic/fake-cut-fin", max_tokens=8, messages=[{"role": "user", "content": "Hello"}]
        ) as stream:
            await stream.get_final_message()


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
async def test_a_cut_stream_is_an_error_in_the_genai_sdk(sdks: Sdks) -> None:
    client = sdks.genai
    with pytest.raises((genai_errors.APIError, OSError)):
        async for _ in await client.aio.models.generate_content_stream(model="fake-cut-fin", contents="Hello"):
            pass
    gc.collect()  # the SDK leaves the connection of a cut stream to the collector; it is collected here, not in any test


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
async def test_a_stream_cut_inside_an_event_is_an_error_in_every_sdk(stage: Stage, sdks: Sdks) -> None:
    """No error event can be told there, since it would be read as a part of the unfinished one: the cut tells."""
    cut = Answer(
        headers=(("content-type", "text/event-stream"),),
        steps=(b'data: {"id": "x', 0.0),
        framing=Framing.CHUNKED,
        close=True,
    )
    stage.fake.next(cut, cut, cut)
    with pytest.raises(openai.APIError, match="was cut before its end"):  # the unfinished event was held back
        async for _ in await sdks.openai.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Hello"}], stream=True
        ):
            pass
    with pytest.raises(Exception, match=r"(?i)incomplete|peer closed|connection"):
        async for _ in await sdks.anthropic.messages.create(
            model="claude-9", max_tokens=8, messages=[{"role": "user", "content": "Hello"}], stream=True
        ):
            pass
    with pytest.raises(Exception, match=r"(?i)incomplete|payload|connection|closed"):
        async for _ in await sdks.genai.aio.models.generate_content_stream(model="gemini-9", contents="Hello"):
            pass
    gc.collect()  # as above


async def test_an_answer_passes_byte_for_byte(stage: Stage) -> None:
    body = '{ "id":"x",\n "object" : "chat.completion", "future_field": {"a": 1.50}, "choices": [] , "ü": "é"}'.encode()
    stage.fake.next(Answer(status=200, headers=(("content-type", "application/json"),), steps=(body,)))
    reply = await stage.gateway.chat("gpt-5-mini")
    assert reply.body == body
