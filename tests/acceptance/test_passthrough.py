"""Paths that the gateway does not know: passed through where the operator lists them and a grant names them."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.fakes.gateway import DidNotStartError, Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTED = """
openai:
  - POST /v1/fine_tuning/jobs
  - GET /v1/fine_tuning/jobs/{id}
  - POST /v1/uploads
google:
  - POST /v1beta/models/{model}:predict
anthropic:
  - POST /v1/skills
bedrock:
  - POST /guardrail/{id}/version/{number}/apply
"""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}


class House(msgspec.Struct, frozen=True):
    gateway: Gateway
    fake: FakeProvider

    async def record(self) -> dict[str, Any]:
        [row] = (await self.gateway.admin("GET", "/requests?limit=1"))["items"]
        found: dict[str, Any] = await self.gateway.admin("GET", f"/requests/{row['id']}")
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("passthrough")
    (folder / "listed.yaml").write_text(LISTED)
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeProvider())
        settings = {"egress_allow": "127.0.0.1", "passthrough_file": str(folder / "listed.yaml")}
        gateway = await stack.enter_async_context(Gateway.running(folder / "home", **settings))
        for name, provider in (("my-openai", "openai"), ("my-google", "google"), ("my-mistral", "mistral")):
            await gateway.add_credential(name, provider, f"secret-of-{name}-0123456789", origin=fake.origin)
        await gateway.add_credential(
            "my-anthropic", "anthropic", "sk-ant-api03-canary-7f3b1c9d5e2a", origin=fake.origin
        )
        region = {"settings": {"region": "us-east-1"}}
        await gateway.add_credential("my-aws", "bedrock", "ABSKcanaryBEDROCK7f3b1c9d5e2a", origin=fake.origin, **region)
        yield House(gateway, fake)


async def test_a_grant_of_everything_does_not_pass_anything_through(house: House) -> None:
    """Runs first: the grant that names it is made below."""
    before = len(house.fake.calls)
    reply = await house.gateway.call("GET", "/passthrough/openai/v1/fine_tuning/jobs/ftjob-1")
    assert (reply.status, reply.json()["error"]["code"]) == (403, "not_granted")
    assert len(house.fake.calls) == before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def granted(house: House) -> House:
    [team, *_] = (await house.gateway.admin("GET", "/teams"))["items"]
    wanted = {"effect": "allow", "team": team["id"], "endpoints": ["passthrough"]}
    await house.gateway.admin("POST", "/grants", wanted)
    return house


@pytest.mark.parametrize("name", ["openai", "my-openai"])
async def test_a_listed_path_passes_with_the_credentials_key_and_is_visibly_unmetered(
    granted: House, name: str
) -> None:
    granted.fake.next(Answer(steps=(b'{"id":"ftjob-1","status":"running"}',)))
    reply = await granted.gateway.call(
        "GET", f"/passthrough/{name}/v1/fine_tuning/jobs/ftjob-1?after=x&access_token=AIza", headers={"Cookie": "a=b"}
    )
    assert reply.json()["status"] == "running"
    call = granted.fake.calls[-1]
    assert (call.method, call.path, call.query) == ("GET", "/v1/fine_tuning/jobs/ftjob-1", "after=x")
    assert call.header("authorization") == "Bearer secret-of-my-openai-0123456789"
    assert call.header("cookie") is None
    detail = await granted.record()
    [attempt] = detail["attempts"]
    assert detail["request"]["endpoint"] == "passthrough"
    assert attempt["model_sent"] == "v1/fine_tuning/jobs/{id}"
    assert (attempt["cost_state"], attempt["usage_source"]) == ("unknown", "none")


async def test_bytes_pass_untouched_and_usage_that_is_stated_is_metered(granted: House) -> None:
    granted.fake.next(Answer(steps=(json.dumps({"id": "x", "usage": USAGE}).encode(),)))
    body = b'{ "model" : "gpt-4o-mini",\n "training_file": "file-1" }'
    reply = await granted.gateway.call("POST", "/passthrough/openai/v1/fine_tuning/jobs", body)
    assert reply.status == 200
    assert granted.fake.calls[-1].body == body
    [attempt] = (await granted.record())["attempts"]
    assert (attempt["model_sent"], attempt["usage"]) == ("gpt-4o-mini", {"input_tokens": 1000})
    assert (attempt["cost"], attempt["cost_state"]) == ("0.00015", "priced")


async def test_a_model_in_the_path_is_what_a_key_is_narrowed_by(granted: House) -> None:
    [team, *_] = (await granted.gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": "only-imagen", "team": team["id"], "models": ["imagen-*"]}
    key = (await granted.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    body: Any = {"instances": [{"prompt": "A key"}]}
    path = "/passthrough/google/v1beta/models/{}:predict"
    assert (await granted.gateway.call("POST", path.format("imagen-4"), body, key=key)).status == 200
    assert granted.fake.calls[-1].header("x-goog-api-key") == "secret-of-my-google-0123456789"
    assert (await granted.gateway.call("POST", path.format("veo-3"), body, key=key)).status == 403
    other = {**body, "model": "veo-3"}
    assert (await granted.gateway.call("POST", path.format("imagen-4"), other, key=key)).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/passthrough/openai/v1/fine_tuning/jobs/ftjob-1"),
        ("GET", "/passthrough/openai/v1/files"),
        ("GET", "/passthrough/openai/v1/fine_tuning/jobs/..%2f..%2ffiles"),
        ("GET", "/passthrough/openai/v1/fine_tuning/jobs/a%2Fb"),
        ("GET", "/passthrough/mistral/v1/fine_tuning/jobs/ftjob-1"),
        ("GET", "/passthrough/nobody/v1/fine_tuning/jobs/ftjob-1"),
        ("GET", "/passthrough/https:/elsewhere.example/v1"),
        ("GET", "/passthrough/"),
    ],
)
async def test_what_is_not_listed_reaches_nobody(granted: House, method: str, path: str) -> None:
    before = len(granted.fake.calls)
    reply = await granted.gateway.call(method, path)
    assert (reply.status, reply.json()["error"]["code"]) == (404, "unknown_path")
    assert len(granted.fake.calls) == before


async def test_a_path_of_one_provider_never_goes_to_another(granted: House) -> None:
    """The key may use one credential alone, of another provider; a bare model would go there."""
    [team, *_] = (await granted.gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": "only-mistral", "team": team["id"], "credentials": ["my-mistral"]}
    key = (await granted.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    before = len(granted.fake.calls)
    reply = await granted.gateway.call("GET", "/passthrough/openai/v1/fine_tuning/jobs/ftjob-1", key=key)
    assert (reply.status, reply.json()["error"]["code"]) == (404, "no_credential")
    assert len(granted.fake.calls) == before


async def test_a_body_that_cannot_be_looked_into_is_refused(granted: House) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    reply = await granted.gateway.call("POST", "/passthrough/openai/v1/uploads", b"\x00", headers=headers)
    assert (reply.status, reply.json()["error"]["code"]) == (415, "unsupported_body")


async def test_a_form_passes_untouched(granted: House) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\x00\xff\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    reply = await granted.gateway.call("POST", "/passthrough/openai/v1/uploads", form, headers=headers)
    assert reply.status == 200
    assert granted.fake.calls[-1].body == form


async def test_a_list_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "listed.yaml").write_text("openai: [GET /v1/../x]")
    gateway = Gateway(tmp_path / "home", {"KEYSTEAD_PASSTHROUGH_FILE": str(tmp_path / "listed.yaml")})
    with pytest.raises(DidNotStartError, match="KEYSTEAD_PASSTHROUGH_FILE"):
        await gateway.start()
    assert await gateway.died() != 0
    assert not list(tmp_path.glob("home/*"))


async def test_a_model_in_the_body_does_not_open_a_path_that_the_key_may_not_use(granted: House) -> None:
    [team, *_] = (await granted.gateway.admin("GET", "/teams"))["items"]
    wanted = {"name": "only-mini", "team": team["id"], "models": ["gpt-4o-mini"]}
    key = (await granted.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    path, body = "/passthrough/openai/v1/fine_tuning/jobs", {"model": "gpt-4o-mini"}
    before = len(granted.fake.calls)
    reply = await granted.gateway.call("POST", path, body, key=key)
    assert (reply.status, reply.json()["error"]["code"]) == (403, "model_not_allowed")
    assert len(granted.fake.calls) == before
    wanted = {**wanted, "name": "both", "models": ["gpt-4o-mini", "v1/fine_tuning/*"]}
    both = (await granted.gateway.admin("POST", "/virtual-keys", wanted))["key"]
    assert (await granted.gateway.call("POST", path, body, key=both)).status == 200
    assert (await granted.gateway.call("POST", path, {"model": "gpt-5"}, key=both)).status == 403


async def test_models_deep_in_a_body_are_seen(granted: House) -> None:
    path = "/passthrough/openai/v1/fine_tuning/jobs"
    nested: dict[str, Any] = {"requests": [{"params": {"model": "gpt-4o-mini"}}, {"params": {"model": "gpt-5"}}]}
    before = len(granted.fake.calls)
    reply = await granted.gateway.call("POST", path, nested)
    assert (reply.status, reply.json()["error"]["code"]) == (400, "several_models")
    assert len(granted.fake.calls) == before
    del nested["requests"][1]
    assert (await granted.gateway.call("POST", path, {**nested, "metadata": {"model": "mine"}})).status == 200
    [attempt] = (await granted.record())["attempts"]
    assert attempt["model_sent"] == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/passthrough/my-openai/v1/uploads", lambda error: error["error"]["type"] == "invalid_request_error"),
        ("/passthrough/my-anthropic/v1/skills", lambda error: error["error"]["type"] == "invalid_request_error"),
        ("/passthrough/my-google/v1beta/models/imagen-4:predict", lambda error: error["error"]["status"]),
        ("/passthrough/my-aws/guardrail/g1/version/1/apply", lambda error: error["__type"] == "ValidationException"),
    ],
)
async def test_an_error_is_in_the_words_of_the_provider_whose_path_it_is(granted: House, path: str, told: Any) -> None:
    """Also behind the name of a credential, which only its organization knows."""
    call, before = granted.gateway.call, len(granted.fake.calls)
    no_form = await call("POST", path, b"\x00", headers={"Content-Type": "application/octet-stream"})
    assert no_form.status == 415
    assert told(no_form.json()), no_form.body
    assert (no_form.json().get("type") == "error") is ("anthropic" in path)
    forbidden = await call("POST", path, {"model": "a", "x": {"model": "b"}})
    assert forbidden.status == 400
    assert told(forbidden.json())
    assert len(granted.fake.calls) == before
