"""Which budgets an attempt is counted in, what is held, and what is posted."""

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import Consent, Reason
from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.means import CREDITS, Budget, Hold, ScopeKind, UnpricedPolicy
from keystead.domain.money import MAX_PICO
from keystead.domain.records import FREE, Cost
from keystead.domain.traffic import CostState
from keystead.limits.holds import (
    MOST_HELD,
    BudgetRules,
    consent_holds,
    credit_hold,
    holds_for,
    posts_for,
)
from keystead.limits.periods import HOUR_US
from keystead.limits.scopes import Spender

NOW: Final = 1_795_608_000_000_000
ORGANIZATION: Final = OrganizationId("org_1")
SPENDER: Final = Spender(
    organization_id=ORGANIZATION,
    team_ids=(TeamId("team_leaf"), TeamId("team_root")),
    principal_kind="member",
    principal_id="member_1",
    virtual_key_id=VirtualKeyId("vk_1"),
)


def budget(
    name: str = "monthly",
    *,
    scope: tuple[ScopeKind, str] = ("organization", ORGANIZATION),
    owner: str = ORGANIZATION,
    limit: int = 1_000,
    currency: str = "USD",
    hard: bool = True,
    unpriced: UnpricedPolicy = "refuse",
    unpriced_hold: int = 0,
    ends_at: int | None = None,
) -> Budget:
    return Budget(
        id=f"budget_{name}",
        organization_id=OrganizationId(owner),
        name=name,
        scope_kind=scope[0],
        scope_id=scope[1],
        period="month",
        rolling_hours=0,
        limit_pico=limit,
        currency=currency,
        hard=hard,
        alert_percent=80,
        unpriced=unpriced,
        unpriced_hold_pico=unpriced_hold,
        ends_at=ends_at,
    )


CONSENT: Final = Consent(
    id="consent_1",
    organization_id=ORGANIZATION,
    team_ids=None,
    models=None,
    data_classes=("public",),
    reasons=(Reason.DOWN,),
    daily_cap_pico=500,
    monthly_cap_pico=5_000,
    created_by="member_1",
    expires_at=NOW + HOUR_US,
)


def held(
    *budgets: Budget, most: int | None = 10, currency: str = "USD", charged: int | None = None
) -> tuple[Hold, ...]:
    return holds_for(
        budgets, ceiling_pico=most, currency=currency, now_us=NOW, time_zone="Europe/Berlin", credits_pico=charged
    )


def test_an_attempt_is_counted_in_every_budget_about_it_the_widest_first() -> None:
    rules = BudgetRules(
        [
            budget("model", scope=("model", "GPT-5*")),
            budget("credential", scope=("credential", "cred_1")),
            budget("key", scope=("virtual_key", "vk_1")),
            budget("member", scope=("member", "member_1")),
            budget("leaf", scope=("team", "team_leaf")),
            budget("root", scope=("team", "team_root")),
            budget("all"),
            budget("all too"),
        ]
    )
    found = rules.concerning(SPENDER, CredentialId("cred_1"), "gpt-5-mini")
    assert [each.name for each in found] == ["all", "all too", "root", "leaf", "member", "key", "credential", "model"]


@pytest.mark.parametrize(
    "other",
    [
        budget(scope=("team", "team_other")),
        budget(scope=("member", "member_2")),
        budget(scope=("service_account", "member_1")),
        budget(scope=("virtual_key", "vk_2")),
        budget(scope=("credential", "cred_2")),
        budget(scope=("model", "gpt-4*")),
        budget(scope=("organization", "org_2"), owner="org_2"),
        budget(scope=("credential", "cred_1"), owner="org_2"),
        budget(scope=("model", "*"), owner="org_2"),
    ],
)
def test_a_budget_about_somebody_or_something_else_does_not_count_it(other: Budget) -> None:
    assert BudgetRules([other]).concerning(SPENDER, CredentialId("cred_1"), "gpt-5") == ()


def test_a_hard_budget_holds_the_most_against_its_limit_in_the_period_of_its_time_zone() -> None:
    (hold,) = held(budget())
    assert (hold.amount, hold.limit, hold.on_unknown, hold.currency) == (10, 1_000, 10, "USD")
    assert hold.bucket_at == hold.since_at
    assert hold.bucket_at % HOUR_US == 0
    assert hold.bucket_at <= NOW


def test_a_soft_budget_counts_and_has_no_limit() -> None:
    (hold,) = held(budget(hard=False))
    assert (hold.amount, hold.limit) == (10, None)


def test_a_budget_that_has_ended_holds_nothing_from_that_instant_on() -> None:
    assert held(budget(ends_at=NOW)) == ()
    assert len(held(budget(ends_at=NOW + 1))) == 1


@pytest.mark.parametrize("most", [10, None])
def test_a_price_in_another_currency_than_the_budgets_is_one_that_nobody_knows(most: int | None) -> None:
    with pytest.raises(PolicyDenied, match="in EUR") as refusal:
        held(budget("euro", currency="EUR"), most=most)
    assert refusal.value.code == "unpriced_refused"
    (hold,) = held(budget("euro", currency="EUR", unpriced="hold", unpriced_hold=70), most=most)
    assert (hold.amount, hold.on_unknown, hold.currency) == (70, 70, "EUR")
    assert held(budget("credits", currency=CREDITS)) == ()


def test_a_platform_attempt_counts_its_cost_in_money_and_its_charge_in_credits() -> None:
    holds = held(budget("dollar"), budget("credits", currency=CREDITS), most=10, charged=30)
    assert [(hold.name, hold.amount) for hold in holds] == [("dollar", 10), ("credits", 30)]
    cost = Cost(state=CostState.PRICED, pico=4)
    assert posts_for(holds, cost=cost, charge_pico=12) == (4, 12)


def test_an_unknown_price_is_refused_by_a_hard_budget_that_wants_it_known() -> None:
    with pytest.raises(PolicyDenied) as refusal:
        held(budget("strict"), most=None)
    assert refusal.value.code == "unpriced_refused"
    assert "strict" in refusal.value.message


@pytest.mark.parametrize(
    ("policy", "hard", "amount"),
    [("hold", True, 70), ("hold", False, 70), ("allow", True, 0), ("allow", False, 0), ("refuse", False, 0)],
)
def test_an_unknown_price_follows_the_budgets_policy(policy: UnpricedPolicy, hard: bool, amount: int) -> None:
    (hold,) = held(budget(hard=hard, unpriced=policy, unpriced_hold=70), most=None)
    assert (hold.amount, hold.on_unknown) == (amount, amount)


@given(st.integers(0, MAX_PICO), st.integers(1, 2**60), st.booleans())
def test_no_hold_can_overflow_a_counter_that_is_within_its_limit(most: int, limit: int, hard: bool) -> None:
    (hold,) = held(budget(limit=limit, hard=hard), most=most)
    assert hold.amount <= MOST_HELD
    assert limit + hold.amount <= MAX_PICO
    if hard:  # cut only where it is refused anyway
        assert hold.amount == most or hold.amount > limit


def test_a_consent_is_held_per_day_and_per_month_in_counters_of_its_own() -> None:
    day, month = consent_holds(CONSENT, 400, now_us=NOW, time_zone="Europe/Berlin")
    assert (day.amount, day.limit, day.on_unknown, day.kind) == (400, 500, 0, "consent")
    assert (month.amount, month.limit) == (400, 5_000)
    assert day.counter_id != month.counter_id
    assert month.bucket_at < day.bucket_at


def test_a_prepaid_account_is_held_without_a_limit_of_its_own_and_says_who_earns_it() -> None:
    hold = credit_hold("acct_1", 40, pays="acct_revenue")
    assert (hold.kind, hold.amount, hold.limit, hold.on_unknown, hold.pays) == ("credits", 40, None, 0, "acct_revenue")


def test_credits_are_refused_without_an_account_or_without_a_price() -> None:
    with pytest.raises(PolicyDenied, match="no credits") as no_account:
        credit_hold(None, 40, pays="acct_revenue")
    assert (no_account.value.code, no_account.value.status) == ("out_of_credits", 402)
    with pytest.raises(PolicyDenied) as no_price:
        credit_hold("acct_1", None, pays="acct_revenue")
    assert no_price.value.code == "unpriced_refused"


def test_a_budget_in_money_posts_the_true_cost_even_beyond_what_was_held() -> None:
    holds = held(budget())
    assert posts_for(holds, cost=Cost(state=CostState.REPORTED, pico=25), charge_pico=None) == (25,)


@pytest.mark.parametrize("state", [CostState.UNKNOWN, CostState.UNPRICED])
def test_what_nobody_knows_is_posted_as_it_was_held_in_money_and_not_at_all_in_credits(state: CostState) -> None:
    holds = (
        *held(budget(), budget("credits", currency=CREDITS), charged=30),
        *consent_holds(CONSENT, 30, now_us=NOW, time_zone="UTC"),
        credit_hold("acct_1", 30, pays="acct_revenue"),
    )
    assert posts_for(holds, cost=Cost(state=state), charge_pico=None) == (10, 0, 0, 0, 0)


def test_what_is_free_or_was_not_sent_posts_nothing() -> None:
    assert posts_for(held(budget()), cost=FREE, charge_pico=None) == (0,)


def test_a_cost_in_another_currency_than_was_held_posts_what_was_held() -> None:
    euros = Cost(state=CostState.PRICED, pico=9, currency="EUR")
    assert posts_for(held(budget(), most=50), cost=euros, charge_pico=None) == (50,)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_credits_never_post_more_than_was_held_and_every_book_in_credits_agrees(most: int, charge: int) -> None:
    holds = (
        *held(budget("credits", currency=CREDITS, limit=10**9), charged=most),
        *consent_holds(CONSENT, most, now_us=NOW, time_zone="UTC"),
        credit_hold("acct_1", most, pays="acct_revenue"),
    )
    posts = posts_for(holds, cost=Cost(state=CostState.PRICED, pico=1), charge_pico=charge)
    assert set(posts) == {min(most, charge)}


def test_a_hold_reads_back_from_the_record_as_it_was_written() -> None:
    holds = (*held(budget()), credit_hold("acct_1", 40, pays="acct_revenue"))
    assert msgspec.json.decode(msgspec.json.encode(holds), type=tuple[Hold, ...]) == holds
