"""The sandbox in Gemini's shapes: generateContent, token counts, embeddings, models, errors."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.providers.sandbox.openai import vector_of
from keystead.providers.sandbox.prompt import Json, Prompt, Reading, Tool, count, mapping, objects
from keystead.providers.sandbox.script import MODELS, Reply

_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def read(body: Json, model: str, *, stream: bool) -> Prompt:
    """Read a generateContent or countTokens request; the model is in the path there."""
    found = Reading()
    asked = mapping(_get(body, "generateContentRequest")) or body
    _walk(found, mapping(_get(asked, "systemInstruction")), user=False)
    for content in objects(asked.get("contents")):
        _walk(found, content, user=content.get("role", "user") == "user")
    config = mapping(_get(asked, "generationConfig"))
    tools = tuple(
        Tool(
            name=str(function.get("name", "")),
            schema=_get(function, "parametersJsonSchema") or function.get("parameters"),
        )
        for tool in objects(asked.get("tools"))
        for function in objects(_get(tool, "functionDeclarations"))
    )
    return Prompt(
        model=model,
        texts=tuple(found.texts),
        last=found.last,
        images=found.images,
        tools=tools,
        tool_result=found.tool_result,
        schema=_get(config, "responseJsonSchema") or _get(config, "responseSchema"),
        max_tokens=count(_get(config, "maxOutputTokens")),
        stream=stream,
    )


def answer(prompt: Prompt, reply: Reply, mark: str) -> Any:
    """Return a whole answer."""
    return _part(prompt, reply, mark, text=reply.text, final=True)


def answer_stream(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the events of a stream (`alt=sse`); usage is on each, cumulative, as at Google."""
    for piece in reply.pieces[:-1]:
        yield _send(_part(prompt, reply, mark, text=piece, final=False))
    yield _send(_part(prompt, reply, mark, text=reply.pieces[-1] if reply.pieces else "", final=True))


def answer_array(prompt: Prompt, reply: Reply, mark: str) -> Iterator[bytes]:
    """Yield the pieces of a stream without `alt=sse`: one JSON array."""
    opening = b"["
    for piece in reply.pieces[:-1]:
        yield opening + msgspec.json.encode(_part(prompt, reply, mark, text=piece, final=False))
        opening = b",\r\n"
    last = _part(prompt, reply, mark, text=reply.pieces[-1] if reply.pieces else "", final=True)
    yield opening + msgspec.json.encode(last) + b"]"


def token_count(prompt: Prompt) -> Any:
    """Return a token count."""
    tokens = prompt.input_tokens
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def embedding(body: Json) -> Any:
    """Return the embedding of one content."""
    return {"embedding": {"values": vector_of(_text_of(mapping(body.get("content"))))}}


def embeddings(body: Json) -> Any:
    """Return the embeddings of several contents."""
    texts = [_text_of(mapping(request.get("content"))) for request in objects(body.get("requests"))]
    return {"embeddings": [{"values": vector_of(text)} for text in texts]}


def models() -> Any:
    """Return the model list."""
    return {"models": [model(name) for name in MODELS]}


def model(name: str) -> Json:
    """Return one entry of the list."""
    methods = ["generateContent", "streamGenerateContent", "countTokens", "embedContent"]
    return {
        "name": f"models/{name}",
        "version": "1",
        "displayName": f"Sandbox {name}",
        "description": MODELS.get(name, ""),
        "inputTokenLimit": 1_000_000,
        "outputTokenLimit": 100_000,
        "supportedGenerationMethods": methods,
    }


def error(status: int, message: str) -> Any:
    """Return an error; a wait is told in the body, not in a header, as at Google."""
    details: list[Json] = []
    if status == 401:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
    if status == 429:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"})
    kind = _STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": status, "message": message, "status": kind, "details": details}}


def stream_error(message: str) -> bytes:
    """Return the event that tells of a failure inside a stream."""
    return _send(error(500, message))


def _get(value: Json, name: str) -> Any:
    """Return a field by its name or its snake-case name: Google takes both, and its SDKs mix them."""
    return value.get(name, value.get(re.sub(r"([A-Z])", r"_\1", name).lower()))


def _walk(found: Reading, content: Json, *, user: bool) -> None:
    for part in objects(content.get("parts")):
        found.text(part.get("text"), user=user)
        found.images += bool(_get(part, "inlineData") or _get(part, "fileData"))
        result = mapping(_get(part, "functionResponse"))
        if result:
            found.result(result.get("response"))


def _text_of(content: Json) -> str:
    return " ".join(str(part.get("text", "")) for part in objects(content.get("parts")))


def _part(prompt: Prompt, reply: Reply, mark: str, *, text: str, final: bool) -> Json:
    said: Json = {"text": text}
    if reply.tool:
        said = {"functionCall": {"name": reply.tool, "args": msgspec.json.decode(reply.arguments)}}
    candidate: Json = {"content": {"role": "model", "parts": [said]}, "index": 0}
    if final:
        candidate["finishReason"] = "MAX_TOKENS" if reply.truncated else "STOP"
    output = reply.output_tokens if final else 0
    usage = {"promptTokenCount": prompt.input_tokens, "totalTokenCount": prompt.input_tokens + output}
    return {
        "candidates": [candidate],
        "usageMetadata": usage | ({"candidatesTokenCount": output} if final else {}),
        "modelVersion": prompt.model,
        "responseId": mark,
    }


def _send(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\r\n\r\n"
