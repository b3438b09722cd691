"""Usage of Bedrock's streams: in frames, chopped anywhere, cut anywhere."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.eventstream import event_frame, exception_frame
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.meter import EVENT_TOO_LARGE, MOST_KEPT, meter_for
from keystead.metering.read_answer import EVENT_UNREADABLE, USAGE_MISSING

USAGE = {
    "inputTokens": 12,
    "outputTokens": 90,
    "totalTokens": 4402,
    "cacheReadInputTokens": 4000,
    "cacheWriteInputTokens": 300,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
}
COUNTED = Usage(
    input_tokens=12, cache_read_tokens=4000, cache_write_5m_tokens=100, cache_write_1h_tokens=200, output_tokens=90
)


def frame(kind: str, **told: Any) -> bytes:
    return event_frame(kind, json.dumps(told).encode())


START = frame("messageStart", role="assistant") + frame("contentBlockDelta", delta={"text": "Hi."})
STOP = frame("messageStop", stopReason="end_turn")
METADATA = frame(
    "metadata",
    usage=USAGE,
    metrics={"latencyMs": 5},
    serviceTier={"type": "flex"},
    performanceConfig={"latency": "optimized"},
)


def read(*chunks: bytes, complete: bool = True) -> Reading:
    meter = meter_for(
        "bedrock",
        Dialect.BEDROCK,
        Endpoint.CONVERSE,
        stream=True,
        content_type="application/vnd.amazon.eventstream",
        request_model="m",
    )
    for chunk in chunks:
        meter.feed(chunk)
    return meter.finish(complete=complete)


@given(cut=st.integers(0, len(START + STOP + METADATA)))
def test_usage_is_read_wherever_the_stream_is_chopped(cut: int) -> None:
    whole = START + STOP + METADATA
    reading = read(whole[:cut], whole[cut:])
    assert (reading.usage, reading.source, reading.finished) == (COUNTED, UsageSource.PROVIDER, True)
    assert (reading.service_tier, reading.speed, reading.anomalies) == ("flex", "fast", ())
    assert reading.raw is not None
    assert json.loads(reading.raw) == USAGE


@given(kept=st.integers(0, len(START + STOP + METADATA) - 1))
def test_a_cut_stream_is_never_taken_for_a_free_one(kept: int) -> None:
    reading = read((START + STOP + METADATA)[:kept], complete=False)
    assert reading.source is UsageSource.NONE


def test_an_answer_without_its_usage_is_marked() -> None:
    assert USAGE_MISSING in read(START + STOP).anomalies


def test_an_exception_inside_the_stream_is_its_error() -> None:
    reading = read(START + exception_frame("throttlingException", b'{"message":"Too many tokens"}'))
    assert (reading.finished, reading.error) == (False, "error: Too many tokens")
    assert read(exception_frame("modelStreamErrorException", b"")).error == "modelStreamErrorException"


def test_what_is_no_frame_is_marked_and_ends_the_reading() -> None:
    assert EVENT_UNREADABLE in read(START, b"x" * 99, METADATA).anomalies
    assert EVENT_UNREADABLE in read(START + STOP[:-1]).anomalies
    broken = bytearray(METADATA)
    broken[-1] ^= 1
    assert EVENT_UNREADABLE in read(START + STOP + bytes(broken)).anomalies


def test_a_frame_that_is_too_long_is_passed_over() -> None:
    reading = read(START, event_frame("contentBlockDelta", bytes(MOST_KEPT)), STOP, METADATA)
    assert reading.usage == COUNTED
    assert EVENT_TOO_LARGE in reading.anomalies


# -- InvokeModel ------------------------------------------------------------------------------------------------------


def invoked(*chunks: bytes, stream: bool = True, complete: bool = True) -> Reading:
    content_type = "application/vnd.amazon.eventstream" if stream else "application/json"
    meter = meter_for(
        "bedrock",
        Dialect.BEDROCK,
        Endpoint.MESSAGES,
        stream=stream,
        content_type=content_type,
        request_model="us.anthropic.claude-x-v1:0",
    )
    for chunk in chunks:
        meter.feed(chunk)
    return meter.finish(complete=complete)


def chunk(**event: Any) -> bytes:
    return frame("chunk", bytes=base64.b64encode(json.dumps(event).encode()).decode())


WRITTEN = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
STARTED = {
    "input_tokens": 12,
    "cache_read_input_tokens": 4000,
    "cache_creation_input_tokens": 300,
    "cache_creation": WRITTEN,
    "output_tokens": 1,
    "inference_geo": "us",
    "service_tier": "standard",
}
MESSAGE = {"id": "msg_1", "model": "claude-x", "usage": STARTED}
BEGUN = chunk(type="message_start", message=MESSAGE) + chunk(type="content_block_delta", delta={"text": "Hi."})
ENDED = chunk(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 90}) + chunk(
    type="message_stop"
)


@given(cut=st.integers(0, len(BEGUN + ENDED)))
def test_anthropics_own_words_are_read_wherever_the_frames_are_chopped(cut: int) -> None:
    whole = BEGUN + ENDED
    reading = invoked(whole[:cut], whole[cut:])
    assert (reading.usage, reading.source, reading.finished) == (COUNTED, UsageSource.PROVIDER, True)
    assert (reading.response_id, reading.anomalies) == ("msg_1", ())


def test_the_price_follows_from_the_id_that_was_sent() -> None:
    whole = {**MESSAGE, "usage": {**STARTED, "output_tokens": 90}}
    for reading in (invoked(BEGUN, ENDED), invoked(json.dumps(whole).encode(), stream=False)):
        assert (reading.usage, reading.model, reading.region) == (COUNTED, None, None)


def test_an_invoked_stream_that_is_cut_or_fails_has_its_first_word_alone() -> None:
    cut = invoked(BEGUN, ENDED[:-9], complete=False)
    assert cut.source is UsageSource.PROVIDER
    assert invoked(BEGUN, complete=False).source is UsageSource.PROVIDER_PARTIAL
    failed = invoked(BEGUN, exception_frame("throttlingException", b'{"message":"Too many tokens"}'))
    assert (failed.finished, failed.error) == (False, "rate_limit_error: Too many tokens")
    assert EVENT_UNREADABLE in invoked(BEGUN, frame("chunk", bytes="%"), ENDED).anomalies
