"""The arithmetic of an attempt's cost as a table that adds up: kinds of usage, prices, amounts, and their sum. Pure."""

from decimal import Decimal, localcontext
from typing import Any, Final

import msgspec

_LEAST: Final = Decimal("1e-12")
"""Costs are kept to twelve places."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of usage."""

    unit: str
    count: str
    price: str
    """Of one, exact; empty where there is none."""
    amount: str


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """All kinds of usage of one attempt, and how they make its cost."""

    lines: tuple[Line, ...]
    sum: str
    """Of the amounts, exact; empty if there are none."""
    note: str
    """How the cost comes from the sum, where it is not the sum; empty where it is."""


def bill_of(attempt: Any) -> Bill:
    """Return the bill of an attempt, as the admin API shows it."""
    lines = [
        Line(unit=_words(one.unit), count=_count(one.count), price=one.price or "no price", amount=one.amount or "")
        for one in attempt.lines
    ]
    billed = {one.unit for one in attempt.lines}
    lines += [
        Line(unit=_words(unit), count=_count(str(count)), price="not billed by itself", amount="")
        for unit, count in {**attempt.usage, **attempt.units}.items()
        if unit not in billed
    ]
    amounts = [Decimal(one.amount) for one in attempt.lines if one.amount is not None]
    with localcontext(prec=60):
        total = sum(amounts, Decimal(0))
    return Bill(lines=tuple(lines), sum=f"{total:f}" if amounts else "", note=_note(attempt, total))


def _note(attempt: Any, total: Decimal) -> str:
    if attempt.cost_state == "reported":
        return "The provider itself reported the cost; the sum is what our prices make of it."
    if any(one.price is None for one in attempt.lines):
        return "Some of the usage has no price, so there is no cost: it is not taken for zero."
    if attempt.cost is None or not attempt.lines or Decimal(attempt.cost) == total:
        return ""
    if abs(Decimal(attempt.cost) - total) < _LEAST:
        return "The cost is the sum, rounded to twelve places."
    return "The cost that was recorded is not this sum."


def _words(unit: str) -> str:
    return unit.replace("_", " ")


def _count(text: str) -> str:
    """Return a count with thousands apart; a part of one stays exact."""
    return f"{int(text):,}" if text.isdecimal() and text.isascii() else text
