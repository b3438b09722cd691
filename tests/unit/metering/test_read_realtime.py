"""What a session's messages say of its usage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.usage import Usage, UsageSource
from keystead.metering.read_realtime import RealtimeMeter
from tests.fakes.realtime import USAGE


def event(kind: str, **members: Any) -> bytes:
    return json.dumps({"type": kind, **members}).encode()


def created(name: str) -> bytes:
    return event("response.created", response={"id": name})


def done(name: str, usage: Any = USAGE) -> bytes:
    return event("response.done", response={"id": name, "usage": usage})


def test_responses_add_up_by_kind() -> None:
    meter = RealtimeMeter()
    for message in (created("a"), done("a"), created("b"), done("b")):
        meter.feed(message)
    reading = meter.finish(complete=True)
    assert reading.source is UsageSource.PROVIDER
    assert reading.usage == Usage(
        input_tokens=110, input_audio_tokens=26, cache_read_tokens=128, output_tokens=60, output_audio_tokens=182
    )
    assert reading.raw is not None
    assert json.loads(reading.raw) == [USAGE, USAGE]
    assert reading.finished
    assert not reading.anomalies


def test_a_session_in_which_nothing_ran_has_used_nothing() -> None:
    meter = RealtimeMeter()
    meter.feed(event("session.created", session={"model": "gpt-realtime"}))
    reading = meter.finish(complete=True)
    assert (reading.source, reading.usage, reading.model) == (UsageSource.PROVIDER, Usage(), "gpt-realtime")


def test_a_response_that_is_left_open_makes_what_is_known_partial() -> None:
    meter = RealtimeMeter()
    meter.feed(created("a"))
    assert meter.finish(complete=False).source is UsageSource.NONE
    meter.feed(done("a"))
    meter.feed(created("b"))
    assert meter.finish(complete=False).source is UsageSource.PROVIDER_PARTIAL


def test_a_response_without_usage_is_seen() -> None:
    meter = RealtimeMeter()
    meter.feed(created("a"))
    meter.feed(done("a", usage=None))
    reading = meter.finish(complete=True)
    assert reading.source is UsageSource.NONE
    assert reading.anomalies == ("usage_missing",)


def test_what_another_model_transcribed_is_counted_apart() -> None:
    meter = RealtimeMeter()
    kind = "conversation.item.input_audio_transcription.completed"
    meter.feed(event(kind, usage={"type": "duration", "seconds": 1.25}))
    meter.feed(event(kind, usage={"type": "tokens", "total_tokens": 30, "input_tokens": 20, "output_tokens": 10}))
    reading = meter.finish(complete=True)
    assert reading.usage.units == {"transcription_seconds": "1.25", "transcription_tokens": "30"}
    assert reading.anomalies == ("other_model",)


def test_raw_usage_is_bounded() -> None:
    meter = RealtimeMeter()
    for number in range(1000):
        meter.feed(done(str(number)))
    reading = meter.finish(complete=True)
    assert reading.usage.output_audio_tokens == 91_000
    assert reading.raw is None or len(reading.raw) < 64 * 1024
    assert "usage_too_large" in reading.anomalies


@pytest.mark.parametrize(
    "message", [b'{"type":"response.done"', done("a", usage=7), done("a", usage={"input_tokens": "x"})]
)
def test_what_cannot_be_read_is_flagged(message: bytes) -> None:
    meter = RealtimeMeter()
    meter.feed(message)
    assert meter.finish(complete=True).anomalies


@given(st.binary() | st.text().map(str.encode))
def test_no_message_raises(message: bytes) -> None:
    meter = RealtimeMeter()
    for each in (message, b'{"type":"response.done","response":' + message + b"}"):
        meter.feed(each)
    meter.finish(complete=True)
