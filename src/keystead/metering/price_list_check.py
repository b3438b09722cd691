"""Whether a price list can be priced by: what every list that is put in force must hold to. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Final

from keystead.metering.price_list import Model, PriceList, Row
from keystead.metering.units import UNITS

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,30})?")
_MOST: Final = Decimal(1000)
"""More USD than one unit of anything costs: a figure per million that was taken for one of a single token."""
_LONGEST_PATTERN: Final = 200
_MOST_STARS: Final = 4
"""In a pattern: each one more multiplies the time that a name takes which does not fit."""


def problems(price_list: PriceList) -> Iterator[str]:
    """Yield what is wrong with a list, in words that name the place."""
    yield from _day(price_list.built_on, "built_on")
    for text, place in ((price_list.source, "source"), (price_list.source_version, "source_version")):
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
            yield f"{place} is not a name of letters, digits, dots and dashes"
    for provider, models in price_list.providers.items():
        if not _NAME.fullmatch(provider):
            yield f"{provider!r} is not a provider's name"
        for model in models:
            yield from (f"{provider}/{model.id}: {problem}" for problem in _of_model(model))


def _of_model(model: Model) -> Iterator[str]:
    for pattern in (*model.match, *model.exclude):
        if not 0 < len(pattern) <= _LONGEST_PATTERN or pattern != pattern.lower() or pattern.count("*") > _MOST_STARS:
            yield f"the pattern {pattern[:64]!r} is empty, too long, not lower case, or has too many stars"
    if not model.match:
        yield "there is no name that means it"
    if not model.rows or (model.rows[0].tier, model.rows[0].valid_from, model.rows[0].hours) != ("", "", None):
        yield "its first row is not the standard one that always applied"
    for row in model.rows:
        yield from _of_row(row)
    for tier in {row.tier for row in model.rows}:
        dates = [row.valid_from for row in model.rows if row.tier == tier and not row.hours]
        if any(earlier >= later for earlier, later in pairwise(dates)):
            yield f"the dates of its rows{f' of the tier {tier}' if tier else ''} do not rise"


def _of_row(row: Row) -> Iterator[str]:
    if row.valid_from:
        yield from _day(row.valid_from, "valid_from")
    if row.hours and not all(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", hour) for hour in row.hours):
        yield f"{row.hours} are no times of day"
    if not re.fullmatch(r"[1-7]{0,7}", row.weekdays):
        yield f"{row.weekdays!r} are no weekdays"
    for prices in (row.prices, *(step.prices for step in row.steps)):
        yield from _of_prices(prices)
    if any(earlier.over >= later.over for earlier, later in pairwise(row.steps)) or any(s.over <= 0 for s in row.steps):
        yield "its steps do not rise"


def _of_prices(prices: Mapping[str, str]) -> Iterator[str]:
    for unit, text in prices.items():
        if unit not in UNITS:
            yield f"there is no unit {unit[:64]!r}"
        if not _DECIMAL.fullmatch(text):
            yield f"{unit}: {text[:64]!r} is not a price in plain decimal text"
        elif Decimal(text) >= _MOST:
            yield f"{unit}: {text} USD cannot be the price of one"


def _day(text: str, place: str) -> Iterator[str]:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return
    except ValueError:
        pass
    yield f"{place} is not a day: {text[:64]!r}"
