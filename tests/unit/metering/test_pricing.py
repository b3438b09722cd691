"""Golden costs, worked out by hand from the providers' list prices, and the states a cost can be in."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from keystead.domain.money import to_text
from keystead.domain.records import FREE, Cost
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.price_book import Override, PriceBook
from keystead.metering.prices import load_snapshot
from keystead.metering.pricing import cost_of

WORKDAY_NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
WORKDAY_PEAK = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
SATURDAY_PEAK = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_snapshot()


def micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def cost(
    book: PriceBook,
    provider: str,
    asked: str,
    usage: Usage,
    *,
    served: str | None = None,
    at: datetime = WORKDAY_NOON,
    endpoint: Endpoint = Endpoint.CHAT,
    region: str = "",
    reported_region: str | None = None,
    source: UsageSource = UsageSource.PROVIDER,
    organization_id: str = "org_1",
    **reported: Any,
) -> Cost:
    return cost_of(
        book,
        organization_id=organization_id,
        provider=provider,
        endpoint=endpoint,
        model_sent=asked,
        region=region,
        at=micros(at),
        reading=Reading(usage=usage, source=source, model=served, region=reported_region, **reported),
    )


def dollars(priced: Cost) -> str:
    assert priced.pico is not None, priced
    return to_text(priced.pico)


# -- list prices, by provider -------------------------------------------------------------------------------------


def test_openai_counts_cached_and_reasoning_tokens_at_their_own_prices(book: PriceBook) -> None:
    # gpt-5: 1.25 in, 0.125 cached, 10 out per million; 1000 × 1.25 + 500 × 0.125 + (200 + 30) × 10 = 3612.5
    usage = Usage(input_tokens=1000, cache_read_tokens=500, output_tokens=200, reasoning_tokens=30)
    priced = cost(book, "openai", "gpt-5", usage, served="gpt-5-2025-08-07", service_tier="default")
    assert (dollars(priced), priced.state) == ("0.0036125", CostState.PRICED)
    assert priced.lines == (
        ("input_tokens", "1000", "0.00000125"),
        ("cache_read_tokens", "500", "0.000000125"),
        ("output_tokens", "200", "0.00001"),
        ("reasoning_tokens", "30", "0.00001"),
    )
    assert priced.price_version == f"{book.catalogue.price_list.version} openai/gpt-5"


def test_openai_flex_and_priority_are_priced_as_reported(book: PriceBook) -> None:
    # gpt-6-astra: 10 / 50; flex 5 / 25; priority (OpenAI now says fast) 20 / 100
    usage = Usage(input_tokens=1_000_000 // 4, output_tokens=1000)
    assert dollars(cost(book, "openai", "gpt-6-astra", usage)) == "2.55"
    assert dollars(cost(book, "openai", "gpt-6-astra", usage, service_tier="flex")) == "1.275"
    assert dollars(cost(book, "openai", "gpt-6-astra", usage, service_tier="priority")) == "5.1"
    assert dollars(cost(book, "openai", "gpt-6-astra", usage, service_tier="fast")) == "5.1"
    assert dollars(cost(book, "openai", "gpt-6-astra", usage, service_tier="batch")) == "1.275"


def test_a_long_context_multiplies_the_whole_request_beyond_the_threshold(book: PriceBook) -> None:
    # gpt-5.5: 5 in, 0.5 cached, 30 out; more than 272,000 input tokens: 10, 1 and 45 for all of them
    at_threshold = Usage(input_tokens=272_000, output_tokens=100)
    assert dollars(cost(book, "openai", "gpt-5.5", at_threshold)) == "1.363"
    beyond = Usage(input_tokens=172_001, cache_read_tokens=100_000, output_tokens=100)
    priced = cost(book, "openai", "gpt-5.5", beyond)
    assert dollars(priced) == "1.82451"
    assert priced.price_version.endswith("openai/gpt-5.5>272000")


def test_a_tier_without_long_context_prices_keeps_its_flat_ones(book: PriceBook) -> None:
    # gpt-5.4 priority: 5 in, 30 out at any length
    usage = Usage(input_tokens=300_000, output_tokens=1000)
    assert dollars(cost(book, "openai", "gpt-5.4", usage, service_tier="priority")) == "1.53"


def test_openai_cache_writes_cost_by_their_life(book: PriceBook) -> None:
    # gpt-6.1-terra: writes 1.25 for 30 minutes, 2.50 for 12 hours
    usage = Usage(cache_write_30m_tokens=10_000, cache_write_12h_tokens=10_000)
    assert dollars(cost(book, "openai", "gpt-6.1-terra", usage)) == "0.0375"


def test_openai_bills_searches_on_top_of_tokens(book: PriceBook) -> None:
    # gpt-5: web search 10 per thousand, file search 2.5 per thousand
    usage = Usage(input_tokens=1000, units={"web_searches": "3", "file_searches": "2"})
    assert dollars(cost(book, "openai", "gpt-5", usage)) == "0.03625"


def test_openai_images_are_priced_by_their_tokens(book: PriceBook) -> None:
    # gpt-image-1.5: text in 5, image in 8, text out 10, image out 32; the count of images is information
    usage = Usage(input_tokens=50, input_image_tokens=300, output_image_tokens=4000, units={"images": "1"})
    priced = cost(book, "openai", "gpt-image-1.5", usage, endpoint=Endpoint.IMAGES)
    assert dollars(priced) == "0.13065"
    assert "images" not in {unit for unit, _, _ in priced.lines}


def test_openai_whisper_is_priced_by_the_second(book: PriceBook) -> None:
    # 0.36 an hour
    usage = Usage(units={"audio_seconds": "93.5"})
    assert dollars(cost(book, "openai", "whisper-1", usage, endpoint=Endpoint.TRANSCRIPTION)) == "0.00935"


def test_openai_speech_is_priced_by_the_character(book: PriceBook) -> None:
    # 15 per million characters
    usage = Usage(units={"characters": "1200"})
    assert dollars(cost(book, "openai", "tts-1", usage, endpoint=Endpoint.SPEECH)) == "0.018"


def test_azure_is_priced_by_the_model_served_and_never_by_the_deployment(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000, output_tokens=100)
    served = cost(book, "azure", "production-chat", usage, served="gpt-5-2025-08-07")
    assert dollars(served) == "0.00225"
    assert served.price_version.endswith("openai/gpt-5")
    misleading = cost(book, "azure", "gpt-4", usage, served="gpt-5-2025-08-07")
    assert dollars(misleading) == "0.00225"
    assert cost(book, "azure", "gpt-4", usage).state is CostState.UNPRICED


def test_azure_borrows_token_prices_but_neither_tiers_nor_tools(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000, output_tokens=100)
    assert dollars(cost(book, "azure", "d", usage, served="gpt-5", service_tier="default")) == "0.00225"
    assert cost(book, "azure", "d", usage, served="gpt-5", service_tier="priority").state is CostState.UNPRICED
    searched = Usage(input_tokens=1000, units={"web_searches": "1"})
    assert cost(book, "azure", "d", searched, served="gpt-5").state is CostState.UNPRICED
    assert cost(book, "azure", "d", usage, served="deepseek-chat").state is CostState.UNPRICED
    assert cost(book, "azure", "d", usage, served="gpt-5", region="eu").state is CostState.UNPRICED


def test_anthropic_prices_cache_lives_apart_and_searches_on_top(book: PriceBook) -> None:
    # claude-opus-4-8: 5 in, 6.25 and 10 write, 0.5 read, 25 out; web search 10 per thousand
    usage = Usage(
        input_tokens=100,
        cache_write_5m_tokens=1000,
        cache_write_1h_tokens=2000,
        cache_read_tokens=40_000,
        output_tokens=10,
        units={"web_searches": "2"},
    )
    # 500 + 6250 + 20000 + 20000 + 250 = 47,000 per million, and 0.02
    assert dollars(cost(book, "anthropic", "claude-opus-4-8", usage, service_tier="standard")) == "0.067"


def test_anthropic_in_the_us_costs_a_tenth_more_for_tokens_only(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, units={"web_searches": "1"})
    # claude-sonnet-4-6: 3 / 15: 0.0045 × 1.1 + 0.01
    assert dollars(cost(book, "anthropic", "claude-sonnet-4-6", usage, reported_region="global")) == "0.0145"
    in_us = cost(book, "anthropic", "claude-sonnet-4-6", usage, region="us", reported_region="us")
    assert dollars(in_us) == "0.01495"
    assert in_us.price_version.endswith("claude-sonnet-4-6@2026-03-13*1.1(us)")
    assert in_us.lines[0] == ("input_tokens", "1000", "0.0000033")


def test_anthropic_fast_mode_has_its_own_prices(book: PriceBook) -> None:
    # claude-opus-5: 5 / 25, fast 10 / 50
    usage = Usage(input_tokens=1000, output_tokens=100)
    assert dollars(cost(book, "anthropic", "claude-opus-5", usage, speed="standard")) == "0.0075"
    assert dollars(cost(book, "anthropic", "claude-opus-5", usage, speed="fast")) == "0.015"


def test_anthropic_priority_capacity_has_no_list_price(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000)
    assert cost(book, "anthropic", "claude-opus-5", usage, service_tier="priority").state is CostState.UNPRICED


def test_google_lists_audio_only_where_it_differs(book: PriceBook) -> None:
    # gemini-2.5-flash: 0.3 text and image, 1 audio, 2.5 out; gemini-3.5-flash: 1.5 for every modality
    usage = Usage(input_tokens=1000, input_audio_tokens=1000, input_image_tokens=1000, output_tokens=100)
    assert dollars(cost(book, "google", "models/gemini-2.5-flash", usage)) == "0.00185"
    assert dollars(cost(book, "google", "gemini-3.5-flash", usage)) == "0.0054"


def test_google_long_prompts_cost_more(book: PriceBook) -> None:
    # gemini-2.5-pro: 1.25 / 10 up to 200,000, then 2.5 / 15; thoughts are output
    usage = Usage(input_tokens=200_001, output_tokens=100, reasoning_tokens=900)
    assert dollars(cost(book, "google", "gemini-2.5-pro", usage)) == "0.5150025"


def test_a_price_announced_for_a_day_applies_from_that_day(book: PriceBook) -> None:
    # gemini-4-argon: 2 / 10 until 2026-11-30, 4 / 20 from 2026-12-01, UTC
    usage = Usage(input_tokens=1_000_000)
    before = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    after = datetime(2026, 12, 1, tzinfo=UTC)
    assert dollars(cost(book, "google", "gemini-4-argon", usage, at=before)) == "2"
    assert dollars(cost(book, "google", "gemini-4-argon", usage, at=after)) == "4"
    assert dollars(cost(book, "google", "gemini-4-argon", usage, at=before)) == "2"
    assert dollars(cost(book, "google", "gemini-4-argon", usage, at=before, service_tier="batch")) == "1"
    assert dollars(cost(book, "google", "gemini-4-argon", usage, at=after, service_tier="batch")) == "2"


def test_an_old_attempt_is_priced_as_it_was(book: PriceBook) -> None:
    # o3: 10 / 40 until 2025-06-09, then 2 / 8
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert dollars(cost(book, "openai", "o3", usage, at=datetime(2025, 6, 9, tzinfo=UTC))) == "0.05"
    assert dollars(cost(book, "openai", "o3", usage, at=datetime(2025, 6, 10, tzinfo=UTC))) == "0.01"


def test_mistral_bills_audio_by_time_and_regions_a_tenth_more(book: PriceBook) -> None:
    # voxtral-small: 0.1 / 0.4 and 0.24 an hour of audio; the audio tokens it also states are not billed
    usage = Usage(input_tokens=100, input_audio_tokens=375, output_tokens=50, units={"audio_seconds": "30"})
    assert dollars(cost(book, "mistral", "voxtral-small-2507", usage)) == "0.00203"
    # mistral-large-2512: 0.5 / 1.5
    text = Usage(input_tokens=1000, output_tokens=100)
    assert dollars(cost(book, "mistral", "mistral-large-2512", text, region="eu")) == "0.000715"


def test_mistral_document_pages(book: PriceBook) -> None:
    # mistral-ocr-4-1: 4 per thousand pages
    assert dollars(cost(book, "mistral", "mistral-ocr-4-1", Usage(units={"pages": "12"}))) == "0.048"


def test_groq_bills_at_least_ten_seconds_of_audio(book: PriceBook) -> None:
    # whisper-large-v3-turbo: 0.04 an hour: 10 s = 0.000111111111…
    short = cost(book, "groq", "whisper-large-v3-turbo", Usage(units={"audio_seconds": "2.5"}))
    assert dollars(short) == "0.000111111111"
    assert dollars(cost(book, "groq", "whisper-large-v3-turbo", Usage(units={"audio_seconds": "3600"}))) == "0.04"


def test_groq_flex_costs_what_on_demand_costs(book: PriceBook) -> None:
    usage = Usage(input_tokens=1_000_000)
    assert dollars(cost(book, "groq", "openai/gpt-oss-120b", usage, service_tier="on_demand")) == "0.15"
    assert dollars(cost(book, "groq", "openai/gpt-oss-120b", usage, service_tier="flex")) == "0.15"
    assert cost(book, "groq", "openai/gpt-oss-120b", usage, service_tier="performance").state is CostState.UNPRICED


def test_deepseek_is_dearer_in_the_working_hours_of_beijing(book: PriceBook) -> None:
    # deepseek-flash: 0.15 / 0.6; peak 0.3 / 1.2 at 01-04 and 06-10 UTC, Monday to Friday
    usage = Usage(input_tokens=1_000_000)
    assert dollars(cost(book, "deepseek", "deepseek-flash", usage, at=WORKDAY_NOON)) == "0.15"
    assert dollars(cost(book, "deepseek", "deepseek-flash", usage, at=WORKDAY_PEAK)) == "0.3"
    assert dollars(cost(book, "deepseek", "deepseek-flash", usage, at=WORKDAY_NOON)) == "0.15"
    assert dollars(cost(book, "deepseek", "deepseek-flash", usage, at=SATURDAY_PEAK)) == "0.15"
    peak_ends = datetime(2026, 11, 25, 4, tzinfo=UTC)
    assert dollars(cost(book, "deepseek", "deepseek-flash", usage, at=peak_ends)) == "0.15"


def test_xai_long_prompts_begin_at_two_hundred_thousand(book: PriceBook) -> None:
    # grok-4.6: 2 / 6 below 200,000 prompt tokens, 4 / 12 from there
    assert dollars(cost(book, "xai", "grok-4.6", Usage(input_tokens=199_999))) == "0.399998"
    assert dollars(cost(book, "xai", "grok-4.6", Usage(input_tokens=200_000))) == "0.8"
    assert dollars(cost(book, "xai", "grok-4.6", Usage(input_tokens=1000), region="us")) == "0.0022"


def test_together_regions_cost_a_quarter_more(book: PriceBook) -> None:
    # zai-org/GLM-5.2: 1.4 / 4.4
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert dollars(cost(book, "together", "zai-org/GLM-5.2", usage)) == "0.0058"
    assert dollars(cost(book, "together", "zai-org/GLM-5.2", usage, region="ca")) == "0.00725"


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("fireworks", "accounts/fireworks/models/kimi-k3", "0.0045"),  # 3 / 15
        ("cerebras", "gpt-oss-120b", "0.000425"),  # 0.35 / 0.75
        ("cohere", "command-a-03-2025", "0.0035"),  # 2.5 / 10
        ("openrouter", "anthropic/claude-opus-4.5", "0.0075"),  # 5 / 25
    ],
)
def test_other_providers_at_their_list_prices(book: PriceBook, provider: str, model: str, expected: str) -> None:
    assert dollars(cost(book, provider, model, Usage(input_tokens=1000, output_tokens=100))) == expected


def test_a_fee_per_request_is_added_once(book: PriceBook) -> None:
    # sonar: 1 / 1, and 12 per thousand requests
    assert dollars(cost(book, "perplexity", "sonar", Usage(input_tokens=100, output_tokens=100))) == "0.0122"


# -- what is known, and what is not -------------------------------------------------------------------------------


def test_the_providers_own_figure_is_booked_and_the_computed_one_kept_beside_it(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000, output_tokens=100)
    priced = cost(book, "openrouter", "openai/gpt-5", usage, provider_cost="0.00231")
    assert (priced.state, dollars(priced)) == (CostState.REPORTED, "0.00231")
    assert priced.computed_pico == 2_250_000_000
    assert priced.lines


def test_the_providers_own_figure_is_booked_without_usage_or_price(book: PriceBook) -> None:
    no_usage = cost(book, "xai", "grok-x", Usage(), source=UsageSource.NONE, provider_cost="0.0001724")
    assert (no_usage.state, dollars(no_usage), no_usage.computed_pico) == (CostState.REPORTED, "0.0001724", None)
    no_price = cost(book, "xai", "grok-x", Usage(input_tokens=5), provider_cost="0")
    assert (no_price.state, no_price.pico) == (CostState.REPORTED, 0)


@pytest.mark.parametrize("nonsense", ["NaN", "-1", "Infinity", "1e99", "one", "99999999999", ""])
def test_a_figure_that_is_none_is_not_booked(book: PriceBook, nonsense: str) -> None:
    priced = cost(book, "openrouter", "openai/gpt-5", Usage(input_tokens=1000), provider_cost=nonsense)
    assert (priced.state, dollars(priced)) == (CostState.PRICED, "0.00125")


def test_no_usage_is_unknown_and_not_zero(book: PriceBook) -> None:
    priced = cost(book, "openai", "gpt-5", Usage(), source=UsageSource.NONE)
    assert (priced.state, priced.pico) == (CostState.UNKNOWN, None)


def test_no_price_is_unpriced_and_not_zero(book: PriceBook) -> None:
    for provider, model in (("openai", "gpt-9"), ("vllm", "llama"), ("nobody", "gpt-5"), ("openai", "")):
        priced = cost(book, provider, model, Usage(input_tokens=1))
        assert (priced.state, priced.pico) == (CostState.UNPRICED, None)


def test_a_part_without_a_price_makes_the_whole_unpriced_and_the_lines_say_which(book: PriceBook) -> None:
    # gpt-4o-audio-preview lists text prices only; its audio costs sixteen times as much
    usage = Usage(input_tokens=10, input_audio_tokens=20)
    priced = cost(book, "openai", "gpt-4o-audio-preview", usage)
    assert (priced.state, priced.pico) == (CostState.UNPRICED, None)
    assert priced.lines == (("input_tokens", "10", "0.0000025"), ("input_audio_tokens", "20", ""))


def test_a_long_cache_life_without_a_price_is_not_priced_as_a_short_one(book: PriceBook) -> None:
    usage = Usage(cache_write_12h_tokens=10)
    assert cost(book, "openai", "gpt-5.6-sol", usage).state is CostState.UNPRICED
    # gpt-5 lists no price for writing at all: writing is free, and the tokens are input
    assert dollars(cost(book, "openai", "gpt-5", usage)) == "0.0000125"


def test_a_tier_without_a_price_is_unpriced(book: PriceBook) -> None:
    for tier in ("ultrafast", "scale", "flex"):
        assert cost(book, "openai", "gpt-4.1", Usage(input_tokens=1), service_tier=tier).state is CostState.UNPRICED


def test_a_unit_without_a_price_is_unpriced_unless_tokens_measure_it(book: PriceBook) -> None:
    searched = Usage(input_tokens=1, units={"x_searches": "1"})
    assert cost(book, "xai", "grok-4.6", searched).state is CostState.UNPRICED
    assert cost(book, "openai", "dall-e-3", Usage(units={"images": "1"})).state is CostState.UNPRICED
    assert cost(book, "openai", "gpt-5", Usage(units={"images": "1"})).state is CostState.UNPRICED
    broken = Usage(input_tokens=1, units={"web_searches": "many"})
    assert cost(book, "openai", "gpt-5", broken).state is CostState.UNPRICED


@pytest.mark.parametrize("source", [UsageSource.ESTIMATED, UsageSource.PROVIDER_PARTIAL])
def test_uncertain_usage_gives_an_estimated_cost(book: PriceBook, source: UsageSource) -> None:
    usage = Usage(input_tokens=1000)
    priced = cost(book, "openai", "gpt-5", usage, source=source)
    assert (priced.state, dollars(priced)) == (CostState.ESTIMATED, "0.00125")
    assert cost(book, "openai", "gpt-9", usage, source=source).state is CostState.UNPRICED


@pytest.mark.parametrize(
    "endpoint", [Endpoint.MODELS, Endpoint.COUNT_TOKENS, Endpoint.MODERATIONS, Endpoint.RESPONSE_STATE]
)
def test_what_nobody_bills_is_free(book: PriceBook, endpoint: Endpoint) -> None:
    assert cost(book, "openai", "gpt-5", Usage(input_tokens=9), endpoint=endpoint) == FREE


def test_the_sandbox_is_free(book: PriceBook) -> None:
    assert cost(book, "sandbox", "sandbox/echo", Usage(input_tokens=9)) == FREE


def test_models_that_are_free_of_charge_cost_nothing_and_say_why(book: PriceBook) -> None:
    for provider, model in (("google", "gemma-3-27b-it"), ("openrouter", "allenai/molmo-7b-d:free")):
        priced = cost(book, provider, model, Usage(input_tokens=9, output_tokens=1))
        assert (priced.state, priced.pico) == (CostState.PRICED, 0)
        assert priced.lines[0] == ("input_tokens", "9", "0")
    # The source has an empty price here too, and the model is not free
    assert cost(book, "cerebras", "qwen-3-coder-480b", Usage(input_tokens=9)).state is CostState.UNPRICED


def test_a_cost_beyond_sixty_four_bits_is_not_booked(book: PriceBook) -> None:
    priced = cost(book, "openai", "gpt-5", Usage(input_tokens=2**62))
    assert (priced.state, priced.pico) == (CostState.UNPRICED, None)
    assert priced.lines


# -- names --------------------------------------------------------------------------------------------------------


def test_a_fine_tuned_model_never_gets_its_base_models_price(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000)
    for model in (
        "ft:gpt-4.1-2025-04-14:acme::abc",
        "ft:gpt-4.1-mini-2025-04-14:acme::abc",
        "ft:o4-mini-2025-04-16:acme::abc",
        "ft:gpt-4-0613:acme::abc",
        "ft:gpt-9:acme::abc",
    ):
        assert cost(book, "openai", model, usage).state is CostState.UNPRICED, model
        assert cost(book, "openai", model, usage, served="gpt-4.1-2025-04-14").state is CostState.UNPRICED, model
    assert cost(book, "openai", "gpt-4.1", usage, served="gpt-4.1-2025-04-14.ft-0123").state is CostState.UNPRICED
    assert cost(book, "azure", "d", usage, served="o4-mini-2025-04-16.ft-0123").state is CostState.UNPRICED
    assert cost(book, "google", "tunedModels/my-gemini-1.5-flash", usage).state is CostState.UNPRICED
    assert cost(book, "mistral", "ft:mistral-large-latest:acme:1", usage).state is CostState.UNPRICED


def test_a_fine_tuned_model_with_a_tariff_of_its_own_has_that_price(book: PriceBook) -> None:
    # 3.75 and 0.3 in
    usage = Usage(input_tokens=1000)
    assert dollars(cost(book, "openai", "ft:gpt-4o-2024-08-06:acme::abc", usage)) == "0.00375"
    assert dollars(cost(book, "azure", "d", usage, served="gpt-4o-mini-2024-07-18.ft-0123")) == "0.0003"


def test_the_model_served_goes_before_the_one_asked_for(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000)
    # gpt-4o-2024-05-13 is 5, gpt-4o is 2.5
    assert dollars(cost(book, "openai", "gpt-4o", usage, served="gpt-4o-2024-05-13")) == "0.005"
    # A new snapshot that is not listed yet is priced by the alias that was asked for
    assert dollars(cost(book, "openai", "gpt-5", usage, served="gpt-5-2027-01-01")) == "0.00125"
    assert dollars(cost(book, "mistral", "mistral-large-latest", usage, served="mistral-large-2701")) == "0.002"
    # ... but another model is another model
    assert cost(book, "openai", "gpt-5", usage, served="gpt-9").state is CostState.UNPRICED


def test_a_speech_model_is_not_taken_for_its_text_sibling(book: PriceBook) -> None:
    usage = Usage(input_tokens=1_000_000)
    assert dollars(cost(book, "google", "gemini-2.5-pro", usage)) == "2.5"
    assert dollars(cost(book, "google", "gemini-2.5-pro-preview-tts", usage)) == "1"


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("gpt-5.4-2026-03-05", "1.1"),
        ("gpt-5.4-mini", "1.1"),
        ("gpt-6.1-sol", "1.1"),
        ("gpt-5", "1"),
        ("gpt-5-mini", "1"),
        ("gpt-5.3-codex", "1"),
        ("gpt-4.1", "1"),
        ("o3", "1"),
        ("text-embedding-3-small", "1"),
        ("gpt-realtime-2.1", "1.1"),
    ],
)
def test_openai_regions_cost_more_for_models_released_since_march_2026(
    book: PriceBook, model: str, factor: str
) -> None:
    usage = Usage(input_tokens=1000)
    worldwide, regional = cost(book, "openai", model, usage), cost(book, "openai", model, usage, region="eu")
    assert worldwide.pico is not None
    assert regional.pico == worldwide.pico * Decimal(factor)


def test_a_region_nobody_told_the_price_of_is_unpriced(book: PriceBook) -> None:
    usage = Usage(input_tokens=1000)
    assert cost(book, "mistral", "mistral-large-2512", usage, region="asia").state is CostState.UNPRICED
    assert cost(book, "groq", "openai/gpt-oss-120b", usage, region="asia").state is CostState.PRICED


# -- one's own prices ---------------------------------------------------------------------------------------------


def override(**changes: Any) -> Override:
    contract = Override(
        id="price_1",
        organization_id="org_1",
        provider="openai",
        model="gpt-5*",
        currency="USD",
        prices={"input_tokens": "0.000001", "output_tokens": "0.000008"},
        valid_from=0,
        valid_to=None,
    )
    return msgspec.structs.replace(contract, **changes)


USAGE = Usage(input_tokens=1000, cache_read_tokens=1000, output_tokens=100)


def test_ones_own_price_replaces_the_list_price_for_that_organization_only(book: PriceBook) -> None:
    own = book.with_overrides([override()])
    priced = cost(own, "openai", "gpt-5", USAGE)
    # Cached input has no price in the contract: it is input. 2000 × 1 + 100 × 8
    assert (dollars(priced), priced.price_version) == ("0.0028", "override/price_1")
    listed = cost(book, "openai", "gpt-5", USAGE)
    assert cost(own, "openai", "gpt-5", USAGE, organization_id="org_2") == listed
    assert cost(own, "openai", "gpt-4.1", USAGE).price_version.endswith("openai/gpt-4.1")
    assert cost(own.with_overrides([]), "openai", "gpt-5", USAGE) == listed


def test_a_self_hosted_model_gets_the_operators_tariff(book: PriceBook) -> None:
    tariff = override(
        provider="vllm",
        model="meta-llama/*",
        currency="EUR",
        prices={"input_tokens": "0.0000002", "output_tokens": "0.0000004", "requests": "0.0001"},
    )
    usage = Usage(input_tokens=1000, input_audio_tokens=1000, output_tokens=500)
    priced = cost(book.with_overrides([tariff]), "vllm", "meta-llama/Llama-4", usage)
    assert (dollars(priced), priced.currency, priced.state) == ("0.0007", "EUR", CostState.PRICED)


def test_an_override_matches_a_deployment_or_the_model_behind_it_in_any_case(book: PriceBook) -> None:
    for pattern in ("Production-Chat", "GPT-5*"):
        own = book.with_overrides([override(provider="azure", model=pattern)])
        assert dollars(cost(own, "azure", "production-chat", USAGE, served="gpt-5")) == "0.0028"


def test_an_override_counts_from_its_beginning_up_to_its_end(book: PriceBook) -> None:
    begin, end = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    own = book.with_overrides([override(valid_from=micros(begin), valid_to=micros(end))])
    listed = dollars(cost(book, "openai", "gpt-5", USAGE))
    for at, expected in (
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), listed),
        (begin, "0.0028"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "0.0028"),
        (end, listed),
        (begin, "0.0028"),
    ):
        assert dollars(cost(own, "openai", "gpt-5", USAGE, at=at)) == expected


def test_of_several_overrides_the_most_exact_counts_then_the_latest(book: PriceBook) -> None:
    broad = override(id="price_1", model="*", prices={"input_tokens": "1", "output_tokens": "1"})
    family = override(id="price_2", model="gpt-5*", prices={"input_tokens": "2", "output_tokens": "2"})
    exact = override(id="price_3", model="gpt-5", prices={"input_tokens": "3", "output_tokens": "3"})
    later = override(id="price_4", model="gpt-5", valid_from=5, prices={"input_tokens": "4", "output_tokens": "4"})
    one = Usage(input_tokens=1)
    for known, expected in (([broad], "1"), ([broad, family], "2"), ([exact, family], "3"), ([later, exact], "4")):
        assert dollars(cost(book.with_overrides(known), "openai", "gpt-5", one)) == expected


def test_an_override_covers_a_service_tier_only_with_prices_for_it(book: PriceBook) -> None:
    plain = book.with_overrides([override()])
    assert cost(plain, "openai", "gpt-5", USAGE, service_tier="flex").state is CostState.UNPRICED
    prices = {"input_tokens": "0.000001", "output_tokens": "0.000008", "flex.output_tokens": "0.000004"}
    tiered = book.with_overrides([override(prices=prices)])
    priced = cost(tiered, "openai", "gpt-5", USAGE, service_tier="flex")
    assert (dollars(priced), priced.price_version) == ("0.0024", "override/price_1+flex")


def test_an_override_is_not_multiplied_by_region_or_context(book: PriceBook) -> None:
    own = book.with_overrides([override(model="gpt-5.5")])
    usage = Usage(input_tokens=300_000)
    assert dollars(cost(own, "openai", "gpt-5.5", usage, region="eu")) == "0.3"


def test_the_providers_own_figure_goes_before_an_override_and_currencies_do_not_mix(book: PriceBook) -> None:
    own = book.with_overrides([override(provider="openrouter", model="*", currency="EUR")])
    priced = cost(own, "openrouter", "openai/gpt-5", USAGE, provider_cost="0.01")
    assert (priced.state, dollars(priced), priced.currency) == (CostState.REPORTED, "0.01", "USD")
    assert priced.computed_pico is None


def test_googles_embeddings_are_older_than_its_regional_surcharge(book: PriceBook) -> None:
    usage = Usage(input_tokens=1_000_000)
    for region in ("global", "europe-west4"):
        assert dollars(cost(book, "vertex", "gemini-embedding-001", usage, region=region)) == "0.15"
