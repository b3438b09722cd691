"""The provider under every proxy: answers rendered beforehand, sent by a raw protocol, as cheap as Python can.

`python -m tests.benchmarks.upstream PORT` speaks just enough of OpenAI's chat completions, and of Anthropic's messages
for translated requests. A request with `"stream":true` gets as many events as its limit of tokens says, one every
`EVENT_INTERVAL_S`, each in a packet of its own, as a model writes them; OpenAI's usage chunk follows when
`include_usage` was asked for.
"""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Final, cast

import uvloop

from tests.benchmarks.scenarios import MODEL

EVENT_INTERVAL_S: Final = 0.002
"""Faster than any model writes (500 events a second), so that streams overlap."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_STREAM: Final = re.compile(rb'"stream": *true')
_EVENT_COUNT: Final = re.compile(rb'"max_(?:completion_)?tokens": *(\d+)')
_WORDS: Final = ("all", "that", "is", "gold", "does", "not", "glitter", "and")
_USAGE: Final = {
    "prompt_tokens": 1012,
    "completion_tokens": 214,
    "total_tokens": 1226,
    "prompt_tokens_details": {"cached_tokens": 512, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}


def _answer(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _whole_answer() -> bytes:
    message = {"role": "assistant", "content": "All that is gold does not glitter. " * 24, "refusal": None}
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1767225600,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
    return _answer("200 OK", "application/json", json.dumps(body).encode())


def _chunk(payload: str) -> bytes:
    event = f"data: {payload}\n\n".encode()
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def _event(choices: list[object], usage: object) -> bytes:
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }
    return _chunk(json.dumps(body))


ANSWER: Final = _whole_answer()
MODELS: Final = _answer(
    "200 OK", "application/json", json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
)
STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS: Final = [
    _event([{"index": 0, "delta": {"content": f" {word}"}, "finish_reason": None}], None) for word in _WORDS
]
"""Different ones: some gateways end a stream that repeats itself."""
USAGE_EVENT: Final = _event([], _USAGE)
STREAM_END: Final = _chunk("[DONE]") + b"0\r\n\r\n"


def _message_event(kind: str, **members: object) -> bytes:
    payload = json.dumps({"type": kind, **members})
    event = f"event: {kind}\ndata: {payload}\n\n".encode()
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


_MESSAGE: Final = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "All that is gold does not glitter. " * 24}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 500, "cache_read_input_tokens": 512, "output_tokens": 214},
}
MESSAGE: Final = _answer("200 OK", "application/json", json.dumps(_MESSAGE).encode())
MESSAGE_START: Final = _message_event(
    "message_start", message={**_MESSAGE, "content": [], "stop_reason": None}
) + _message_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
MESSAGE_EVENTS: Final = [
    _message_event("content_block_delta", index=0, delta={"type": "text_delta", "text": f" {word}"}) for word in _WORDS
]
MESSAGE_END: Final = (
    _message_event("content_block_stop", index=0)
    + _message_event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 214})
    + _message_event("message_stop")
    + b"0\r\n\r\n"
)


class Upstream(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while request := self._take_request():
            self._respond(request)

    def _take_request(self) -> bytes:
        head_end = self._received.find(b"\r\n\r\n") + 4
        if head_end < 4:
            return b""
        if length := _LENGTH.search(self._received, 0, head_end):
            end = head_end + int(length[1])
        elif _CHUNKED.search(self._received, 0, head_end):
            end = self._received.find(b"0\r\n\r\n", head_end) + 5
            if end < head_end:
                return b""
        else:
            end = head_end
        if len(self._received) < end:
            return b""
        request = bytes(self._received[:end])
        del self._received[:end]
        return request

    def _respond(self, request: bytes) -> None:
        if request.startswith(b"GET"):
            self._write(MODELS)
            return
        messages = request.startswith(b"POST /v1/messages")
        if not _STREAM.search(request):
            self._write(MESSAGE if messages else ANSWER)
            return
        count = int(match[1]) if (match := _EVENT_COUNT.search(request)) else 1
        now = asyncio.get_running_loop().time()
        if messages:
            self._write(STREAM_HEAD + MESSAGE_START)
            self._stream(count, MESSAGE_EVENTS, MESSAGE_END, now)
        else:
            self._write(STREAM_HEAD)
            self._stream(count, EVENTS, USAGE_EVENT + STREAM_END if b"include_usage" in request else STREAM_END, now)

    def _stream(self, left: int, events: Sequence[bytes], end: bytes, due: float) -> None:
        if left == 0:
            self._write(end)
        else:
            self._write(events[left % len(events)])
            due += EVENT_INTERVAL_S
            asyncio.get_running_loop().call_at(due, self._stream, left - 1, events, end, due)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
