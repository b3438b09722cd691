"""Every path of every dialect: where it goes upstream, with which key, and what is changed on the way."""

import json
from typing import Any

import pytest

from tests.fakes.wire import Answer
from tests.integration.dataplane.conftest import Plane

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = [{"role": "user", "content": "Hello"}]
PARTS = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
FILE = b"\x00\xffRIFF\r\n--not-the-boundary\r\n\x80"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES}),
        ("/v1/completions", {"prompt": "Hello"}),
        ("/v1/responses", {"input": "Hello"}),
        ("/v1/responses/compact", {"input": "Hello"}),
        ("/v1/responses/input_tokens", {"input": "Hello"}),
        ("/v1/embeddings", {"input": "Hello"}),
        ("/v1/moderations", {"input": "Hello"}),
        ("/v1/images/generations", {"prompt": "A key"}),
        ("/v1/audio/speech", {"input": "Hello", "voice": "alloy"}),
    ],
)
async def test_openai_paths(plane: Plane, path: str, body: dict[str, Any]) -> None:
    sent = {"model": "my-openai/some-model", **body, "a_field_of_tomorrow": {"x": 1.50}}
    reply, call = await plane.send("POST", path, sent)
    assert call.path == path
    assert json.loads(call.body) == sent | {"model": "some-model"}
    assert call.header("authorization") == f"Bearer {plane.secrets['my-openai']}"
    request, attempt = await plane.record(reply)
    assert (request["model_asked"], attempt["model_sent"]) == ("my-openai/some-model", "some-model")


@pytest.mark.parametrize(
    "path", ["/v1/images/edits", "/v1/images/variations", "/v1/audio/transcriptions", "/v1/audio/translations"]
)
async def test_openai_forms(plane: Plane, path: str) -> None:
    """The model's name is replaced in the form; the file keeps every byte."""
    _, call = await plane.send("POST", path, form("my-openai/some-model"), headers=FORM)
    assert call.path == path
    assert call.body == form("some-model")
    assert call.header("content-type") == FORM["Content-Type"]


FORM = {"Content-Type": "multipart/form-data; boundary=a-boundary"}


def form(model: str) -> bytes:
    head = b'--a-boundary\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    return b"".join(
        (
            head % (b"model", b"", model.encode()),
            head % (b"file", b'; filename="a.wav"\r\nContent-Type: audio/wav', FILE),
            b"--a-boundary--\r\n",
        )
    )


@pytest.mark.parametrize(
    ("path", "body", "verb"),
    [
        ("generateContent", PARTS, "generateContent"),
        ("streamGenerateContent?alt=sse", PARTS, "streamGenerateContent"),
        ("countTokens", PARTS, "countTokens"),
        ("embedContent", {"content": PARTS["contents"][0]}, "embedContent"),
        ("batchEmbedContents", {"requests": []}, "batchEmbedContents"),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_gemini_paths(plane: Plane, version: str, path: str, body: dict[str, Any], verb: str) -> None:
    _, call = await plane.send("POST", f"/{version}/models/gemini-9-pro:{path}", body)
    assert call.path == f"/v1beta/models/gemini-9-pro:{verb}"
    assert call.query == ("alt=sse" if "alt=sse" in path else "")
    assert call.header("x-goog-api-key") == plane.secrets["my-google"]
    assert call.header("authorization") is None
    assert json.loads(call.body) == body


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_anthropic_paths(plane: Plane, path: str) -> None:
    body = {"model": "claude-9", "max_tokens": 8, "messages": MESSAGES}
    _, call = await plane.send("POST", f"{path}?beta=true", body)
    assert (call.path, call.query) == (path, "beta=true")
    assert call.header("x-api-key") == plane.secrets["my-anthropic"]
    assert call.header("anthropic-version"), "it is there even if the caller did not send it"
    assert call.body == json.dumps(body).encode(), "not a byte is changed"


async def test_azure_in_its_two_shapes(plane: Plane) -> None:
    body = {"messages": MESSAGES}
    _, call = await plane.send("POST", "/v1/chat/completions", {"model": "my-azure/gpt-9", **body})
    assert (call.path, call.query) == ("/openai/v1/chat/completions", "")
    assert call.header("api-key") == plane.secrets["my-azure"]
    _, call = await plane.send("POST", "/v1/chat/completions", {"model": "old-azure/gpt-9", **body})
    assert call.path == "/openai/deployments/gpt-9/chat/completions"
    assert call.query == "api-version=2024-10-21"
    assert call.header("api-key") == plane.secrets["old-azure"]


async def test_one_provider_in_two_dialects(plane: Plane) -> None:
    _, call = await plane.send(
        "POST", "/v1/messages", {"model": "my-vllm/llama", "max_tokens": 8, "messages": MESSAGES}
    )
    assert (call.path, call.header("authorization")) == ("/v1/messages", f"Bearer {plane.secrets['my-vllm']}")
    _, call = await plane.send("POST", "/v1/chat/completions", {"model": "my-router/a/b:free", "messages": MESSAGES})
    assert (call.path, call.model) == ("/api/v1/chat/completions", "a/b:free")


async def test_a_provider_is_not_asked_for_what_it_does_not_serve(plane: Plane) -> None:
    before = len(plane.fake.calls)
    reply = await plane.gateway.call("POST", "/v1/audio/speech", {"model": "my-mistral/tts", "input": "Hello"})
    assert reply.status == 404
    assert len(plane.fake.calls) == before


@pytest.mark.parametrize(
    ("root", "path", "found"),
    [
        ("/openai", "/v1/chat/completions", True),
        ("/anthropic", "/v1/messages", True),
        ("/gemini", "/v1beta/models/gemini-9:generateContent", True),
        ("/anthropic", "/v1/chat/completions", False),
        ("/openai", "/v1/messages", False),
        ("", "/v1/fine_tuning/jobs", False),
        ("", "/v1/chat/completions/", False),
        ("", "//v1/chat/completions", False),
        ("", "/V1/chat/completions", False),
    ],
)
async def test_roots_for_clients_that_share_a_base_url(plane: Plane, root: str, path: str, *, found: bool) -> None:
    model = "claude-9" if "messages" in path else "my-openai/some-model"
    body = PARTS if "gemini" in path else {"model": model, "max_tokens": 8, "messages": MESSAGES}
    reply = await plane.gateway.call("POST", root + path, body)
    assert reply.status == (200 if found else 404)


async def test_a_websocket_is_sent_to_http_at_once(plane: Plane) -> None:
    """Codex tries a WebSocket first; 426 is the one answer after which it does not try again."""
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "OpenAI-Beta": "responses_websockets=2026-02-06"}
    reply = await plane.gateway.call("GET", "/v1/responses", headers=upgrade)
    assert (reply.status, reply.json()["error"]["code"]) == (426, "no_websocket")


async def test_a_stored_response_is_its_makers_alone(plane: Plane) -> None:
    stored = {"id": "resp_of_mine", "object": "response", "status": "completed", "output": []}
    plane.fake.next(Answer(steps=(json.dumps(stored).encode(),)))
    await plane.send("POST", "/v1/responses", {"model": "my-openai/gpt-9", "input": "Hello"})
    for method, tail in (("GET", ""), ("POST", "/cancel"), ("GET", "/input_items?limit=5"), ("DELETE", "")):
        _, call = await plane.send(method, f"/v1/responses/resp_of_mine{tail}")
        assert (call.method, call.path) == (method, f"/v1/responses/resp_of_mine{tail.partition('?')[0]}")
        assert call.header("authorization") == f"Bearer {plane.secrets['my-openai']}"
    before = len(plane.fake.calls)
    stranger = await plane.narrowed_key()
    reply = await plane.gateway.call("GET", "/v1/responses/resp_of_mine", key=stranger)
    never = await plane.gateway.call("GET", "/v1/responses/resp_that_never_was", key=stranger)
    assert reply.status == never.status == 404
    assert reply.json()["error"]["message"] == never.json()["error"]["message"]
    assert len(plane.fake.calls) == before


async def test_with_several_credentials_the_gateway_lists_models_itself(plane: Plane) -> None:
    before = len(plane.fake.calls)
    reply = await plane.gateway.call("GET", "/v1/models")
    names = {model["id"] for model in reply.json()["data"]}
    assert {"sandbox/echo", "gpt-5-mini"} <= names, "a name that is enough is not made longer"
    assert any(name.startswith("my-azure/") for name in names), "two of one provider are told apart by their names"
    assert not any(name.startswith("azure/") for name in names)
    assert len(plane.fake.calls) == before


async def test_with_one_credential_the_providers_own_list_passes(plane: Plane) -> None:
    key = await plane.narrowed_key(credentials=["my-openai"])
    reply, call = await plane.send("GET", "/v1/models", key=key)
    assert call.path == "/v1/models"
    assert reply.json()["data"][0]["id"] == "fake-1"
    _, call = await plane.send("GET", "/v1/models/ft:gpt-9:acme::1", key=key)
    assert call.path == "/v1/models/ft:gpt-9:acme::1"
