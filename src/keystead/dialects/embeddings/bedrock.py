"""Amazon's and Cohere's embeddings behind Bedrock's InvokeModel. Pure.

    POST /model/{id}/invoke    Titan: {inputText, dimensions}                         one text
                               Cohere: {texts, input_type, embedding_types, …}        up to 96

Titan says in its answer how many tokens it read, Cohere in a header of Bedrock's (see `COUNT_HEADER`).
(docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html, …/model-parameters-embed.html)
"""

from typing import Any, Final

import msgspec

from keystead.dialects.taking import wrong
from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest

COUNT_HEADER: Final = "x-amzn-bedrock-input-token-count"
TAIL: Final = "/model/{model}/invoke"
MOST_TEXTS: Final = 96
"""Cohere's in one call."""

_FLOATS: Final = msgspec.json.Decoder(list[float])
_OLD_TITANS: Final = ("titan-embed-text-v1", "titan-embed-g1-text-02")
_OLD_COHERES: Final = ("embed-english-v3", "embed-multilingual-v3")
"""Models whose vectors have one length."""
_DEFAULT_TYPE: Final = "search_document"
_INPUT_TYPES: Final = {
    "": _DEFAULT_TYPE,
    "RETRIEVAL_DOCUMENT": _DEFAULT_TYPE,
    "RETRIEVAL_QUERY": "search_query",
    "QUESTION_ANSWERING": "search_query",
    "FACT_VERIFICATION": "search_query",
    "CODE_RETRIEVAL_QUERY": "search_query",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
}
"""Google's task types in Cohere's words. Cohere must be told one: OpenAI's callers, who say none, embed documents."""


class _Titan(msgspec.Struct):
    embedding: msgspec.Raw


class _ByType(msgspec.Struct):
    float: list[msgspec.Raw]


class _Cohere(msgspec.Struct):
    embeddings: _ByType | list[msgspec.Raw]
    """By type where types were asked for; older answers have the list alone."""


_TITAN: Final = msgspec.json.Decoder(_Titan)
_COHERE: Final = msgspec.json.Decoder(_Cohere)


def write_titan(request: EmbeddingRequest) -> Written:
    """Write a body for one text."""
    [text] = request.inputs
    body: dict[str, Any] = {"inputText": text}
    losses = _dimensions(request, body, "dimensions", _OLD_TITANS)
    return Written(body=msgspec.json.encode(body), losses=(*request.hints, *losses))


def read_titan(body: bytes) -> EmbeddingAnswer:
    """Read an answer: one vector.

    Raises:
        UnreadableError: it is none.
    """
    try:
        vector = _TITAN.decode(body).embedding
        _FLOATS.decode(vector)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("embeddings") from error
    return EmbeddingAnswer(vectors=(vector,))


def write_cohere(request: EmbeddingRequest) -> Written:
    """Write a body.

    Raises:
        InvalidRequestError: texts are for different tasks, of which a call can say but one.
    """
    kinds = {_INPUT_TYPES.get(task, _DEFAULT_TYPE) for task in request.tasks or ("",)}
    if len(kinds) != 1:
        raise wrong("requests[].taskType", "the same for all")
    body: dict[str, Any] = {"texts": request.inputs, "input_type": kinds.pop(), "embedding_types": ["float"]}
    losses = _dimensions(request, body, "output_dimension", _OLD_COHERES)
    known = all(task in _INPUT_TYPES for task in request.tasks)
    unsaid = [hint for hint in request.hints if not known or hint.field.endswith("title")]
    return Written(body=msgspec.json.encode(body), losses=(*unsaid, *losses))


def read_cohere(body: bytes) -> EmbeddingAnswer:
    """Read an answer.

    Raises:
        UnreadableError: it is none.
    """
    try:
        found = _COHERE.decode(body).embeddings
        vectors = tuple(found if isinstance(found, list) else found.float)
        for vector in vectors:
            _FLOATS.decode(vector)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("embeddings") from error
    return EmbeddingAnswer(vectors=vectors)


def _dimensions(request: EmbeddingRequest, body: dict[str, Any], name: str, fixed: tuple[str, ...]) -> tuple[Loss, ...]:
    if request.dimensions is None:
        return ()
    if any(model in request.model for model in fixed):
        return (Loss(field="dimensions", grave=True),)
    body[name] = request.dimensions
    return ()
