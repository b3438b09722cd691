"""From rows to a tariff: what each unit costs under given terms, and how long that stays true. Pure.

Which price applies to a unit that the rows do not name is decided here, once, by `token_prices`:

| unit                         | falls back to                                                              |
|------------------------------|----------------------------------------------------------------------------|
| image and video input        | text input (providers list them apart only where they differ)              |
| cached input                 | input: no discount is listed                                               |
| 5 and 30 minute cache writes | each other (a provider has one short life), then input: writing is free    |
| 1 and 12 hour cache writes   | input where writing is free, else nothing: longer lives cost more          |
| reasoning, image output      | output                                                                     |
| audio                        | text at Google and in overrides, which list it where it differs; else nothing |

Nothing means `unpriced`, which people see. A guess would be a wrong figure that nobody sees.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Final

import msgspec

from keystead.domain.money import USD
from keystead.domain.usage import COUNTS
from keystead.metering.price_list import Found, Row

Price = tuple[Decimal, str]
"""A unit's price in currency units, and the same as exact decimal text."""

ALWAYS: Final = (-(2**63), 2**63 - 1)
"""The span of time, from and to in Unix microseconds, of a tariff that never changes."""

BORROWED_UNITS: Final = frozenset(COUNTS)
"""What a borrowed price list says about: tools cost something else at the provider that borrows it."""

_AUDIO_AS_TEXT: Final = frozenset({"google"})
"""Providers whose list names audio only where it does not cost what text costs (ai.google.dev/gemini-api/docs/pricing)."""

_FALLBACKS: Final[dict[str, tuple[str, ...]]] = {
    "input_image_tokens": ("input_tokens",),
    "input_video_tokens": ("input_tokens",),
    "cache_read_tokens": ("input_tokens",),
    "cache_read_audio_tokens": ("input_audio_tokens",),
    "cache_write_5m_tokens": ("cache_write_30m_tokens", "input_tokens"),
    "cache_write_30m_tokens": ("cache_write_5m_tokens", "input_tokens"),
    "reasoning_tokens": ("output_tokens",),
    "output_image_tokens": ("output_tokens",),
}
_AUDIO_FALLBACKS: Final[dict[str, tuple[str, ...]]] = {
    "input_audio_tokens": ("input_tokens",),
    "cache_read_audio_tokens": ("input_audio_tokens", "cache_read_tokens", "input_tokens"),
    "output_audio_tokens": ("output_tokens",),
}
_LONG_WRITES: Final = ("cache_write_1h_tokens", "cache_write_12h_tokens")
_SHORT_WRITES: Final = frozenset({"cache_write_5m_tokens", "cache_write_30m_tokens"})


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The price of every unit that has one, and where the prices come from."""

    tokens: dict[str, Price]
    units: dict[str, Price]
    currency: str
    version: str
    """Names the snapshot and the row, tier, context step and region, or the override."""


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """Rates by length of input. Valid from `span[0]` up to, not including, `span[1]` (Unix microseconds)."""

    span: tuple[int, int] = ALWAYS
    steps: tuple[tuple[int, Rates], ...] = ()
    """(input tokens that must be exceeded, rates), ascending; empty when there is no price."""

    def rates_for(self, input_total: int) -> Rates | None:
        """Return the rates of a request that read `input_total` tokens, or None without a price."""
        chosen = None
        for over, rates in self.steps:
            if input_total <= over:
                break
            chosen = rates
        return chosen


class Dearest(msgspec.Struct, frozen=True, kw_only=True):
    """The highest prices that an attempt may turn out to have, over tiers, regions and snapshots of its model."""

    span: tuple[int, int]
    """As in `Tariff`."""
    steps: tuple[tuple[int, dict[str, Decimal]], ...]
    """(input tokens that must be exceeded, unit → price), ascending, each with the prices before it taken in."""
    currency: str
    version: str
    """Of the rates that apply if nothing special happens."""
    context: int | None
    """The model's context window in tokens; None if it is not known, or disagrees with the prices."""

    def prices_for(self, input_most: int) -> dict[str, Decimal]:
        """Return the highest prices of a request that reads up to `input_most` tokens; empty without a price."""
        return next((prices for over, prices in reversed(self.steps) if over < input_most), {})


def list_tariff(found: Found, *, snapshot: str, at: int, tier: str, region: str, factor: Decimal | None) -> Tariff:
    """Return a listed model's tariff; without rates if the tier or the region has no listed price.

    Args:
        found: the model.
        snapshot: the price list's version.
        at: when the provider did the work, Unix microseconds.
        tier: the service tier, empty for the standard one.
        region: for the version's text only.
        factor: what the region multiplies token prices by; None if that is not known.
    """
    rows = found.model.rows
    span = span_around(rows, at)
    base = row_at(rows, at, tier="")
    special = row_at(rows, at, tier=tier) if tier and not found.borrowed else None
    if base is None or factor is None or (tier and special is None):
        return Tariff(span=span)
    version = f"{snapshot} {found.name}{base.name}{f'+{tier}{special.name}' if special else ''}"
    steps = []
    for over in (-1, *sorted({step.over for row in (base, special) if row for step in row.steps})):
        prices = _decimals(_merged(base, special, over))
        if found.borrowed:
            prices = {unit: price for unit, price in prices.items() if unit in BORROWED_UNITS}
        name = version + (f">{over}" if over >= 0 else "") + (f"*{factor}({region})" if factor != 1 else "")
        audio_as_text = found.provider in _AUDIO_AS_TEXT
        steps.append((over, make_rates(prices, audio_as_text=audio_as_text, factor=factor, version=name)))
    return Tariff(span=span, steps=tuple(steps))


def make_rates(
    prices: Mapping[str, Decimal],
    *,
    audio_as_text: bool,
    version: str,
    factor: Decimal = Decimal(1),
    currency: str = USD,
) -> Rates:
    """Return rates from unit prices: fallbacks resolved, token prices multiplied by `factor`."""
    with localcontext(prec=60):
        tokens = {unit: price * factor for unit, price in token_prices(prices, audio_as_text=audio_as_text).items()}
    return Rates(
        tokens={unit: (price, decimal_text(price)) for unit, price in tokens.items()},
        units={unit: (price, decimal_text(price)) for unit, price in prices.items() if unit not in BORROWED_UNITS},
        currency=currency,
        version=version,
    )


def token_prices(prices: Mapping[str, Decimal], *, audio_as_text: bool) -> dict[str, Decimal]:
    """Return the price of each token count, after the fallbacks in the table above."""
    fallbacks = _FALLBACKS | _AUDIO_FALLBACKS if audio_as_text else _FALLBACKS
    resolved = {}
    for name in COUNTS:
        for source in (name, *fallbacks.get(name, ())):
            if source in prices:
                resolved[name] = prices[source]
                break
    if "input_tokens" in prices and not prices.keys() & _SHORT_WRITES:
        for name in _LONG_WRITES:
            resolved.setdefault(name, prices["input_tokens"])
    return resolved


def row_at(rows: Iterable[Row], at: int, *, tier: str) -> Row | None:
    """Return the last row of `tier` that applies at an instant."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    chosen = None
    for row in rows:
        if row.tier == tier and _applies(row, moment):
            chosen = row
    return chosen


def span_around(rows: Iterable[Row], at: int) -> tuple[int, int]:
    """Return the longest time around `at` in which no row begins or ends to apply, as far as dates and hours say."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    midnight = datetime.combine(moment.date(), time(), UTC)
    changes = set()
    for row in rows:
        if row.valid_from:
            changes.add(datetime.combine(date.fromisoformat(row.valid_from), time(), UTC))
        if row.hours:
            changes |= {midnight, midnight + timedelta(days=1)}
            changes |= {datetime.combine(moment.date(), time.fromisoformat(edge), UTC) for edge in row.hours}
    edges = [int(change.timestamp()) * 1_000_000 for change in changes]
    return (
        max((edge for edge in edges if edge <= at), default=ALWAYS[0]),
        min((edge for edge in edges if edge > at), default=ALWAYS[1]),
    )


def _applies(row: Row, moment: datetime) -> bool:
    if row.valid_from and moment.date() < date.fromisoformat(row.valid_from):
        return False
    if row.weekdays and str(moment.isoweekday()) not in row.weekdays:
        return False
    if row.hours is None:
        return True
    begin, end = (time.fromisoformat(edge) for edge in row.hours)
    now = moment.time()
    return begin <= now < end if begin <= end else now >= begin or now < end


def _merged(base: Row, special: Row | None, over: int) -> dict[str, str]:
    """Return the prices for more than `over` input tokens: a tier's price replaces a unit's, steps and all."""
    prices: dict[str, str] = {}
    for row in (base, special):
        if row is not None:
            prices |= row.prices
            for step in row.steps:
                if step.over <= over:
                    prices |= step.prices
    return prices


def _decimals(prices: Mapping[str, str]) -> dict[str, Decimal]:
    return {unit: Decimal(text) for unit, text in prices.items()}


def decimal_text(number: Decimal) -> str:
    """Return plain decimal text without an exponent or trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
