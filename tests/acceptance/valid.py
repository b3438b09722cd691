"""Whether a provider's own SDK has words for all of a request that reached it."""

import json
from typing import Any

from anthropic.types import message_create_params
from google.genai import types as genai_types
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from tests.fakes.wire import Call

_SCHEMAS: dict[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(message_create_params.MessageCreateParamsNonStreaming),
    "chat": TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming),
    "responses": TypeAdapter(response_create_params.ResponseCreateParamsNonStreaming),
}


def valid(call: Call) -> Any:
    """Return the body, after seeing that the provider's own SDK has words for all of it."""
    return valid_body(call.path, call.body)


def valid_body(path: str, raw: bytes) -> Any:
    """Return the body of a request to `path`, after seeing the same."""
    body = json.loads(raw)
    if "enerateContent" in path:
        genai_types.GenerationConfig.model_validate(body.get("generationConfig", {}))
        for content in body["contents"]:
            genai_types.Content.model_validate(content)
        for tool in body.get("tools", []):
            genai_types.Tool.model_validate(tool)
        assert body.keys() <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
        return body
    wire = "messages" if path.endswith("/messages") else path.rpartition("/")[2]
    plain = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
    _SCHEMAS[{"completions": "chat"}.get(wire, wire)].validate_python(plain)
    return body
