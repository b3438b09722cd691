"""How prices are laid out and typed: token prices per million, everything else per piece. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from keystead.domain.errors import InvalidRequestError
from keystead.domain.usage import COUNTS

MILLION: Final = 1_000_000
_USUAL: Final = ("input_tokens", "cache_read_tokens", "output_tokens")
_TITLES: Final[Mapping[str, str]] = {
    "input_tokens": "In",
    "cache_read_tokens": "In, cached",
    "cache_write_5m_tokens": "Cache write",
    "cache_write_1h_tokens": "Cache write, 1 h",
    "output_tokens": "Out",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of list prices: when it applies, and the price of each column's unit."""

    when: str
    applies: str
    """To what: a service tier, long requests, hours of the day; empty: to the usual request."""
    in_force: bool
    prices: tuple[str | None, ...]


class Laid(msgspec.Struct, frozen=True, kw_only=True):
    """List prices as a table."""

    columns: tuple[tuple[str, str], ...]
    """Title, and what one price is for."""
    lines: tuple[Line, ...]


def laid_out(sheet: Any) -> Laid:
    """Return a price sheet as a table of the units that any of its rows has: the usual prices first, the latest on top."""
    latest = sorted(sheet.rows, key=lambda row: row.valid_from, reverse=True)
    rows = sorted(latest, key=lambda row: (row.tier, row.over or 0))
    units = ordered({unit for row in rows for unit in row.prices})
    return Laid(
        columns=tuple((title(unit), "per million" if is_token(unit) else "each") for unit in units),
        lines=tuple(
            Line(
                when=_when(row),
                applies=_applies(row),
                in_force=row.in_force,
                prices=tuple(shown(unit, row.prices[unit]) if unit in row.prices else None for unit in units),
            )
            for row in rows
        ),
    )


def standing(known: Any) -> dict[str, str]:
    """Return the prices of now as they are read, with their currency: one's own before the list's."""
    own = known.own_price
    prices, currency = (own.prices, own.currency) if own else (known.model.prices, "USD")
    return {unit: f"{shown(unit, text)} {currency}" for unit, text in prices.items() if "." not in unit}


def units_for(prices: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return what a price may be typed for: the usual units, and whatever else the list prices of this model."""
    return [
        (unit, title(unit), "per million tokens" if is_token(unit) else "each") for unit in ordered({*_USUAL, *prices})
    ]


def prices_of(typed_prices: Mapping[str, str]) -> dict[str, str]:
    """Return typed prices as the price of one unit, exactly; what was left empty has none.

    Raises:
        InvalidRequestError: one is not a number.
    """
    found: dict[str, str] = {}
    for unit, text in typed_prices.items():
        if not text.strip():
            continue
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or value.is_signed():
            raise InvalidRequestError(
                f"{text.strip()[:40]!r} is not a price.", param=f"prices.{unit}", next_step="Write it like 2.50."
            )
        found[unit] = f"{value.scaleb(-6) if is_token(unit) else value:f}"
    return found


def typed(unit: str, price: str) -> str:
    """Return the price of one unit as it is typed into a form."""
    return f"{(Decimal(price) * (MILLION if is_token(unit) else 1)).normalize():f}"


def shown(unit: str, price: str) -> str:
    """Return the price of one unit as it is read: exact, with at least two places."""
    value = Decimal(typed(unit, price))
    return f"{value:.2f}" if value == round(value, 2) else f"{value:f}"


def title(unit: str) -> str:
    """Return what a unit is called over a column."""
    return _TITLES.get(unit) or unit.removesuffix("_tokens").replace("_", " ").capitalize()


def is_token(unit: str) -> bool:
    """Say whether it is priced by the million."""
    return unit in COUNTS


def ordered(units: Iterable[str]) -> list[str]:
    """Return units as one reads them: the usual ones, then others by name."""
    return sorted(units, key=lambda unit: (_USUAL.index(unit) if unit in _USUAL else len(_USUAL), unit))


def _when(row: Any) -> str:
    if row.valid_from and row.valid_to:
        return f"{row.valid_from} to {row.valid_to}"
    if row.valid_from:
        return f"from {row.valid_from}"
    return f"until {row.valid_to}" if row.valid_to else "always"


def _applies(row: Any) -> str:
    parts = [f"{row.tier} tier" if row.tier else "", f"over {row.over:,} tokens in" if row.over is not None else ""]
    if row.hours:
        parts.append(f"{row.hours[0]} to {row.hours[1]} UTC")
    if row.weekdays:
        parts.append(f"weekdays {row.weekdays}")
    return ", ".join(part for part in parts if part)
