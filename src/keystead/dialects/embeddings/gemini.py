"""Gemini's `embedContent` (one text) and `batchEmbedContents` (many). Pure.

Google takes every name in camel case and in snake case. Task types and titles are Google's own: where they have no word
they are left out and named.
"""

from typing import Any, Final

import msgspec

from keystead.dialects.taking import Taking, decoded, wrong
from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest
from keystead.domain.errors import InvalidRequestError
from keystead.domain.usage import Usage

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
    hints: list[Loss] = []
    inputs, tasks, titles, dimensions, cuts = [], [], [], set(), set()
    for one in asked:
        one.take("model")  # stands in the path, too, and there it has been checked
        inputs.append(_text(one))
        dimensions.add(one.integer("outputDimensionality"))
        cuts.add(one.flag("autoTruncate"))
        tasks.append(one.text("taskType"))
        titles.append(one.text("title"))
        hints += (Loss(field=one.at(name), grave=False) for name, said in _said(tasks, titles) if said)
        losses += (*one.hints("embedContentConfig"), *one.left())
    for name, said in (("outputDimensionality", dimensions), ("autoTruncate", cuts)):
        if len(said) != 1:
            raise wrong(f"requests[].{name}", "the same for all")
    if batch:
        losses += whole.left()
    return EmbeddingRequest(
        model=model,
        inputs=tuple(inputs),
        one=not batch,
        tasks=tuple(tasks) if any(tasks) else (),
        titles=tuple(titles) if any(titles) else (),
        hints=tuple(hints),
        may_truncate=cuts.pop(),
        dimensions=dimensions.pop(),
        losses=tuple(losses),
    )


def _said(tasks: list[str], titles: list[str]) -> tuple[tuple[str, str], ...]:
    return ("taskType", tasks[-1]), ("title", titles[-1])


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
    requests = [_content(request, number) for number in range(len(request.inputs))]
    if len(requests) == 1:
        return Written(body=msgspec.json.encode(requests[0]))
    name = f"models/{request.model.removeprefix('models/')}"
    return Written(body=msgspec.json.encode({"requests": [{"model": name, **one} for one in requests]}))


def _content(request: EmbeddingRequest, number: int) -> dict[str, Any]:
    one: dict[str, Any] = {"content": {"parts": [{"text": request.inputs[number]}]}}
    for name, said in (("taskType", request.tasks), ("title", request.titles)):
        if said and said[number]:
            one[name] = said[number]
    if request.dimensions is not None:
        one["outputDimensionality"] = request.dimensions
    return one


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
