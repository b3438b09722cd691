"""Every vendored price, through our arithmetic, against genai-prices' own calculator, exactly.

Where the two differ on purpose, the reason is named in `justified`; nothing else may differ.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import genai_prices
import pytest
from genai_prices import types as source
from genai_prices.data import providers as source_providers

from keystead.domain.money import to_pico
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.price_book import PriceBook
from keystead.metering.prices import load_snapshot
from keystead.metering.pricing import cost_of
from tools.build_prices import GUESSED_PATTERNS, NOT_SPEECH, PROVIDERS, patterns

USAGES: Final = {
    "plain": Usage(input_tokens=1234, cache_read_tokens=567, output_tokens=89, reasoning_tokens=10),
    "long": Usage(input_tokens=301_001, cache_read_tokens=7, output_tokens=4321),
    "cache writes": Usage(input_tokens=11, cache_write_5m_tokens=1013, cache_write_30m_tokens=29, output_tokens=3),
    "long cache life": Usage(input_tokens=11, cache_write_1h_tokens=2017),
    "audio": Usage(input_tokens=11, input_audio_tokens=777, cache_read_audio_tokens=99, output_audio_tokens=333),
    "pictures": Usage(input_image_tokens=1105, input_video_tokens=258, output_image_tokens=1290),
    "searches": Usage(input_tokens=11, units={"web_searches": "3"}),
    "minutes": Usage(units={"audio_seconds": "87.5"}),
}

INSTANTS: Final = (
    datetime(2026, 3, 2, 12, tzinfo=UTC),
    datetime(2026, 11, 25, 2, 30, tzinfo=UTC),
    datetime(2026, 11, 25, 12, tzinfo=UTC),
    datetime(2027, 1, 4, 12, tzinfo=UTC),
)
"""Working days all: on weekends DeepSeek is cheaper than the source's data can say."""

TIERS: Final = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
    "fast": {"speed": "fast"},
}


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_snapshot()


@cache
def cases() -> tuple[tuple[Any, Any, str], ...]:
    """Every model of every provider we price, under a name that means it."""
    return tuple(
        (provider, model, name)
        for provider in source_providers
        if provider.id in PROVIDERS
        for model in provider.models
        for name in names_of(provider, model)
    )


def names_of(provider: Any, model: Any) -> Iterator[str]:
    match, _ = patterns(model.match)
    for pattern in match:
        if (PROVIDERS[provider.id], pattern) not in GUESSED_PATTERNS:
            yield pattern.replace("[0-9]", "7").replace("[-@]", "@").replace("*", "")
            return


def theirs(provider: Any, name: str, usage: Usage, at: datetime, context: dict[str, str] | None = None) -> int:
    counted = genai_prices.Usage(
        input_tokens=usage.input_total,
        cache_read_tokens=usage.cache_read_tokens + usage.cache_read_audio_tokens,
        cache_audio_read_tokens=usage.cache_read_audio_tokens,
        cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_30m_tokens + usage.cache_write_1h_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens + usage.cache_read_audio_tokens,
        input_image_tokens=usage.input_image_tokens,
        input_video_tokens=usage.input_video_tokens,
        output_tokens=usage.output_total,
        output_reasoning_tokens=usage.reasoning_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        output_image_tokens=usage.output_image_tokens,
        web_searches=int(usage.units.get("web_searches", 0)),
        audio_seconds=Decimal(usage.units.get("audio_seconds", 0)),
        input_audio_seconds=Decimal(usage.units.get("audio_seconds", 0)),
    )
    priced = genai_prices.calc_price(
        counted, name, provider_id=provider.id, genai_request_timestamp=at, price_context=context
    )
    return to_pico(priced.total_price)


def justified(provider: Any, prices: Any, usage: Usage) -> str | None:
    """Say why a usage is unpriced here though the source has a figure, or None if it must not be."""
    listed = {key for key, value in prices.__dict__.items() if value is not None}
    writes_cost = "cache_write_mtok" in listed
    reasons = {
        "an empty price is not known to be free": not listed,
        "no price for input": usage.input_total and "input_mtok" not in listed,
        "no price for output": usage.output_total and "output_mtok" not in listed,
        "text prices are not audio prices": provider.id != "google"
        and (
            (usage.input_audio_tokens and "input_audio_mtok" not in listed)
            or (usage.output_audio_tokens and "output_audio_mtok" not in listed)
        ),
        "a long cache life costs more than a short one": usage.cache_write_1h_tokens
        and writes_cost
        and "cache_write_1h_mtok" not in listed,
        "a search is billed and has no price": "web_searches" in usage.units and "web_searches_kcount" not in listed,
        "time is billed and has no price": "audio_seconds" in usage.units and "audio_hours" not in listed,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def compare(book: PriceBook, tier: str, at: datetime) -> tuple[int, int, list[str]]:
    """Return how many costs agree, how many differ for a reason, and what differs without one."""
    context = TIERS.get(tier)
    same, reasoned, wrong = 0, 0, []
    for provider, model, name in cases():
        variants = [variant for variant in model.price_variants or () if variant.when == context]
        if context and not any(v.constraint is None or v.constraint.active(at) for v in variants):
            continue
        prices = model.get_prices(at, context)
        for label, usage in USAGES.items():
            ours = cost_of(
                book,
                organization_id="org_1",
                provider=PROVIDERS[provider.id],
                endpoint=Endpoint.CHAT,
                model_sent=name,
                region="",
                at=int(at.timestamp()) * 1_000_000,
                reading=Reading(
                    usage=usage,
                    source=UsageSource.PROVIDER,
                    model=name,
                    service_tier=tier if tier != "fast" else None,
                    speed="fast" if tier == "fast" else None,
                ),
            )
            if ours.state is CostState.UNPRICED and justified(provider, prices, usage):
                reasoned += 1
            elif ours.pico == theirs(provider, name, usage, at, context):
                same += 1
            else:
                wrong.append(f"{provider.id}/{name} {label}: {ours}, {theirs(provider, name, usage, at, context)}")
    return same, reasoned, wrong


@pytest.mark.parametrize("at", INSTANTS, ids=str)
def test_every_listed_price_agrees_at_every_time(book: PriceBook, at: datetime) -> None:
    same, _, wrong = compare(book, "", at)
    assert wrong == []
    assert same > 6000


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_price_agrees(book: PriceBook, tier: str) -> None:
    same, _, wrong = compare(book, tier, datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert wrong == []
    assert same >= 20


def test_every_name_written_in_the_source_means_the_same_model_here(book: PriceBook) -> None:
    differences = []
    for provider in source_providers:
        if provider.id not in PROVIDERS:
            continue
        for model in provider.models:
            for pattern in patterns(model.match)[0]:
                if "*" in pattern or not any(vars(price) for price in prices_of(model)):
                    continue
                found = book.catalogue.find(PROVIDERS[provider.id], pattern.replace("[0-9]", "3").replace("[-@]", "-"))
                if found is None or found.model.id != model.id:
                    differences.append((provider.id, pattern, found and found.model.id))
    assert differences == []


def prices_of(model: Any) -> list[Any]:
    return [model.prices] if isinstance(model.prices, source.ModelPrice) else [c.prices for c in model.prices]


def test_patterns_match_what_the_sources_clauses_match() -> None:
    clause = source.ClauseAnd(
        and_=[source.ClauseStartsWith(starts_with="Gemini-2.5-pro"), source.ClauseRegex(regex=NOT_SPEECH)]
    )
    assert patterns(clause) == (["gemini-2.5-pro*"], ["*-tts", "*-tts-*"])
    dated = source.ClauseRegex(regex=r"^claude-opus-5[-@]\d{8}$")
    assert patterns(dated) == (["claude-opus-5[-@]" + "[0-9]" * 8], [])
    open_ended = source.ClauseRegex(regex=r"^gemini-3\.5-flash-\d")
    assert patterns(open_ended) == (["gemini-3.5-flash-[0-9]*"], [])
    with pytest.raises(SystemExit):
        patterns(source.ClauseRegex(regex="^a+$"))
    with pytest.raises(SystemExit):
        patterns(source.ClauseRegex(regex="unanchored"))
