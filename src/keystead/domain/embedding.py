"""An embedding call in the form that each dialect is read into and written from."""

import msgspec

from keystead.domain.chat import Loss


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to be turned into vectors."""

    model: str
    inputs: tuple[str, ...]
    """One vector is owed for each, in this order."""
    one: bool = False
    """The caller asked in the form for a single text (Gemini's `embedContent`), and is answered in it."""
    dimensions: int | None = None
    """Of the vectors; None for the model's own."""
    base64: bool = False
    """The caller wants vectors as base64 of little-endian 32-bit floats (OpenAI's SDKs do unless told otherwise)."""
    losses: tuple[Loss, ...] = ()
    """What the reader found that this form has no word for."""


class EmbeddingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors, in the order of the inputs."""

    vectors: tuple[msgspec.Raw, ...]
    """Each a JSON list of numbers, as the provider wrote it."""
