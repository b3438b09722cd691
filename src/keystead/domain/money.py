"""Exact money: integers of 10⁻¹² of a currency unit, Decimal in between, never a float.

10⁻¹² holds one token of the cheapest model at any discount (0.003 USD per million tokens is 3,000 pico per
token). A signed 64-bit column then reaches 9.2 million units; sums are added as (quotient, remainder) pairs so
that neither SQLite's integer SUM nor any other can overflow (see storage.sums).
"""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import NewType

Pico = NewType("Pico", int)
"""An amount in 10⁻¹² of its currency unit."""

PICO_PER_UNIT = 10**12
MAX_PICO = 2**63 - 1
USD = "USD"


class AmountOutOfRangeError(ValueError):
    """An amount does not fit a signed 64-bit count of pico units."""


def to_pico(amount: Decimal) -> Pico:
    """Return `amount` (currency units) as pico units; what lies below 10⁻¹² is rounded half to even.

    Raises:
        AmountOutOfRangeError: not finite, or beyond ±9.2 million units.
    """
    if not amount.is_finite():
        raise AmountOutOfRangeError(f"{amount} is not a finite amount")
    with localcontext(prec=60):
        count = int((amount * PICO_PER_UNIT).to_integral_value(ROUND_HALF_EVEN))
    if abs(count) > MAX_PICO:
        raise AmountOutOfRangeError(f"{amount} does not fit in 64 bits of 10⁻¹² units")
    return Pico(count)


def to_text(pico: int) -> str:
    """Return pico units as plain decimal text without trailing zeros: `1500000000` → `0.0015`."""
    sign = "-" if pico < 0 else ""
    whole, rest = divmod(abs(pico), PICO_PER_UNIT)
    fraction = f"{rest:012d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
