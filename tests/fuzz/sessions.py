"""Sessions, and messages in another envelope: realtime from both sides, InvokeModel of Bedrock."""

from contextlib import suppress
from typing import Any, Final

import msgspec

from keystead.dialects import bedrock_invoke
from keystead.dialects.body import read_json
from keystead.dialects.eventstream import FrameSplitter
from keystead.dialects.named_models import named_models
from keystead.dialects.sse import SseSplitter
from keystead.dialects.translating import UnreadableError
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.metering.read_realtime import RealtimeMeter, ended_responses
from keystead.web.realtime import _model, _with_carried, kind_of
from tests.fuzz import seeds
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target, chance_of

_SLACK: Final = 64 * 1024


def targets() -> list[Target]:
    """Return a target for each of them."""
    return [
        Target("realtime from callers", Shape.JSON, _said_by_callers, _check_caller_message),
        Target("realtime from providers", Shape.JSON, _said_by_providers, check_provider_message),
        Target("realtime handshakes", Shape.BYTES, _handshakes, _check_handshake),
        Target("invoke bodies", Shape.JSON, _messages, _check_invoke),
        Target("invoke chunks", Shape.FRAMES, _chunks, _check_chunk),
    ]


def _messages() -> list[bytes]:
    return [*seeds.requests((Dialect.ANTHROPIC, Endpoint.MESSAGES))]


# -- realtime ---------------------------------------------------------------------------------------------------------


def _said_by_callers() -> list[bytes]:
    return [
        b'{"type":"session.update","session":{"type":"realtime","model":"gpt-realtime","tools":[{"name":"model"}]}}',
        b'{"type":"response.create","response":{"max_output_tokens":"inf","input":[{"type":"item_reference","id":"x"}]}}',
        b'{"type":"input_audio_buffer.append","audio":"AAAA"}',
    ]


def _check_caller_message(data: bytes) -> None:
    with suppress(InvalidRequestError):
        kind_of(read_json(data.decode(errors="replace").encode()).raw.decode())
        named_models(data)


def _said_by_providers() -> list[bytes]:
    return [
        b'{"type":"session.created","session":{"model":"gpt-realtime","type":"realtime"}}',
        b'{"type":"response.created","response":{"id":"resp_1"}}',
        (
            b'{"type":"response.done","response":{"id":"resp_1","usage":{"total_tokens":9,"input_tokens":4,"output_tokens":5,'
            b'"input_token_details":{"cached_tokens":1,"text_tokens":2,"audio_tokens":2},"output_token_details":{"audio_tokens":5}}}}'
        ),
        (b'{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"duration","seconds":1.5}}'),
        (
            b'{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"tokens","total_tokens":7}}'
        ),
    ]


def check_provider_message(data: bytes) -> None:
    meter = RealtimeMeter()
    for each in (*_said_by_providers(), data, data, *_said_by_providers()):
        meter.feed(each)
        meter.finish(complete=False)
    reading = meter.finish(complete=True)
    assert 0 <= reading.usage.input_total < 2**62
    assert len(reading.raw or "") <= _SLACK, "what is kept has no bounds"
    msgspec.json.encode(reading)
    ended_responses(reading)


def _handshakes() -> list[bytes]:
    return [
        b"model=gpt-realtime\nrealtime\nopenai-insecure-api-key.ks_1\nopenai-beta.realtime-v1",
        b"model=gpt%2Drealtime&call_id=x\nrealtime",
    ]


def _check_handshake(data: bytes) -> None:
    query, *offered = data.split(b"\n")
    with suppress(InvalidRequestError):
        assert _model(query).isascii()
    with suppress(InvalidRequestError):
        headers = _with_carried({b"sec-websocket-key": b"x"}, [each.decode("latin-1") for each in offered])
        assert b"sec-websocket-key" not in headers


# -- InvokeModel ------------------------------------------------------------------------------------------------------


def _check_invoke(data: bytes) -> None:
    with suppress(InvalidRequestError):
        body = read_json(data)
        chance = chance_of(data)
        header = ",".join(chance.sample([*bedrock_invoke.BETAS, "new-beta", "", " x "], 4))
        taken, _ = bedrock_invoke.taken_betas(header)
        wrapped = bedrock_invoke.wrapped(body, taken)
        assert not {"model", "stream"} & read_json(wrapped.raw).members.keys()
        back, betas = bedrock_invoke.unwrapped(wrapped, model="m", stream=True)
        back = read_json(back.raw)
        assert (back.model, back.stream) == ("m", True)
        assert betas.split(",") == taken if taken else betas.isascii() or betas
        bedrock_invoke.unwrapped(body, model="m", stream=False)
        msgspec.json.decode(bedrock_invoke.counting(body, taken))


def _chunks() -> list[bytes]:
    streams = [
        each["response_body"].encode()
        for each in seeds.exchanges()
        if each["stream"] and each["dialect"] == "anthropic"
    ]
    events = [
        bedrock_invoke.Said(kind="message_start", data=b'{"type":"message_start","message":{"id":"m","usage":{}}}'),
        bedrock_invoke.Said(
            kind="message_stop",
            data=b'{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}',
        ),
        bedrock_invoke.Said(kind="error", data=b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'),
    ]
    return [b"".join(map(bedrock_invoke.write_chunk, events)), *streams]


def _check_chunk(data: bytes) -> None:
    with suppress(UnreadableError):
        for frame in FrameSplitter(limit=1 << 20).feed(data):
            with suppress(UnreadableError):
                _carried(bedrock_invoke.read_chunk(frame))
    for event in SseSplitter().feed(data):
        with suppress(UnreadableError):
            _carried(bedrock_invoke.read_event(event))


def _carried(said: Any) -> None:
    """What was read is the same once it came in the other envelope."""
    if said is None:
        return
    assert bedrock_invoke.read_event(bedrock_invoke.write_event(said)) == said
    again = bedrock_invoke.read_chunk(bedrock_invoke.write_chunk(said))
    assert again is not None
    assert again.kind == said.kind
