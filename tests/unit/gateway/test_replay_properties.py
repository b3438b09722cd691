"""Whatever was asked, under whatever rules: what a replay says is what a gateway does."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.traffic import ErrorClass
from keystead.gateway.rules import Rules
from keystead.metering.recorded import Recorded
from tests.fakes.clock import START_US
from tests.fakes.replays import CONSENT, DOWN, HOUR, MOST, OWN, POOL, ROUTE, SECOND, SPARE, replayed, simulation
from tests.fakes.traffic import (
    Asking,
    Traffic,
    budget,
    rate_limit,
    rules,
)

gaps = st.sampled_from([1, 5_000, SECOND, 20 * SECOND, 700 * SECOND, 7 * HOUR])
asked_once = st.builds(
    Asking,
    at=st.just(0),
    model=st.sampled_from(["own/gpt-5", "spare/gpt-5", "coding", "none/gpt-5", "gpt-4o"]),
    body_bytes=st.sampled_from([40, 400, 4_000]),
    max_output_tokens=st.sampled_from([None, 50, 500]),
    said=st.sampled_from(["", "internal", "restricted"]),
    lasts_us=st.sampled_from([1, SECOND, 90 * SECOND, 2 * HOUR]),
    output_tokens=st.sampled_from([0, 50, 700]),
    failing=st.sampled_from([{}, DOWN]),
)
budgets = st.builds(
    budget,
    st.integers(min_value=0, max_value=4 * MOST),
    period=st.sampled_from(["day", "week", "month"]),
    scope_kind=st.just("organization"),
) | st.builds(
    budget,
    st.integers(min_value=0, max_value=4 * MOST),
    id=st.just("bud_2"),
    period=st.just("rolling"),
    rolling_hours=st.integers(min_value=1, max_value=30),
    scope_kind=st.just("model"),
    scope_id=st.sampled_from(["gpt-5", "*mini*"]),
)
limits = (
    st.builds(rate_limit, st.just("requests_per_minute"), st.integers(min_value=1, max_value=4))
    | st.builds(rate_limit, st.just("tokens_per_minute"), st.sampled_from([20, 200, 2_000]))
    | st.builds(rate_limit, st.just("concurrent_requests"), st.integers(min_value=1, max_value=2))
    | st.builds(rate_limit, st.just("max_output_tokens"), st.sampled_from([50, 400]))
)
policies = st.fixed_dictionaries(
    {
        "budgets": st.lists(budgets, max_size=2, unique_by=lambda one: one.id),
        "limits": st.lists(limits, max_size=2, unique_by=lambda one: one.id),
        "consents": st.sampled_from([(), (CONSENT,)]),
        "time_zone": st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns"]),
    }
)


@st.composite
def traffic(draw: st.DrawFn, *, wrong: bool) -> list[Asking]:
    """Requests, with `wrong` also such that a provider refuses: what those would cost elsewhere nobody knows."""
    at, asked = START_US, []
    for one, gap in draw(st.lists(st.tuples(asked_once, gaps), min_size=1, max_size=14)):
        at += gap
        refused = {"failing": {"own": ErrorClass.INVALID_REQUEST}} if wrong and draw(st.booleans()) else {}
        asked.append(msgspec.structs.replace(one, at=at, **refused))
    return asked


def under(policy: Any) -> Rules:
    return rules(OWN, SPARE, POOL, routes=[ROUTE], prepaid_account="acc_1", **policy)


@given(policy=policies, asked=traffic(wrong=True))
@settings(max_examples=60, deadline=None)
async def test_under_the_rules_of_then_everything_becomes_what_it_became(policy: Any, asked: list[Asking]) -> None:
    found = simulation(under(policy), under(policy))
    changes = await replayed(found, await Traffic(under(policy)).record(*asked))
    assert {change.kind for change in changes} == {"same"}
    assert all(change.paid_today == change.paid_other for change in changes)
    assert found.otherwise_recorded == 0


@given(policy=policies, asked=traffic(wrong=False))
@settings(max_examples=60, deadline=None)
async def test_what_stricter_rules_would_have_refused_is_what_they_do_refuse(policy: Any, asked: list[Asking]) -> None:
    lenient = rules(OWN, SPARE, POOL, routes=[ROUTE], consents=[CONSENT], prepaid_account="acc_1")
    policy["consents"] = (CONSENT,)
    records = await Traffic(lenient).record(*asked)
    really = await Traffic(under(policy)).record(*asked)
    changes = await replayed(simulation(lenient, under(policy)), records)
    told = {record.id for record, change in zip(records, changes, strict=True) if change.kind == "refused_now"}
    assert told == {now.id for then, now in zip(records, really, strict=True) if fate(now) < fate(then)}


def fate(recorded: Recorded) -> int:
    """Refused, refused by a provider, answered."""
    return 0 if not recorded.tried else 1 + recorded.tried[-1].answered
