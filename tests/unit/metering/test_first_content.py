"""The first content of a stream: seen in every dialect wherever the bytes are cut, and not before it is there."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.traffic import Dialect, Endpoint
from keystead.metering.first_content import FirstContent

CHAT, RESPONSES = (Dialect.OPENAI, Endpoint.CHAT), (Dialect.OPENAI, Endpoint.RESPONSES)
MESSAGES, GENERATE = (Dialect.ANTHROPIC, Endpoint.MESSAGES), (Dialect.GEMINI, Endpoint.GENERATE)
CONVERSE, INVOKED = (Dialect.BEDROCK, Endpoint.CONVERSE), (Dialect.BEDROCK, Endpoint.MESSAGES)

STREAMS = {
    "chat": (
        CHAT,
        b'data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}]}\n\n',
        b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n',
    ),
    "chat, thinking": (
        CHAT,
        b'data: {"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":null,"reasoning_content":"Hm"}}]}\n\n',
    ),
    "chat, calling": (
        CHAT,
        b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_1"}]}}]}\n\n',
    ),
    "responses": (
        RESPONSES,
        (
            b'event: response.created\ndata: {"type":"response.created","response":{"instructions":"Say \\"delta\\":\\"x\\"",'
            b'"text":{"format":{"type":"text"}}}}\n\n'
        ),
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hello"}\n\n',
    ),
    "messages": (
        MESSAGES,
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"content":[],"model":"claude"}}\n\n'
            b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text","text":""}}\n\n'
            b'event: ping\ndata: {"type":"ping"}\n\n'
        ),
        b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}\n\n',
    ),
    "generate": (
        GENERATE,
        b'data: {"candidates":[{"content":{"role":"model","parts":[{"text": ""}]}}],"modelVersion":"g"}\r\n\r\n',
        b'data: {"candidates":[{"content":{"parts":[{"text": "Hello"}],"role":"model"}}]}\r\n\r\n',
    ),
    "converse": (
        CONVERSE,
        b'\x0b:event-type\x07\x00\x0cmessageStart{"role":"assistant"}',
        b'\x0b:event-type\x07\x00\x11contentBlockDelta{"delta":{"text":"Hello"}}',
    ),
    "invoked": (
        INVOKED,
        b'{"bytes":"' + b64encode(b'{"type":"message_start","message":{"content":[]}}') + b'"}',
        b'{"bytes":"' + b64encode(b'{"type":"content_block_delta","index":0,"delta":{"text":"Hi"}}') + b'"}',
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_content_is_seen_when_it_comes_and_not_before(name: str) -> None:
    wire, before, content = STREAMS[name]
    waiting = FirstContent(*wire)
    assert [waiting.comes(before), waiting.comes(content)] == [False, True]


@given(st.sampled_from(list(STREAMS)), st.lists(st.integers(1, 400), max_size=30))
def test_content_is_seen_wherever_the_bytes_are_cut(name: str, lengths: list[int]) -> None:
    wire, before, content = STREAMS[name]
    whole, at, waiting = before + content, 0, FirstContent(*wire)
    pieces = []
    for length in lengths:
        pieces.append(whole[at : at + length])
        at += length
    pieces.append(whole[at:])
    assert any(waiting.comes(piece) for piece in pieces)


@pytest.mark.parametrize("name", STREAMS)
def test_content_is_seen_byte_by_byte_and_never_in_what_comes_before(name: str) -> None:
    wire, before, content = STREAMS[name]
    waiting = FirstContent(*wire)
    assert not any(waiting.comes(bytes([byte])) for byte in before)
    assert any(waiting.comes(bytes([byte])) for byte in content)


def test_where_no_mark_is_known_nothing_is_measured() -> None:
    assert FirstContent(Dialect.OPENAI, Endpoint.SPEECH).comes(b'"content":"Hello"') is False
