"""Looking through the catalogue. Pure."""

from collections.abc import Collection, Iterator

import msgspec

from keystead.catalogue.facts import Document, ModelFacts


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
    with_retired: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a provider."""

    provider: str
    facts: ModelFacts

    @property
    def position(self) -> str:
        """Its place in a list."""
        return f"{self.provider}/{self.facts.id}"


def search(document: Document, wanted: Wanted, *, today: str) -> Iterator[Entry]:
    """Yield what is wanted, by provider and name."""
    words = wanted.text.lower().split()
    for provider, models in sorted(document.providers.items()):
        if wanted.provider not in {"", provider}:
            continue
        for facts in models:
            if _fits(facts, wanted, today) and _says(provider, facts, words):
                yield Entry(provider=provider, facts=facts)


def _fits(facts: ModelFacts, wanted: Wanted, today: str) -> bool:
    return (
        wanted.family in {"", facts.family}
        and wanted.maker in {"", facts.maker}
        and (not wanted.capabilities or set(wanted.capabilities) <= set(facts.can or ()))
        and (facts.context or 0) >= wanted.min_context
        and (wanted.with_retired or facts.status_on(today) != "retired")
    )


def _says(provider: str, facts: ModelFacts, words: list[str]) -> bool:
    if not words:
        return True
    text = f"{provider} {facts.id} {facts.name} {facts.family} {facts.maker}".lower()
    return all(word in text for word in words)
