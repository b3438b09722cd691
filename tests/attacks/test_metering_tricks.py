"""Nothing a caller can write makes the provider work without a record, for another model, or unseen."""

import asyncio
import json
from typing import Any

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.keys import issue
from tests.attacks.raw import connection, keyed_request, talk
from tests.fakes.wire import STALL, Answer, Framing

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "my-openai/gpt-5"
USED = {"input_total": 11, "output_total": 7, "usage_source": "provider"}


async def used(stage: Stage) -> dict[str, object]:
    record = await stage.last_request()
    return {name: record[name] for name in USED}


@pytest.mark.parametrize(
    "options",
    [
        "null",
        "{}",
        '{"include_usage":false}',
        '{"include_usage":null}',
        '{"include_usage":"true"}',
        '{"include_usage":1}',
        '{"include_usage":true}',
        '{ "include_usage" : false }',
        '{"includ\\u0065_usage":false}',
        '{"include_obfuscation":false}',
        '{"Include_Usage":false}',
    ],
)
async def test_a_streams_usage_is_seen_however_it_is_declined(each_stage: Stage, options: str) -> None:
    body = f'{{"model":"{MODEL}","stream":true,"stream_options":{options},"messages":[]}}'.encode()
    reply = await each_stage.gateway.call("POST", "/v1/chat/completions", body)
    assert reply.status == 200
    assert await used(each_stage) == USED


@pytest.mark.parametrize("options", ['"x"', "[]", "1", "true", '{"include_usage":true,"include_usage":false}'])
async def test_stream_options_that_are_none_are_refused(each_stage: Stage, options: str) -> None:
    body = f'{{"model":"{MODEL}","stream":true,"stream_options":{options},"messages":[]}}'.encode()
    reply = await each_stage.gateway.call("POST", "/v1/chat/completions", body)
    assert reply.status == 400
    assert await each_stage.recorded(reply) == ("rejected", reply.json()["error"]["code"])


@pytest.mark.parametrize("stream", ['"true"', "1", '"yes"', "[true]", "{}", "0", '""'])
async def test_a_stream_is_asked_for_with_true_or_not_at_all(each_stage: Stage, stream: str) -> None:
    before = len(each_stage.fake.calls)
    for path, model in (("/v1/chat/completions", MODEL), ("/v1/messages", "my-anthropic/claude")):
        body = f'{{"model":"{model}","stream":{stream},"messages":[]}}'.encode()
        assert (await each_stage.gateway.call("POST", path, body)).status == 400
    assert len(each_stage.fake.calls) == before


@pytest.mark.parametrize(
    "accept", ["text/event-stream", "application/x-protobuf", "application/octet-stream", "audio/mpeg", "*/*"]
)
async def test_usage_is_seen_whatever_the_caller_accepts(each_stage: Stage, accept: str) -> None:
    gateway = each_stage.gateway
    assert (await gateway.chat(MODEL, headers={"Accept": accept})).status == 200
    assert await used(each_stage) == USED
    path = "/v1beta/models/my-google/gemini:generateContent"
    assert (await gateway.call("POST", path, {"contents": []}, headers={"Accept": accept})).status == 200
    assert await used(each_stage) == USED
    assert each_stage.fake.calls[-1].header("accept") == "*/*"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?alt=sse",
        "?alt=json",
        "?fields=candidates",
        "?$fields=candidates",
        "?%24alt=proto",
        "?Alt=proto",
        "?alt=sse&alt=json",
        "?prettyPrint=false",
        "?$.xgafv=1",
        "?access_token=x",
        "?upload_protocol=raw",
        "?callback=x",
    ],
)
async def test_usage_is_seen_in_every_form_of_a_gemini_stream(each_stage: Stage, query: str) -> None:
    path = f"/v1beta/models/my-google/gemini:streamGenerateContent{query}"
    assert (await each_stage.gateway.call("POST", path, {"contents": []})).status == 200
    assert await used(each_stage) == USED
    assert each_stage.fake.calls[-1].query in {"", "alt=sse", "alt=json", "alt=sse&alt=json"}


async def test_an_answer_says_what_it_is_whatever_was_asked(each_stage: Stage) -> None:
    # The provider streams although it was not asked to: the usage is found by what came.
    chunk = (
        b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}\n\ndata: [DONE]\n\n'
    )
    each_stage.fake.next(
        Answer(headers=(("content-type", "text/event-stream"),), framing=Framing.CHUNKED, steps=(chunk,))
    )
    assert (await each_stage.gateway.chat(MODEL)).body == chunk
    assert await used(each_stage) == USED


async def test_head_and_options_make_no_call(stage: Stage) -> None:
    before = len(stage.fake.calls)
    for method in ("HEAD", "OPTIONS"):
        for path in ("/v1/models", "/v1/models/x", "/v1/responses/x", "/v1beta/models", "/v1/chat/completions"):
            assert (await stage.gateway.call(method, path)).status == 404
    assert len(stage.fake.calls) == before


async def test_a_trailer_is_not_a_header(stage: Stage) -> None:
    key, body = stage.gateway.virtual_key, b'{"model":"my-openai/gpt-5","messages":[]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n" % (len(body), body, key.encode())
    before = len(stage.fake.calls)
    assert (await talk(stage.gateway.url, head + chunks)).statuses == [401]
    assert len(stage.fake.calls) == before


@pytest.mark.parametrize("narrowing", ["key", "credential"])
async def test_a_list_of_other_models_does_not_widen_a_narrowed_key(each_stage: Stage, narrowing: str) -> None:
    # OpenRouter tries `models` in turn when `model` fails.
    gateway = each_stage.gateway
    name = f"router-{narrowing}"
    more: dict[str, Any] = {"models": ["cheap/*"]} if narrowing == "credential" else {}
    await gateway.add_credential(
        name, "openrouter", f"sk-or-v1-attack-{narrowing}-0123456789", origin=each_stage.fake.origin, **more
    )
    key = (await issue(gateway, "narrow", models=["cheap/*"] if narrowing == "key" else None))["key"]
    before = len(each_stage.fake.calls)
    reply = await gateway.chat(f"{name}/cheap/a", key=key, models=["dear/b"])
    assert (reply.status, reply.json()["error"]["code"]) == (403, "model_not_allowed")
    assert await each_stage.recorded(reply) == ("rejected", "model_not_allowed")
    assert len(each_stage.fake.calls) == before
    assert (await gateway.chat(f"{name}/cheap/a", key=key)).status == 200
    assert (await gateway.chat(f"{name}/dear/b", key=key)).status in {403, 404}


async def test_a_call_has_its_record_before_the_provider_has_the_call(each_stage: Stage) -> None:
    gateway, fake = each_stage.gateway, each_stage.fake
    fake.next(Answer(framing=Framing.RAW, steps=(STALL,)))
    count = len(fake.calls)
    body = b'{"model":"my-openai/gpt-5","messages":[]}'
    async with connection(gateway.url) as (_, writer):
        writer.write(keyed_request("POST", "/v1/chat/completions", gateway.virtual_key, body))
        async with asyncio.timeout(10):
            await fake.arrived(count + 1)
        record = await each_stage.last_request()
        assert (record["state"], record["attempts"]) == ("intent", 1)


@pytest.mark.parametrize("moment", ["before the body", "inside the body", "after the body", "inside the answer"])
async def test_leaving_at_any_moment_hides_no_call(each_stage: Stage, moment: str) -> None:
    gateway, fake = each_stage.gateway, each_stage.fake
    marker = f"leave-{moment.replace(' ', '-')}-{each_stage.engine}"
    text = json.dumps({"model": "my-openai/stream-20-10", "stream": True, "messages": [], "user": f"marker-{marker}"})
    asked = keyed_request("POST", "/v1/chat/completions", gateway.virtual_key, text.encode())
    head_length = asked.index(b"\r\n\r\n") + 4
    cut = {"before the body": head_length, "inside the body": head_length + 9}.get(moment, len(asked))
    before = len(fake.calls)
    async with connection(gateway.url) as (reader, writer):
        writer.write(asked[:cut])
        if moment == "inside the answer":
            await reader.readuntil(b"pong")
        elif moment == "after the body":
            async with asyncio.timeout(10):
                await fake.arrived(before + 1)
    # The next call ends after it, so by then the one before has been seen or never will be.
    assert (await gateway.chat(MODEL)).status == 200
    mine = [call for call in fake.calls[before:] if call.marker == marker]
    assert len(mine) == (1 if cut == len(asked) else 0)
    page = await gateway.admin("GET", "/requests?limit=5")
    recorded = [item for item in page["items"] if item["model_asked"] == "my-openai/stream-20-10"]
    assert len(recorded) >= len(mine)
