"""What `price show` has to say about a model."""

from datetime import UTC, datetime
from typing import Final

import pytest

from keystead.metering.price_book import Override, PriceBook
from keystead.metering.price_sheet import PriceSheet, price_sheets
from keystead.metering.prices import load_snapshot

AT: Final = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_snapshot()


def sheet(book: PriceBook, provider: str, model: str) -> PriceSheet:
    (found,) = price_sheets(book, organization_id="org_1", model=model, at=AT, provider=provider)
    return found


def test_rows_have_their_dates_and_say_which_are_in_force(book: PriceBook) -> None:
    shown = sheet(book, "google", "gemini-4-argon")
    assert shown.source.startswith("genai-prices-")
    standard = [row for row in shown.rows if not row.tier]
    assert [(row.valid_from, row.valid_to, row.in_force) for row in standard] == [
        ("", "2026-12-01", True),
        ("2026-12-01", "", False),
    ]
    assert standard[1].prices["input_tokens"] == "0.000004"
    batch = [row for row in shown.rows if row.tier == "batch"]
    assert [(row.valid_from, row.valid_to, row.in_force) for row in batch] == [
        ("2026-10-14", "2026-12-01", True),
        ("2026-12-01", "", False),
    ]


def test_long_context_is_a_row_of_its_own(book: PriceBook) -> None:
    standard = [row for row in sheet(book, "openai", "gpt-5.5").rows if not row.tier]
    assert [(row.over, row.prices["input_tokens"]) for row in standard] == [(None, "0.000005"), (272_000, "0.00001")]
    assert standard[1].prices["web_searches"] == "0.01"


def test_hours_are_shown(book: PriceBook) -> None:
    rows = sheet(book, "deepseek", "deepseek-flash").rows
    assert [(row.hours, row.weekdays, row.in_force) for row in rows] == [
        (None, "", True),
        (("01:00", "04:00"), "12345", False),
        (("06:00", "10:00"), "12345", False),
    ]


def test_regions_show_their_factor_and_source(book: PriceBook) -> None:
    (recent,) = sheet(book, "openai", "gpt-6-astra").regions
    assert (recent.factor, "eu" in recent.regions) == ("1.1", True)
    assert recent.source.startswith("https://developers.openai.com/")
    (old,) = sheet(book, "openai", "gpt-4.1").regions
    assert old.factor == "1"
    assert sheet(book, "groq", "openai/gpt-oss-120b").regions == ()


def test_borrowed_prices_are_shown_as_what_they_are(book: PriceBook) -> None:
    shown = sheet(book, "azure", "gpt-5")
    assert shown.listed_as == "openai/gpt-5"
    assert {row.tier for row in shown.rows} == {""}
    assert "web_searches" not in shown.rows[0].prices


def test_every_provider_that_lists_the_model_is_found(book: PriceBook) -> None:
    found = price_sheets(book, organization_id="org_1", model="openai/gpt-oss-120b", at=AT)
    assert {shown.provider for shown in found} >= {"groq", "openrouter", "together"}
    assert price_sheets(book, organization_id="org_1", model="no-such-model", at=AT) == []


def test_ones_own_price_is_shown_even_where_the_list_has_none(book: PriceBook) -> None:
    own = Override(
        id="price_1",
        organization_id="org_1",
        provider="vllm",
        model="llama*",
        currency="EUR",
        prices={"input_tokens": "0.0000001"},
        valid_from=0,
        valid_to=None,
    )
    with_own = book.with_overrides([own])
    (shown,) = price_sheets(with_own, organization_id="org_1", model="llama-4", at=AT)
    assert (shown.provider, shown.listed_as, shown.rows, shown.overrides) == ("vllm", None, (), (own,))
    assert price_sheets(with_own, organization_id="org_2", model="llama-4", at=AT) == []
