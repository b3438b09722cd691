"""The bill of an attempt: it adds up exactly, and what has no price is not zero."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keystead.metering.tariff import decimal_text
from keystead.metering.usage_views import CostLine
from keystead.web.console.bill import bill_of


def attempt(lines: list[CostLine], **changes: Any) -> Any:
    values: dict[str, Any] = {"lines": tuple(lines), "usage": {}, "units": {}, "cost": None, "cost_state": "priced"}
    return SimpleNamespace(**(values | changes))


def line(unit: str, count: str, price: str | None) -> CostLine:
    amount = None if price is None else decimal_text(Decimal(count) * Decimal(price))
    return CostLine(unit=unit, count=count, price=price, amount=amount)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**15)), min_size=1, max_size=10))
def test_the_sum_is_exact(counts: list[tuple[int, int]]) -> None:
    lines = [line("input_tokens", str(count), f"{Decimal(price).scaleb(-16):f}") for count, price in counts]
    whole = sum((Decimal(count * price).scaleb(-16) for count, price in counts), Decimal(0))
    assert Decimal(bill_of(attempt(lines)).sum) == whole


def test_a_sum_that_is_the_cost_needs_no_word_and_one_that_is_rounded_does() -> None:
    assert bill_of(attempt([line("pages", "2", "0.5")], cost="1")).note == ""
    rounded = bill_of(attempt([line("pages", "1", "0.0000000000004")], cost="0"))
    assert "rounded" in rounded.note
    assert "not this sum" in bill_of(attempt([line("pages", "2", "0.5")], cost="3")).note


def test_usage_without_a_price_is_shown_and_not_taken_for_zero() -> None:
    bill = bill_of(attempt([line("input_tokens", "1200", "0.5"), line("searches", "2", None)], cost_state="unpriced"))
    assert [(one.count, one.price, one.amount) for one in bill.lines] == [
        ("1,200", "0.5", "600"),
        ("2", "no price", ""),
    ]
    assert "no cost" in bill.note


def test_what_is_used_and_not_billed_is_shown_too() -> None:
    bill = bill_of(attempt([], usage={"input_tokens": 5}, units={"audio_seconds": "1.5"}))
    assert [(one.unit, one.count) for one in bill.lines] == [("input tokens", "5"), ("audio seconds", "1.5")]
    assert bill.sum == ""


def test_a_cost_that_the_provider_reported_is_told_apart_from_our_sum() -> None:
    assert "provider itself" in bill_of(attempt([line("pages", "2", "0.5")], cost="3", cost_state="reported")).note
