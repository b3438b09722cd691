"""No usage within what a request can ask for costs more than its ceiling, whatever its answer turns out to say."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keystead.dialects.asked import A_FORM, Asked
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import INPUT_COUNTS, OUTPUT_COUNTS, Reading, Usage, UsageSource
from keystead.metering.ceiling import DEFAULT_CONTEXT, HIDDEN_TOKENS, HIDDEN_TOOL_TOKENS, Ceiling, ceiling_of
from keystead.metering.most_output import RULES, most_output
from keystead.metering.price_book import Override, PriceBook
from keystead.metering.prices import load_snapshot
from keystead.metering.pricing import cost_of

BOOK: Final = load_snapshot()
AT: Final = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000
TEXT_COUNTS: Final = tuple(
    name for name in INPUT_COUNTS if name.endswith("_tokens") and not {"audio", "image", "video"} & set(name.split("_"))
)

LISTED: Final = tuple(
    (provider, pattern)
    for provider, models in BOOK.catalogue.price_list.providers.items()
    for model in models
    for pattern in model.match
    if not set(pattern) & set("*?[")
)
TEXT_ENDPOINTS: Final = (Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MESSAGES, Endpoint.GENERATE)


def override(model: str, prices: dict[str, str], *, name: str = "1", currency: str = "USD") -> Override:
    return Override(
        id=f"price_{name}",
        organization_id="org_1",
        provider="openai",
        model=model,
        currency=currency,
        prices=prices,
        valid_from=0,
        valid_to=None,
    )


def ceiling(
    provider: str,
    model: str,
    asked: Asked = Asked(max_output_tokens=100),  # noqa: B008 - immutable
    *,
    book: PriceBook = BOOK,
    endpoint: Endpoint = Endpoint.CHAT,
    body_bytes: int = 1_000,
    region: str = "",
) -> Ceiling:
    return ceiling_of(
        book,
        organization_id="org_1",
        provider=provider,
        endpoint=endpoint,
        model=model,
        region=region,
        at=AT,
        body_bytes=body_bytes,
        asked=asked,
    )


@st.composite
def shares(draw: st.DrawFn, names: tuple[str, ...], most: int) -> dict[str, int]:
    """Split some or all of `most` over some of `names`."""
    left = most if draw(st.booleans()) else draw(st.integers(0, most))
    split = {}
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)):
        split[name] = left if draw(st.booleans()) else draw(st.integers(0, left))
        left -= split[name]
    return split


asks = st.builds(
    Asked,
    max_output_tokens=st.none() | st.integers(1, 200_000),
    n=st.integers(1, 3),
    media=st.booleans(),
    rounds=st.sampled_from([1, 1, 3]),
    tools=st.booleans(),
    fast=st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.sampled_from(LISTED), asks, st.integers(2, 3_000_000), st.sampled_from(["", "us", "eu"]))
def test_no_usage_within_the_bounds_costs_more(
    data: st.DataObject, of: tuple[str, str], asked: Asked, body_bytes: int, region: str
) -> None:
    provider, model = of
    most = ceiling(provider, model, asked, body_bytes=body_bytes, region=region)
    kinds = INPUT_COUNTS if asked.media or asked.rounds > 1 else TEXT_COUNTS
    counts = data.draw(shares(kinds, most.input_tokens_most)) | data.draw(
        shares(OUTPUT_COUNTS, most.output_tokens_most)
    )
    units = {"web_searches": str(asked.rounds)} if asked.rounds > 1 and data.draw(st.booleans()) else {}
    tiers = ["default", "flex", "priority", "batch"]
    reading = Reading(
        usage=msgspec.convert({**counts, "units": units}, Usage),
        source=UsageSource.PROVIDER,
        model=data.draw(st.sampled_from([None, model, *BOOK.snapshots_of("org_1", provider, model)])),
        service_tier=data.draw(st.sampled_from(tiers)),
        region=data.draw(st.sampled_from([None, "us"])) if provider == "anthropic" else None,
        speed="fast" if asked.fast and data.draw(st.booleans()) else None,
    )
    cost = cost_of(
        BOOK,
        organization_id="org_1",
        provider=provider,
        endpoint=Endpoint.CHAT,
        model_sent=model,
        region=region,
        at=AT,
        reading=reading,
    )
    if cost.pico is not None and most.pico is not None and most.pico < MAX_PICO:
        assert cost.pico <= most.pico


def corner(of: tuple[str, str], most: Ceiling, kinds: tuple[str, str], *, tier: str, region: str | None) -> int:
    """Return the cost of an answer that fills both bounds, each with one kind of tokens; 0 if it has no price."""
    counts = {kinds[0]: most.input_tokens_most, kinds[1]: most.output_tokens_most}
    reading = Reading(
        usage=msgspec.convert(counts, Usage), source=UsageSource.PROVIDER, service_tier=tier, region=region
    )
    cost = cost_of(
        BOOK,
        organization_id="org_1",
        provider=of[0],
        endpoint=Endpoint.CHAT,
        model_sent=of[1],
        region="",
        at=AT,
        reading=reading,
    )
    return cost.pico or 0


@pytest.mark.parametrize("provider", ["anthropic", "google", "openai", "xai"])
@pytest.mark.parametrize("body_bytes", [1_000, 900_000])
def test_the_ceiling_is_the_dearest_corner_of_the_bounds_and_not_more(provider: str, body_bytes: int) -> None:
    for model in {model for owner, model in LISTED if owner == provider}:
        most = ceiling(provider, model, body_bytes=body_bytes)
        of_its_own = not BOOK.snapshots_of("org_1", provider, model.removesuffix("-latest"))
        if most.pico is None or not of_its_own or "search" in model:
            continue
        corners = [
            corner((provider, model), most, (read, written), tier=tier, region=region)
            for read in TEXT_COUNTS
            for written in OUTPUT_COUNTS
            for tier in BOOK.tiers_of("org_1", provider, [model]) - {"fast"}
            for region in ([None, "us"] if provider == "anthropic" else [None])
        ]
        # Half a pico of rounding, and the two dearest prices may belong to different tiers.
        assert max(corners) <= most.pico + 1 <= 1.01 * max(corners) + 1, model


@settings(deadline=None)
@given(st.sampled_from(LISTED), asks, st.integers(0, 10**6), st.integers(0, 10**6))
@example(("openai", "gpt-4o"), Asked(), 10, 10)
def test_a_longer_body_never_lowers_the_ceiling(of: tuple[str, str], asked: Asked, shorter: int, more: int) -> None:
    low, high = (ceiling(*of, asked, body_bytes=size).pico for size in (shorter, shorter + more))
    assert (low is None) == (high is None)
    if low is not None and high is not None:
        assert low <= high


def test_most_listed_models_have_a_ceiling_for_text() -> None:
    known = [of for of in LISTED if ceiling(*of).pico is not None]
    assert len(known) > 0.85 * len(LISTED)


def test_text_is_bounded_by_its_bytes_and_output_by_what_is_asked_for() -> None:
    most = ceiling("openai", "gpt-4o", Asked(max_output_tokens=100, n=3), body_bytes=1_000)
    assert most.input_tokens_most == 1_000 + HIDDEN_TOKENS
    assert most.output_tokens_most == 300
    assert "bytes of the body" in most.basis
    assert "openai/gpt-4o" in most.basis


def test_a_request_with_tools_has_room_for_what_the_provider_adds() -> None:
    assert ceiling("openai", "gpt-4o", Asked(tools=True)).input_tokens_most == 1_000 + HIDDEN_TOOL_TOKENS


def test_images_and_stored_conversations_are_bounded_by_the_context_window() -> None:
    assert ceiling("openai", "gpt-4o", Asked(media=True)).input_tokens_most == 134_400
    assert ceiling("openai", "gpt-4o", Asked(rounds=10)).input_tokens_most == 1_344_000
    assert ceiling("openai", "unheard-of", Asked(media=True)).input_tokens_most == DEFAULT_CONTEXT


def test_a_window_smaller_than_the_prices_speak_of_is_not_believed() -> None:
    # Claude Sonnet 4.5 is listed with 200,000 tokens, and with prices for more than 200,000.
    assert ceiling("anthropic", "claude-sonnet-4-5", Asked(media=True)).input_tokens_most == DEFAULT_CONTEXT


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "gpt-4o", 16_384),
        ("openai", "gpt-5", 128_000),
        ("openai", "gpt-5-pro", 272_000),
        ("azure", "o3-mini", 100_000),
        ("google", "models/gemini-2.5-pro", 65_536),
        ("openai", "gpt-3.5-turbo", None),
        ("groq", "gpt-4o", None),
    ],
)
def test_an_answer_without_a_limit_is_as_long_as_the_model_can_write(
    provider: str, model: str, tokens: int | None
) -> None:
    assert most_output(provider, model) == tokens
    if tokens is not None:
        assert ceiling(provider, model, Asked()).output_tokens_most == tokens


def test_every_output_limit_has_a_source() -> None:
    assert all(rule.source.startswith("https://") for rule in RULES)


def test_a_limit_beyond_the_window_counts_as_the_window() -> None:
    assert ceiling("openai", "gpt-4o", Asked(max_output_tokens=2**31 - 1)).output_tokens_most == 134_400


def test_an_absurd_request_is_the_largest_amount_and_not_an_overflow() -> None:
    most = ceiling("openai", "gpt-4o", Asked(max_output_tokens=2**31 - 1, n=2**31 - 1))
    assert most.pico == MAX_PICO


@pytest.mark.parametrize("endpoint", [Endpoint.MODELS, Endpoint.COUNT_TOKENS, Endpoint.MODERATIONS])
def test_what_is_free_has_a_ceiling_of_zero(endpoint: Endpoint) -> None:
    assert ceiling("openai", "gpt-4o", endpoint=endpoint).pico == 0
    assert ceiling("sandbox", "echo").pico == 0


@pytest.mark.parametrize(
    ("provider", "model", "region"),
    [("openai", "unheard-of", ""), ("openai", "ft:gpt-4o:own", "xx"), ("mistral", "mistral-large-latest", "xx")],
)
def test_a_model_or_region_without_a_price_has_no_ceiling(provider: str, model: str, region: str) -> None:
    assert ceiling(provider, model, region=region).pico is None


def test_an_override_that_prices_only_input_gives_no_ceiling_for_text_and_one_for_embeddings() -> None:
    book = BOOK.with_overrides([override("own", {"input_tokens": "0.001"})])
    assert ceiling("openai", "own", book=book).pico is None
    embedded = ceiling("openai", "own", book=book, endpoint=Endpoint.EMBEDDINGS, body_bytes=1_000)
    assert embedded.pico == (1_000 + HIDDEN_TOKENS) * PICO_PER_UNIT // 1_000
    assert embedded.output_tokens_most == 0


def test_an_override_is_the_whole_truth_and_exact() -> None:
    book = BOOK.with_overrides([override("gpt-4o", {"input_tokens": "0", "output_tokens": "1"}, currency="EUR")])
    most = ceiling("openai", "gpt-4o", Asked(max_output_tokens=10), book=book)
    assert (most.pico, most.currency) == (10 * PICO_PER_UNIT, "EUR")


def test_the_dearest_tier_of_an_override_counts() -> None:
    prices = {"input_tokens": "0", "output_tokens": "1", "priority.output_tokens": "3"}
    book = BOOK.with_overrides([override("gpt-4o", prices)])
    assert ceiling("openai", "gpt-4o", Asked(max_output_tokens=10), book=book).pico == 30 * PICO_PER_UNIT


def test_a_dearer_snapshot_of_an_alias_counts() -> None:
    cheap, dear = {"input_tokens": "0", "output_tokens": "1"}, {"input_tokens": "0", "output_tokens": "5"}
    book = BOOK.with_overrides([override("house", cheap), override("house-2026-01-01", dear, name="2")])
    assert ceiling("openai", "house", Asked(max_output_tokens=10), book=book).pico == 50 * PICO_PER_UNIT
    assert ceiling("openai", "house-2026-01-01", Asked(max_output_tokens=10), book=book).pico == 50 * PICO_PER_UNIT


def test_the_fast_mode_counts_only_where_it_is_asked_for() -> None:
    usual = ceiling("anthropic", "claude-opus-4-8").pico
    fast = ceiling("anthropic", "claude-opus-4-8", Asked(max_output_tokens=100, fast=True)).pico
    assert usual is not None
    assert fast is not None
    assert fast > usual


def test_a_recording_is_bounded_by_its_bytes() -> None:
    most = ceiling("openai", "whisper-1", A_FORM, endpoint=Endpoint.TRANSCRIPTION, body_bytes=3_000_000)
    reading = Reading(usage=Usage(units={"audio_seconds": "6000"}), source=UsageSource.PROVIDER, model="whisper-1")
    cost = cost_of(
        BOOK,
        organization_id="org_1",
        provider="openai",
        endpoint=Endpoint.TRANSCRIPTION,
        model_sent="whisper-1",
        region="",
        at=AT,
        reading=reading,
    )
    assert cost.state is CostState.PRICED
    assert cost.pico is not None
    assert most.pico is not None
    assert cost.pico <= most.pico < 2 * cost.pico


def test_speech_is_bounded_by_the_characters_of_its_body() -> None:
    most = ceiling("openai", "tts-1", Asked(), endpoint=Endpoint.SPEECH, body_bytes=2_000)
    price = Decimal("0.000015")
    assert most.pico == int(2_000 * price * PICO_PER_UNIT)


def test_what_is_remembered_ends_with_the_prices_it_comes_from() -> None:
    later = msgspec.structs.replace(override("gpt-4o", {"input_tokens": "0", "output_tokens": "1"}), valid_from=AT)
    book = BOOK.with_overrides([later])

    def at(instant: int) -> int | None:
        return ceiling_of(
            book,
            organization_id="org_1",
            provider="openai",
            endpoint=Endpoint.CHAT,
            model="gpt-4o",
            region="",
            at=instant,
            body_bytes=100,
            asked=Asked(max_output_tokens=10),
        ).pico

    before = at(AT - 1)
    assert at(AT) == 10 * PICO_PER_UNIT
    assert before != at(AT)
    assert at(AT - 1) == before
