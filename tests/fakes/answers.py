"""Plausible answers of the real providers, by path. The answer's text is `pong <marker>`."""

import functools
import json
import re
from typing import Any, Final

import msgspec

from tests.fakes.wire import Answer, Call, Framing, Step

INPUT_TOKENS: Final = 11
OUTPUT_TOKENS: Final = 7
CACHED_TOKENS: Final = 3
"""Of the input tokens (OpenAI counts them inside, Anthropic beside)."""

_JSON: Final = (("content-type", "application/json"), ("x-request-id", "req_fake_1"), ("request-id", "req_fake_1"))
_SSE: Final = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("x-request-id", "req_fake_1"),
    ("request-id", "req_fake_1"),
)
_STREAM: Final = re.compile(rb'"stream"\s*:\s*true')
_INCLUDE_USAGE: Final = re.compile(rb'"include_usage"\s*:\s*true')
_PACED: Final = re.compile(r"stream-(\d+)(?:-(\d+))?$")


def answer_for(call: Call) -> Answer:
    """Return what a provider would."""
    body = call.body
    ask = _Ask(
        path=call.path,
        query=call.query,
        model=call.model,
        marker=call.marker,
        stream=_STREAM.search(body) is not None,
        include_usage=_INCLUDE_USAGE.search(body) is not None,
    )
    return _made(ask)


class _Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What of a call the answer depends on."""

    path: str
    query: str
    model: str
    marker: str
    stream: bool
    include_usage: bool


@functools.lru_cache(maxsize=256)  # a load test asks the same thing a million times
def _made(call: _Ask) -> Answer:
    path = call.path
    stream = call.stream
    if path.endswith("/chat/completions"):
        return _chat_stream(call) if stream else _json(_chat(call))
    if path.endswith("/messages"):
        return _message_stream(call) if stream else _json(_message(call))
    if ":streamGenerateContent" in path:
        return _generate_stream(call)
    if "/responses" in path and not path.endswith("/input_tokens"):
        return _response_stream(call) if stream else _json(_response(call, "completed"))
    return _json(_small(call, path))


def _small(call: _Ask, path: str) -> Any:  # noqa: PLR0911 - one line per endpoint
    model = call.model or "fake-1"
    if path.endswith("/count_tokens"):
        return {"input_tokens": INPUT_TOKENS}
    if path.endswith("/responses/input_tokens"):
        return {"object": "response.input_tokens", "input_tokens": INPUT_TOKENS}
    if ":countTokens" in path:
        return {"totalTokens": INPUT_TOKENS}
    if ":generateContent" in path:
        return _generate(call, final=True)
    if ":embedContent" in path:
        return {"embedding": {"values": [0.1, 0.2, 0.3]}}
    if ":batchEmbedContents" in path:
        return {"embeddings": [{"values": [0.1, 0.2, 0.3]}]}
    if path.endswith("/embeddings"):
        return {
            "object": "list",
            "model": model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}],
            "usage": {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS},
        }
    if path.endswith("/moderations"):
        return {"id": "modr-fake", "model": model, "results": [{"flagged": False, "categories": {}}]}
    if path.endswith("/completions"):
        choice = {"index": 0, "text": _text(call), "finish_reason": "stop", "logprobs": None}
        return {"id": "cmpl-fake", "object": "text_completion", "created": 1, "model": model} | {
            "choices": [choice],
            "usage": _openai_usage(),
        }
    if path.endswith("/images/generations"):
        return {"created": 1, "data": [{"b64_json": "aGk="}]}
    if "/models" in path:
        return _models(path)
    return {"ok": True}


def _models(path: str) -> Any:
    if "v1beta" in path:
        return {"models": [{"name": "models/fake-1", "supportedGenerationMethods": ["generateContent"]}]}
    listed = {"id": "fake-1", "object": "model", "created": 1, "owned_by": "fake", "type": "model"}
    return {"object": "list", "data": [listed | {"display_name": "Fake 1", "created_at": "2026-01-01T00:00:00Z"}]}


def _text(call: _Ask) -> str:
    return f"pong {call.marker}".rstrip()


def _json(value: Any) -> Answer:
    return Answer(headers=_JSON, steps=(json.dumps(value).encode(),))


def _events(call: _Ask, first: list[bytes], delta: bytes, last: list[bytes]) -> Answer:
    """Return a stream; the model name `stream-<events>[-<milliseconds>]` sets the number and pace of the deltas."""
    paced = _PACED.search(call.model)
    count = int(paced[1]) if paced else 3
    pause = int(paced[2]) / 1000 if paced and paced[2] else 0.0
    deltas: list[Step] = []
    for _ in range(count):
        deltas += [delta, pause] if pause else [delta]
    return Answer(headers=_SSE, framing=Framing.CHUNKED, steps=(*first, *deltas, *last))


def _data(value: Any, event: str = "") -> bytes:
    text = json.dumps(value, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def _openai_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def _chat(call: _Ask) -> Any:
    message = {"role": "assistant", "content": _text(call)}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1,
        "model": call.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _openai_usage(),
    }


def _chat_stream(call: _Ask) -> Answer:
    base = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": call.model}

    def chunk(delta: Any, finish: str | None = None) -> bytes:
        return _data(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    last = [chunk({}, "stop")]
    if call.include_usage:
        last.append(_data(base | {"choices": [], "usage": _openai_usage()}))
    return _events(
        call,
        [chunk({"role": "assistant", "content": _text(call)})],
        chunk({"content": " and"}),
        [*last, b"data: [DONE]\n\n"],
    )


def _anthropic_usage(output: int) -> dict[str, int]:
    return {
        "input_tokens": INPUT_TOKENS,
        "cache_read_input_tokens": CACHED_TOKENS,
        "cache_creation_input_tokens": 0,
        "output_tokens": output,
    }


def _message(call: _Ask) -> Any:
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [{"type": "text", "text": _text(call)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _anthropic_usage(OUTPUT_TOKENS),
    }


def _message_stream(call: _Ask) -> Answer:
    start = _message(call) | {"content": [], "stop_reason": None, "usage": _anthropic_usage(1)}

    def delta(text: str) -> bytes:
        value = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        return _data(value, "content_block_delta")

    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": OUTPUT_TOKENS},
    }
    return _events(
        call,
        [
            _data({"type": "message_start", "message": start}, "message_start"),
            _data(block, "content_block_start"),
            _data({"type": "ping"}, "ping"),
            delta(_text(call)),
        ],
        delta(" and"),
        [
            _data({"type": "content_block_stop", "index": 0}, "content_block_stop"),
            _data(end, "message_delta"),
            _data({"type": "message_stop"}, "message_stop"),
        ],
    )


def _response(call: _Ask, status: str) -> Any:
    text = {"type": "output_text", "text": _text(call), "annotations": []}
    item = {"type": "message", "id": "msg_fake", "role": "assistant", "status": "completed", "content": [text]}
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    done = status == "completed"
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": call.model,
        "output": [item] if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if done else None,
    }


def _response_stream(call: _Ask) -> Answer:
    def event(kind: str, value: dict[str, Any]) -> bytes:
        return _data({"type": kind, "sequence_number": 0} | value, kind)

    def delta(text: str) -> bytes:
        kind = "response.output_text.delta"
        return event(kind, {"item_id": "msg_fake", "output_index": 0, "content_index": 0, "delta": text})

    return _events(
        call,
        [event("response.created", {"response": _response(call, "in_progress")}), delta(_text(call))],
        delta(" and"),
        [event("response.completed", {"response": _response(call, "completed")})],
    )


def _generate(call: _Ask, *, final: bool) -> Any:
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "candidatesTokenCount": OUTPUT_TOKENS,
        "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": _text(call)}]}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": "STOP"} if final else {})],
        "usageMetadata": usage,
        "modelVersion": call.model,
        "responseId": "fake",
    }


def _generate_stream(call: _Ask) -> Answer:
    if "alt=sse" not in call.query:
        return _json([_generate(call, final=False), _generate(call, final=True)])
    part = _data(_generate(call, final=False)).replace(b"\n", b"\r\n")
    return _events(call, [part], part, [_data(_generate(call, final=True)).replace(b"\n", b"\r\n")])
