"""Costs are exact, additive and monotone, whatever the usage."""

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.money import PICO_PER_UNIT
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState, Endpoint
from keystead.domain.usage import COUNTS, Reading, Usage, UsageSource
from keystead.metering.price_book import Override, PriceBook
from keystead.metering.prices import load_snapshot
from keystead.metering.pricing import cost_of
from keystead.metering.tariff import span_around

BOOK: Final = load_snapshot()
AT: Final = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000

FLAT: Final = "0.000000123456789012"
"""A price with all eighteen decimals that an override may have."""

OWN: Final = BOOK.with_overrides(
    [
        Override(
            id="price_1",
            organization_id="org_1",
            provider="vllm",
            model="*",
            currency="USD",
            prices=dict.fromkeys(COUNTS, FLAT),
            valid_from=0,
            valid_to=None,
        )
    ]
)

counts = st.dictionaries(st.sampled_from(COUNTS), st.integers(0, 10**7), max_size=6)
listed = st.sampled_from(
    [
        (provider, pattern)
        for provider, models in BOOK.catalogue.price_list.providers.items()
        for model in models
        for pattern in model.match
        if not set(pattern) & set("*?[")
    ]
)
# A shared machine stalls for longer than Hypothesis allows an example.
untimed = settings(deadline=None)
regions = st.sampled_from(["", "us", "eu"])
tiers = st.sampled_from(["", "flex", "priority", "batch"])


def used(counts: dict[str, int]) -> Usage:
    return msgspec.convert(counts, Usage)


def cost(
    book: PriceBook, provider: str, model: str, usage: Usage, *, region: str = "", tier: str = "", at: int = AT
) -> Cost:
    return cost_of(
        book,
        organization_id="org_1",
        provider=provider,
        endpoint=Endpoint.CHAT,
        model_sent=model,
        region=region,
        at=at,
        reading=Reading(usage=usage, source=UsageSource.PROVIDER, model=model, service_tier=tier),
    )


@untimed
@given(listed, counts, regions, tiers)
def test_the_lines_give_the_cost_to_half_a_pico(
    of: tuple[str, str], usage: dict[str, int], region: str, tier: str
) -> None:
    priced = cost(BOOK, *of, used(usage), region=region, tier=tier)
    if priced.state is CostState.UNPRICED:
        assert priced.pico is None
        return
    exact = sum((Fraction(count) * Fraction(price) for _, count, price in priced.lines), Fraction(0))
    assert priced.pico is not None
    assert abs(exact * PICO_PER_UNIT - priced.pico) <= Fraction(1, 2)
    assert {unit: int(count) for unit, count, _ in priced.lines if unit in COUNTS} == {
        name: count for name, count in usage.items() if count
    }


@untimed
@given(counts, counts)
def test_costs_add_up_within_a_pico(one: dict[str, int], other: dict[str, int]) -> None:
    both = {name: one.get(name, 0) + other.get(name, 0) for name in COUNTS}
    parts = [cost(OWN, "vllm", "m", used(usage)).pico for usage in (one, other)]
    total = cost(OWN, "vllm", "m", used(both)).pico
    assert total is not None
    assert abs(total - sum(part for part in parts if part is not None)) <= 1
    with localcontext(prec=60):
        assert abs(Decimal(total).scaleb(-12) - Decimal(FLAT) * sum(both.values())) <= Decimal("5E-13")


@untimed
@given(listed, counts, st.sampled_from(COUNTS), st.integers(1, 10**6))
def test_more_usage_never_costs_less(of: tuple[str, str], usage: dict[str, int], name: str, more: int) -> None:
    less = cost(BOOK, *of, used(usage)).pico
    greater = cost(BOOK, *of, used(usage | {name: usage.get(name, 0) + more})).pico
    assert less is None or greater is None or greater >= less


@untimed
@given(listed, counts, st.integers(AT - 10**15, AT + 10**14))
def test_a_remembered_tariff_gives_what_a_new_book_gives(of: tuple[str, str], usage: dict[str, int], at: int) -> None:
    fresh = BOOK.with_overrides([])
    assert cost(BOOK, *of, used(usage), at=at) == cost(fresh, *of, used(usage), at=at)


@untimed
@given(st.sampled_from(["deepseek-chat", "deepseek-flash", "deepseek-v4-pro"]), st.integers(AT - 10**15, AT + 10**14))
def test_nothing_changes_within_the_span_of_a_tariff(model: str, at: int) -> None:
    found = BOOK.catalogue.find("deepseek", model)
    assert found is not None
    begin, end = span_around(found.model.rows, at)
    assert begin <= at < end
    usage = Usage(input_tokens=1000, output_tokens=10)
    fresh = BOOK.with_overrides([])
    for moment in (max(begin, at - 10**13), at, min(end - 1, at + 10**13)):
        assert cost(fresh, "deepseek", model, usage, at=moment) == cost(fresh, "deepseek", model, usage, at=at)
        fresh = BOOK.with_overrides([])


@untimed
@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_name_raises(model: str, units: str, tier: str, region: str) -> None:
    for provider in ("openai", "azure", "google", "vllm"):
        usage = Usage(input_tokens=1, units={"web_searches": units})
        priced = cost(BOOK, provider, model, usage, region=region, tier=tier)
        assert priced.state in {CostState.UNPRICED, CostState.PRICED}


def test_the_memo_is_bounded() -> None:
    book = BOOK.with_overrides([])
    for number in range(5000):
        cost(book, "openai", f"unknown-{number}", Usage(input_tokens=1))
    assert len(book._tariffs) <= 4096
