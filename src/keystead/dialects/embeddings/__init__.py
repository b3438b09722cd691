"""Embeddings between dialects: OpenAI's `/embeddings`, Gemini's `embedContent` and `batchEmbedContents`. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from keystead.dialects.embeddings import gemini, openai
from keystead.dialects.translating import Written
from keystead.domain.embedding import EmbeddingAnswer, EmbeddingRequest
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
