"""The sandbox in Anthropic's shapes: messages, token counts, models, errors."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.providers.sandbox.openai import event
from keystead.providers.sandbox.prompt import Json, Prompt, Reading, Tool, count, mapping, objects
from keystead.providers.sandbox.script import MODELS, Reply

_ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def read(body: Json) -> Prompt:
    """Read a messages (or count_tokens) request."""
    found = Reading()
    found.text(body.get("system"), user=False)
    for part in objects(body.get("system")):
        found.text(part.get("text"), user=False)
    for message in objects(body.get("messages")):
        content, user = message.get("content"), message.get("role") == "user"
        found.text(content, user=user)
        for part in objects(content):
            found.text(part.get("text"), user=user)
            found.images += part.get("type") == "image"
            if part.get("type") == "tool_result":
                found.result(_result_text(part.get("content")))
    form = mapping(mapping(body.get("output_config")).get("format"))
    return Prompt(
        model=str(body.get("model", "")),
        texts=tuple(found.texts),
        last=found.last,
        images=found.images,
        tools=tuple(
            Tool(name=str(tool.get("name", "")), schema=tool.get("input_schema"))
            for tool in objects(body.get("tools"))
            if "input_schema" in tool
        ),
        tool_result=found.tool_result,
        schema=form.get("schema"),
        max_tokens=count(body.get("max_tokens")),
        stream=body.get("stream") is True,
    )


def message(prompt: Prompt, reply: Reply, mark: str) -> Any:
    """Return a whole message."""
    return _message(prompt, mark) | {
        "content": [_block(reply, mark)],
        "stop_reason": _stop_reason(reply),
        "usage": _usage(prompt, reply.output_tokens),
    }


def message_stream(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the events of a streamed message."""
    begun = _message(prompt, mark) | {"content": [], "stop_reason": None, "usage": _usage(prompt, 1)}
    yield _send({"type": "message_start", "message": begun})
    empty: Json = {"input": {}} if reply.tool else {"text": ""}
    yield _send({"type": "content_block_start", "index": 0, "content_block": _block(reply, mark) | empty})
    yield _send({"type": "ping"})
    if reply.tool:
        yield _delta({"type": "input_json_delta", "partial_json": reply.arguments})
    for piece in reply.pieces:
        yield _delta({"type": "text_delta", "text": piece})
    yield _send({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield _send({"type": "message_delta", "delta": end, "usage": {"output_tokens": reply.output_tokens}})
    yield _send({"type": "message_stop"})


def token_count(prompt: Prompt) -> Any:
    """Return a token count."""
    return {"input_tokens": prompt.input_tokens}


def models() -> Any:
    """Return the model list."""
    listed = [model(name) for name in MODELS]
    return {"data": listed, "has_more": False, "first_id": listed[0]["id"], "last_id": listed[-1]["id"]}


def model(name: str) -> Json:
    """Return one entry of the list."""
    return {"type": "model", "id": name, "display_name": f"Sandbox {name}", "created_at": "2026-01-01T00:00:00Z"}


def error(status: int, text: str) -> Any:
    """Return an error."""
    kind = _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_sandbox"}


def stream_error(text: str) -> bytes:
    """Return the event that tells of a failure inside a stream."""
    return event(error(500, text), "error")


def _result_text(content: Any) -> Any:
    parts = [part.get("text") for part in objects(content)]
    return " ".join(text for text in parts if isinstance(text, str)) if parts else content


def _message(prompt: Prompt, mark: str) -> Json:
    base = {"id": f"msg_{mark}", "type": "message", "role": "assistant"}
    return base | {"model": prompt.model, "stop_sequence": None}


def _block(reply: Reply, mark: str) -> Json:
    if reply.tool:
        arguments = msgspec.json.decode(reply.arguments)
        return {"type": "tool_use", "id": f"toolu_{mark}", "name": reply.tool, "input": arguments}
    return {"type": "text", "text": reply.text}


def _stop_reason(reply: Reply) -> str:
    if reply.tool:
        return "tool_use"
    return "max_tokens" if reply.truncated else "end_turn"


def _usage(prompt: Prompt, output_tokens: int) -> Json:
    return {
        "input_tokens": prompt.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _delta(delta: Json) -> bytes:
    return _send({"type": "content_block_delta", "index": 0, "delta": delta})


def _send(value: Json) -> bytes:
    return event(value, value["type"])
