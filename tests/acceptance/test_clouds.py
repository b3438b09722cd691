"""Keys that are exchanged for tokens, seen from outside: fake token servers, fake clouds, the official SDKs."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import msgspec
import openai
import pytest
import pytest_asyncio
from google import genai

from tests.acceptance.upstreams import INPUT, OUTPUT, Said, answer_to
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.tokens import service_account
from tests.fakes.wire import Answer, Call

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # google-genai's own:
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

TOKEN = "ya29.canary-ACCESS-TOKEN-7f3b1c9d5e2a4860"
SECRET = "canary~CLIENT~SECRET~7f3b1c9d5e2a4860b1c9"
PLACE = {"project": "example-project", "location": "europe-west4"}
TENANT = "11111111-2222-3333-4444-555555555555"
APP = {"tenant_id": TENANT, "client_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}
BELOW = "/v1/projects/example-project/locations/europe-west4"
GIVEN = Answer(steps=(json.dumps({"access_token": TOKEN, "expires_in": 3599}).encode(),))


class Sky(msgspec.Struct, frozen=True):
    """A gateway under a cloud and its token servers, one of each."""

    gateway: Gateway
    cloud: FakeProvider
    tokens: FakeProvider

    def answers(self, said: str = "Sunny.") -> None:
        """Let the cloud answer as a model would, and begin to count anew."""
        self.cloud.always(lambda call: answer_to(call, Said(text=said)))
        self.tokens.always(GIVEN)
        self.cloud.calls.clear()
        self.tokens.calls.clear()

    async def add(self, name: str, provider: str, key: str, **more: Any) -> Any:
        body = {"origin": self.cloud.origin, "allow_duplicate": True, **more}
        return await self.gateway.add_credential(name, provider, key, **body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sky(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sky]:
    home = tmp_path_factory.mktemp("sky") / "home"
    async with (
        FakeProvider() as cloud,
        FakeProvider() as tokens,
        Gateway.running(
            home, egress_allow="127.0.0.1", google_token_origin=tokens.origin, entra_origin=tokens.origin
        ) as gateway,
    ):
        made = Sky(gateway, cloud, tokens)
        made.answers()
        await made.add("google-cloud", "vertex", service_account(), settings=PLACE)
        await made.add("foundry", "azure", SECRET, settings=APP)
        yield made


async def test_googles_sdk_talks_to_gemini_on_vertex_ai(sky: Sky) -> None:
    sky.answers()
    options = genai.types.HttpOptions(base_url=sky.gateway.url)
    async with genai.Client(api_key=sky.gateway.virtual_key, http_options=options).aio as client:
        whole = await client.models.generate_content(model="google-cloud/gemini-3.5-flash", contents="Hello")
        stream = await client.models.generate_content_stream(model="google-cloud/gemini-3.5-flash", contents="Hello")
        pieces = [piece.text async for piece in stream]

    assert whole.text == "Sunny."
    assert "".join(piece or "" for piece in pieces) == "Sunny."
    plain, streamed = sky.cloud.calls
    assert plain.path == f"{BELOW}/publishers/google/models/gemini-3.5-flash:generateContent"
    assert streamed.path == f"{BELOW}/publishers/google/models/gemini-3.5-flash:streamGenerateContent"
    assert streamed.query == "alt=sse"
    assert plain.header("authorization") == f"Bearer {TOKEN}"
    assert plain.header("x-goog-api-key") is None


async def test_anthropics_sdk_talks_to_claude_on_vertex_ai(sky: Sky) -> None:
    sky.answers()
    async with anthropic.AsyncAnthropic(base_url=sky.gateway.url, api_key=sky.gateway.virtual_key) as client:
        asked: Any = {
            "model": "google-cloud/claude-sonnet-4-5@20250929",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "Hello"}],
            "betas": ["context-1m-2025-08-07", "files-api-2025-04-14"],
        }
        whole = await client.beta.messages.create(**asked)
        async with client.beta.messages.stream(**asked) as stream:
            streamed = await stream.get_final_text()

    assert whole.content[0].type == "text"
    assert (whole.content[0].text, streamed) == ("Sunny.", "Sunny.")
    model = f"{BELOW}/publishers/anthropic/models/claude-sonnet-4-5@20250929"
    assert [call.path for call in sky.cloud.calls] == [f"{model}:rawPredict", f"{model}:streamRawPredict"]
    assert {call.query for call in sky.cloud.calls} == {""}
    assert {call.header("anthropic-beta") for call in sky.cloud.calls} == {"context-1m-2025-08-07"}
    body = json.loads(sky.cloud.calls[0].body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body


async def test_openais_sdk_talks_to_azure_as_an_application_of_entra(sky: Sky) -> None:
    sky.answers()
    async with openai.AsyncOpenAI(base_url=f"{sky.gateway.url}/v1", api_key=sky.gateway.virtual_key) as client:
        said = await client.chat.completions.create(
            model="foundry/my-deployment", messages=[{"role": "user", "content": "Hello"}]
        )

    assert said.choices[0].message.content == "Sunny."
    (call,) = sky.cloud.calls
    assert call.path == "/openai/v1/chat/completions"
    assert call.header("authorization") == f"Bearer {TOKEN}"
    assert call.header("api-key") is None


async def test_an_application_is_known_to_its_directory_by_its_secret(sky: Sky) -> None:
    sky.answers()
    await sky.add("another", "azure", f"{SECRET}-2", settings=APP)
    asked = sky.tokens.calls[-1]

    assert asked.path == f"/{TENANT}/oauth2/v2.0/token"
    assert b"grant_type=client_credentials" in asked.body
    assert all(SECRET not in value for call in sky.cloud.calls for _, value in call.headers)


async def test_a_hundred_requests_at_once_need_one_token(sky: Sky) -> None:
    sky.answers()
    await sky.add("fresh", "vertex", service_account(), settings=PLACE)
    sky.tokens.calls.clear()  # the probe's
    replies = await asyncio.gather(*(sky.gateway.chat("fresh/gemini-3.5-flash") for _ in range(100)))

    assert Counter(reply.status for reply in replies) == {200: 100}
    assert len(sky.tokens.calls) == 1


async def test_a_token_that_the_cloud_refuses_is_replaced(sky: Sky) -> None:
    sky.answers()
    await sky.gateway.chat("google-cloud/gemini-3.5-flash")
    refusal = {"error": {"code": 401, "message": "Request had invalid credentials.", "status": "UNAUTHENTICATED"}}
    sky.cloud.next(Answer(status=401, steps=(json.dumps(refusal).encode(),)))
    sky.tokens.calls.clear()
    refused = await sky.gateway.chat("google-cloud/gemini-3.5-flash")
    again = await sky.gateway.chat("google-cloud/gemini-3.5-flash")

    assert (refused.status, again.status) == (401, 200)
    assert len(sky.tokens.calls) == 1


async def test_no_token_reaches_the_caller_whatever_the_cloud_says(sky: Sky) -> None:
    sky.answers()

    def echo(call: Call) -> Answer:
        return Answer(status=400, steps=(json.dumps({"error": {"message": f"no: {call.auth}"}}).encode(),))

    sky.cloud.always(echo)
    reply = await sky.gateway.chat("google-cloud/gemini-3.5-flash")

    assert reply.status == 400
    assert b"[redacted]" in reply.body
    assert b"canary-ACCESS" not in reply.body
    assert TOKEN not in sky.gateway.log.read_text()


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (400, {"error": "invalid_grant", "error_description": "account not found"}, "key_refused", "invalid_grant"),
        (503, {}, "probe_inconclusive", "is not available"),
    ],
)
async def test_a_key_that_gets_no_token_is_not_kept(sky: Sky, status: int, body: Any, code: str, told: str) -> None:
    sky.answers()
    sky.tokens.always(Answer(status=status, steps=(json.dumps(body).encode(),)))
    asked = {"provider": "vertex", "key": service_account(), "origin": sky.cloud.origin, "settings": PLACE}
    reply = await sky.gateway.admin(
        "POST",
        "/credentials",
        {"name": f"wrong-{status}", "allow_duplicate": True, **asked},
        expect=400 if status == 400 else 502,
    )

    assert reply["code"] == code
    assert told in reply["detail"]
    assert sky.cloud.calls == []


async def test_a_key_whose_token_is_refused_later_fails_as_the_credential_and_not_as_the_provider(sky: Sky) -> None:
    sky.answers()
    await sky.add("withdrawn", "vertex", service_account(), settings=PLACE)
    sky.tokens.always(Answer(status=400, steps=(b'{"error":"invalid_grant"}',)))
    reply = await sky.gateway.chat("withdrawn/gemini-3.5-flash")
    [record] = (await sky.gateway.admin("GET", "/requests?limit=1"))["items"]

    assert (reply.status, reply.json()["error"]["code"]) == (502, "no_access_token")
    assert "Google's token endpoint refused the key (invalid_grant)." in reply.json()["error"]["message"]
    assert record["error_class"] == "auth_failed"
    assert sky.cloud.calls[-1].path.endswith(":countTokens")  # the probe was the last that reached the cloud


async def test_a_revoked_key_serves_nothing_although_its_token_would_hold(sky: Sky) -> None:
    sky.answers()
    await sky.add("ending", "vertex", service_account(), settings=PLACE)
    assert (await sky.gateway.chat("ending/gemini-3.5-flash")).status == 200
    sky.cloud.calls.clear()
    await sky.gateway.admin("POST", "/credentials/ending/revoke", {})

    assert (await sky.gateway.chat("ending/gemini-3.5-flash")).status in {400, 404}
    assert sky.cloud.calls == []


async def test_work_in_a_region_is_priced_with_what_the_region_adds(sky: Sky) -> None:
    sky.answers()
    await sky.add("worldwide", "vertex", service_account(), settings={**PLACE, "location": "global"})
    costs = []
    for name in ("worldwide", "google-cloud"):
        assert (await sky.gateway.chat(f"{name}/gemini-3.5-flash")).status == 200
        [record] = (await sky.gateway.admin("GET", "/requests?limit=1"))["items"]
        assert (record["input_total"], record["output_total"]) == (INPUT, OUTPUT)
        costs.append(record["cost"])

    assert float(costs[1]) == pytest.approx(float(costs[0]) * 1.1)
    assert float(costs[0]) > 0


async def test_a_bare_name_means_the_maker_and_not_the_cloud(sky: Sky) -> None:
    sky.answers()
    await sky.add("maker", "anthropic", "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a")
    sky.cloud.calls.clear()
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    reply = await sky.gateway.call("POST", "/v1/messages", body)

    assert reply.status == 200
    assert [call.path for call in sky.cloud.calls] == ["/v1/messages"]
