"""The sandbox in OpenAI's shapes: chat, responses, completions, embeddings, moderations, models, errors."""

import base64
import hashlib
import struct
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.providers.sandbox.prompt import Json, Prompt, Reading, Tool, count, mapping, objects
from keystead.providers.sandbox.script import MODELS, Reply

CREATED: Final = 1_767_225_600
"""2026-01-01T00:00:00Z: answers are the same every time."""

_DEFAULT_DIMENSIONS: Final = 8
_MAX_DIMENSIONS: Final = 4096

_ERRORS: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def read_chat(body: Json) -> Prompt:
    """Read a chat completions request."""
    found = Reading()
    for message in objects(body.get("messages")):
        content, user = message.get("content"), message.get("role") == "user"
        if message.get("role") == "tool":
            found.result(content)
            continue
        found.text(content, user=user)
        for part in objects(content):
            found.text(part.get("text"), user=user)
            found.images += part.get("type") == "image_url"
    tools = tuple(
        Tool(name=str(function.get("name", "")), schema=function.get("parameters"))
        for function in (mapping(tool.get("function")) for tool in objects(body.get("tools")))
    )
    form = mapping(mapping(body.get("response_format")).get("json_schema"))
    limit = count(body.get("max_completion_tokens")) or count(body.get("max_tokens"))
    return _prompt(body, found, tools=tools, schema=form.get("schema"), limit=limit)


def read_responses(body: Json) -> Prompt:
    """Read a responses request."""
    found = Reading()
    found.text(body.get("instructions"), user=False)
    found.text(body.get("input"), user=True)
    for item in objects(body.get("input")):
        content, user = item.get("content"), item.get("role") == "user"
        if item.get("type") == "function_call_output":
            found.result(item.get("output"))
            continue
        found.text(content, user=user)
        for part in objects(content):
            found.text(part.get("text"), user=user)
            found.images += part.get("type") == "input_image"
    tools = tuple(
        Tool(name=str(tool.get("name", "")), schema=tool.get("parameters"))
        for tool in objects(body.get("tools"))
        if tool.get("type") == "function"
    )
    form = mapping(mapping(body.get("text")).get("format"))
    return _prompt(body, found, tools=tools, schema=form.get("schema"), limit=count(body.get("max_output_tokens")))


def read_completion(body: Json) -> Prompt:
    """Read a legacy completions request."""
    found = Reading()
    given = body.get("prompt")
    for text in given if isinstance(given, list) else [given]:
        found.text(text, user=True)
    return _prompt(body, found, tools=(), schema=None, limit=count(body.get("max_tokens")))


def chat(prompt: Prompt, reply: Reply, mark: str) -> Any:
    """Return a whole chat completion."""
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.tool:
        message["tool_calls"] = [_tool_call(reply, mark)]
    return _chat_base(prompt, mark, "chat.completion") | {
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}],
        "usage": _chat_usage(prompt, reply),
    }


def chat_stream(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the events of a streamed chat completion; usage comes only if asked for, as at OpenAI."""
    base = _chat_base(prompt, mark, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event(base | {"choices": [choice]})

    yield chunk({"role": "assistant", "content": "" if not reply.tool else None})
    if reply.tool:
        yield chunk({"tool_calls": [{"index": 0} | _tool_call(reply, mark)]})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    yield chunk({}, _finish(reply))
    if prompt.stream_usage:
        yield event(base | {"choices": [], "usage": _chat_usage(prompt, reply)})
    yield b"data: [DONE]\n\n"


def completion(prompt: Prompt, reply: Reply, mark: str) -> Any:
    """Return a whole legacy completion."""
    choice = {"index": 0, "text": reply.text, "logprobs": None, "finish_reason": _finish(reply)}
    return _chat_base(prompt, mark, "text_completion") | {
        "choices": [choice],
        "usage": _chat_usage(prompt, reply),
    }


def completion_stream(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the events of a streamed legacy completion."""
    base = _chat_base(prompt, mark, "text_completion")
    for piece in reply.pieces:
        yield event(base | {"choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]})
    last = {"index": 0, "text": "", "logprobs": None, "finish_reason": _finish(reply)}
    yield event(base | {"choices": [last]})
    if prompt.stream_usage:
        yield event(base | {"choices": [], "usage": _chat_usage(prompt, reply)})
    yield b"data: [DONE]\n\n"


def response(prompt: Prompt, reply: Reply, mark: str) -> Any:
    """Return a whole response object."""
    return _response(prompt, reply, mark, status="incomplete" if reply.truncated else "completed")


def response_stream(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the events of a streamed response."""
    number = 0

    def send(kind: str, value: Json) -> bytes:
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number - 1} | value, kind)

    begun = _response(prompt, reply, mark, status="in_progress")
    item = _response_item(reply, mark)
    where = {"item_id": item["id"], "output_index": 0}
    yield send("response.created", {"response": begun})
    yield send("response.in_progress", {"response": begun})
    empty: Json = {"arguments": ""} if reply.tool else {"content": []}
    yield send("response.output_item.added", {"output_index": 0, "item": item | empty | {"status": "in_progress"}})
    if reply.tool:
        yield send("response.function_call_arguments.delta", where | {"delta": reply.arguments})
        yield send("response.function_call_arguments.done", where | {"arguments": reply.arguments})
    else:
        inside = where | {"content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        yield send("response.content_part.added", inside | {"part": part})
        for piece in reply.pieces:
            yield send("response.output_text.delta", inside | {"delta": piece, "logprobs": []})
        yield send("response.output_text.done", inside | {"text": reply.text, "logprobs": []})
        yield send("response.content_part.done", inside | {"part": part | {"text": reply.text}})
    yield send("response.output_item.done", {"output_index": 0, "item": item})
    last = response(prompt, reply, mark)
    yield send(f"response.{last['status']}", {"response": last})


def embeddings(body: Json) -> Any:
    """Return embeddings made of each text's digest: equal texts, equal vectors."""
    given = body.get("input")
    texts = [text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str)]
    size = min(count(body.get("dimensions")) or _DEFAULT_DIMENSIONS, _MAX_DIMENSIONS)
    encoded = body.get("encoding_format") == "base64"
    tokens = max(1, sum(len(text.split()) for text in texts))
    return {
        "object": "list",
        "model": body.get("model"),
        "data": [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if encoded else vector}
            for index, vector in enumerate(vector_of(text, size) for text in texts)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def vector_of(text: str, size: int = _DEFAULT_DIMENSIONS) -> list[float]:
    """Return `size` numbers from -1 to 1, made of the text's SHAKE-256."""
    return [byte / 127.5 - 1 for byte in hashlib.shake_256(text.encode()).digest(size)]


def moderation(body: Json, mark: str) -> Any:
    """Return a moderation that flags nothing."""
    given = body.get("input")
    inputs = given if isinstance(given, list) else [given]
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return {"id": f"modr-{mark}", "model": body.get("model"), "results": [result for _ in inputs]}


def models() -> Any:
    """Return the model list."""
    return {"object": "list", "data": [model(name) for name in MODELS]}


def model(name: str) -> Json:
    """Return one entry of the list."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "keystead-sandbox"}


def error(status: int, message: str) -> Any:
    """Return an error."""
    kind, code = _ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def stream_error(path: str, message: str) -> bytes:
    """Return the event that tells of a failure inside a stream: chat has a bare one, responses a typed one."""
    if path.endswith("/responses"):
        value = {"type": "error", "code": "server_error", "message": message, "param": None, "sequence_number": 999}
        return event(value, "error")
    return event(error(500, message))


def event(value: Any, name: str = "") -> bytes:
    """Return one server-sent event."""
    data = b"data: " + msgspec.json.encode(value) + b"\n\n"
    return f"event: {name}\n".encode() + data if name else data


def _prompt(body: Json, found: Reading, *, tools: tuple[Tool, ...], schema: Any, limit: int | None) -> Prompt:
    return Prompt(
        model=str(body.get("model", "")),
        texts=tuple(found.texts),
        last=found.last,
        images=found.images,
        tools=tools,
        tool_result=found.tool_result,
        schema=schema,
        max_tokens=limit,
        stream=body.get("stream") is True,
        stream_usage=mapping(body.get("stream_options")).get("include_usage") is True,
    )


def _chat_base(prompt: Prompt, mark: str, kind: str) -> Json:
    return {"id": f"chatcmpl-{mark}", "object": kind, "created": CREATED, "model": prompt.model}


def _finish(reply: Reply) -> str:
    if reply.tool:
        return "tool_calls"
    return "length" if reply.truncated else "stop"


def _tool_call(reply: Reply, mark: str) -> Json:
    function = {"name": reply.tool, "arguments": reply.arguments}
    return {"id": f"call_{mark}", "type": "function", "function": function}


def _chat_usage(prompt: Prompt, reply: Reply) -> Json:
    return {
        "prompt_tokens": prompt.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": prompt.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _response(prompt: Prompt, reply: Reply, mark: str, *, status: str) -> Json:
    ended = status != "in_progress"
    usage = {
        "input_tokens": prompt.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt.input_tokens + reply.output_tokens,
    }
    return {
        "id": f"resp_{mark}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": prompt.model,
        "output": [_response_item(reply, mark)] if ended else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if ended else None,
    }


def _response_item(reply: Reply, mark: str) -> Json:
    if reply.tool:
        call = {"call_id": f"call_{mark}", "name": reply.tool, "arguments": reply.arguments}
        return {"type": "function_call", "id": f"fc_{mark}", "status": "completed"} | call
    content = [{"type": "output_text", "text": reply.text, "annotations": []}]
    return {"type": "message", "id": f"msg_{mark}", "status": "completed", "role": "assistant", "content": content}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
