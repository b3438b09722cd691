"""Prices: typed per million, kept per unit, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.metering.price_sheet import PriceSheet, SheetRow
from keystead.web.console import sheets
from keystead.web.console.words import per_million


@given(st.decimals(min_value=0, max_value=9999, places=6))
def test_a_typed_price_comes_back_as_it_was(price: Decimal) -> None:
    kept = sheets.prices_of({"input_tokens": f"{price:f}"})["input_tokens"]
    assert "E" not in kept
    assert Decimal(sheets.typed("input_tokens", kept)) == price


def test_tokens_are_priced_by_the_million_and_everything_else_each() -> None:
    found = sheets.prices_of({"input_tokens": "2.50", "web_searches": "0.01", "output_tokens": " "})
    assert {unit: Decimal(text) for unit, text in found.items()} == {
        "input_tokens": Decimal("0.0000025"),
        "web_searches": Decimal("0.01"),
    }


@pytest.mark.parametrize("text", ["two", "-1", "-0", "NaN", "Infinity", "1,5"])
def test_what_is_no_price_is_told_at_its_field(text: str) -> None:
    with pytest.raises(InvalidRequestError) as told:
        sheets.prices_of({"output_tokens": text})
    assert told.value.param == "prices.output_tokens"


def test_a_sheet_is_laid_out_with_the_latest_usual_prices_on_top() -> None:
    def row(tier: str, since: str, until: str, price: str) -> SheetRow:
        return SheetRow(
            tier=tier,
            over=None,
            valid_from=since,
            valid_to=until,
            hours=None,
            weekdays="",
            in_force=not until,
            prices={"input_tokens": price},
        )

    rows = (
        row("", "", "2026-01-01", "0.000003"),
        row("", "2026-01-01", "", "0.0000025"),
        row("batch", "", "", "0.000001"),
    )
    laid = sheets.laid_out(
        PriceSheet(provider="openai", listed_as="openai/x", source="s", rows=rows, regions=(), overrides=())
    )
    assert laid.columns == (("In", "per million"),)
    assert [(line.when, line.applies, line.prices) for line in laid.lines] == [
        ("from 2026-01-01", "", ("2.50",)),
        ("until 2026-01-01", "", ("3.00",)),
        ("always", "batch tier", ("1.00",)),
    ]


def test_a_price_is_read_per_million_and_exactly() -> None:
    assert per_million("0.0000025") == "$2.50"
    assert per_million("0.000000075") == "$0.075"
    assert per_million("0.00002", "CHF") == "20.00 CHF"
    assert per_million(None) == "–"
