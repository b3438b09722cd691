"""OpenAI's `/embeddings`, and what answers in its way. Pure."""

import base64
import math
import struct
from typing import Any, Final

import msgspec

from keystead.dialects.taking import Taking, decoded, wrong
from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest
from keystead.domain.errors import InvalidRequestError
from keystead.domain.usage import Usage

_FORMATS: Final = {"": False, "float": False, "base64": True}
_TASKS: Final = {
    "search_document": "RETRIEVAL_DOCUMENT",
    "search_query": "RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
"""What `input_type` may be: no member of OpenAI's own, but of several providers that speak like it, in Cohere's words."""
_FLOATS: Final = msgspec.json.Decoder(list[float])


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_request(body: bytes, model: str) -> EmbeddingRequest:
    """Read a caller's body.

    Raises:
        InvalidRequestError: it is no such request, or its input is token numbers, which no other tokenizer knows.
    """
    whole = Taking(decoded(body), "")
    given = whole.take("input")
    form = whole.text("encoding_format")
    if form not in _FORMATS:
        raise wrong("encoding_format", "float or base64")
    inputs = tuple(given) if isinstance(given, list) else (given,)
    _check_inputs(inputs)
    dimensions = whole.integer("dimensions")
    kind = whole.text("input_type")
    if kind and kind not in _TASKS:
        raise wrong("input_type", ", ".join(_TASKS))
    whole.take("model")
    return EmbeddingRequest(
        model=model,
        inputs=inputs,
        tasks=(_TASKS[kind],) * len(inputs) if kind else (),
        hints=(Loss(field="input_type", grave=False),) if kind else (),
        may_truncate=False,
        dimensions=dimensions,
        base64=_FORMATS[form],
        losses=(*whole.hints("user"), *whole.left()),
    )


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    if inputs and all(isinstance(each, int | list) and not isinstance(each, bool) for each in inputs):
        raise InvalidRequestError(
            "`input` holds token numbers, which mean nothing to another provider's tokenizer.",
            code="not_translatable",
            param="input",
            next_step="Send the text itself (LangChain: check_embedding_ctx_length=False).",
        )
    if not inputs or not all(isinstance(each, str) for each in inputs):
        raise wrong("input", "a text or a list of texts")


def tail(request: EmbeddingRequest) -> str:  # noqa: ARG001 - one path for one text and for many
    """Return the path."""
    return "/embeddings"


def write_request(request: EmbeddingRequest) -> Written:
    """Write a body for a provider."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": request.inputs[0] if len(request.inputs) == 1 else list(request.inputs),
        "encoding_format": "float",
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return Written(body=msgspec.json.encode(body), losses=request.hints)


def read_answer(body: bytes) -> EmbeddingAnswer:
    """Read a provider's whole answer.

    Raises:
        UnreadableError: it is none.
    """
    try:
        answer = _ANSWER.decode(body)
        ordered = sorted(enumerate(answer.data), key=lambda pair: pair[0] if pair[1].index is None else pair[1].index)
        return EmbeddingAnswer(vectors=tuple(_as_list(vector.embedding) for _, vector in ordered))
    except (ValueError, RecursionError, struct.error) as error:
        raise UnreadableError("embeddings") from error


def _as_list(vector: msgspec.Raw) -> msgspec.Raw:
    """Return a vector as a list, also where a provider sends base64 whatever it is asked for."""
    if bytes(vector)[:1] != b'"':
        _FLOATS.decode(vector)
        return vector
    packed = base64.b64decode(msgspec.json.decode(vector, type=str), validate=True)
    numbers = struct.unpack(f"<{len(packed) // 4}f", packed)
    if not all(map(math.isfinite, numbers)):
        raise UnreadableError("embeddings")  # JSON has no word for such a number
    return msgspec.Raw(msgspec.json.encode(numbers))


def write_answer(request: EmbeddingRequest, answer: EmbeddingAnswer, model: str, usage: Usage | None) -> bytes:
    """Write a whole answer. Usage that is not known is left out: a zero would be taken for a figure."""
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if request.base64 else vector}
        for index, vector in enumerate(answer.vectors)
    ]
    body: dict[str, Any] = {"object": "list", "data": data, "model": model}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage.input_total, "total_tokens": usage.input_total}
    return msgspec.json.encode(body)


def _packed(vector: msgspec.Raw) -> str:
    numbers = _FLOATS.decode(vector)
    try:
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except OverflowError as error:  # more than a float of 32 bits holds
        raise UnreadableError("embeddings") from error
    return base64.b64encode(packed).decode()
