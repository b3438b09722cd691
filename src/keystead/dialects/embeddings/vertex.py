"""Google's embeddings as Vertex AI takes them. Pure.

    POST …/models/{id}:predict    {instances: [{content, task_type, title}], parameters: {…}}

It takes 250 texts, but for gemini-embedding-001 one, and says how many tokens it read of each.
(cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api)
"""

from typing import Any, Final

import msgspec

from keystead.dialects.translating import UnreadableError, Written
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest

TAIL: Final = "/models/{model}:predict"

_MOST_TEXTS: Final = 250
_ONE_BY_ONE: Final = "gemini-embedding-001"
_FLOATS: Final = msgspec.json.Decoder(list[float])


class _Vector(msgspec.Struct):
    values: msgspec.Raw


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Predicted(msgspec.Struct):
    predictions: list[_Prediction]


_PREDICTED: Final = msgspec.json.Decoder(_Predicted)


def most(model: str) -> int:
    """Return how many texts one `predict` takes."""
    return 1 if model.removeprefix("models/") == _ONE_BY_ONE else _MOST_TEXTS


def write_predict(request: EmbeddingRequest) -> Written:
    """Write a body for `predict`. Vertex AI cuts a text that is too long unless told not to."""
    instances = []
    for number, text in enumerate(request.inputs):
        one = {"content": text}
        for name, said in (("task_type", request.tasks), ("title", request.titles)):
            if said and said[number]:
                one[name] = said[number]
        instances.append(one)
    body: dict[str, Any] = {"instances": instances}
    given = {"outputDimensionality": request.dimensions, "autoTruncate": request.may_truncate}
    if parameters := {name: value for name, value in given.items() if value is not None}:
        body["parameters"] = parameters
    return Written(body=msgspec.json.encode(body))


def read_predict(body: bytes) -> EmbeddingAnswer:
    """Read an answer of `predict`.

    Raises:
        UnreadableError: it is none.
    """
    try:
        vectors = tuple(each.embeddings.values for each in _PREDICTED.decode(body).predictions)
        for vector in vectors:
            _FLOATS.decode(vector)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("embeddings") from error
    return EmbeddingAnswer(vectors=vectors)
