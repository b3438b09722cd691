"""The fault table, once an answer has begun: it is cut, stalls, does not end, is not what it says, or lies about its usage.

From a provider's first byte on, the answer is that attempt's or an error: whatever stands behind it in the route is not
asked. The stage and what is asserted of each are those of `test_fault_table`.
"""

import asyncio
import json
from typing import Any

import pytest

from tests.acceptance import hybrid as said
from tests.acceptance.dialects import told
from tests.acceptance.faults import (
    CHARGE_PICO,
    COST_PICO,
    Faults,
    Tried,
    answered,
    lost,
    refused,
    scripted,
    words_of,
)
from tests.acceptance.received import receive
from tests.fakes.wire import Answer, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = (("content-type", "text/event-stream"),)
CUT = ("protocol", "upstream_cut")
IDLE = ("timeout", "idle_timeout")


def answer(**changes: Any) -> dict[str, Any]:
    """Return an ordinary answer, with changes."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5", "choices": [choice], **changes}


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# -- cut, stalled, without end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("fake-cut-fin", CUT),
        ("fake-cut-rst", CUT),
        ("fake-cut-chunk", CUT),
        ("fake-stall", IDLE),
        ("fake-endless", ("protocol", "upstream_too_large")),
    ],
)
async def test_a_stream_that_breaks_ends_in_an_error_and_is_nobody_elses_to_finish(
    faults: Faults, script: str, failure: tuple[str, str]
) -> None:
    way = await faults.shared_way()
    faults.first.always(scripted(script))
    async with faults.checked(way, lost("first", *failure)) as check:
        check.reply = await faults.stream(way)
    assert (check.reply.status, check.reply.whole) == (200, False)
    assert b"[DONE]" not in check.reply.body, "a polite end would pass half an answer for a whole one"
    last = check.reply.body.rstrip().rpartition(b"\n")[2]
    assert told("openai", last.removeprefix(b"data: ")).code == failure[1]
    assert faults.calls == (1, 0, 0)


async def test_an_error_inside_a_stream_is_a_failure_and_passes_as_it_came(faults: Faults) -> None:
    way = await faults.shared_way()
    faults.first.always(scripted("fake-error-event"))
    async with faults.checked(way, Tried("first", "failed_billed", "provider_error", cost="unknown")) as check:
        check.reply = await faults.stream(way)
    assert check.reply.body == words_of(scripted("fake-error-event"))
    assert faults.calls == (1, 0, 0)


async def test_what_was_used_until_a_cut_is_an_estimate_and_is_booked(faults: Faults) -> None:
    # Anthropic tells the input's tokens at once, and of the output what there was at that moment.
    way = await faults.way("first", "second", provider="anthropic")
    events = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
        b'"model":"gpt-5","content":[],"usage":{"input_tokens":11,"output_tokens":2}}}\n\n'
    )
    faults.first.always(Answer(headers=EVENTS, framing=Framing.CHUNKED, steps=(events, 0.01), close=True))
    tried = Tried("first", "failed_billed", "protocol", cost="estimated", code="upstream_cut", usage="provider_partial")
    async with faults.checked(way, tried) as check:
        check.reply = await faults.stream(way, dialect="anthropic")
    assert check.reply.body.startswith(events)
    assert check.attempts[0]["usage"] == {"input_tokens": 11, "output_tokens": 2}
    assert check.request["cost"] == "0.000015"
    assert faults.calls == (1, 0, 0)


async def test_a_broken_answer_of_the_platforms_costs_no_credits(faults: Faults) -> None:
    way = await faults.way("first", "pool")
    faults.first.always(said.OUT_OF_FUNDS)
    faults.pool.always(scripted("fake-cut-fin"))
    tried = (refused("first", "out_of_funds"), lost("pool", *CUT, reason="out_of_funds"))
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.stream(way)
    assert check.reply.headers["x-keystead-owner"] == "platform"
    assert not check.reply.whole
    assert check.request["charge"] is None


async def test_an_answer_that_ends_while_the_database_is_away_is_booked_once_when_it_is_back(faults: Faults) -> None:
    way = await faults.way("first", "pool")
    faults.first.always(said.OUT_OF_FUNDS)
    words = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    end = b"data: %s\n\ndata: [DONE]\n\n" % json.dumps({"choices": [], "usage": usage(11, 7)}).encode()
    faults.pool.always(Answer(headers=EVENTS, framing=Framing.CHUNKED, steps=(words, 0.3, words, 0.3, words, 0.3, end)))
    async with faults.checked(way, refused("first", "out_of_funds"), answered("pool", reason="out_of_funds")) as check:
        async with faults.streaming(way) as response:
            await response.content.readline()
            await faults.storage.leave()
            reading = asyncio.get_running_loop().create_task(receive(response))
            await faults.until_ready(503)
            await faults.storage.come_back()
            check.reply = await reading
        await faults.until_ready(200)
    assert check.reply.whole
    assert check.reply.body.endswith(b"data: [DONE]\n\n")
    assert check.request["charge"] == "0.003"


async def test_a_plain_answer_that_is_cut_is_an_error_and_no_half_answer(faults: Faults) -> None:
    way = await faults.shared_way()
    body = json.dumps(answer(usage=usage(11, 7))).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    faults.first.always(Answer(framing=Framing.RAW, steps=(head + body[:-20],)))
    async with faults.checked(way, lost("first", *CUT)) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 502
    assert told("openai", check.reply.body).code == "upstream_cut"
    assert faults.calls == (1, 0, 0), "the work was done, and would be paid for twice"


# -- not what it says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "anomaly"),
    [
        (Answer(steps=(b'{"choices": [',)), "body_unreadable"),
        (Answer(headers=(("content-type", "text/html"),), steps=(b"<html>It works!</html>",)), "body_unreadable"),
        (Answer(steps=(json.dumps(answer()).encode(),)), None),
    ],
    ids=["broken json", "html", "no usage"],
)
async def test_an_answer_that_tells_no_usage_passes_and_its_cost_is_unknown(
    faults: Faults, sent: Answer, anomaly: str | None
) -> None:
    way = await faults.shared_way()
    faults.first.always(sent)
    async with faults.checked(way, Tried("first", "settled", cost="unknown")) as check:
        check.reply = await faults.ask(way)
    assert (check.reply.status, check.reply.body) == (200, words_of(sent))
    assert anomaly is None or anomaly in check.attempts[0]["anomalies"]
    assert check.request["cost"] is None, "unknown, and not zero"


async def test_an_event_that_nobody_can_read_passes_and_hides_no_usage(faults: Faults) -> None:
    way = await faults.shared_way()
    chunks = (
        b"data: {not json\n\n: a comment\n\nretry: soon\n\nevent\n\n",
        b'data: {"choices":[{"index":0,"delta":{"content":"\xf0\x9f\x94\x91 \xc3\xa9"}}]}\n\n',
        b"data: %s\n\ndata: [DONE]\n\n" % json.dumps({"choices": [], "usage": usage(11, 7)}).encode(),
    )
    # Each byte a chunk of its own: characters and events are cut wherever they can be.
    faults.first.always(Answer(headers=EVENTS, framing=Framing.CHUNKED, steps=chunks, chunk_size=1))
    async with faults.checked(way, answered("first")) as check:
        check.reply = await faults.stream(way)
    withheld = chunks[2].partition(b"data: [DONE]")[0]
    assert check.reply.body == b"".join(chunks).replace(withheld, b""), "but for the usage that nobody asked for"
    assert check.request["cost"] == "0.000025"


# -- usage that lies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told_usage", "cost", "anomalies"),
    [
        (usage(-5, 7), "0.000014", {"negative_count", "total_mismatch"}),
        (usage(11, 10**12), "1999999.999998", {"absurd_count", "total_mismatch", "cost_beyond_held"}),
        (usage(11, 10**9), "2000.000011", {"cost_beyond_held"}),
        (usage(11, 7) | {"total_tokens": 3}, "0.000025", {"total_mismatch"}),
    ],
    ids=["negative", "10^12", "10^9", "total"],
)
async def test_a_usage_that_lies_is_bounded_flagged_and_booked_as_told(
    faults: Faults, told_usage: dict[str, int], cost: str, anomalies: set[str]
) -> None:
    way = await faults.way()
    faults.first.always(Answer(steps=(json.dumps(answer(usage=told_usage)).encode(),)))
    async with faults.checked(way, answered("first")) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 200
    assert set(check.attempts[0]["anomalies"]) == anomalies
    assert json.loads(check.attempts[0]["usage_raw"]) == told_usage, "verbatim, so that it can be disputed"
    assert float(check.request["cost"]) == pytest.approx(float(cost))


async def test_a_lie_takes_no_more_credits_than_were_held(faults: Faults) -> None:
    way = await faults.way("down", "pool")
    faults.pool.always(Answer(steps=(json.dumps(answer(usage=usage(11, 10**12))).encode(),)))
    unsent = [
        Tried("down", "failed_unsent", "unreachable", code="connect_failed", reason=why) for why in (None, "down")
    ]
    async with faults.checked(way, *unsent, answered("pool", reason="down")) as check:
        check.reply = await faults.ask(way)
    held = await faults.held_for(check.reply, attempt=3)
    assert 0 < float(check.request["charge"]) * 10**12 <= held * CHARGE_PICO / COST_PICO
    assert "cost_beyond_held" in check.attempts[2]["anomalies"]
