"""Anthropic's messages in Bedrock's envelope: what goes in, what comes out, chopped anywhere."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects import bedrock_invoke as invoke
from keystead.dialects.body import read_json
from keystead.dialects.eventstream import FrameSplitter, event_frame, exception_frame
from keystead.dialects.sse import SseSplitter
from keystead.dialects.translating import UnreadableError

BODY = b'{"model":"m","max_tokens":9, "stream":true,"system":[{"cache_control":{"ttl":"1h"}}],"new":{"a":1.0}}'
MESSAGE_START: dict[str, Any] = {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}
DELTA: dict[str, Any] = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "é\n\u2028"},
}
STOP: dict[str, Any] = {"type": "message_stop"}
METRICS = {"inputTokenCount": 3, "outputTokenCount": 1}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def chunk(event: bytes) -> bytes:
    return event_frame("chunk", compact({"bytes": base64.b64encode(event).decode(), "p": "abc"}))


def sse(event: dict[str, Any]) -> bytes:
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\ndata: " + compact(event) + b"\n\n"


EVENTS = b"".join(sse(event) for event in (MESSAGE_START, DELTA, STOP))
FRAMES = b"".join(
    chunk(compact(event)) for event in (MESSAGE_START, DELTA, {**STOP, "amazon-bedrock-invocationMetrics": METRICS})
)


@given(cut=st.integers(0, len(FRAMES)))
def test_frames_become_the_very_events_wherever_they_are_chopped(cut: int) -> None:
    splitter = FrameSplitter(limit=1 << 20)
    frames = [*splitter.feed(FRAMES[:cut]), *splitter.feed(FRAMES[cut:])]
    said = [invoke.read_chunk(frame) for frame in frames]
    assert b"".join(invoke.write_event(each) for each in said if each is not None) == EVENTS
    assert [each.ends for each in said if each is not None] == [False, False, True]


@given(cut=st.integers(0, len(EVENTS)))
def test_events_become_frames_and_are_the_same_again(cut: int) -> None:
    splitter = SseSplitter(limit=1 << 20)
    events = [*splitter.feed(EVENTS[:cut]), *splitter.feed(EVENTS[cut:])]
    frames = [invoke.write_chunk(said) for event in events if (said := invoke.read_event(event)) is not None]
    again = [invoke.read_chunk(frame) for frame in frames]
    assert b"".join(invoke.write_event(each) for each in again if each is not None) == EVENTS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("validationException", "invalid_request_error"),
        ("modelTimeoutException", "timeout_error"),
        ("internalServerException", "api_error"),
    ],
)
def test_an_exception_is_an_error_event_and_the_other_way_round(name: str, kind: str) -> None:
    frame = exception_frame(name, b'{"message":"No."}')
    said = invoke.read_chunk(frame)
    assert said is not None
    assert json.loads(said.data) == {"type": "error", "error": {"type": kind, "message": "No."}}
    assert said.ends
    assert invoke.write_chunk(said) == frame


def test_exceptions_and_errors_that_nobody_knows_are_told_all_the_same() -> None:
    said = invoke.read_chunk(exception_frame("newException", b"not JSON"))
    assert said is not None
    assert json.loads(said.data)["error"] == {"type": "api_error", "message": "newException"}
    error = invoke.read_event(b'data: {"type":"error","error":{"type":"new_error","message":"No."}}\n\n')
    assert error is not None
    assert invoke.write_chunk(error) == exception_frame("modelStreamErrorException", b'{"message":"No."}')


def test_kinds_of_frames_invented_later_and_comments_are_passed_over() -> None:
    assert invoke.read_chunk(event_frame("news", b"{}")) is None
    assert invoke.read_event(b": keep-alive\n\n") is None


def test_an_event_over_several_lines_is_written_on_one() -> None:
    said = invoke.read_chunk(chunk(b'{\r\n "type": "ping",\n\n "more": "a\\nb"}'))
    assert said is not None
    assert invoke.write_event(said) == b'event: ping\ndata: {"type":"ping","more":"a\\nb"}\n\n'


@pytest.mark.parametrize(
    "event", [b"", b"[]", b"{}", b'{"type":7}', b'{"type":"a\\nb"}', b'{"type":"Ping"}', b"[" * 5000]
)
def test_what_is_no_event_is_unreadable(event: bytes) -> None:
    with pytest.raises(UnreadableError):
        invoke.read_chunk(chunk(event))
    if event:
        with pytest.raises(UnreadableError):
            invoke.read_event(b"data: " + event + b"\n\n")


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"bytes":"%%"}', b'{"bytes":7}'])
def test_what_is_no_chunk_is_unreadable(payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        invoke.read_chunk(event_frame("chunk", payload))


def test_a_body_keeps_its_bytes_but_for_what_the_envelope_says() -> None:
    wrapped = invoke.wrapped(read_json(BODY), ["b-1"])
    assert wrapped.raw == (
        b'{"max_tokens":9,"system":[{"cache_control":{"ttl":"1h"}}],"new":{"a":1.0},'
        b'"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b-1"]}'
    )
    assert b"anthropic_beta" not in invoke.wrapped(read_json(BODY), []).raw
    body, betas = invoke.unwrapped(read_json(wrapped.raw), model="m", stream=True)
    assert json.loads(body.raw) == json.loads(BODY)
    assert betas == "b-1"
    assert "stream" not in invoke.unwrapped(read_json(wrapped.raw), model="m", stream=False)[0].members


def test_what_a_caller_says_beside_the_path_is_not_what_the_path_says() -> None:
    body, betas = invoke.unwrapped(
        read_json(b'{"model":"other","stream":true,"anthropic_beta":"b"}'), model="m", stream=False
    )
    assert json.loads(body.raw) == {"model": "m"}
    assert not betas


def test_betas_that_bedrock_refuses_are_left_out_and_named() -> None:
    header = "context-1m-2025-08-07, new-1,,advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19, new-1"
    assert invoke.taken_betas(header) == (["context-1m-2025-08-07", "tool-search-tool-2025-10-19"], ["new-1"])
    assert invoke.taken_betas("") == ([], [])


@pytest.mark.parametrize(
    ("thinking", "limit"),
    [
        (None, 1),
        ({"type": "enabled", "budget_tokens": 1024}, 1025),
        ({"type": "adaptive"}, 1),
        ({"budget_tokens": "x"}, 1),
        ({"budget_tokens": -7}, 1),
        ([], 1),
    ],
)
def test_a_count_is_of_a_whole_message(thinking: Any, limit: int) -> None:
    asked: dict[str, Any] = {"model": "m", "messages": []} | ({"thinking": thinking} if thinking is not None else {})
    told = json.loads(invoke.counting(read_json(compact(asked)), ["b-1"]))
    message = json.loads(base64.b64decode(told["input"]["invokeModel"]["body"]))
    assert (message["max_tokens"], message["anthropic_beta"]) == (limit, ["b-1"])
    assert "model" not in message


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-x-v1:0",
        "us.anthropic.claude-x-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0",
        "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude-x-v1:0",
    ],
)
def test_the_foundation_model_is_found_behind_a_profile(model: str) -> None:
    assert invoke.foundation(model) == "anthropic.claude-x-v1:0"
    assert invoke.foundation("other") == "other"
