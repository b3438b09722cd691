"""The price book: what each organization says it pays, before the list prices. Pure."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from keystead.metering.price_list import Catalogue, Found, is_fine_tuned
from keystead.metering.regions import region_factor
from keystead.metering.tariff import ALWAYS, Dearest, Rates, Tariff, list_tariff, make_rates

_MAX_TARIFFS: Final = 4096
"""Tariffs remembered. Bounded because callers choose model names; emptied whole when full."""

_DATED: Final = re.compile(r"[-@]\d[\d.-]*(?:-preview)?")
"""What follows an alias in the name of a snapshot: `-2024-05-13`, `-0613`, `@20250929`."""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's own price for the models that a pattern matches: a contract, or a self-hosted tariff.

    It is the whole truth while it is in force: the list is not consulted for units it leaves out, and neither
    context length nor region changes it. A service tier other than the standard one needs prices of its own
    (`flex.input_tokens`), or the attempt is unpriced.
    """

    id: str
    organization_id: str
    provider: str
    model: str
    """Shell-style pattern, matched without case against the model sent and the model served."""
    currency: str
    prices: dict[str, str]
    """Unit, or `tier.unit` → price of one unit, exact decimal text."""
    valid_from: int
    valid_to: int | None
    """Unix microseconds; in force from `valid_from` up to, not including, `valid_to`."""
    note: str = ""
    created_at: int = 0
    created_by: str = ""

    def in_force(self, at: int) -> bool:
        """Say whether it applies to work done at `at`."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)

    def matches(self, names: Iterable[str]) -> bool:
        """Say whether one of the model's names fits the pattern."""
        pattern = self.model.lower()
        return any(fnmatchcase(name.lower(), pattern) for name in names)

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """Of two that apply, the higher counts: a written-out name, the longer pattern, the later one."""
        exact = not set(self.model) & set("*?[")
        return exact, len(self.model), self.valid_from, self.id


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a price depends on besides the counts."""

    organization_id: str
    provider: str
    model_sent: str
    model_served: str
    tier: str
    region: str
    at: int


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """A price list that an update has replaced since: it counts for what began before."""

    until: int
    """Unix microseconds: when its successor was applied."""
    catalogue: Catalogue


class PriceBook:
    """The price list and every organization's overrides, as of one moment. Immutable but for its memo."""

    def __init__(
        self, catalogue: Catalogue, overrides: Iterable[Override] = (), *, earlier: tuple[Edition, ...] = ()
    ) -> None:
        """Put `overrides` on top of the list. `earlier` are those that it replaced, the oldest first."""
        self.catalogue = catalogue
        self._earlier = earlier
        self._overrides: dict[tuple[str, str], list[Override]] = {}
        for override in overrides:
            self._overrides.setdefault((override.organization_id, override.provider), []).append(override)
        self._tariffs: dict[tuple[str, ...], Tariff] = {}
        self._dearest: dict[tuple[str, ...], Dearest] = {}

    def with_overrides(self, overrides: Iterable[Override]) -> "PriceBook":
        """Return a book with the same lists and these overrides, in place of any others."""
        return PriceBook(self.catalogue, overrides, earlier=self._earlier)

    def followed_by(self, catalogue: Catalogue, *, at: int) -> "PriceBook":
        """Return a book without overrides in which `catalogue` counts for what begins at `at` or later."""
        return PriceBook(catalogue, earlier=(*self._earlier, Edition(until=at, catalogue=self.catalogue)))

    def tariff(self, terms: Terms) -> Tariff:
        """Return the tariff for `terms`: remembered, or worked out from the rows."""
        key = (
            terms.organization_id,
            terms.provider,
            terms.model_sent,
            terms.model_served,
            terms.tier,
            terms.region,
        )
        known = self._tariffs.get(key)
        if known is not None and known.span[0] <= terms.at < known.span[1]:
            return known
        if len(self._tariffs) >= _MAX_TARIFFS:
            self._tariffs.clear()
        made = self._tariffs[key] = self._work_out(terms)
        return made

    def dearest(self, key: tuple[str, ...], at: int, work_out: Callable[[], Dearest]) -> Dearest:
        """Return what `metering.ceiling` found out about a model: remembered while it holds, or worked out."""
        known = self._dearest.get(key)
        if known is not None and known.span[0] <= at < known.span[1]:
            return known
        if len(self._dearest) >= _MAX_TARIFFS:
            self._dearest.clear()
        made = self._dearest[key] = work_out()
        return made

    def snapshots_of(self, organization_id: str, provider: str, alias: str) -> tuple[str, ...]:
        """Return the names with prices of their own that are dated snapshots of `alias` (`gpt-4o-2024-05-13`)."""
        alias = alias.lower()
        own = (override.model.lower() for override in self._overrides.get((organization_id, provider), ()))
        names = {*self.catalogue.names(provider), *own}
        return tuple(sorted(n for n in names if n.startswith(alias) and _DATED.fullmatch(n, len(alias))))

    def tiers_of(self, organization_id: str, provider: str, names: Iterable[str]) -> frozenset[str]:
        """Return the service tiers that one of a model's names has prices for, the standard one (empty) included."""
        names = tuple(names)
        overrides = self.overrides_for(organization_id, provider, names)
        own = {unit.rpartition(".")[0] for override in overrides for unit in override.prices}
        found = (self.catalogue.find(provider, name) for name in names)
        return frozenset({"", *own, *(row.tier for each in found if each for row in each.model.rows)})

    def providers(self, organization_id: str) -> list[str]:
        """Return the providers with list prices, or with overrides of the organization's."""
        own = {provider for owner, provider in self._overrides if owner == organization_id}
        return sorted(own | self.catalogue.price_list.providers.keys())

    def overrides_for(self, organization_id: str, provider: str, names: Iterable[str]) -> list[Override]:
        """Return the organization's overrides that match one of a model's names, highest rank first."""
        names = tuple(names)
        known = self._overrides.get((organization_id, provider), ())
        return sorted((o for o in known if o.matches(names)), key=lambda o: o.rank, reverse=True)

    def listed(
        self, provider: str, *, model_sent: str, model_served: str, catalogue: Catalogue | None = None
    ) -> Found | None:
        """Return the model in the list of today, or in `catalogue`: the one served, else the alias that it is a snapshot of.

        What is sent to Azure is the name of a deployment, which says nothing about the model behind it. If either
        name is a fine-tuned model's, the other one is not looked at: it may be the base model's.
        """
        names = [model_served]
        if provider != "azure":
            alias = model_sent.lower().removeprefix("models/").removesuffix("-latest")
            if is_fine_tuned(model_sent):
                names = [model_sent]
            elif not model_served or (model_served.lower().startswith(alias) and not is_fine_tuned(model_served)):
                names = [model_served, model_sent]
        catalogue = catalogue or self.catalogue
        return next((found for name in names if (found := catalogue.find(provider, name))), None)

    def _work_out(self, terms: Terms) -> Tariff:
        names = (terms.model_sent, terms.model_served)
        overrides = self.overrides_for(terms.organization_id, terms.provider, names)
        span = _span_of(overrides, terms.at)
        for override in overrides:
            if override.in_force(terms.at):
                return Tariff(span=span, steps=_override_steps(override, terms.tier))
        catalogue, edition_span = self._edition_at(terms.at)
        span = _narrowed(span, edition_span)
        found = self.listed(
            terms.provider, model_sent=terms.model_sent, model_served=terms.model_served, catalogue=catalogue
        )
        if found is None:
            return Tariff(span=span)
        tariff = list_tariff(
            found,
            snapshot=catalogue.price_list.version,
            at=terms.at,
            tier=terms.tier,
            region=terms.region,
            factor=region_factor(terms.provider, terms.region, terms.model_served or terms.model_sent),
        )
        return Tariff(span=_narrowed(span, tariff.span), steps=tariff.steps)

    def _edition_at(self, at: int) -> tuple[Catalogue, tuple[int, int]]:
        """Return the list that counts for what began at `at`, and from when until when it does."""
        begins = ALWAYS[0]
        for edition in self._earlier:
            if at < edition.until:
                return edition.catalogue, (begins, edition.until)
            begins = edition.until
        return self.catalogue, (begins, ALWAYS[1])


def _override_steps(override: Override, tier: str) -> tuple[tuple[int, Rates], ...]:
    prefix = f"{tier}." if tier else ""
    special = {unit: text for unit, text in override.prices.items() if prefix and unit.startswith(prefix)}
    if tier and not special:
        return ()
    prices = {unit: text for unit, text in override.prices.items() if "." not in unit}
    prices |= {unit.removeprefix(prefix): text for unit, text in special.items()}
    rates = make_rates(
        {unit: Decimal(text) for unit, text in prices.items()},
        audio_as_text=True,
        currency=override.currency,
        version=f"override/{override.id}{f'+{tier}' if tier else ''}",
    )
    return ((-1, rates),)


def _narrowed(span: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(span[0], other[0]), min(span[1], other[1])


def _span_of(overrides: Iterable[Override], at: int) -> tuple[int, int]:
    edges = {o.valid_from for o in overrides} | {o.valid_to for o in overrides if o.valid_to is not None}
    return (
        max((edge for edge in edges if edge <= at), default=ALWAYS[0]),
        min((edge for edge in edges if edge > at), default=ALWAYS[1]),
    )
