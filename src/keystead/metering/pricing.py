"""What an attempt costs: the arithmetic. Pure.

In order: the provider's own figure, the price book's, `unpriced`. A figure is exact: decimal unit prices times whole
counts, rounded once, to 10⁻¹² of the currency unit. What is not known is said to be not known; it is never zero.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation, localcontext
from typing import Final

from keystead.domain.money import USD, AmountOutOfRangeError, Pico, to_pico
from keystead.domain.records import FREE, Cost
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import COUNTS, Reading, Usage, UsageSource
from keystead.metering.price_book import PriceBook, Terms
from keystead.metering.tariff import Price, Rates, Tariff, decimal_text

FREE_ENDPOINTS: Final = frozenset(
    {
        Endpoint.MODELS,
        Endpoint.COUNT_TOKENS,
        Endpoint.MODERATIONS,
        Endpoint.RESPONSE_STATE,
        Endpoint.FILES,
        Endpoint.BATCHES,
        Endpoint.VECTOR_STORES,
        Endpoint.CONVERSATIONS,
    }
)
"""What no provider bills for by the call. A stored response was billed when it was made; a batch is billed by its lines,
which are priced as what they ask for."""

SANDBOX: Final = "sandbox"

_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand", "unspecified"})
"""Names for no particular service tier, as providers report them."""

_TIERS_AT_STANDARD_PRICE: Final = {"groq": frozenset({"flex"})}
"""Groq: flex costs what on-demand costs (console.groq.com/docs/flex-processing)."""

_MINIMUM_AUDIO_SECONDS: Final = {"groq": Decimal(10)}
"""Groq bills at least ten seconds per transcription (console.groq.com/docs/speech-to-text)."""

_NO_REGION: Final = "not_available"
"""What Anthropic's answer says where it does not place the work, as on other companies' platforms."""

_MEASURES: Final = frozenset({"images", "characters", "audio_seconds", "pages"})
"""Units that measure what tokens may measure too: without a price of their own they are information, if the tokens
are billed. Any other unit (a search, a tool call) is billed on top."""

_MAX_DIGITS: Final = 24
_ZERO: Final = Decimal(0)
_BILLED_BY_TIME: Final = (_ZERO, "0")
"""The price of audio tokens where the list prices the seconds, and they are known (Mistral's Voxtral reports both)."""


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
            region=_region(reading, region).lower(),
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


def _region(reading: Reading, called: str) -> str:
    said = reading.region or ""
    return called if said in {"", _NO_REGION} else said


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
