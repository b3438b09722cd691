"""The vendored facts about models: read when somebody first asks, from one file made by `tools/build_catalogue.py`.

Prices are not here: they are dated rows of the price list (`metering.price_list`), which knows a model by patterns.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Final, Literal

import msgspec

CAPABILITIES: Final = (
    "tools",
    "vision",
    "documents",
    "audio_input",
    "video_input",
    "image_output",
    "audio_output",
    "video_output",
    "structured_output",
    "reasoning",
    "caching",
    "sampling",
    "embeddings",
)
"""What is known to be able to do, as words for searching."""

Status = Literal["", "alpha", "beta", "deprecated", "retired"]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of a model as one provider serves it.

    Dates are ISO days, or months where no more is known; empty: not known, or none is announced.
    """

    id: str
    """As the provider calls it."""
    name: str = ""
    """As people call it."""
    family: str = ""
    maker: str = ""
    released: str = ""
    deprecated: str = ""
    """When its end was announced."""
    retires: str = ""
    """The first day on which it no longer answers."""
    status: Status = ""
    """What the source says of its life besides dates."""
    knowledge: str = ""
    """Up to when it was taught, `YYYY-MM` or a day."""
    context: int | None = None
    """The context window in tokens."""
    max_input: int | None = None
    max_output: int | None = None
    input: tuple[str, ...] = ()
    """Modalities it reads (text, image, audio, video, pdf); empty: not known."""
    output: tuple[str, ...] = ()
    can: tuple[str, ...] | None = None
    """Of CAPABILITIES; None: not known."""
    open_weights: bool | None = None

    def status_on(self, day: str) -> Status:
        """Return where it is in its life on an ISO day."""
        if self.retires and self.retires <= day:
            return "retired"
        if self.status == "deprecated" or (self.deprecated and self.deprecated <= day) or self.retires:
            return "deprecated"
        return self.status


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    sources: dict[str, str]
    """Where it comes from → which version of it."""
    licence: str
    built_on: str
    sha256: str
    """Of the models, as they are written."""
    providers: dict[str, tuple[ModelFacts, ...]]

    @property
    def version(self) -> str:
        """Which snapshot it is."""
        return f"{self.built_on}/{self.sha256[:12]}"


class ModelCatalogue:
    """Facts by provider and name. Nothing is read before the first question."""

    def __init__(self, document: Document | None = None) -> None:
        """Know what is in `document`; None for the vendored one."""
        self._given = document

    @cached_property
    def document(self) -> Document:
        """The whole file."""
        return self._given or msgspec.json.decode(
            (files("keystead.catalogue") / "data" / "models.json").read_bytes(), type=Document
        )

    @cached_property
    def _by_provider(self) -> Mapping[str, Mapping[str, ModelFacts]]:
        return {
            provider: {facts.id.lower(): facts for facts in models}
            for provider, models in self.document.providers.items()
        }

    @cached_property
    def version(self) -> str:
        """Which snapshot it is."""
        return self.document.version

    def find(self, provider: str, model: str) -> ModelFacts | None:
        """Return what is known of a model at a provider, or None."""
        return self._by_provider.get(provider, {}).get(model.lower().removeprefix("models/"))

    def of(self, provider: str) -> tuple[ModelFacts, ...]:
        """Return the models of a provider, in the file's order."""
        return self.document.providers.get(provider, ())
