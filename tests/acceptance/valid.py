"""Whether a provider's own SDK has words for all of a request that reached it."""

import base64
import json
from typing import Any

import botocore.session
from anthropic.types import message_create_params
from botocore.validate import ParamValidator
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


_RUNTIME: Any = botocore.session.get_session().get_service_model("bedrock-runtime")
_CONVERSE: Any = _RUNTIME.operation_model("Converse")
_COUNT: Any = _RUNTIME.operation_model("CountTokens")


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
    if "/converse" in path:
        return valid_converse(body)
    if "/invoke" in path:
        return valid_invoke(path, body)
    if path.endswith("awPredict"):  # Claude on Vertex AI, with the model in the path
        assert body.pop("anthropic_version") == "vertex-2023-10-16"
        body["model"] = path.rpartition("/")[2].partition(":")[0]
    wire = "messages" if path.endswith(("/messages", "awPredict")) else path.rpartition("/")[2]
    plain = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
    _SCHEMAS[{"completions": "chat"}.get(wire, wire)].validate_python(plain)
    return body


def valid_invoke(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a body of InvokeModel for Claude as a message, after seeing that Anthropic's SDK has words for the rest."""
    assert body.pop("anthropic_version") == "bedrock-2023-05-31"
    betas = body.pop("anthropic_beta", [])
    assert all(isinstance(beta, str) for beta in betas)
    assert body.keys().isdisjoint({"model", "stream"})
    message = {"model": path.split("/")[2], **body}
    _SCHEMAS["messages"].validate_python(message)
    return message


def valid_count(body: dict[str, Any]) -> dict[str, Any]:
    """Return the message that a body of CountTokens holds, after seeing that AWS's SDK has words for all around it."""
    whole = base64.b64decode(body["input"]["invokeModel"]["body"], validate=True)
    given = {"modelId": "m", "input": {"invokeModel": {"body": whole}}}
    report = ParamValidator().validate(given, _COUNT.input_shape)
    assert body.keys() == {"input"}
    assert not report.has_errors(), report.generate_report()
    return valid_invoke("/model/m/invoke", json.loads(whole))


def valid_converse(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body of Converse, its schema for the answer read, after seeing that AWS's SDK has words for all of it."""
    report = ParamValidator().validate({"modelId": "m", **body}, _CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    form = body.get("outputConfig", {}).get("textFormat")
    if form is not None:
        definition = form["structure"]["jsonSchema"]
        definition["schema"] = json.loads(definition["schema"])
    return body
