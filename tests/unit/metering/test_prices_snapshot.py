"""The vendored snapshot: what `tools/build_prices.py` makes, well formed, and quick to load."""

import re
import time
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest

from keystead.domain.usage import COUNTS
from keystead.metering.price_list import PriceList, Row
from keystead.metering.prices import load_snapshot
from keystead.metering.units import UNITS
from tools.build_prices import OUTPUT, render


@pytest.fixture(scope="module")
def price_list() -> PriceList:
    return load_snapshot().catalogue.price_list


def rows(price_list: PriceList) -> list[tuple[str, Row]]:
    return [
        (f"{provider}/{model.id}", row)
        for provider, models in price_list.providers.items()
        for model in models
        for row in model.rows
    ]


def test_the_file_is_what_the_build_step_makes_of_the_installed_source(price_list: PriceList) -> None:
    assert OUTPUT.read_text(encoding="utf-8") == render(price_list.built_on)


def test_the_head_says_where_the_prices_come_from(price_list: PriceList) -> None:
    assert price_list.source == "genai-prices"
    assert re.fullmatch(r"\d+\.\d+\.\d+", price_list.source_version)
    assert date.fromisoformat(price_list.built_on) >= date(2026, 11, 25)
    notice = (files("keystead.metering") / "data" / "NOTICE").read_text(encoding="utf-8")
    assert "Permission is hereby granted" in notice
    assert "Pydantic Services" in notice


def test_every_provider_with_list_prices_has_some(price_list: PriceList) -> None:
    assert {name for name, models in price_list.providers.items() if models} == {
        "anthropic",
        "azure",
        "bedrock",
        "cerebras",
        "cohere",
        "deepseek",
        "fireworks",
        "google",
        "groq",
        "mistral",
        "openai",
        "openrouter",
        "perplexity",
        "together",
        "xai",
    }
    assert sum(len(models) for models in price_list.providers.values()) > 1400


def test_every_price_is_plain_decimal_text_of_a_unit_we_count(price_list: PriceList) -> None:
    for name, row in rows(price_list):
        for prices in (row.prices, *(step.prices for step in row.steps)):
            for unit, text in prices.items():
                assert unit in UNITS, name
                assert re.fullmatch(r"\d+(\.\d*[1-9])?", text), (name, unit, text)
                assert Decimal(text) < 1000, (name, unit, text)


def test_every_model_has_a_standard_row_that_always_applied(price_list: PriceList) -> None:
    for provider, models in price_list.providers.items():
        for model in models:
            first = model.rows[0]
            assert (first.tier, first.valid_from, first.hours) == ("", "", None), (provider, model.id)
            assert model.match, (provider, model.id)


def test_dates_rise_within_a_tier_so_that_the_last_row_that_applies_is_the_newest(price_list: PriceList) -> None:
    for provider, models in price_list.providers.items():
        for model in models:
            for tier in {row.tier for row in model.rows}:
                dates = [row.valid_from for row in model.rows if row.tier == tier and not row.hours]
                assert dates == sorted(dates), (provider, model.id, tier)


def test_prices_rise_with_the_length_of_the_input(price_list: PriceList) -> None:
    for name, row in rows(price_list):
        prices = row.prices
        for step in row.steps:
            for unit in step.prices.keys() & set(COUNTS):
                assert Decimal(step.prices[unit]) >= Decimal(prices[unit]), (name, unit)
            prices = prices | step.prices


def test_loading_is_quick() -> None:
    fastest = min(_load_seconds() for _ in range(5))
    assert fastest < 0.1


def _load_seconds() -> float:
    begin = time.perf_counter()
    load_snapshot()
    return time.perf_counter() - begin
