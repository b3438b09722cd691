"""An embedding call in the form that each dialect is read into and written from."""

from enum import StrEnum

import msgspec

from keystead.domain.chat import Loss


class EmbeddingForm(StrEnum):
    """How models are asked that have a form of their own, whatever else their provider speaks."""

    TITAN = "titan"
    """Amazon's, through Bedrock's InvokeModel: one text a call."""
    COHERE = "cohere"
    """Cohere's, through Bedrock's InvokeModel: up to 96 texts a call."""
    PREDICT = "predict"
    """Google's at Vertex AI: `predict`."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to be turned into vectors."""

    model: str
    inputs: tuple[str, ...]
    """One vector is owed for each, in this order."""
    one: bool = False
    """The caller asked in the form for a single text (Gemini's `embedContent`), and is answered in it."""
    tasks: tuple[str, ...] = ()
    """What each text's vector is for, in Google's words (`RETRIEVAL_QUERY`), empty where nothing is said; () for none."""
    titles: tuple[str, ...] = ()
    """The title of each text, likewise."""
    hints: tuple[Loss, ...] = ()
    """Where tasks and titles stand in the request: what is left out by whoever has no word for them."""
    may_truncate: bool | None = None
    """Whether a text that is too long may be cut; False where the caller's API refuses one. None: not said."""
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
