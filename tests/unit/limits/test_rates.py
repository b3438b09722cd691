"""Rate limits of one process: who is under which, what is refused, and in which words."""

from typing import Final

import pytest

from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.means import Measure, RateLimit, ScopeKind
from keystead.domain.traffic import Dialect
from keystead.limits.rates import RateLimitedError, RateRules, Rates
from keystead.limits.scopes import Spender
from tests.fakes.clock import FakeClock

SPENDER: Final = Spender(
    organization_id=OrganizationId("org_1"),
    team_ids=(TeamId("team_1"),),
    principal_kind="service_account",
    principal_id="sa_1",
    virtual_key_id=VirtualKeyId("vk_1"),
)


def limit(
    measure: Measure, most: int, name: str = "", scope: tuple[ScopeKind, str] = ("organization", "org_1")
) -> RateLimit:
    return RateLimit(
        id=f"lim_{name or measure}",
        organization_id=OrganizationId("org_1"),
        name=name or measure,
        scope_kind=scope[0],
        scope_id=scope[1],
        measure=measure,
        most=most,
    )


async def refusal(
    rates: Rates, clock: FakeClock, *limits: RateLimit, tokens: int = 1, dialect: Dialect | None = None
) -> RateLimitedError:
    with pytest.raises(RateLimitedError) as refused:
        await rates.admit(limits, cost_tokens=tokens, now_us=clock.now_us(), dialect=dialect)
    return refused.value


async def let_through(rates: Rates, clock: FakeClock, *limits: RateLimit, tries: int, tokens: int = 1) -> int:
    admitted = 0
    for _ in range(tries):
        try:
            await rates.admit(limits, cost_tokens=tokens, now_us=clock.now_us())
        except RateLimitedError:
            continue
        admitted += 1
    return admitted


def test_a_request_is_under_every_limit_about_it() -> None:
    rules = RateRules(
        [
            limit("requests_per_minute", 1, "all"),
            limit("requests_per_minute", 1, "key", ("virtual_key", "vk_1")),
            limit("requests_per_minute", 1, "other key", ("virtual_key", "vk_2")),
            limit("tokens_per_minute", 1, "model", ("model", "gpt-5*")),
            limit("requests_per_minute", 1, "member", ("member", "sa_1")),
        ]
    )
    found = rules.concerning(SPENDER, CredentialId("cred_1"), "gpt-5-mini")
    assert [each.name for each in found] == ["all", "key", "model"]


async def test_without_a_limit_everything_passes_and_done_does_nothing(clock: FakeClock) -> None:
    rates = Rates(clock=clock)
    admission = await rates.admit([limit("max_output_tokens", 1)], cost_tokens=10, now_us=clock.now_us())
    assert admission.demands == ()
    await rates.done(admission, tokens=10)


async def test_one_process_counts_exactly_and_begins_again_after_a_minute(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("requests_per_minute", 5)
    assert await let_through(rates, clock, rule, tries=9) == 5
    clock.advance(59)
    assert await let_through(rates, clock, rule, tries=9) == 0
    clock.advance(6)
    assert await let_through(rates, clock, rule, tries=9) == 5


@pytest.mark.parametrize(("most", "processes", "share"), [(10, 4, 2), (3, 4, 1), (10, 0, 10), (8, 2, 4)])
async def test_each_of_several_processes_takes_its_share_and_at_least_one(
    clock: FakeClock, most: int, processes: int, share: int
) -> None:
    rates = Rates(clock=clock, processes=lambda: processes)
    assert await let_through(rates, clock, limit("requests_per_minute", most), tries=20) == share


async def test_a_slot_comes_back_once_however_often_it_is_said(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("concurrent_requests", 2)
    first = await rates.admit([rule], cost_tokens=1, now_us=clock.now_us())
    assert await let_through(rates, clock, rule, tries=5) == 1
    await rates.done(first, tokens=0)
    await rates.done(first, tokens=0)
    assert await let_through(rates, clock, rule, tries=5) == 1


async def test_a_long_stream_keeps_its_slot_as_long_as_it_is_renewed(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("concurrent_requests", 1)
    await rates.admit([rule], cost_tokens=1, now_us=clock.now_us())
    for _ in range(20):
        clock.advance(15)
        await rates.renew()
        assert await let_through(rates, clock, rule, tries=1) == 0


async def test_tokens_are_estimated_before_and_true_afterwards(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("tokens_per_minute", 100)
    admission = await rates.admit([rule], cost_tokens=60, now_us=clock.now_us())
    assert (await refusal(rates, clock, rule, tokens=41)).code == "rate_limited"
    await rates.done(admission, tokens=10)
    assert await let_through(rates, clock, rule, tries=3, tokens=45) == 2


async def test_tokens_of_a_request_that_came_to_nothing_are_given_back(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("tokens_per_minute", 100)
    for _ in range(5):
        admission = await rates.admit([rule], cost_tokens=100, now_us=clock.now_us())
        await rates.done(admission, tokens=0)


async def test_requests_stay_counted_when_they_are_done(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("requests_per_minute", 1)
    admission = await rates.admit([rule], cost_tokens=1, now_us=clock.now_us())
    await rates.done(admission, tokens=0)
    assert await let_through(rates, clock, rule, tries=1) == 0


async def test_what_one_limit_refuses_is_not_counted_in_another(clock: FakeClock) -> None:
    rates = Rates(clock=clock)
    wide, narrow = limit("requests_per_minute", 10, "wide"), limit("requests_per_minute", 1, "narrow")
    assert await let_through(rates, clock, wide, narrow, tries=9) == 1
    assert await let_through(rates, clock, wide, tries=20) == 9


async def test_a_refusal_says_which_limit_and_how_long_to_wait(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("requests_per_minute", 1, "night batch")
    await let_through(rates, clock, rule, tries=1)
    error = await refusal(rates, clock, rule)
    assert (error.status, error.code) == (429, "rate_limited")
    assert "'night batch'" in error.message
    assert 60 <= int(error.headers["retry-after"]) <= 65
    clock.advance(int(error.headers["retry-after"]))
    assert await let_through(rates, clock, rule, tries=1) == 1


async def test_the_limit_that_waits_longest_is_the_one_that_is_named(clock: FakeClock) -> None:
    rates = Rates(clock=clock)
    slow, streams = limit("requests_per_minute", 1), limit("concurrent_requests", 1)
    await let_through(rates, clock, slow, streams, tries=1)
    assert "requests_per_minute" in (await refusal(rates, clock, slow, streams)).message


async def test_a_request_larger_than_the_limit_is_not_told_to_wait(clock: FakeClock) -> None:
    error = await refusal(Rates(clock=clock), clock, limit("tokens_per_minute", 100), tokens=101)
    assert error.code == "rate_limit_too_small"
    assert "retry-after" not in error.headers
    assert "101" in error.message


async def test_each_sdk_reads_the_limit_in_its_own_headers(clock: FakeClock) -> None:
    rates, rule = Rates(clock=clock), limit("tokens_per_minute", 100)
    await let_through(rates, clock, rule, tries=1, tokens=70)
    openai = (await refusal(rates, clock, rule, tokens=40, dialect=Dialect.OPENAI)).headers
    assert openai["x-ratelimit-limit-tokens"] == "100"
    assert openai["x-ratelimit-remaining-tokens"] == "30"
    assert openai["x-ratelimit-reset-tokens"] == f"{openai['retry-after']}s"
    anthropic = (await refusal(rates, clock, rule, tokens=40, dialect=Dialect.ANTHROPIC)).headers
    assert anthropic["anthropic-ratelimit-tokens-limit"] == "100"
    assert anthropic["anthropic-ratelimit-tokens-remaining"] == "30"
    assert anthropic["anthropic-ratelimit-tokens-reset"].startswith("2026-01-01T00:01:")
    assert (await refusal(rates, clock, rule, tokens=40, dialect=Dialect.GEMINI)).headers.keys() == {"retry-after"}
