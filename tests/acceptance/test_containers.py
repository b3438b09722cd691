"""Containers and file search stores, as the official SDKs use them: two principals on one credential, on each engine."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from tests.acceptance.conftest import OPENAI_KEY
from tests.acceptance.house import House, another_principal
from tests.fakes.account_files import FilesAccount
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),  # google-genai's
]

JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)
CLAUDE = "claude-opus-5"
OTHER = f"other-anthropic/{CLAUDE}"
ANTHROPIC_KEY = "sk-ant-api03-x7f3b1c9d5e2a4860"
NONE = "There is no such container"
END = "2031-01-01T00:00:00Z"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [{"type": "text", "text": "pong"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 7},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_790_000_000,
    "status": "completed",
    "model": "gpt-5",
    "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("containers")
    listed = folder / "listed.yaml"
    listed.write_text(
        "anthropic: [POST /v1/elsewhere]\n"
        "openai: [POST /v1/containers, 'GET /v1/containers/{id}']\n"
        "google: [POST /v1beta/fileSearchStores, 'GET /v1beta/fileSearchStores/{id}', POST /v1beta/elsewhere]\n"
    )
    async with (
        FakeProvider() as fake,
        Gateway.running(
            folder / "home", egress_allow="127.0.0.1", passthrough_file=str(listed), **database_settings
        ) as gateway,
    ):
        for name, secret in (
            ("openai", OPENAI_KEY),
            ("anthropic", ANTHROPIC_KEY),
            ("google", "AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e2"),
        ):
            await gateway.add_credential(f"my-{name}", name, secret, origin=fake.origin)
            await gateway.add_credential(f"other-{name}", name, f"{secret}9", origin=fake.origin)
        [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
        await gateway.admin("POST", "/grants", {"effect": "allow", "team": team["id"], "endpoints": ["passthrough"]})
        made = House(gateway, fake, FilesAccount())
        yield made
        for client in made.clients:
            await client.close()


def message_in(container: str) -> Answer:
    return whole({**MESSAGE, "container": {"id": container, "expires_at": END}})


def whole(body: dict[str, Any]) -> Answer:
    return Answer(headers=JSON, steps=(json.dumps(body).encode(),))


def events(*told: dict[str, Any]) -> Answer:
    return Answer(
        headers=EVENTS,
        steps=tuple(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in told),
    )


def hi(**more: Any) -> dict[str, Any]:
    return {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}


async def test_a_message_goes_on_in_its_own_container_where_that_is(house: House) -> None:
    client = house.anthropic().beta
    house.fake.next(message_in("container_plain1"))
    made = await client.messages.create(**hi(model=OTHER))
    assert made.container is not None
    for container in (made.container.id, {"id": made.container.id, "skills": []}):
        await client.messages.create(**hi(container=container))
        assert house.fake.calls[-1].auth == f"{ANTHROPIC_KEY}9"
        assert json.loads(house.fake.calls[-1].body)["container"] == container
    [shown] = (await house.gateway.admin("GET", "/stored-objects?kind=container&limit=1"))["items"]
    assert (shown["upstream_id"], shown["expires_at"][:10]) == ("container_plain1", END[:10])


async def test_a_container_told_in_a_stream_is_bound_before_its_end(house: House) -> None:
    client = house.anthropic().beta
    container = {"id": "container_stream1", "expires_at": END}
    start = {**MESSAGE, "content": [], "stop_reason": None, "container": None}
    house.fake.next(
        events(
            {"type": "message_start", "message": start},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None, "container": container},
                "usage": {"output_tokens": 7},
            },
            {"type": "message_stop"},
        )
    )
    async with await client.messages.create(**hi(model=OTHER), stream=True) as stream:
        async for event in stream:
            if event.type == "message_delta":
                assert event.delta.container is not None
                await house.anthropic().beta.messages.create(**hi(container=event.delta.container.id))
    assert json.loads(house.fake.calls[-1].body)["container"] == "container_stream1"


async def test_nobody_elses_container_resolves(house: House) -> None:
    house.fake.next(message_in("container_theirs1"))
    await house.anthropic().beta.messages.create(**hi(model=OTHER))
    key = await another_principal(house, "container-stranger")
    stranger = house.anthropic(key).beta
    before = len(house.fake.calls)
    for name in ("container_theirs1", "container_none"):
        both: Any = (name, {"id": name, "skills": []})
        for container in both:
            with pytest.raises(anthropic.NotFoundError, match=NONE):
                await stranger.messages.create(**hi(container=container))
        batch: Any = [{"custom_id": "a", "params": hi(container=name)}]
        with pytest.raises(anthropic.NotFoundError, match=NONE):
            await stranger.messages.batches.create(
                requests=batch, extra_headers={"x-keystead-credential": "other-anthropic"}
            )
    passed = await house.gateway.call(
        "POST", "/passthrough/my-anthropic/v1/elsewhere", {"a": [{"b": "container_theirs1"}]}, key=key
    )
    assert (passed.status, passed.headers["x-keystead-error"]) == (404, "object_not_found")
    assert len(house.fake.calls) == before
    # A provider that answers a stranger in it all the same gives it to nobody.
    house.fake.next(message_in("container_theirs1"))
    await stranger.messages.create(**hi(model=OTHER))
    with pytest.raises(anthropic.NotFoundError):
        await stranger.messages.create(**hi(container="container_theirs1"))


async def test_what_an_interpreter_ran_in_is_its_callers(house: House) -> None:
    client = house.openai()
    call = {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1",
        "outputs": None,
    }
    tools: Any = [{"type": "code_interpreter", "container": {"type": "auto"}}]
    house.fake.next(whole({**RESPONSE, "output": [{**call, "container_id": "cntr_plain1"}]}))
    made = await client.responses.create(model="other-openai/gpt-5", input="Hi", tools=tools)
    house.fake.next(
        events(
            {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": {**call, "container_id": "cntr_live1"}},
            {"type": "response.completed", "response": {**RESPONSE, "output": []}},
        )
    )
    async for _ in await client.responses.create(model="other-openai/gpt-5", input="Hi", tools=tools, stream=True):
        pass
    stranger = house.openai(key := await another_principal(house, "interpreter-stranger"))
    for name in ("cntr_plain1", "cntr_live1"):
        own: Any = [{"type": "code_interpreter", "container": name}]
        again: Any = [{**call, "container_id": name}, {"role": "user", "content": "And now?"}]
        await client.responses.create(model="gpt-5", input="Hi", tools=own)
        await client.responses.create(model="gpt-5", input=again, tools=tools)
        before = len(house.fake.calls)
        for asked in ({"input": "Hi", "tools": own}, {"input": again, "tools": tools}):
            with pytest.raises(openai.NotFoundError) as refused:
                await stranger.responses.create(model="gpt-5", **asked)
            assert refused.value.code == "container_not_found"
        passed = await house.gateway.call("GET", f"/passthrough/my-openai/v1/containers/{name}", key=key)
        assert (passed.status, passed.headers["x-keystead-error"]) == (404, "object_not_found")
        assert len(house.fake.calls) == before
    assert made.id == "resp_1"


async def test_a_container_made_by_passing_through_is_its_makers(house: House) -> None:
    house.fake.next(whole({"id": "cntr_made1", "object": "container", "name": "c", "status": "running"}))
    made = await house.gateway.call("POST", "/passthrough/other-openai/v1/containers", {"name": "c"})
    assert (made.status, made.json()["id"]) == (200, "cntr_made1")
    tools: Any = [{"type": "code_interpreter", "container": "cntr_made1"}]
    await house.openai().responses.create(model="gpt-5", input="Hi", tools=tools)
    assert house.fake.calls[-1].auth == f"Bearer {OPENAI_KEY}9"
    stranger = house.openai(await another_principal(house, "made-stranger"))
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.create(model="gpt-5", input="Hi", tools=tools)


async def test_a_file_search_store_is_its_makers(house: House) -> None:
    def google(key: str) -> genai.Client:
        return genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=house.gateway.url))

    async def ask(client: genai.Client, *stores: str) -> None:
        tool = genai_types.Tool(file_search=genai_types.FileSearch(file_search_store_names=list(stores)))
        await client.aio.models.generate_content(
            model="gemini-2.5-flash", contents="Hi", config=genai_types.GenerateContentConfig(tools=[tool])
        )

    house.fake.next(whole({"name": "fileSearchStores/mine-abc123", "displayName": "mine"}))
    made = await house.gateway.call("POST", "/passthrough/other-google/v1beta/fileSearchStores", {"displayName": "m"})
    assert made.status == 200, made.body
    owner = google(house.gateway.virtual_key)
    await ask(owner, "fileSearchStores/mine-abc123")
    assert house.fake.calls[-1].auth.endswith("9")
    stranger = google(key := await another_principal(house, "store-stranger"))
    before = len(house.fake.calls)
    for client, name in ((stranger, "mine-abc123"), (stranger, "none-1"), (owner, "none-1")):
        with pytest.raises(genai_errors.ClientError) as refused:
            await ask(client, f"fileSearchStores/{name}")
        assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")
    for reply in (
        await house.gateway.call("GET", "/passthrough/my-google/v1beta/fileSearchStores/mine-abc123", key=key),
        await house.gateway.call(
            "POST", "/passthrough/my-google/v1beta/elsewhere", {"a": "fileSearchStores/mine-abc123"}, key=key
        ),
    ):
        assert (reply.status, reply.headers["x-keystead-error"]) == (404, "object_not_found")
    assert len(house.fake.calls) == before
    await owner.aio.aclose()
    await stranger.aio.aclose()
