"""Looking through the catalogue. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from keystead.catalogue.facts import ModelFacts

_ENDING: Final = frozenset({"deprecated", "retired"})


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; an empty part asks for nothing."""

    text: str = ""
    """Words, each somewhere in the name, the title, the family, the maker or the provider."""
    provider: str = ""
    family: str = ""
    maker: str = ""
    capabilities: Collection[str] = ()
    """All of them."""
    min_context: int = 0
    reads: str = ""
    """A modality."""
    writes: str = ""
    with_retired: bool = False
    deprecated: bool | None = None
    """Whether its end is announced, or came; None: either."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a provider."""

    provider: str
    facts: ModelFacts

    @property
    def position(self) -> str:
        """Its place in a list."""
        return f"{self.provider}/{self.facts.id}"


def search(providers: Mapping[str, Collection[ModelFacts]], wanted: Wanted, *, today: str) -> Iterator[Entry]:
    """Yield what is wanted, by provider and then in the order that is given."""
    words = wanted.text.lower().split()
    for provider, models in sorted(providers.items()):
        if wanted.provider not in {"", provider}:
            continue
        for facts in models:
            if _fits(facts, wanted, today) and _says(provider, facts, words):
                yield Entry(provider=provider, facts=facts)


def _fits(facts: ModelFacts, wanted: Wanted, today: str) -> bool:
    status = facts.status_on(today)
    return (
        wanted.family in {"", facts.family}
        and wanted.maker in {"", facts.maker}
        and (not wanted.capabilities or set(wanted.capabilities) <= set(facts.can or ()))
        and (facts.context or 0) >= wanted.min_context
        and (not wanted.reads or wanted.reads in facts.input)
        and (not wanted.writes or wanted.writes in facts.output)
        and (wanted.with_retired or status != "retired")
        and wanted.deprecated in {None, status in _ENDING}
    )


def _says(provider: str, facts: ModelFacts, words: list[str]) -> bool:
    if not words:
        return True
    text = f"{provider} {facts.id} {facts.name} {facts.family} {facts.maker}".lower()
    return all(word in text for word in words)
