"""Credits in exact integers: what an attempt on a platform credential is charged, and amounts as people write them. Pure.

A credit is worth a fixed amount of USD, by default 0.01. Amounts of credits are integers of 10⁻¹² credits, as costs
are of their currency; a signed 64-bit column then holds up to 9.2 million credits.
"""

import re
from decimal import Decimal
from typing import Final

from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT, Pico, to_pico

FREE_CREDITS: Final = Pico(100 * PICO_PER_UNIT)
"""What an organization's account is opened with."""

MAX_MARGIN_PPM: Final = 10_000_000
"""The largest margin, in parts per million of the provider's cost: 1,000 per cent."""

_MILLION: Final = 1_000_000
_AMOUNT: Final = re.compile(r"[+-]?[0-9]{1,7}(\.[0-9]{1,12})?")


def charge(cost_pico: int, *, margin_ppm: int, credit_value_pico: int) -> int:
    """Return the pico credits that the platform bills for an attempt.

    Rounded once, half to even, as costs are; one unit is 10⁻¹² credits, so that no charge is off by anything that
    could be paid. A larger cost never has a smaller charge: what is held for the most an attempt can cost covers
    every cost within it. A charge that 64 bits do not hold is the largest number, which no account can pay.

    Args:
        cost_pico: what the provider bills, in pico USD.
        margin_ppm: parts per million of the cost, added to it.
        credit_value_pico: what one credit is worth, in pico USD.
    """
    pico_credits = cost_pico * (_MILLION + margin_ppm) * PICO_PER_UNIT
    whole, rest = divmod(pico_credits, _MILLION * credit_value_pico)
    twice = 2 * rest - _MILLION * credit_value_pico
    return min(whole + (twice > 0 or (twice == 0 and whole % 2 == 1)), MAX_PICO)


def parse_credits(text: str, *, param: str, signed: bool = False) -> Pico:
    """Return an amount of credits, written as plain decimal text, in pico credits.

    Raises:
        InvalidRequestError: not a plain decimal, zero, more than 12 decimals, more than 64 bits hold, or negative
            unless `signed`.
    """
    amount = Decimal(text) if _AMOUNT.fullmatch(text) else Decimal(0)
    if not amount or (amount < 0 and not signed) or abs(amount) * PICO_PER_UNIT > MAX_PICO:
        raise InvalidRequestError(
            f"{text[:64]!r} is not an amount of credits.",
            code="invalid_credits",
            param=param,
            next_step="Write a number above zero with at most 12 decimals, such as 500 or 12.5; "
            "the most is 9223372 credits.",
        )
    return to_pico(amount)
