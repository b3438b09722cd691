"""What an attempt costs: the price book, and the arithmetic. Pure.

In order: the provider's own figure, the organization's override, the list price, `unpriced`. A figure is exact:
decimal unit prices times whole counts, rounded once, to 10⁻¹² of the currency unit. What is not known is said to be
not known; it is never zero.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation, localcontext
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from keystead.domain.money import USD, AmountOutOfRangeError, Pico, to_pico
from keystead.domain.records import FREE, Cost
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import COUNTS, Reading, Usage, UsageSource
from keystead.metering.price_list import Catalogue, Found, is_fine_tuned
from keystead.metering.regions import region_factor
from keystead.metering.tariff import (
    ALWAYS,
    Dearest,
    Price,
    Rates,
    Tariff,
    decimal_text,
    list_tariff,
    make_rates,
)

FREE_ENDPOINTS: Final = frozenset(
    {Endpoint.MODELS, Endpoint.COUNT_TOKENS, Endpoint.MODERATIONS, Endpoint.RESPONSE_STATE}
)
"""What no provider bills for. A stored response was billed when it was made."""

SANDBOX: Final = "sandbox"

_MAX_TARIFFS: Final = 4096
"""Tariffs remembered. Bounded because callers choose model names; emptied whole when full."""

_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand", "unspecified"})
"""Names for no particular service tier, as providers report them."""

_TIERS_AT_STANDARD_PRICE: Final = {"groq": frozenset({"flex"})}
"""Groq: flex costs what on-demand costs (console.groq.com/docs/flex-processing)."""

_MINIMUM_AUDIO_SECONDS: Final = {"groq": Decimal(10)}
"""Groq bills at least ten seconds per transcription (console.groq.com/docs/speech-to-text)."""

_MEASURES: Final = frozenset({"images", "characters", "audio_seconds", "pages"})
"""Units that measure what tokens may measure too: without a price of their own they are information, if the tokens
are billed. Any other unit (a search, a tool call) is billed on top."""

_MAX_DIGITS: Final = 24
_DATED: Final = re.compile(r"[-@]\d[\d.-]*(?:-preview)?")
"""What follows an alias in the name of a snapshot: `-2024-05-13`, `-0613`, `@20250929`."""

_ZERO: Final = Decimal(0)
_BILLED_BY_TIME: Final = (_ZERO, "0")
"""The price of audio tokens where the list prices the seconds, and they are known (Mistral's Voxtral reports both)."""


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


class PriceBook:
    """The price list and every organization's overrides, as of one moment. Immutable but for its memo."""

    def __init__(self, catalogue: Catalogue, overrides: Iterable[Override] = ()) -> None:
        """Put `overrides` on top of the list."""
        self.catalogue = catalogue
        self._overrides: dict[tuple[str, str], list[Override]] = {}
        for override in overrides:
            self._overrides.setdefault((override.organization_id, override.provider), []).append(override)
        self._tariffs: dict[tuple[str, ...], Tariff] = {}
        self._dearest: dict[tuple[str, ...], Dearest] = {}

    def with_overrides(self, overrides: Iterable[Override]) -> "PriceBook":
        """Return a book with the same list and these overrides, in place of any others."""
        return PriceBook(self.catalogue, overrides)

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

    def listed(self, provider: str, *, model_sent: str, model_served: str) -> Found | None:
        """Return the model in the list: the one served, else the alias asked for that it is a snapshot of.

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
        return next((found for name in names if (found := self.catalogue.find(provider, name))), None)

    def _work_out(self, terms: Terms) -> Tariff:
        names = (terms.model_sent, terms.model_served)
        overrides = self.overrides_for(terms.organization_id, terms.provider, names)
        span = _span_of(overrides, terms.at)
        for override in overrides:
            if override.in_force(terms.at):
                return Tariff(span=span, steps=_override_steps(override, terms.tier))
        found = self.listed(terms.provider, model_sent=terms.model_sent, model_served=terms.model_served)
        if found is None:
            return Tariff(span=span)
        tariff = list_tariff(
            found,
            snapshot=self.catalogue.price_list.version,
            at=terms.at,
            tier=terms.tier,
            region=terms.region,
            factor=region_factor(terms.provider, terms.region, terms.model_served or terms.model_sent),
        )
        narrowed = (max(span[0], tariff.span[0]), min(span[1], tariff.span[1]))
        return Tariff(span=narrowed, steps=tariff.steps)


def cost_of(
    book: PriceBook,
    *,
    organization_id: str,
    provider: str,
    endpoint: Endpoint,
    model_sent: str,
    region: str,
    at: int,
    reading: Reading,
) -> Cost:
    """Return what the provider bills for an attempt, and how that is known. Never raises.

    Args:
        book: the prices.
        organization_id: whose overrides count.
        provider: who did the work.
        endpoint: what was asked; some endpoints are free.
        model_sent: the model's name in the request.
        region: the region of the endpoint called; what the answer itself reports goes before it.
        at: when the work was done, Unix microseconds.
        reading: the usage, and the terms the provider reports.
    """
    if endpoint in FREE_ENDPOINTS or provider == SANDBOX:
        return FREE
    computed = Cost(state=CostState.UNKNOWN)
    if reading.source is not UsageSource.NONE:
        terms = Terms(
            organization_id=organization_id,
            provider=provider,
            model_sent=model_sent,
            model_served=reading.model or "",
            tier=_tier(provider, reading),
            region=(reading.region or region).lower(),
            at=at,
        )
        computed = _computed(book.tariff(terms), provider, reading)
    reported = _reported(reading.provider_cost)
    if reported is None:
        return computed
    return Cost(
        state=CostState.REPORTED,
        pico=reported,
        computed_pico=computed.pico if computed.currency == USD else None,
        price_version=computed.price_version,
        lines=computed.lines,
    )


def _computed(tariff: Tariff, provider: str, reading: Reading) -> Cost:
    """Return usage times price; unpriced if any part of the usage has no price, the lines showing which."""
    rates = tariff.rates_for(reading.usage.input_total)
    if rates is None:
        return Cost(state=CostState.UNPRICED)
    lines: list[tuple[str, str, str]] = []
    total, whole = _ZERO, True
    with localcontext(prec=60):
        for unit, count, price in _billed(rates, provider, reading.usage):
            shown = str(count) if isinstance(count, int) else decimal_text(count)
            if price is None:
                whole = False
                lines.append((unit, shown, ""))
            else:
                total += price[0] * count
                lines.append((unit, shown, price[1]))
    pico = _pico(total) if whole else None
    priced = CostState.PRICED if reading.source is UsageSource.PROVIDER else CostState.ESTIMATED
    return Cost(
        state=CostState.UNPRICED if pico is None else priced,
        pico=pico,
        currency=rates.currency,
        price_version=rates.version,
        lines=tuple(lines),
    )


def _billed(rates: Rates, provider: str, usage: Usage) -> Iterator[tuple[str, int | Decimal, Price | None]]:
    """Yield (unit, count, price) of everything that is billed; None for a price that is not known."""
    timed_audio = "audio_seconds" in rates.units and "audio_seconds" in usage.units
    priced_tokens = False
    for name in COUNTS:
        count = getattr(usage, name)
        if count:
            price = rates.tokens.get(name)
            if price is None and timed_audio and name == "input_audio_tokens":
                price = _BILLED_BY_TIME
            priced_tokens = priced_tokens or price is not None
            yield name, count, price
    for name, text in usage.units.items():
        amount = _amount(text)
        if amount is None:
            yield name, _ZERO, None
        elif amount and (name in rates.units or name not in _MEASURES or not priced_tokens):
            if name == "audio_seconds":
                amount = max(amount, _MINIMUM_AUDIO_SECONDS.get(provider, _ZERO))
            yield name, amount, rates.units.get(name)
    if "requests" in rates.units:
        yield "requests", 1, rates.units["requests"]


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


def _span_of(overrides: Iterable[Override], at: int) -> tuple[int, int]:
    edges = {o.valid_from for o in overrides} | {o.valid_to for o in overrides if o.valid_to is not None}
    return (
        max((edge for edge in edges if edge <= at), default=ALWAYS[0]),
        min((edge for edge in edges if edge > at), default=ALWAYS[1]),
    )


def _tier(provider: str, reading: Reading) -> str:
    """Return the service tier as the price list names it, empty for the standard one."""
    tier = (reading.service_tier or "").lower().removeprefix("service_tier_")
    if tier == "fast":
        tier = "priority"  # OpenAI's new name for it; what it reports back is still `priority`
    if tier in _STANDARD_TIERS or tier in _TIERS_AT_STANDARD_PRICE.get(provider, ()):
        tier = ""
    if reading.speed == "fast":
        return f"{tier}+fast" if tier else "fast"
    return tier


def _reported(text: str | None) -> Pico | None:
    amount = _amount(text) if text is not None else None
    return None if amount is None else _pico(amount)


def _pico(amount: Decimal) -> Pico | None:
    try:
        return to_pico(amount)
    except AmountOutOfRangeError:
        return None


def _amount(text: str) -> Decimal | None:
    """Return a provider's number, or None if it is none, negative, or absurd."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _MAX_DIGITS:
        return None
    return amount
