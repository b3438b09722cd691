"""What passes the gateway and what stays: keys, headers, the usage chunk, narrowing, odd answers."""

import json
from typing import Any

import pytest

from tests.fakes.gateway import Reply
from tests.fakes.wire import Answer, Framing
from tests.integration.dataplane.conftest import Plane

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, **more}


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "x-goog-api-key"])
async def test_a_key_is_taken_wherever_an_sdk_puts_it(plane: Plane, header: str) -> None:
    shown = plane.gateway.virtual_key
    value = f"Bearer {shown}" if header == "Authorization" else shown
    _, call = await plane.send("POST", CHAT, chat("my-openai/m"), headers={header: value}, key="")
    assert shown not in str(call.headers)


async def test_a_key_in_the_query_is_taken_and_goes_no_further(plane: Plane) -> None:
    key = plane.gateway.virtual_key
    path = f"/v1beta/models/gemini-9:generateContent?key={key}&%6bey2=1"
    _, call = await plane.send("POST", path, {"contents": []}, key="")
    assert call.query == ""
    assert key not in plane.gateway.log.read_text()


async def test_two_keys_at_once_are_refused(plane: Plane) -> None:
    before = len(plane.fake.calls)
    key = plane.gateway.virtual_key
    for path, headers in (
        (CHAT, {"x-api-key": key}),
        (f"{CHAT}?key={key}", {}),
        (f"{CHAT}?%6bey={key}", {}),
        (CHAT, {"x-goog-api-key": "other"}),
    ):
        reply = await plane.gateway.call("POST", path, chat("my-openai/m"), headers=headers)
        assert reply.status == 400
        assert b"several_keys" in reply.body.lower()
    assert len(plane.fake.calls) == before


async def test_headers_that_matter_pass_and_others_stay(plane: Plane) -> None:
    passing = {
        "anthropic-beta": "effort-2025-11-24,context-management-2025-06-27",
        "anthropic-version": "2023-06-01",
        "idempotency-key": "abc",
    }
    staying = {
        "cookie": "session=1",
        "x-forwarded-for": "10.0.0.1",
        "forwarded": "for=10.0.0.1",
        "openai-organization": "org-other",
        "openai-project": "proj-other",
        "x-stainless-lang": "python",
        "proxy-authorization": "Basic x",
        "referer": "https://internal.example",
    }
    body = {"model": "claude-9", "max_tokens": 8, "messages": MESSAGES}
    _, call = await plane.send("POST", "/v1/messages", body, headers=passing | staying)
    assert {name: call.header(name) for name in passing} == passing
    assert {name: call.header(name) for name in staying} == dict.fromkeys(staying)
    assert call.header("accept-encoding") == "identity"
    assert (call.header("user-agent") or "").startswith("keystead/")


async def test_what_a_provider_says_of_its_account_stays(plane: Plane) -> None:
    reply, _ = await plane.send("POST", CHAT, chat("my-openai/fake-cookie"))
    names = {name.lower() for name in reply.headers}
    assert not names & {"set-cookie", "openai-organization", "openai-project", "anthropic-organization-id", "server"}
    assert reply.headers["x-ratelimit-remaining-requests"] == "99"


@pytest.mark.parametrize(
    ("credential", "more", "asked", "seen"),
    [
        ("my-openai", {}, True, False),
        ("my-openai", {"stream_options": {"include_obfuscation": False}}, True, False),
        ("my-openai", {"stream_options": {"include_usage": True}}, True, True),
        ("my-vllm", {}, True, False),
        ("my-mistral", {}, False, False),
    ],
)
async def test_the_usage_chunk_is_asked_for_and_given_to_whoever_asked(
    plane: Plane, credential: str, more: dict[str, Any], *, asked: bool, seen: bool
) -> None:
    reply, call = await plane.send("POST", CHAT, chat(f"{credential}/m", stream=True, **more))
    options = json.loads(call.body).get("stream_options", {})
    assert options.get("include_usage", False) is asked
    assert {name: options[name] for name in more.get("stream_options", {})} == more.get("stream_options", {})
    assert (b'"choices":[]' in reply.body) is seen
    assert reply.body.endswith(b"data: [DONE]\n\n")
    _, attempt = await plane.record(reply)
    assert attempt["usage_source"] == ("provider" if asked else "none")


async def test_a_key_narrowed_to_models_is_held_to_them(plane: Plane) -> None:
    key = await plane.narrowed_key(models=["gpt-9*", "my-anthropic/*"])
    assert (await plane.gateway.chat("my-openai/gpt-9-mini", key=key)).status == 200
    body = {"model": "claude-9", "max_tokens": 8, "messages": MESSAGES}
    assert (await plane.gateway.call("POST", "/v1/messages", body, key=key)).status == 200
    before = len(plane.fake.calls)
    denied = await plane.gateway.chat("my-openai/o9", key=key)
    assert (denied.status, denied.headers["x-keystead-error"]) == (403, "model_not_allowed")
    assert denied.headers["x-keystead-fault"] == "policy"
    assert len(plane.fake.calls) == before


async def test_a_key_narrowed_to_credentials_prefers_them_in_order(plane: Plane) -> None:
    key = await plane.narrowed_key(credentials=["my-vllm", "my-openai"])
    _, call = await plane.send("POST", CHAT, chat("a-model-of-today"), key=key)
    assert call.header("authorization") == f"Bearer {plane.secrets['my-vllm']}"
    reply, _ = await plane.send("POST", CHAT, chat("openai/a-model-of-today"), key=key)
    detail = await plane.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
    assert detail["decision"].pop("grant").startswith("grt_"), "the one that every installation begins with"
    expected = {"rule": "provider_name", "credential": "my-openai", "candidates": 2, "data_class": "public"}
    assert detail["decision"] == expected


async def test_a_credential_that_a_key_may_not_use_is_not_taken_for_a_model_of_another(plane: Plane) -> None:
    key = await plane.narrowed_key(credentials=["my-vllm"])
    before = len(plane.fake.calls)
    reply = await plane.gateway.chat("my-openai/gpt-9", key=key)
    assert (reply.status, reply.headers["x-keystead-error"]) == (404, "model_not_found")
    assert len(plane.fake.calls) == before
    _, call = await plane.send("POST", CHAT, chat("meta-llama/Llama-9"), key=key)
    assert call.model == "meta-llama/Llama-9", "a slash in a model's own name is a part of it"


async def test_the_cost_of_a_plain_answer_is_in_its_headers(plane: Plane) -> None:
    reply, _ = await plane.send("POST", CHAT, chat("my-openai/gpt-5-mini"))
    request, attempt = await plane.record(reply)
    assert reply.headers["x-keystead-cost-state"] == attempt["cost_state"] == "priced"
    assert reply.headers["x-keystead-cost"] == f"{request['cost']} USD"
    assert reply.headers["x-keystead-credential"] == f"{attempt['credential_id']}@1"
    assert (reply.headers["x-keystead-owner"], reply.headers["x-keystead-provider"]) == ("own", "openai")


async def test_a_model_without_a_price_is_unpriced_and_not_free(plane: Plane) -> None:
    reply, _ = await plane.send("POST", CHAT, chat("my-openai/gpt-99-unheard-of"))
    _, attempt = await plane.record(reply)
    assert (attempt["cost_state"], attempt["cost"]) == ("unpriced", None)
    assert attempt["usage"]["output_tokens"] > 0
    assert "x-keystead-cost" not in reply.headers


@pytest.mark.parametrize(
    ("model", "source", "cost_state"),
    [
        ("fake-no-usage", "none", "unknown"),
        ("fake-bad-json", "none", "unknown"),
        ("fake-error-event", "none", "unknown"),
    ],
)
async def test_an_answer_without_usage_is_never_free(plane: Plane, model: str, source: str, cost_state: str) -> None:
    stream = model == "fake-error-event"
    reply, _ = await plane.send("POST", CHAT, chat(f"my-openai/{model}", stream=stream))
    request, attempt = await plane.record(reply)
    assert (attempt["usage_source"], attempt["cost_state"], attempt["cost"]) == (source, cost_state, None)
    assert request["state"] == ("failed_billed" if stream else "settled")


async def test_an_impossible_usage_is_flagged(plane: Plane) -> None:
    reply, _ = await plane.send("POST", CHAT, chat("my-openai/fake-lying-usage"))
    _, attempt = await plane.record(reply)
    assert attempt["anomalies"], "shown, never hidden"
    assert min(attempt["usage"].values(), default=0) >= 0
    assert json.loads(attempt["usage_raw"])["prompt_tokens"] == -5, "what the provider said is kept as it was"


async def test_a_plain_answer_that_is_cut_is_an_error_and_not_a_half_answer(plane: Plane) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
    plane.fake.next(Answer(framing=Framing.RAW, steps=(head + b'{"choices": [', 0.01)))
    reply = await plane.gateway.chat("my-openai/m")
    assert (reply.status, reply.headers["x-keystead-error"]) == (502, "upstream_cut")
    request, attempt = await plane.record(reply)
    assert (request["state"], attempt["usage_source"], attempt["cost_state"]) == ("failed_billed", "none", "unknown")


async def test_a_binary_answer_passes_untouched(plane: Plane) -> None:
    song = bytes(range(256)) * 5000
    plane.fake.next(Answer(headers=(("content-type", "audio/mpeg"),), steps=(song,)))
    body = {"model": "my-openai/tts-1", "input": "Hello", "voice": "alloy"}
    reply: Reply = await plane.gateway.call("POST", "/v1/audio/speech", body)
    assert (reply.status, reply.headers["Content-Type"], reply.body == song) == (200, "audio/mpeg", True)


async def test_a_large_plain_answer_is_passed_on_as_it_comes(plane: Plane) -> None:
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    large = json.dumps({"data": ["x" * 1000] * 12_000, "usage": usage}).encode()
    plane.fake.next(Answer(steps=(large,)))
    reply = await plane.gateway.call("POST", "/v1/embeddings", {"model": "my-openai/embed", "input": "Hello"})
    assert reply.body == large
    _, attempt = await plane.record(reply)
    assert attempt["usage"] == {"input_tokens": 5}
