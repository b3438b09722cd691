"""T41: a provider that never ends, never pauses or never says anything ends at a bound, told and recorded."""

import json
import time

import pytest

from tests.attacks.conftest import ENDLESS, Stage, on_each
from tests.attacks.raw import connection, keyed_request, read_rest

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "my-openai/"
MOST_MB = 30
"""How much the process may grow over one such answer, which itself is at most 8 MB here."""


async def answer_to(stage: Stage, model: str, *, stream: bool) -> bytes:
    """Return the raw bytes that a client gets; its connection always ends."""
    body = json.dumps({"model": MODEL + model, "stream": stream, "messages": []}).encode()
    asked = keyed_request("POST", "/v1/chat/completions", stage.gateway.virtual_key, body, [("Connection", "close")])
    async with connection(stage.gateway.url) as (reader, writer):
        writer.write(asked)
        return await read_rest(reader)


@pytest.mark.parametrize(
    ("model", "code", "told"),
    [
        ("endless", "upstream_too_large", True),
        ("fake-giant-line", "upstream_too_large", False),  # inside one event, an error event would be a part of it
        ("fake-drip", "total_timeout", True),
        ("fake-stall", "idle_timeout", True),
    ],
)
async def test_an_answer_without_end_is_cut_and_settled(
    hasty_stages: tuple[Stage, Stage], model: str, code: str, *, told: bool
) -> None:
    async def attack(stage: Stage) -> None:
        before_mb, began = stage.resident_mb(), time.monotonic()
        if model == "endless":
            stage.fake.next(ENDLESS)
        came = await answer_to(stage, model, stream=True)
        assert came.startswith(b"HTTP/1.1 200 ")
        assert not came.endswith(b"0\r\n\r\n"), "a polite end would pass half an answer for a whole one"
        assert (f'"code":"{code}"'.encode() in came[-2000:]) is told
        assert time.monotonic() - began < 8
        assert stage.resident_mb() - before_mb < MOST_MB
        record = await stage.last_request()
        assert (record["state"], record["error_code"], record["fault"]) == ("failed_billed", code, "provider")

    await on_each(hasty_stages, attack)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("fake-silent", 504, "first_byte_timeout"),
        ("fake-many-headers", 502, "upstream_protocol"),
        ("fake-huge-header", 502, "upstream_protocol"),
        ("fake-bad-http", 502, "upstream_protocol"),
        ("fake-drop", 502, "upstream_disconnected"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_head_without_sense_or_end_is_a_typed_error(
    hasty_stages: tuple[Stage, Stage], model: str, status: int, code: str, *, stream: bool
) -> None:
    async def attack(stage: Stage) -> None:
        before_mb = stage.resident_mb()
        reply = await stage.gateway.chat(MODEL + model, stream=stream)
        assert (reply.status, reply.json()["error"]["code"]) == (status, code)
        assert stage.resident_mb() - before_mb < MOST_MB
        assert await stage.recorded(reply) == ("failed_billed", code)

    await on_each(hasty_stages, attack)


async def test_a_million_comments_cost_no_memory_and_no_usage(each_stage: Stage) -> None:
    before_mb = each_stage.resident_mb()
    reply = await each_stage.gateway.chat(
        "my-openai/fake-comments", stream=True, stream_options={"include_usage": True}
    )
    assert reply.status == 200
    assert reply.body.count(b": keep-alive\n\n") == 1_000_000
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert each_stage.resident_mb() - before_mb < MOST_MB
    record = await each_stage.last_request()
    assert (record["state"], record["usage_source"]) == ("settled", "provider")
