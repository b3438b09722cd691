"""What a key may use, in the official SDKs' eyes; and families, discovered models and unknown names, called for real."""

import json
import secrets
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai.errors import ClientError

from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFERED = {
    "my-openai": {"data": [{"id": "gpt-5.4", "created": 1}, {"id": "ft:gpt-5.4:acme::1"}, {"id": "gpt-99-new"}]},
    "my-anthropic": {
        "data": [{"id": f"claude-sonnet-{n}", "created_at": "2026-11-26T00:00:00Z"} for n in ("4-6", "5-5", "9")]
    },
    "my-google": {"models": [{"name": "models/gemini-2.5-flash"}, {"name": "models/gemini-9-flash"}]},
}


class Models:
    """A gateway whose credentials' lists have been fetched from one fake."""

    def __init__(self, gateway: Gateway, fake: FakeProvider, team: str) -> None:
        self.gateway = gateway
        self.fake = fake
        self._team = team

    async def key(self, **narrowing: Any) -> str:
        body = {"name": f"key-{secrets.token_hex(4)}", "team": self._team}
        return str((await self.gateway.admin("POST", "/virtual-keys", body | narrowing))["key"])

    async def ask(self, model: str, **more: Any) -> Reply:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        return await self.gateway.call("POST", "/v1/chat/completions", body, **more)

    async def attempt(self, reply: Reply) -> dict[str, Any]:
        detail = await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
        [attempt] = detail["attempts"]
        return {**attempt, "decision": detail["decision"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Models]:
    home = tmp_path_factory.mktemp("models") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        for name, listed in OFFERED.items():
            await gateway.add_credential(name, name.removeprefix("my-"), f"{name}-{'k' * 40}", origin=fake.origin)
            fake.next(Answer(steps=(json.dumps(listed).encode(),)))
            await gateway.admin("POST", f"/credentials/{name}/models/refresh")
        [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
        yield Models(gateway, fake, team["id"])


def own(names: Iterable[str]) -> set[str]:
    return {name for name in names if "sandbox/" not in name}


ALL = {
    "gpt-5.4",
    "gpt-99-new",
    "ft:gpt-5.4:acme::1",
    "claude-sonnet-4-6",
    "claude-sonnet-5-5",
    "claude-sonnet-9",
    "gemini-2.5-flash",
    "gemini-9-flash",
}


async def test_openais_sdk_lists_and_retrieves_what_a_key_may_use(models: Models) -> None:
    async with openai.AsyncOpenAI(base_url=f"{models.gateway.url}/v1", api_key=models.gateway.virtual_key) as sdk:
        listed = {model.id: model async for model in sdk.models.list()}
        assert own(listed) == ALL
        assert (listed["claude-sonnet-4-6"].owned_by, listed["gpt-5.4"].object) == ("anthropic", "model")
        assert datetime.fromtimestamp(listed["claude-sonnet-4-6"].created, UTC).date().isoformat() == "2026-02-17"
        assert listed["gemini-2.5-flash"].shutdown_date == "2026-12-01"
        assert await sdk.models.retrieve("gpt-5.4") == listed["gpt-5.4"]
        assert (await sdk.models.retrieve("anthropic/claude-sonnet-9")).id == "claude-sonnet-9"
        assert (await sdk.models.retrieve("ft:gpt-5.4:acme::1")).id == "ft:gpt-5.4:acme::1"
        with pytest.raises(openai.NotFoundError):
            await sdk.with_options(api_key=await models.key(models=["gpt-*"])).models.retrieve("claude-sonnet-9")


async def test_anthropics_sdk_lists_page_by_page_and_retrieves(models: Models) -> None:
    url, key = models.gateway.url, models.gateway.virtual_key
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as sdk:
        listed = [model async for model in sdk.models.list(limit=3)]
        assert own(model.id for model in listed) == ALL
        assert len(listed) == len({model.id for model in listed})
        assert [model.id for model in (await sdk.models.list()).data] == [model.id for model in listed]
        assert (await sdk.models.retrieve("sandbox/echo")).id == "sandbox/echo"
        sonnet = await sdk.models.retrieve("claude-sonnet-4-6")
        assert sonnet in listed
        assert (sonnet.display_name, sonnet.lifecycle, sonnet.line) == ("Claude Sonnet 4.6", "active", "sonnet")
        assert (sonnet.max_input_tokens, sonnet.max_tokens) == (1_000_000, 64_000)
        assert sonnet.created_at == datetime(2026, 2, 17, tzinfo=UTC)
        ending = await sdk.models.retrieve("gemini-2.5-flash")
        assert (ending.lifecycle, ending.retires_at) == ("deprecated", datetime(2026, 12, 1, tzinfo=UTC))
        back = await sdk.models.list(limit=2, before_id=listed[3].id)
        assert [model.id for model in back.data] == [model.id for model in listed[1:3]]
        with pytest.raises(anthropic.NotFoundError):
            await sdk.with_options(api_key=await models.key(models=["claude-sonnet-5*"])).models.retrieve(
                "claude-sonnet-9"
            )
        with pytest.raises(anthropic.BadRequestError):
            await sdk.models.list(after_id="nothing")


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # the SDK's own
async def test_googles_sdk_lists_page_by_page_and_retrieves(models: Models) -> None:
    client = genai.Client(api_key=models.gateway.virtual_key, http_options={"base_url": models.gateway.url})
    async with client.aio as sdk:
        listed = [model async for model in await sdk.models.list(config={"page_size": 3})]
        assert own(str(model.name).removeprefix("models/") for model in listed) == ALL
        flash = await sdk.models.get(model="gemini-2.5-flash")
        assert flash in listed
        assert (flash.display_name, flash.input_token_limit, flash.thinking) == ("Gemini 2.5 Flash", 1_048_576, True)
        assert "generateContent" in (flash.supported_actions or [])
    narrowed = await models.key(models=["gemini-2*"])
    async with genai.Client(api_key=narrowed, http_options={"base_url": models.gateway.url}).aio as sdk:
        assert (await sdk.models.get(model="gemini-2.5-flash")).name == "models/gemini-2.5-flash"
        with pytest.raises(ClientError) as caught:
            await sdk.models.get(model="gemini-9-flash")
        assert caught.value.code == 404


async def test_a_narrowed_key_sees_no_more_than_it_may_use(models: Models) -> None:
    key = await models.key(models=["claude-*"])
    reply = await models.gateway.call("GET", "/v1/models", key=key)
    assert own(model["id"] for model in reply.json()["data"]) == {name for name in ALL if name.startswith("claude-")}
    hidden = await models.gateway.call("GET", "/v1/models/gpt-5.4", key=key)
    never = await models.gateway.call("GET", "/v1/models/gpt-5.5", key=key)
    assert hidden.status == never.status == 404
    assert hidden.json()["error"]["code"] == never.json()["error"]["code"] == "model_not_found"


async def test_a_model_that_nobody_told_of_is_asked_of_its_provider(models: Models) -> None:
    before = len(models.fake.calls)
    reply = await models.gateway.call("GET", "/v1/models/my-openai%2Fgpt-100")
    assert reply.status == 200
    assert [call.path for call in models.fake.calls[before:]] == ["/v1/models/gpt-100"]
    assert (await models.gateway.call("GET", "/v1/models/my-openai%2Fgpt-5.4")).json()["id"] == "gpt-5.4"
    assert len(models.fake.calls) == before + 1, "what was told of is not asked again"


async def test_a_family_is_answered_by_its_newest_model_and_says_which(models: Models) -> None:
    reply = await models.ask("family:claude-sonnet")
    assert reply.status == 200
    assert reply.headers["x-keystead-model"] == "claude-sonnet-9"
    assert json.loads(models.fake.calls[-1].body)["model"] == "claude-sonnet-9"
    attempt = await models.attempt(reply)
    assert (attempt["model_sent"], attempt["decision"]["model"]) == ("claude-sonnet-9", "claude-sonnet-9")
    older = await models.ask("family:claude-sonnet", key=await models.key(models=["claude-sonnet-5*"]))
    assert older.headers["x-keystead-model"] == "claude-sonnet-5-5"
    assert (await models.ask("family:claude-nothing")).status == 404


async def test_an_alias_is_a_route_to_a_family(models: Models) -> None:
    attempts = [{"provider": "google", "model": "family:gemini-flash"}]
    await models.gateway.admin("POST", "/model-routes", {"name": "quick", "attempts": attempts})
    reply = await models.ask("quick")
    assert (reply.status, reply.headers["x-keystead-model"]) == (200, "gemini-9-flash")


@pytest.mark.parametrize("model", ["gpt-99-new", "gpt-100-that-nobody-has-told-of"])
async def test_a_model_without_a_price_works_and_is_seen_to_be_unpriced(models: Models, model: str) -> None:
    reply = await models.ask(model)
    assert reply.status == 200
    assert reply.headers["x-keystead-cost-state"] == "unpriced"
    unpriced = (await models.gateway.admin("GET", "/requests?cost_state=unpriced"))["items"]
    assert model in {request["model_asked"] for request in unpriced}


async def test_a_key_may_not_look_from_a_network_it_may_not_be_used_from(models: Models) -> None:
    key = await models.key(networks=["192.0.2.0/24"])
    reply = await models.gateway.call("GET", "/v1/models", key=key)
    assert (reply.status, reply.json()["error"]["code"]) == (403, "network_not_allowed")
