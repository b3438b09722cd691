"""What providers answer in their own words, for the same thing said: whole and streamed, in each dialect.

Written by hand after the providers' references, not with the code under test.
"""

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from tests.fakes.wire import RESET, Answer, Call, Framing, Step

INPUT: Final = 20
CACHED: Final = 4
"""Of the input."""
OUTPUT: Final = 9
THOUGHT: Final = 3
"""Of the output, where the provider counts thoughts."""

_SSE: Final = (("content-type", "text/event-stream"),)
_FRAMES: Final = (("content-type", "application/vnd.amazon.eventstream"),)
Event = tuple[str, dict[str, Any]]
"""The event's name (empty for none) and its data."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says."""

    text: str = ""
    thought: str = ""
    seal: str = ""
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """Id, name, arguments."""

    @property
    def finish(self) -> str:
        return "tools" if self.calls else "stop"


def answer_to(call: Call, said: Said, *, cut: bool = False) -> Answer:
    """Answer a call in the dialect of its path; `cut`: the stream breaks off in the middle."""
    whole, stream = _WIRES[_wire(call)]
    streamed = b'"stream":true' in call.body.replace(b" ", b"") or "stream" in call.path
    if not streamed:
        return Answer(steps=(json.dumps(whole(call, said)).encode(),))
    headers, written = {"converse": (_FRAMES, _frame), "invoke": (_FRAMES, _chunk)}.get(_wire(call), (_SSE, _sse))
    events = [written(name, data) for name, data in stream(call, said)]
    if _wire(call) == "chat":
        events.append(b"data: [DONE]\n\n")
    if cut:
        steps: tuple[Step, ...] = (*events[: len(events) // 2], 0.01, RESET)
        return Answer(headers=headers, framing=Framing.CHUNKED, steps=steps)
    return Answer(headers=headers, framing=Framing.CHUNKED, steps=tuple(events))


def error_to(call: Call, status: int, code: str, message: str) -> Answer:
    """Refuse a call in the dialect of its path."""
    shapes: dict[str, Any] = {
        "messages": {"type": "error", "error": {"type": code, "message": message}},
        "generate": {"error": {"code": status, "message": message, "status": code}},
    }
    if _wire(call) in {"converse", "invoke"}:
        kind = _AWS_ERRORS.get(status, "ServiceUnavailableException")
        headers = (("content-type", "application/json"), ("x-amzn-errortype", f"{kind}:http://internal.amazon.com/"))
        return Answer(status=status, headers=headers, steps=(json.dumps({"message": message}).encode(),))
    openai = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return Answer(status=status, steps=(json.dumps(shapes.get(_wire(call), openai)).encode(),))


_AWS_ERRORS: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
}


def _wire(call: Call) -> str:
    if "/converse" in call.path:
        return "converse"
    if "/invoke" in call.path:
        return "invoke"
    if call.path.endswith("/messages") or "/publishers/anthropic/" in call.path:
        return "messages"
    if "enerateContent" in call.path:
        return "generate"
    return "responses" if call.path.endswith("/responses") else "chat"


def _sse(name: str, data: dict[str, Any]) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


# -- OpenAI chat completions ------------------------------------------------------------------------------------------


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": INPUT,
        "completion_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens_details": {"reasoning_tokens": THOUGHT or 0},
    }


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": identifier, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for identifier, name, arguments in said.calls
    ]


def _chat(call: Call, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
    finish = {"tools": "tool_calls"}.get(said.finish, "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": call.model,
        "choices": [choice],
        "usage": _chat_usage(),
    }


def _chat_stream(call: Call, said: Said) -> Iterator[Event]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": call.model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> Event:
        return "", {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for half in _halves(said.thought) if said.thought else ():
        yield chunk({"reasoning_content": half})
    for half in _halves(said.text) if said.text else ():
        yield chunk({"content": half})
    for index, made in enumerate(_chat_calls(said)):
        first, rest = _halves(made["function"]["arguments"])
        start = {**made, "index": index, "function": {"name": made["function"]["name"], "arguments": ""}}
        yield chunk({"tool_calls": [start]})
        for half in (first, rest):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    yield chunk({}, {"tools": "tool_calls"}.get(said.finish, "stop"))
    yield "", {**base, "choices": [], "usage": _chat_usage()}


# -- OpenAI responses -------------------------------------------------------------------------------------------------


def _items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thought}]
        items.append({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": said.seal or None})
    if said.text:
        content = [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}]
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
    for identifier, name, arguments in said.calls:
        item = {"type": "function_call", "id": f"fc_{identifier}", "call_id": identifier, "name": name}
        items.append({**item, "arguments": json.dumps(arguments), "status": "completed"})
    return items


def _response(call: Call, said: Said, status: str = "completed") -> dict[str, Any]:
    done = status == "completed"
    usage = {
        "input_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": THOUGHT},
        "total_tokens": INPUT + OUTPUT,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": call.model,
        "output": _items(said) if done else [],
        "usage": usage if done else None,
    }


def _response_stream(call: Call, said: Said) -> Iterator[Event]:
    def event(kind: str, **members: Any) -> Event:
        return kind, {"type": kind, "sequence_number": 0, **members}

    yield event("response.created", response=_response(call, said, "in_progress"))
    for index, item in enumerate(_items(said)):
        place = {"item_id": item["id"], "output_index": index}
        empty: dict[str, Any] = {**item}
        empty |= {name: [] for name in ("content", "summary") if name in item}
        empty |= {"arguments": ""} if "arguments" in item else {}
        yield event("response.output_item.added", output_index=index, item=empty)
        if item["type"] == "reasoning":
            part: dict[str, Any] = {"type": "summary_text", "text": ""}
            yield event("response.reasoning_summary_part.added", **place, summary_index=0, part=part)
            for half in _halves(said.thought):
                yield event("response.reasoning_summary_text.delta", **place, summary_index=0, delta=half)
        elif item["type"] == "message":
            part = {"type": "output_text", "text": "", "annotations": []}
            yield event("response.content_part.added", **place, content_index=0, part=part)
            for half in _halves(said.text):
                yield event("response.output_text.delta", **place, content_index=0, delta=half, logprobs=[])
        else:
            for half in _halves(item["arguments"]):
                yield event("response.function_call_arguments.delta", **place, delta=half)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=_response(call, said))


# -- Anthropic messages -----------------------------------------------------------------------------------------------


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": said.seal})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks += [{"type": "tool_use", "id": i, "name": name, "input": arguments} for i, name, arguments in said.calls]
    return blocks


def _message(call: Call, said: Said) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": _blocks(said),
        "stop_reason": {"tools": "tool_use"}.get(said.finish, "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT - CACHED,
            "cache_read_input_tokens": CACHED,
            "cache_creation_input_tokens": 0,
            "output_tokens": OUTPUT,
        },
    }


def _message_stream(call: Call, said: Said) -> Iterator[Event]:
    whole = _message(call, said)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    for index, block in enumerate(_blocks(said)):
        empty: dict[str, Any] = {**block}
        empty |= dict.fromkeys([name for name in ("text", "thinking", "signature") if name in block], "")
        empty |= {"input": {}} if "input" in block else {}
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in _deltas(block):
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": {"output_tokens": OUTPUT}}
    yield "message_stop", {"type": "message_stop"}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": half} for half in _halves(block["text"]))
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": half} for half in _halves(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield from ({"type": "input_json_delta", "partial_json": half} for half in _halves(json.dumps(block["input"])))


# -- Gemini -----------------------------------------------------------------------------------------------------------


def _parts(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if said.thought:
        parts.append({"text": said.thought, "thought": True})
    if said.text:
        parts.append({"text": said.text})
    for number, (_, name, arguments) in enumerate(said.calls):
        signed = {"thoughtSignature": said.seal} if said.seal and not number else {}
        parts.append({"functionCall": {"name": name, "args": arguments}, **signed})
    return parts


def _generate(call: Call, said: Said) -> dict[str, Any]:
    return _piece(call, _parts(said), last=True)


def _piece(call: Call, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT - THOUGHT,
        "thoughtsTokenCount": THOUGHT,
        "totalTokenCount": INPUT + OUTPUT,
    }
    return {
        "candidates": [{**candidate, **({"finishReason": "STOP"} if last else {})}],
        "usageMetadata": usage,
        "modelVersion": call.model,
        "responseId": "gem_1",
    }


def _generate_stream(call: Call, said: Said) -> Iterator[Event]:
    for part in _parts(said):
        if "functionCall" in part:
            yield "", _piece(call, [part], last=False)
            continue
        for half in _halves(part["text"]):
            yield "", _piece(call, [{**part, "text": half}], last=False)
    yield "", _piece(call, [{"text": ""}], last=True)


# -- Bedrock's Converse ------------------------------------------------------------------------------------------------


def _frame(kind: str, data: dict[str, Any]) -> bytes:
    names = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    return _framed(names, {**data, "p": "abcdefghijklmnopqrstu"})  # padding, as AWS adds it


def _chunk(name: str, data: dict[str, Any]) -> bytes:
    """One of Anthropic's events as InvokeModel streams it."""
    if name == "message_stop":
        counts = {"inputTokenCount": INPUT - CACHED, "outputTokenCount": OUTPUT, "cacheReadInputTokenCount": CACHED}
        data = {**data, "amazon-bedrock-invocationMetrics": {**counts, "invocationLatency": 9, "firstByteLatency": 4}}
    return _frame("chunk", {"bytes": base64.b64encode(json.dumps(data).encode()).decode()})


def exception_frame(kind: str, message: str) -> bytes:
    """What AWS breaks a stream off with."""
    names = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return _framed(names, {"message": message})


def _framed(names: tuple[tuple[str, str], ...], data: dict[str, Any]) -> bytes:
    """A frame of an AWS event stream."""
    headers = b""
    for name, value in names:
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(data).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _converse_usage() -> dict[str, Any]:
    return {
        "inputTokens": INPUT - CACHED,
        "outputTokens": OUTPUT,
        "totalTokens": INPUT + OUTPUT,
        "cacheReadInputTokens": CACHED,
        "cacheWriteInputTokens": 0,
    }


def _converse(_call: Call, said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thought:
        content.append({"reasoningContent": {"reasoningText": {"text": said.thought, "signature": said.seal}}})
    if said.text:
        content.append({"text": said.text})
    content += [{"toolUse": {"toolUseId": i, "name": name, "input": arguments}} for i, name, arguments in said.calls]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": {"tools": "tool_use"}.get(said.finish, "end_turn"),
        "usage": _converse_usage(),
        "metrics": {"latencyMs": 551},
    }


def _converse_stream(call: Call, said: Said) -> Iterator[Event]:
    whole = _converse(call, said)
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(whole["output"]["message"]["content"]):
        place = {"contentBlockIndex": index}
        if "toolUse" in block:
            start = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
            yield "contentBlockStart", {**place, "start": {"toolUse": start}}
        for delta in _converse_deltas(block):
            yield "contentBlockDelta", {**place, "delta": delta}
        yield "contentBlockStop", place
    yield "messageStop", {"stopReason": whole["stopReason"]}
    yield "metadata", {"usage": whole["usage"], "metrics": {"latencyMs": 551}}


def _converse_deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "text" in block:
        yield from ({"text": half} for half in _halves(block["text"]))
    elif "toolUse" in block:
        yield from ({"toolUse": {"input": half}} for half in _halves(json.dumps(block["toolUse"]["input"])))
    else:
        thought = block["reasoningContent"]["reasoningText"]
        yield from ({"reasoningContent": {"text": half}} for half in _halves(thought["text"]))
        yield {"reasoningContent": {"signature": thought["signature"]}}


_Whole = Callable[[Call, Said], dict[str, Any]]
_Stream = Callable[[Call, Said], Iterator[Event]]
_WIRES: Final[dict[str, tuple[_Whole, _Stream]]] = {
    "chat": (_chat, _chat_stream),
    "responses": (_response, _response_stream),
    "messages": (_message, _message_stream),
    "generate": (_generate, _generate_stream),
    "converse": (_converse, _converse_stream),
    "invoke": (_message, _message_stream),
}
