"""Embeddings of Amazon, Cohere and Google in the clouds, asked for by OpenAI's and Google's SDKs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import openai
import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from google import genai
from google.genai import types as genai_types

from tests.acceptance.aws_caller import invoker
from tests.acceptance.cells import CLOUD_EMBEDDINGS
from tests.fakes.embedding_models import answer_to
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.tokens import service_account
from tests.fakes.wire import STALL, Answer, Call

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # google-genai's own:
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

TITAN = "aws/amazon.titan-embed-text-v2:0"
COHERE = "aws/us.cohere.embed-v4:0"
OLD_COHERE = "aws/cohere.embed-multilingual-v3"
GEMINI = "cloud/gemini-embedding-001"
GOOGLE = "cloud/text-embedding-005"
TEXTS = ["one two", "three", "four five six"]
TOKENS = 6
PRICES = {
    COHERE: {"input_tokens": "0.00000012"},
    OLD_COHERE: {"input_tokens": "0.0000001"},
    GOOGLE: {"input_tokens": "0", "characters": "0.000000025"},
}
"""Made up, as the price list has none; it has Titan's, and Vertex AI's of Gemini are those of the Gemini API."""
COSTS = {TITAN: "0.00000012", COHERE: "0.00000072", OLD_COHERE: "0.0000006", GEMINI: "0.0000009", GOOGLE: "0.00000055"}
assert {name.partition("/")[2] for name in COSTS} == set(CLOUD_EMBEDDINGS), "the docs say that each is tested"
CALLS = {TITAN: 3, COHERE: 1, OLD_COHERE: 1, GEMINI: 3, GOOGLE: 1}


class House(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeProvider
    openai: openai.AsyncOpenAI
    genai: genai.Client
    aws: Any

    def begin(self) -> None:
        self.fake.always(answer_to)
        self.fake.calls.clear()

    def sent(self) -> list[Any]:
        return [json.loads(call.body) for call in self.fake.calls]

    async def record(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the newest request and its only attempt, once it is settled."""
        async with asyncio.timeout(10):
            while True:
                [row] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
                if row["state"] != "intent":
                    detail = await self.gateway.admin("GET", f"/requests/{row['id']}")
                    [attempt] = detail["attempts"]
                    return detail["request"], attempt


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home = tmp_path_factory.mktemp("embeddings") / "home"
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeProvider())
        tokens = await stack.enter_async_context(FakeProvider())
        tokens.always(Answer(steps=(b'{"access_token":"ya29.canary-VERTEX-7f3b1c9d","expires_in":3599}',)))
        gateway = await stack.enter_async_context(
            Gateway.running(home, egress_allow="127.0.0.1", google_token_origin=tokens.origin)
        )
        region = {"settings": {"region": "us-east-1"}}
        await gateway.add_credential("aws", "bedrock", "ABSKcanaryBEDROCK7f3b1c9d5e2a", origin=fake.origin, **region)
        hasty = {"origin": fake.origin, "on_disconnect": "cancel", "allow_duplicate": True, **region}
        await gateway.add_credential("hasty", "bedrock", "ABSKcanaryBEDROCK7f3b1c9d5e2a", **hasty)
        place = {"settings": {"project": "example", "location": "europe-west4"}}
        await gateway.add_credential("cloud", "vertex", service_account(), origin=fake.origin, **place)
        for model, prices in PRICES.items():
            credential, _, name = model.partition("/")
            provider = {"aws": "bedrock", "cloud": "vertex"}[credential]
            own = {"provider": provider, "model": name, "prices": prices}
            await gateway.admin("POST", "/price-overrides", own)
        url, key = gateway.url, gateway.virtual_key
        yield House(
            gateway,
            fake,
            await stack.enter_async_context(openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)),
            genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=url)),
            stack.enter_context(invoker(url, key)),
        )


@pytest.mark.parametrize("model", COSTS)
async def test_openais_sdk_embeds_at_an_exact_cost_in_as_many_calls_as_it_takes(house: House, model: str) -> None:
    house.begin()
    raw = await house.openai.embeddings.with_raw_response.create(model=model, input=TEXTS)  # base64, as the SDK asks
    answer = raw.parse()
    assert [vector.index for vector in answer.data] == [0, 1, 2]
    assert [vector.embedding[0] for vector in answer.data] == [float(len(text)) for text in TEXTS]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (TOKENS, TOKENS)
    assert (raw.headers["x-keystead-cost"], raw.headers["x-keystead-cost-state"]) == (f"{COSTS[model]} USD", "priced")
    assert len(house.fake.calls) == CALLS[model]
    assert len({call.auth for call in house.fake.calls}) == 1
    request, attempt = await house.record()
    assert (request["state"], request["endpoint"], request["input_total"]) == ("settled", "embeddings", TOKENS)
    assert (attempt["cost"], attempt["usage_source"]) == (COSTS[model], "provider")


@pytest.mark.parametrize("model", COSTS)
async def test_googles_sdk_embeds_there_too(house: House, model: str) -> None:
    house.begin()
    answer = await house.genai.aio.models.embed_content(
        model=model, contents=TEXTS, config=genai_types.EmbedContentConfig(task_type="RETRIEVAL_QUERY")
    )
    assert answer.embeddings is not None
    assert [(each.values or [])[0] for each in answer.embeddings] == [float(len(text)) for text in TEXTS]
    sent = house.sent()
    if "cohere" in model:
        assert sent == [{"texts": TEXTS, "input_type": "search_query", "embedding_types": ["float"]}]
    elif model == TITAN:
        assert sent == [{"inputText": text} for text in TEXTS]
    else:
        instances = [instance for body in sent for instance in body["instances"]]
        assert instances == [{"content": text, "task_type": "RETRIEVAL_QUERY"} for text in TEXTS]
    assert (await house.record())[1]["cost"] == COSTS[model]


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        (TITAN, {"inputText": "one", "dimensions": 256}),
        (
            COHERE,
            {"texts": ["one"], "input_type": "search_document", "embedding_types": ["float"], "output_dimension": 256},
        ),
        (
            GEMINI,
            {"instances": [{"content": "one"}], "parameters": {"outputDimensionality": 256, "autoTruncate": False}},
        ),
    ],
)
@pytest.mark.parametrize("form", ["float", "base64"])
async def test_dimensions_and_either_form_are_honoured(house: House, model: str, sent: Any, form: Any) -> None:
    house.begin()
    answer = await house.openai.embeddings.create(model=model, input="one", dimensions=256, encoding_format=form)
    vector: Any = answer.data[0].embedding
    assert len(vector) == (256 if form == "float" else 1368)  # base64 asked for is not unpacked by the SDK
    assert house.sent() == [sent]


async def test_what_cohere_is_told_the_vectors_are_for_can_be_said_in_openais_words(house: House) -> None:
    house.begin()
    await house.openai.embeddings.create(model=COHERE, input="one", extra_body={"input_type": "search_query"})
    assert house.sent()[0]["input_type"] == "search_query"
    raw = await house.openai.embeddings.with_raw_response.create(
        model=TITAN, input="one", extra_body={"input_type": "search_query"}
    )
    assert raw.headers["x-keystead-dropped"] == "input_type"


async def test_dimensions_that_a_model_has_not_are_refused_by_name(house: House) -> None:
    house.begin()
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        await house.openai.embeddings.create(model=OLD_COHERE, input="one", dimensions=256)
    with pytest.raises(openai.BadRequestError, match="256, 512 or 1024"):
        await house.openai.embeddings.create(model=TITAN, input="one", dimensions=300)
    assert (await house.record())[0]["state"] == "rejected"


async def test_more_texts_than_can_be_asked_for_are_refused_before_any_is_billed(house: House) -> None:
    house.begin()
    with pytest.raises(openai.BadRequestError, match="128 texts"):
        await house.openai.embeddings.create(model=TITAN, input=["one"] * 129)
    assert house.fake.calls == []
    await house.openai.embeddings.create(model=COHERE, input=["one"] * 100)
    assert [len(body["texts"]) for body in house.sent()] == [96, 4]
    assert (await house.record())[0]["input_total"] == 100


async def test_a_call_refused_midway_ends_the_attempt_once_and_what_was_answered_is_in_its_cost(house: House) -> None:
    house.begin()

    def throttles(call: Call) -> Answer:
        if b"three" not in call.body:
            return answer_to(call)
        headers = (("content-type", "application/json"), ("x-amzn-errortype", "ThrottlingException"))
        return Answer(status=429, headers=headers, steps=(b'{"message":"Too many requests, please wait."}',))

    house.fake.always(throttles)
    with pytest.raises(openai.RateLimitError, match="call 2 of 3"):
        await house.openai.embeddings.create(model=TITAN, input=TEXTS)
    assert len(house.fake.calls) == 2
    request, attempt = await house.record()
    assert (request["state"], request["error_class"]) == ("failed_billed", "throttled")
    assert (attempt["cost"], attempt["cost_state"], attempt["usage_source"]) == (
        "0.00000004",
        "estimated",
        "provider_partial",
    )


async def test_a_caller_who_leaves_stops_the_calls_that_are_not_made_yet(house: House) -> None:
    house.begin()
    house.fake.always(
        lambda call: Answer(steps=(STALL,), declared_length=10) if b"three" in call.body else answer_to(call)
    )
    async with asyncio.TaskGroup() as group:
        asked = house.openai.embeddings.create(model="hasty/amazon.titan-embed-text-v2:0", input=TEXTS)
        task = group.create_task(asked)
        await house.fake.arrived(2)
        task.cancel()
    request, attempt = await house.record()
    assert (request["state"], attempt["cost"]) == ("cancelled_partial", "0.00000004")
    assert len(house.fake.calls) == 2


async def test_what_is_no_answer_is_the_providers_fault_and_of_unknown_cost(house: House) -> None:
    house.begin()
    house.fake.always(Answer(steps=(b'{"embedding":[1.0',)))
    with pytest.raises(openai.InternalServerError, match="cannot be read"):
        await house.openai.embeddings.create(model=TITAN, input="one")
    request, attempt = await house.record()
    assert (request["state"], attempt["cost_state"]) == ("failed_billed", "unknown")


# -- in their own words -----------------------------------------------------------------------------------------------

OWN = {
    TITAN: b'{"inputText": "one two", "dimensions": 256, "normalize": true}',
    COHERE: (
        b'{"texts": ["one two", "three"], "input_type": "search_query",\n "embedding_types": ["float"], '
        b'"output_dimension": 256, "truncate": "NONE"}'
    ),
    OLD_COHERE: b'{"texts": ["one two", "three"], "input_type": "clustering"}',
}


async def invoked(house: House, model: str, body: bytes) -> tuple[Any, Any]:
    answer = await asyncio.to_thread(house.aws.invoke_model, modelId=model, body=body)
    said = await asyncio.to_thread(answer["body"].read)
    return answer["ResponseMetadata"]["HTTPHeaders"], json.loads(said)


@pytest.mark.parametrize(
    ("model", "tokens", "cost"), [(TITAN, 2, "0.00000004"), (COHERE, 3, "0.00000036"), (OLD_COHERE, 3, "0.0000003")]
)
async def test_boto3_invokes_embedding_models_in_their_own_words(
    house: House, model: str, tokens: int, cost: str
) -> None:
    house.begin()
    headers, said = await invoked(house, model, OWN[model])
    [call] = house.fake.calls
    assert call.body == OWN[model]
    assert call.path == f"/model/{model.removeprefix('aws/').replace(':', '%3A')}/invoke"
    assert said == json.loads(b"".join(part for part in answer_to(call).steps if isinstance(part, bytes)))
    assert (headers["x-keystead-cost"], headers["x-keystead-cost-state"]) == (f"{cost} USD", "priced")
    assert "x-keystead-translated" not in headers
    request, attempt = await house.record()
    assert (request["state"], request["endpoint"], request["input_total"]) == ("settled", "embeddings", tokens)
    assert (attempt["cost"], attempt["usage_source"], attempt["model_sent"]) == (cost, "provider", model[4:])


async def test_they_are_asked_at_bedrock_alone_and_refuse_in_awss_words(house: House) -> None:
    house.begin()
    with pytest.raises(ClientError, match="No credential") as raised:
        await invoked(house, "cloud/amazon.titan-embed-text-v2:0", OWN[TITAN])
    assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="Malformed input") as raised:
        await invoked(house, COHERE, OWN[TITAN])
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert (await house.record())[0]["state"] == "rejected"


async def test_vectors_whose_tokens_nobody_states_are_of_unknown_cost(house: House) -> None:
    house.begin()
    house.fake.always(Answer(steps=(b'{"embeddings": [[0.5, 1.5]], "id": "a"}',)))
    await invoked(house, OLD_COHERE, OWN[OLD_COHERE])
    attempt = (await house.record())[1]
    assert (attempt["cost_state"], attempt["usage_source"]) == ("unknown", "none")
