"""Embeddings between dialects: OpenAI's `/embeddings`, Gemini's `embedContent` and `batchEmbedContents`. Pure.

Amazon's, Cohere's and Google's at Vertex AI have forms of their own, which are asked in and not translated from: InvokeModel's
callers speak the first two, and what they say passes as it is.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from keystead.dialects.embeddings import bedrock, gemini, openai, vertex
from keystead.dialects.translating import Written
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingForm, EmbeddingRequest
from keystead.domain.traffic import Dialect
from keystead.domain.usage import Usage


class Embedder(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect offers to be translated from and to."""

    read_request: Callable[[bytes, str], EmbeddingRequest]
    """Body and model → the request. Raises InvalidRequestError."""
    write_request: Callable[[EmbeddingRequest], Written]
    tail: Callable[[EmbeddingRequest], str]
    """The path below the provider's prefix."""
    read_answer: Callable[[bytes], EmbeddingAnswer]
    """Raises UnreadableError."""
    write_answer: Callable[[EmbeddingRequest, EmbeddingAnswer, str, Usage | None], bytes]
    """Request, answer, the model's name as it was asked for, usage."""


EMBEDDERS: Final[Mapping[Dialect, Embedder]] = {
    Dialect.OPENAI: Embedder(
        read_request=openai.read_request,
        write_request=openai.write_request,
        tail=openai.tail,
        read_answer=openai.read_answer,
        write_answer=openai.write_answer,
    ),
    Dialect.GEMINI: Embedder(
        read_request=gemini.read_request,
        write_request=gemini.write_request,
        tail=gemini.tail,
        read_answer=gemini.read_answer,
        write_answer=gemini.write_answer,
    ),
}
"""In the order in which a provider that speaks several is spoken to."""


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """How a form is asked in that other callers do not speak."""

    tail: str
    most: Callable[[str], int]
    """Model → how many texts one call takes; a request with more is several calls."""
    write_request: Callable[[EmbeddingRequest], Written]
    read_answer: Callable[[bytes], EmbeddingAnswer]
    """Raises UnreadableError."""


ASKERS: Final[Mapping[EmbeddingForm, Asker]] = {
    EmbeddingForm.TITAN: Asker(
        tail=bedrock.TAIL,
        most=lambda _: 1,
        write_request=bedrock.write_titan,
        read_answer=bedrock.read_titan,
    ),
    EmbeddingForm.COHERE: Asker(
        tail=bedrock.TAIL,
        most=lambda _: bedrock.MOST_TEXTS,
        write_request=bedrock.write_cohere,
        read_answer=bedrock.read_cohere,
    ),
    EmbeddingForm.PREDICT: Asker(
        tail=vertex.TAIL,
        most=vertex.most,
        write_request=vertex.write_predict,
        read_answer=vertex.read_predict,
    ),
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One of a series of answers, as it is handed on: a provider may say in a header what it read."""

    stated: str = ""
    """The header, empty for none."""
    answer: msgspec.Raw


MOST_CALLS: Final = 128
"""Calls for one request, one after another: beyond that its answer would be too long to be held and translated."""


def slices(request: EmbeddingRequest, size: int) -> list[EmbeddingRequest]:
    """Return a request as several of at most `size` texts."""
    return [
        msgspec.structs.replace(
            request,
            inputs=request.inputs[at : at + size],
            tasks=request.tasks[at : at + size],
            titles=request.titles[at : at + size],
        )
        for at in range(0, len(request.inputs), size)
    ]
