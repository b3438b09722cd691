"""What nobody knows yet: a model, a parameter, a kind of content, a kind of event. Never a failure of the gateway's.

In the provider's own dialect all of it passes as it came. Across dialects a model's name passes, too; what the other
dialect has no word for is refused by its name; and what a provider says beside the words of its answer is passed over.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from keystead.dialects.eventstream import CONTENT_TYPE
from keystead.providers.table import PROVIDERS
from tests.acceptance import upstreams
from tests.acceptance.cells import CALLERS
from tests.acceptance.dialects import told
from tests.acceptance.upstreams import Said
from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS: Final = {
    "openai": "sk-proj-canary-OPENAI-7f3b1c9d5e2a4860",
    "anthropic": "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a",
    "google": "AIzaSycanaryGOOGLE7f3b1c9d5e2a4860b1c9d",
    "bedrock": "ABSKcanaryBEDROCK7f3b1c9d5e2a4860b1c9d5e2a",
    "perplexity": "pplx-canary-7f3b1c9d5e2a4860b1c",
}
"""Perplexity is the one that others reach in OpenAI's responses."""
HOLOGRAM: Final[dict[str, Any]] = {"type": "hologram", "hologram": {"frames": [1, 2]}}
MODEL: Final = "model-of-tomorrow-9"


class Hall(msgspec.Struct, frozen=True):
    """A gateway with a credential of each upstream."""

    gateway: Gateway
    fake: FakeProvider

    async def ask(self, caller: str, upstream: str, *, stream: bool = False, **more: Any) -> Reply:
        path, body = _call(caller, f"{upstream}/{MODEL}", stream=stream)
        return await self.gateway.call("POST", path, body | more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    home = tmp_path_factory.mktemp("tomorrow") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        for provider, key in KEYS.items():
            await gateway.add_credential(provider, provider, key, origin=fake.origin)
        yield Hall(gateway, fake)
        assert "defect" not in gateway.log.read_text()


each_cell = pytest.mark.parametrize(
    ("caller", "upstream"), [(caller, upstream) for caller in CALLERS for upstream in KEYS]
)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


def _is_own(caller: str, upstream: str) -> bool:
    """Say whether a provider speaks the caller's dialect."""
    return CALLERS[caller] in PROVIDERS[upstream].endpoints


def _call(caller: str, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    told_to_stream = {"stream": True} if stream else {}
    match caller:
        case "openai chat":
            return "/v1/chat/completions", {"model": model, "messages": _messages("Hi"), **told_to_stream}
        case "openai responses":
            return "/v1/responses", {"model": model, "input": _messages("Hi"), **told_to_stream}
        case "anthropic":
            return "/v1/messages", {"model": model, "max_tokens": 9, "messages": _messages("Hi"), **told_to_stream}
        case "google-genai":
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
        case _:
            verb = "converse-stream" if stream else "converse"
            return f"/model/{model.replace('/', '%2F')}/{verb}", {"messages": _messages([{"text": "Hi"}])}


def _messages(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def _with_hologram(caller: str) -> dict[str, Any]:
    """Return the members of a request with a kind of content that nobody knows."""
    match caller:
        case "openai responses":
            return {
                "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}, HOLOGRAM]}
                ]
            }
        case "google-genai":
            return {"contents": [{"role": "user", "parts": [{"text": "Hi"}, {"hologram": {"frames": [1, 2]}}]}]}
        case "boto3":
            return {"messages": _messages([{"text": "Hi"}, {"hologram": {"frames": [1, 2]}}])}
        case _:
            return {"messages": _messages([{"type": "text", "text": "Hi"}, HOLOGRAM])}


@each_cell
@each_way
async def test_a_model_that_nobody_knows_is_asked_for(hall: Hall, caller: str, upstream: str, stream: bool) -> None:
    hall.fake.always(lambda call: upstreams.answer_to(call, Said(text="Sunny.")))
    answer = await hall.ask(caller, upstream, stream=stream)
    assert answer.status == 200, answer.body
    assert b"Sunny" in answer.body or b"Sun" in answer.body
    assert MODEL in hall.fake.calls[-1].path or hall.fake.calls[-1].model == MODEL


@each_cell
async def test_a_parameter_that_nobody_knows_passes_or_is_refused_by_name(
    hall: Hall, caller: str, upstream: str
) -> None:
    await _passes_or_is_refused(hall, caller, upstream, {"of_tomorrow": {"a": [1]}}, "of_tomorrow")


@each_cell
async def test_content_of_a_kind_that_nobody_knows_passes_or_is_refused_by_its_place(
    hall: Hall, caller: str, upstream: str
) -> None:
    await _passes_or_is_refused(hall, caller, upstream, _with_hologram(caller), "hologram")


async def _passes_or_is_refused(hall: Hall, caller: str, upstream: str, more: dict[str, Any], word: str) -> None:
    hall.fake.always(lambda call: upstreams.answer_to(call, Said(text="Sunny.")))
    before = len(hall.fake.calls)
    answer = await hall.ask(caller, upstream, **more)
    if _is_own(caller, upstream):
        assert answer.status == 200, answer.body
        sent = json.loads(hall.fake.calls[-1].body)
        assert all(sent[name] == value for name, value in more.items())
        return
    assert answer.status == 400, answer.body
    said = told(str(CALLERS[caller][0]), answer.body)
    assert (said.fault, said.code) in {("caller", "not_translatable"), ("caller", "invalid_value")}
    assert word in said.message or "content[1]" in said.message or "parts[1]" in said.message
    assert said.next_step
    assert len(hall.fake.calls) == before, "the provider was not asked"


@each_cell
@each_way
async def test_what_an_answer_holds_beside_its_words_passes_or_is_passed_over(
    hall: Hall, caller: str, upstream: str, stream: bool
) -> None:
    hall.fake.always(_surprise)
    answer = await hall.ask(caller, upstream, stream=stream)
    assert answer.status == 200, answer.body
    assert b"Sun" in answer.body
    assert b"my.~" in answer.body or b"ny.~" in answer.body
    if _is_own(caller, upstream):
        assert b"hologram" in answer.body
    else:
        assert b"hologram" not in answer.body
        assert answer.headers.get("x-keystead-error") is None
        assert b"error" not in answer.body.replace(b'"error":null', b"")


def _surprise(call: Call) -> Answer:
    """Answer with something new in the middle."""
    plain = upstreams.answer_to(call, Said(text="Sunny.~"))
    steps = [step for step in plain.steps if isinstance(step, bytes)]
    if plain.headers == Answer().headers:
        return msgspec.structs.replace(plain, steps=(json.dumps(_more(json.loads(steps[0]))).encode(),))
    framed = dict(plain.headers)["content-type"] == CONTENT_TYPE
    at = 1 if call.path.endswith(("/messages", "/responses")) or framed else len(steps) // 2
    return msgspec.structs.replace(plain, steps=(*steps[:at], *_new_events(call, framed=framed), *steps[at:]))


def _more(whole: dict[str, Any]) -> dict[str, Any]:
    """Return a whole answer with a kind of content that nobody knows."""
    if "choices" in whole:
        whole["choices"][0]["message"]["hologram"] = HOLOGRAM
    elif "candidates" in whole:
        whole["candidates"][0]["content"]["parts"].insert(0, {"hologram": HOLOGRAM})
    elif whole.get("object") == "response":
        whole["output"].insert(0, {**HOLOGRAM, "content": "not a list", "arguments": {"a": 1}})
    elif "content" in whole:
        whole["content"].insert(0, HOLOGRAM)
    else:
        whole["output"]["message"]["content"].insert(0, {"hologram": HOLOGRAM})
    return whole


def _new_events(call: Call, *, framed: bool) -> list[bytes]:
    """Return events of kinds that nobody knows, and known ones with something new in them."""
    if framed:
        block = {"contentBlockIndex": 7, "delta": {"hologram": {"frames": [1]}}}
        return [upstreams._frame("hologramDelta", {"a": 1}), upstreams._frame("contentBlockDelta", block)]
    if call.path.endswith("/messages"):
        events: list[dict[str, Any]] = [
            {"type": "hologram_start", "index": "none", "delta": 1},
            {"type": "content_block_start", "index": 7, "content_block": HOLOGRAM},
            {"type": "content_block_delta", "index": 7, "delta": {"type": "hologram_delta", "frames": [1]}},
            {"type": "content_block_stop", "index": 7},
        ]
        return [upstreams._sse(str(event["type"]), event) for event in events]
    if call.path.endswith("/responses"):
        item = {**HOLOGRAM, "id": "h_1", "content": "not a list", "arguments": {"a": 1}}
        events = [
            {"type": "response.hologram.delta", "delta": {"frames": [1]}, "item": "none", "output_index": "x"},
            {"type": "response.output_item.added", "output_index": 7, "item": item},
            {"type": "response.output_item.done", "output_index": 7, "item": item},
        ]
        return [upstreams._sse(str(event["type"]), event) for event in events]
    if "enerateContent" in call.path:
        part = {"candidates": [{"content": {"role": "model", "parts": [{"hologram": HOLOGRAM}]}, "index": 0}]}
        return [upstreams._sse("", {**part, "hologram": [1]})]
    delta = {"index": 0, "delta": {"hologram": HOLOGRAM}, "finish_reason": None}
    return [upstreams._sse("", {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [delta]})]
