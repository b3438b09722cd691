"""Gemini's `embedContent` (one text) and `batchEmbedContents` (many). Pure.

Google takes every name in camel case and in snake case. Task types and titles are Google's own: elsewhere they have no
word, and they are left out and named.
"""

from typing import Any, Final

import msgspec

from keystead.dialects.taking import Taking, decoded, wrong
from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest
from keystead.domain.errors import InvalidRequestError
from keystead.domain.usage import Usage

_HINTS: Final = ("taskType", "title", "autoTruncate", "embedContentConfig")
_FLOATS: Final = msgspec.json.Decoder(list[float])


class _Vector(msgspec.Struct):
    values: msgspec.Raw


class _Answer(msgspec.Struct):
    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_request(body: bytes, model: str) -> EmbeddingRequest:
    """Read a caller's body, of either form.

    Raises:
        InvalidRequestError: it is no such request, holds more than text, or its texts are not to be embedded alike.
    """
    whole = Taking(decoded(body), "", folded=True)
    batch = list(whole.objects("requests"))
    asked = batch or [whole]
    losses: list[Loss] = []
    inputs, dimensions = [], set()
    for one in asked:
        one.take("model")  # stands in the path, too, and there it has been checked
        inputs.append(_text(one))
        dimensions.add(one.integer("outputDimensionality"))
        losses += (*one.hints(*_HINTS), *one.left())
    if len(dimensions) != 1:
        raise wrong("requests[].outputDimensionality", "the same for all")
    if batch:
        losses += whole.left()
    return EmbeddingRequest(
        model=model, inputs=tuple(inputs), one=not batch, dimensions=dimensions.pop(), losses=tuple(losses)
    )


def _text(one: Taking) -> str:
    content = one.inner("content")
    if content is None:
        raise wrong(one.at("content"), "an object")
    content.take("role")
    texts = []
    for part in content.objects("parts"):
        texts.append(part.text("text"))
        if part.left():
            raise InvalidRequestError(
                "Only text can be embedded by this provider.",
                code="not_translatable",
                param=part.left()[0].field,
                next_step="Use one of Google's own models for images, audio and video.",
            )
    if not texts:
        raise wrong(content.at("parts"), "a list of parts")
    return "\n".join(texts)


def tail(request: EmbeddingRequest) -> str:
    """Return the path."""
    return f"/models/{{model}}:{'embedContent' if len(request.inputs) == 1 else 'batchEmbedContents'}"


def write_request(request: EmbeddingRequest) -> Written:
    """Write a body for Google."""
    requests = []
    for text in request.inputs:
        one: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
        if request.dimensions is not None:
            one["outputDimensionality"] = request.dimensions
        requests.append(one)
    if len(requests) == 1:
        return Written(body=msgspec.json.encode(requests[0]))
    name = f"models/{request.model.removeprefix('models/')}"
    return Written(body=msgspec.json.encode({"requests": [{"model": name, **one} for one in requests]}))


def read_answer(body: bytes) -> EmbeddingAnswer:
    """Read Google's whole answer.

    Raises:
        UnreadableError: it is none.
    """
    try:
        answer = _ANSWER.decode(body)
        found = answer.embeddings if answer.embedding is None else [answer.embedding]
        vectors = tuple(vector.values for vector in found or ())
        for vector in vectors:
            _FLOATS.decode(vector)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("embeddings") from error
    return EmbeddingAnswer(vectors=vectors)


def write_answer(request: EmbeddingRequest, answer: EmbeddingAnswer, model: str, usage: Usage | None) -> bytes:  # noqa: ARG001 - Google's answer names no model
    """Write a whole answer in the form that was asked in."""
    vectors: list[dict[str, Any]] = [{"values": vector} for vector in answer.vectors]
    body: dict[str, Any] = {"embedding": vectors[0]} if request.one else {"embeddings": vectors}
    if usage is not None:
        body["usageMetadata"] = {"promptTokenCount": usage.input_total, "totalTokenCount": usage.input_total}
    return msgspec.json.encode(body)
