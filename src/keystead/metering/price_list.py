"""The vendored list prices: how they are written down, and which model a name means. Pure.

A price list is data made by `tools/build_prices.py` and shipped with the package. Its rows are dated, so that a
price that changes (or is announced to change) applies from its day on, and an old attempt is priced as it was.
"""

import re
from collections.abc import Iterator
from fnmatch import translate
from typing import Final

import msgspec

_WILDCARDS: Final = re.compile(r"[*?\[]")
_FINE_TUNED: Final = re.compile(r"^ft:|\.ft-|^tunedmodels/")
"""OpenAI and Mistral (`ft:…`), Azure (`gpt-4o-mini-2024-07-18.ft-…`), Gemini (`tunedModels/…`)."""

_ARN: Final = re.compile(r"arn:aws[^:/]*:bedrock:[^/]*:(?:foundation-model|inference-profile)/(.+)")
"""Names of Bedrock's that hold the model's id. Those of application inference profiles do not."""

_BORROWED: Final = {"azure": ("openai", "anthropic"), "vertex": ("google", "anthropic", "mistral")}
"""Azure lists OpenAI's and Anthropic's models at their makers' prices for Global deployments, without tier rates.
DeepSeek, xAI and other makers' models have prices of their own there, so they are not borrowed. Vertex AI lists Google's,
Anthropic's and Mistral's at the makers' prices for its global endpoint; the other makers' have prices of its own."""


def is_fine_tuned(name: str) -> bool:
    """Say whether a model's name is that of a fine-tuned model."""
    return _FINE_TUNED.search(name.lower()) is not None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices for a whole request whose input is longer than `over` tokens (a cliff, not a bracket)."""

    over: int
    prices: dict[str, str]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Unit prices in USD and when they apply. Of several rows that apply, the last one counts."""

    valid_from: str = ""
    """ISO date: applies from 00:00 UTC of that day; empty for always."""
    hours: tuple[str, str] | None = None
    """UTC times of day (`01:00`), from and to, between which it applies."""
    weekdays: str = ""
    """ISO weekday digits (`12345`) on which it applies, in UTC; empty for all."""
    tier: str = ""
    """Empty: the standard prices. Otherwise only the prices that this tier changes."""
    prices: dict[str, str] = {}
    """Unit (a name in domain.usage.COUNTS, or another billed unit) → price of one unit, exact decimal text."""
    steps: tuple[Step, ...] = ()

    @property
    def name(self) -> str:
        """What tells this row from its model's other rows, as it appears in a price version."""
        hours = f"T{self.hours[0]}-{self.hours[1]}" if self.hours else ""
        return f"@{self.valid_from}{hours}" if self.valid_from or hours else ""


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's rows, and the names it goes by: shell-style patterns, lower case."""

    id: str
    match: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    context: int | None = None
    """The context window in tokens, as the source rounds it (1,000,000 also stands for 1,048,576); None if unknown."""
    rows: tuple[Row, ...]


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """One dated snapshot of list prices."""

    source: str
    source_version: str
    source_url: str
    licence: str
    built_on: str
    providers: dict[str, tuple[Model, ...]]

    @property
    def version(self) -> str:
        """The snapshot's name, as it appears in a price version."""
        return f"{self.source}-{self.source_version}/{self.built_on}"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the list, and under whose name."""

    provider: str
    model: Model
    borrowed: bool
    """Listed by the maker, not by the provider asked about: its tiers and tool prices do not carry over."""

    @property
    def name(self) -> str:
        """The model's name in a price version."""
        return f"{self.provider}/{self.model.id}"


class Catalogue:
    """A price list with an index of names, made for a provider when it is first asked about."""

    def __init__(self, price_list: PriceList) -> None:
        self.price_list = price_list
        self._indexes: dict[str, _Index] = {}

    def find(self, provider: str, name: str) -> Found | None:
        """Return the model that `name` means at `provider`, or None if it has no list price.

        A name written out in the list beats a pattern. A fine-tuned name is only ever matched by an entry made for
        fine-tuned names: they have tariffs of their own, never the base model's.
        """
        wanted = name.lower().removeprefix("models/")
        if (arn := _ARN.fullmatch(wanted)) is not None:
            wanted = arn[1]
        if not wanted:
            return None
        if (
            provider == "vertex"
        ):  # `claude-sonnet-4-5@20250929`, and `google/gemini-…` in its OpenAI-compatible endpoint
            wanted = wanted.removeprefix("google/").removesuffix("@default").replace("@", "-")
        for owner in (provider, *_BORROWED.get(provider, ())):
            model = self._index(owner).find(wanted)
            if model is not None:
                return Found(provider=owner, model=model, borrowed=owner != provider)
        return None

    def names(self, provider: str) -> Iterator[str]:
        """Yield the names that are written out, a provider's own and those it borrows."""
        for owner in (provider, *_BORROWED.get(provider, ())):
            for model in self.price_list.providers.get(owner, ()):
                yield from (name for name in model.match if not _WILDCARDS.search(name))

    def _index(self, provider: str) -> "_Index":
        index = self._indexes.get(provider)
        if index is None:
            models = self.price_list.providers.get(provider)
            if models is None:
                return _EMPTY
            index = self._indexes[provider] = _Index(models)
        return index


class _Index:
    """One provider's names: written-out ones in a dictionary, patterns in the list's order."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self._exact: dict[str, Model] = {}
        self._patterns: list[_Pattern] = []
        for model in models:
            exclude = tuple(re.compile(translate(pattern)) for pattern in model.exclude)
            for pattern in model.match:
                if _WILDCARDS.search(pattern):
                    self._patterns.append(_Pattern(pattern=pattern, exclude=exclude, model=model))
                else:
                    self._exact.setdefault(pattern, model)

    def find(self, wanted: str) -> Model | None:
        exact = self._exact.get(wanted)
        if exact is not None:
            return exact
        fine_tuned = is_fine_tuned(wanted)
        return next((p.model for p in self._patterns if p.fits(wanted) and (p.fine_tuned or not fine_tuned)), None)


class _Pattern:
    """A pattern, ready to match."""

    def __init__(self, *, pattern: str, exclude: tuple[re.Pattern[str], ...], model: Model) -> None:
        self.model = model
        self.fine_tuned = is_fine_tuned(pattern)
        self._regex = re.compile(translate(pattern))
        self._exclude = exclude

    def fits(self, wanted: str) -> bool:
        return self._regex.match(wanted) is not None and not any(out.match(wanted) for out in self._exclude)


_EMPTY: Final = _Index(())
