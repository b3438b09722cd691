"""The sandbox, seen through the official SDKs: what they cannot read, no provider would send."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import ProviderError
from keystead.providers.request import UpstreamRequest
from keystead.providers.sandbox import SandboxTransport
from keystead.providers.sandbox.script import LABEL, MODELS, example_of, script_for
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import UpstreamResponse
from tests.fakes.exchange import proven

ORIGIN = "https://sandbox.invalid"
SAID = f"{LABEL} You said: how are you"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def asked(path: str, body: Any, *, method: str = "POST", key: str = "good") -> UpstreamResponse:
    request = UpstreamRequest(
        method=method,
        origin=ORIGIN,
        target=path,
        headers=(),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        auth=PROVIDERS["sandbox"].auth,
    )
    return await SandboxTransport().open(*proven(request, key))


async def collect(items: AsyncIterator[Any], into: list[Any]) -> None:
    """Gather what comes before a failure."""
    async for item in items:
        into.append(item)  # noqa: PERF401 - what came before a failure is kept


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: UpstreamResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.chunks():
                yield chunk
        except ProviderError as error:
            raise httpx2.RemoteProtocolError(error.message) from error


class Bridge(httpx2.AsyncBaseTransport):
    """Carries an SDK's request to the sandbox."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await asked(request.url.raw_path.decode(), await request.aread(), method=request.method)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer))


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=Bridge()) as client:
        yield client


@pytest.fixture
def chat(http: httpx2.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{ORIGIN}/v1", api_key="good", http_client=http, max_retries=0)


@pytest.fixture
def claude(http: httpx2.AsyncClient) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=ORIGIN, api_key="good", http_client=http, max_retries=0)


@pytest.fixture
def gemini(http: httpx2.AsyncClient) -> genai.Client:
    options = genai_types.HttpOptions(base_url=ORIGIN, api_version="v1beta", httpx_async_client=http)
    return genai.Client(api_key="good", http_options=options)


# OpenAI


async def test_openai_chat(chat: openai.AsyncOpenAI) -> None:
    answer = await chat.chat.completions.create(
        model="echo",
        messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": "how are you"}],
    )
    assert answer.choices[0].message.content == SAID
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, len(SAID.split()))
    assert answer.usage.total_tokens == 5 + len(SAID.split())


@pytest.mark.parametrize("include_usage", [True, False])
async def test_openai_chat_streams_usage_only_when_asked(chat: openai.AsyncOpenAI, *, include_usage: bool) -> None:
    stream = await chat.chat.completions.create(
        model="echo",
        messages=[{"role": "user", "content": "how are you"}],
        stream=True,
        stream_options={"include_usage": include_usage},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == SAID
    assert len(chunks) > 5
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == ([len(SAID.split())] if include_usage else [])


async def test_openai_chat_calls_the_first_tool_and_answers_from_its_result(chat: openai.AsyncOpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    messages: Any = [{"role": "user", "content": "weather?"}]
    answer = await chat.chat.completions.create(model="tools", messages=messages, tools=tools)
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "sandbox", "days": 1}
    messages += [answer.choices[0].message.model_dump(exclude_none=True)]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    answer = await chat.chat.completions.create(model="tools", messages=messages, tools=tools)
    assert answer.choices[0].message.content == f"{LABEL} The tool returned: 12 degrees"


async def test_openai_chat_fits_a_json_schema(chat: openai.AsyncOpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    answer = await chat.chat.completions.create(
        model="json", messages=[{"role": "user", "content": "x"}], response_format=form
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "sandbox", "days": 1}


async def test_openai_chat_takes_images_and_limits(chat: openai.AsyncOpenAI) -> None:
    content: Any = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = await chat.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": content}], max_completion_tokens=3
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "[Keystead sandbox] You"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3 + 85, 3)


async def test_openai_responses(chat: openai.AsyncOpenAI) -> None:
    answer = await chat.responses.create(model="echo", instructions="be brief", input="how are you")
    assert answer.output_text == SAID
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, len(SAID.split()))
    stream = await chat.responses.create(model="echo", input="how are you", stream=True)
    events = [event async for event in stream]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == SAID
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_openai_responses_call_tools(chat: openai.AsyncOpenAI) -> None:
    tools: Any = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
    answer = await chat.responses.create(model="tools", input="weather?", tools=tools)
    (call,) = answer.output
    assert call.type == "function_call"
    history: Any = [{"role": "user", "content": "weather?"}, call.model_dump(exclude_none=True)]
    history += [{"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}]
    answer = await chat.responses.create(model="tools", input=history, tools=tools)
    assert answer.output_text == f"{LABEL} The tool returned: 12 degrees"


async def test_openai_other_endpoints(chat: openai.AsyncOpenAI) -> None:
    completion = await chat.completions.create(model="echo", prompt="how are you")
    assert completion.choices[0].text == SAID
    embedded = await chat.embeddings.create(model="echo", input=["a", "b", "a"], dimensions=16)
    first, second, third = (item.embedding for item in embedded.data)
    assert first == third != second
    assert len(first) == 16
    plain = await chat.embeddings.create(model="echo", input="a", dimensions=16, encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(first)
    assert embedded.usage.prompt_tokens == 3
    moderated = await chat.moderations.create(model="echo", input="fine")
    assert not moderated.results[0].flagged
    assert [model.id async for model in chat.models.list()] == list(MODELS)
    assert (await chat.models.retrieve("echo")).id == "echo"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_openai_errors_are_typed(
    chat: openai.AsyncOpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as caught:
        await chat.chat.completions.create(model=f"error-{status}", messages=[])
    assert caught.value.status_code == status
    assert LABEL in caught.value.message


async def test_an_unknown_model_is_not_found(chat: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await chat.chat.completions.create(model="gpt-9", messages=[])
    assert caught.value.code == "model_not_found"


async def test_openai_sees_a_failure_inside_a_stream(chat: openai.AsyncOpenAI) -> None:
    stream = await chat.chat.completions.create(
        model="error-midstream", messages=[{"role": "user", "content": "x"}], stream=True
    )
    seen: list[Any] = []
    with pytest.raises(openai.APIError, match="failure inside the stream"):
        await collect(stream, seen)
    assert len(seen) > 2


async def test_a_cut_stream_is_a_cut() -> None:
    body = {"model": "cut", "stream": True, "messages": [], "stream_options": {"include_usage": True}}
    answer = await asked("/v1/chat/completions", body)
    pieces: list[bytes] = []

    with pytest.raises(ProviderError) as caught:
        await collect(answer.chunks(), pieces)
    assert caught.value.code == "upstream_cut"
    assert pieces
    assert b"usage" not in b"".join(pieces)
    whole = await asked("/v1/chat/completions", body | {"stream": False})
    with pytest.raises(ProviderError):
        await whole.body(1 << 20)


# Anthropic


async def test_anthropic_messages(claude: anthropic.AsyncAnthropic) -> None:
    answer = await claude.messages.create(
        model="echo", max_tokens=100, system="be brief", messages=[{"role": "user", "content": "how are you"}]
    )
    (block,) = answer.content
    assert block.type == "text"
    assert block.text == SAID
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, len(SAID.split()))
    async with claude.messages.stream(
        model="echo", max_tokens=100, messages=[{"role": "user", "content": "how are you"}]
    ) as stream:
        assert "".join([text async for text in stream.text_stream]) == SAID
        final = await stream.get_final_message()
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3, len(SAID.split()))
    assert final.stop_reason == "end_turn"


async def test_anthropic_calls_tools(claude: anthropic.AsyncAnthropic) -> None:
    tools: Any = [{"name": "weather", "input_schema": WEATHER}]
    messages: Any = [{"role": "user", "content": "weather?"}]
    async with claude.messages.stream(model="tools", max_tokens=100, messages=messages, tools=tools) as stream:
        answer = await stream.get_final_message()
    (call,) = answer.content
    assert call.type == "tool_use"
    assert call.input == {"city": "sandbox", "days": 1}
    assert answer.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "12 degrees"}]}
    messages += [{"role": "assistant", "content": [call.model_dump()]}, {"role": "user", "content": [result]}]
    last = await claude.messages.create(model="tools", max_tokens=100, messages=messages, tools=tools)
    (block,) = last.content
    assert block.type == "text"
    assert block.text == f"{LABEL} The tool returned: 12 degrees"


async def test_anthropic_other_endpoints_and_errors(claude: anthropic.AsyncAnthropic) -> None:
    counted = await claude.messages.count_tokens(model="echo", messages=[{"role": "user", "content": "how are you"}])
    assert counted.input_tokens == 3
    assert [model.id async for model in claude.models.list()] == list(MODELS)
    with pytest.raises(anthropic.RateLimitError) as caught:
        await claude.messages.create(model="error-429", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert caught.value.response.headers["retry-after"] == "1"
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        await claude.messages.create(model="error-529", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert overloaded.value.status_code == 529


async def test_anthropic_sees_a_failure_inside_a_stream(claude: anthropic.AsyncAnthropic) -> None:
    async def read() -> None:
        async with claude.messages.stream(
            model="error-midstream", max_tokens=1000, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            async for _ in stream:
                pass

    with pytest.raises(anthropic.APIStatusError, match="failure inside the stream"):
        await read()


# Gemini


async def test_gemini_generates(gemini: genai.Client) -> None:
    answer = await gemini.aio.models.generate_content(
        model="echo", contents="how are you", config=genai_types.GenerateContentConfig(system_instruction="be brief")
    )
    assert answer.text == SAID
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.prompt_token_count == 5
    assert answer.usage_metadata.candidates_token_count == len(SAID.split())
    stream = await gemini.aio.models.generate_content_stream(model="echo", contents="how are you")
    parts = [part async for part in stream]
    assert "".join(part.text or "" for part in parts) == SAID
    assert parts[-1].usage_metadata is not None
    assert parts[-1].usage_metadata.candidates_token_count == len(SAID.split())


async def test_gemini_calls_tools(gemini: genai.Client) -> None:
    function = genai_types.FunctionDeclaration(name="weather", parameters_json_schema=WEATHER)
    config = genai_types.GenerateContentConfig(tools=[genai_types.Tool(function_declarations=[function])])
    answer = await gemini.aio.models.generate_content(model="tools", contents="weather?", config=config)
    (call,) = answer.function_calls or []
    assert (call.name, call.args) == ("weather", {"city": "sandbox", "days": 1})
    assert answer.candidates
    said = answer.candidates[0].content
    assert said is not None
    result = genai_types.Part.from_function_response(name="weather", response={"degrees": 12})
    history = [
        genai_types.UserContent(parts=[genai_types.Part(text="weather?")]),
        said,
        genai_types.UserContent(parts=[result]),
    ]
    answer = await gemini.aio.models.generate_content(model="tools", contents=history, config=config)
    assert answer.text == f'{LABEL} The tool returned: {{"degrees":12}}'


async def test_gemini_other_endpoints_and_errors(gemini: genai.Client) -> None:
    counted = await gemini.aio.models.count_tokens(model="echo", contents="how are you")
    assert counted.total_tokens == 3
    embedded = await gemini.aio.models.embed_content(model="echo", contents=["a", "b"])
    assert len(embedded.embeddings or []) == 2
    listed = [model.name async for model in await gemini.aio.models.list()]
    assert listed == [f"models/{name}" for name in MODELS]
    with pytest.raises(genai_errors.APIError) as caught:
        await gemini.aio.models.generate_content(model="error-429", contents="x")
    assert caught.value.code == 429
    assert caught.value.status == "RESOURCE_EXHAUSTED"


async def test_gemini_streams_one_json_array_without_sse() -> None:
    body = {"contents": [{"parts": [{"text": "how are you"}]}]}
    answer = await asked("/v1beta/models/echo:streamGenerateContent", body)
    assert answer.content_type == "application/json"
    parts = json.loads(await answer.body(1 << 20))
    assert "".join(part["candidates"][0]["content"]["parts"][0]["text"] for part in parts) == SAID


# The scripts


async def test_the_same_request_gets_the_same_bytes() -> None:
    body = {"model": "story", "messages": [{"role": "user", "content": "x"}]}
    first = await (await asked("/v1/chat/completions", body)).body(1 << 20)
    assert first == await (await asked("/v1/chat/completions", body)).body(1 << 20)
    assert json.loads(first)["usage"]["completion_tokens"] > 200


async def test_delays_are_kept() -> None:
    async with asyncio.timeout(5):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asked("/v1/chat/completions", {"model": "delay-100", "messages": []})
        assert loop.time() - began >= 0.1


@pytest.mark.parametrize("name", [*MODELS, "sandbox/echo", "delay-0", "delay-60000", "error-400", "error-599"])
def test_a_listed_model_has_a_script(name: str) -> None:
    assert script_for(name) is not None


@pytest.mark.parametrize("name", ["", "delay-60001", "error-200", "error-399", "error-600", "delay-x", "Echo", "echo "])
def test_any_other_name_has_none(name: str) -> None:
    assert script_for(name) is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", b"[]", 400),
        ("/v1/messages", b"", 400),
        ("/v1/unknown", b'{"model":"echo"}', 404),
        ("/v1beta/models/none:generateContent", b"{}", 404),
    ],
)
async def test_bad_requests_are_refused(path: str, body: bytes, status: int) -> None:
    assert (await asked(path, body)).status == status


async def test_a_key_that_begins_with_wrong_is_refused_in_every_dialect() -> None:
    for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/echo:generateContent"):
        answer = await asked(path, {"model": "echo"}, key="wrong-key")
        assert answer.status == 401


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
FIELDS = ["messages", "input", "prompt", "system", "contents", "tools", "instructions", "response_format", "text"]


@given(
    st.sampled_from(["chat/completions", "responses", "completions", "messages", "embeddings", "moderations"]),
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6),
    st.booleans(),
)
def test_no_shape_of_request_breaks_it(path: str, body: dict[str, Any], stream: bool) -> None:
    async def run() -> bytes:
        answer = await asked(f"/v1/{path}", body | {"model": "tools", "stream": stream})
        assert answer.status == 200
        return await answer.body(1 << 24)

    assert asyncio.run(run())


@given(json_values)
def test_an_example_can_be_made_of_any_schema(schema: Any) -> None:
    json.dumps(example_of(schema))
