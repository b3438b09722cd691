"""What would have become of recorded requests under other rules."""

from typing import Any, Final

import msgspec
import pytest

from keystead.domain.grants import DataClass, Requirement, Terms
from keystead.domain.records import Cost
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.traffic import CostState, ErrorClass
from keystead.gateway.replay.sums import MOST_GROUPS, OTHERS
from keystead.gateway.rules import Rules
from keystead.metering.outline import Outline
from tests.fakes.clock import START_US
from tests.fakes.replays import (
    CONSENT,
    COSTS_ONE,
    DOWN,
    HOUR,
    MOST,
    ONE,
    OWN,
    POOL,
    ROUTE,
    SECOND,
    SPARE,
    every,
    kinds,
    replayed,
    simulation,
)
from tests.fakes.traffic import (
    Asking,
    Traffic,
    budget,
    credential,
    grant,
    rate_limit,
    rules,
    virtual_key,
)

BY_TAGS: Final = grant("by-tags", effect="deny", condition='tags.project == "x"')

# --- Budgets -----------------------------------------------------------------------------------------------------------


async def test_a_hard_budget_refuses_by_the_most_a_request_can_cost() -> None:
    today, other = rules(OWN), rules(OWN, budgets=[budget(MOST + ONE)])
    records = await Traffic(today).record(*every(10, 4))
    found = simulation(today, other)
    changes = await replayed(found, records)
    assert [change.kind for change in changes] == ["same", "same", "refused_now", "refused_now"]
    assert (changes[2].code, changes[2].other) == ("budget_exceeded", "The budget 'all' has no room for this request.")
    [finding] = found.findings.largest(10)
    assert (finding.sums.requests, finding.examples) == (2, ["req_3", "req_4"])
    assert (finding.sums.paid_today, finding.sums.paid_other) == ({"USD": 2 * ONE}, {})
    use = found.uses[OWN.id]
    assert (use.requests_today, use.requests_other) == (4, 2)
    assert (use.paid_today, use.paid_other) == ({"USD": 4 * ONE}, {"USD": 2 * ONE})


async def test_a_soft_budget_refuses_nothing() -> None:
    assert await kinds(rules(OWN), rules(OWN, budgets=[budget(1, hard=False)]), *every(10, 2)) == ["same", "same"]


async def test_what_runs_holds_what_it_can_cost() -> None:
    other = rules(OWN, budgets=[budget(2 * MOST)])
    at_once = every(0.001, 4, lasts_us=HOUR)
    assert await kinds(rules(OWN), other, *at_once) == ["same", "same", "refused_now", "refused_now"]
    assert await kinds(rules(OWN), other, *every(10, 4)) == ["same"] * 4


@pytest.mark.parametrize(("time_zone", "refused"), [("UTC", 17), ("Asia/Kathmandu", 12)])
async def test_a_day_begins_at_midnight_in_the_organizations_zone(time_zone: str, refused: int) -> None:
    other = rules(OWN, budgets=[budget(MOST + 6 * ONE)], time_zone=time_zone)
    found = await kinds(rules(OWN), other, *every(3_600, 24))
    assert found.count("refused_now") == refused


async def test_a_rolling_period_forgets_what_is_past() -> None:
    other = rules(OWN, budgets=[budget(MOST, period="rolling", rolling_hours=2)])
    found = await kinds(rules(OWN), other, *every(3_600, 7))
    assert found == ["same", "refused_now", "refused_now", "same", "refused_now", "refused_now", "same"]


async def test_what_was_spent_before_in_the_period_counts_and_is_not_told() -> None:
    today, other = rules(OWN), rules(OWN, budgets=[budget(MOST + 2 * ONE, period="week")])
    since = START_US + 30 * SECOND
    found = simulation(today, other, since=since)
    monday = START_US - 3 * 24 * HOUR
    assert found.begins_at() == monday
    changes = await replayed(found, await Traffic(today).record(*every(10, 6)))
    assert [change.kind for change in changes] == ["same", "same", "same", "refused_now", "refused_now", "refused_now"]
    assert {kind: sums.requests for kind, sums in found.totals.items()} == {"refused_now": 3}


def test_only_what_counts_is_read_from_before() -> None:
    since = START_US + 10 * 24 * HOUR + HOUR // 2
    by: list[tuple[Rules, int]] = [
        (rules(OWN), since),
        (rules(OWN, budgets=[budget(1, hard=False, period="month")]), since),
        (rules(OWN, budgets=[budget(1)]), START_US + 10 * 24 * HOUR),
        (rules(OWN, budgets=[budget(1, period="rolling", rolling_hours=50)]), START_US + (10 * 24 - 50) * HOUR),
        (rules(OWN, limits=[rate_limit("requests_per_minute", 1)]), since - HOUR),
        (rules(OWN, consents=[CONSENT]), START_US),
    ]
    for other, begins_at in by:
        assert simulation(rules(OWN), other, since=since).begins_at() == begins_at
        assert simulation(other, rules(OWN), since=since).begins_at() == begins_at


async def test_a_request_that_nobody_saw_end_holds_for_an_hour() -> None:
    [open_one, *later] = await Traffic(rules(OWN)).record(*every(1_900, 3))
    [tried] = open_one.tried
    unknown = msgspec.structs.replace(tried, finished_at=None, cost=Cost(state=CostState.UNKNOWN))
    open_one = msgspec.structs.replace(open_one, finished_at=None, tried=(unknown,))
    found = simulation(rules(OWN), rules(OWN, budgets=[budget(MOST + ONE)]))
    # What nobody knows the cost of is counted as what was held: it may have cost that.
    assert [change.kind for change in await replayed(found, [open_one, *later])] == [
        "same",
        "refused_now",
        "refused_now",
    ]


# --- Rates and lengths -------------------------------------------------------------------------------------------------


async def test_requests_per_minute_are_counted_as_the_gateway_counts_them() -> None:
    other = rules(OWN, limits=[rate_limit("requests_per_minute", 2)])
    found = await kinds(rules(OWN), other, *every(20, 8))
    assert found == ["same", "same", "refused_now", "refused_now", "same", "same", "refused_now", "refused_now"]


async def test_tokens_per_minute_are_corrected_when_a_request_has_ended() -> None:
    other = rules(OWN, limits=[rate_limit("tokens_per_minute", 260)])
    # 101 are taken for 400 bytes; 150 it was.
    assert await kinds(rules(OWN), other, *every(0.1, 3, lasts_us=SECOND)) == ["same", "same", "refused_now"]
    assert await kinds(rules(OWN), other, *every(5, 3, lasts_us=SECOND)) == ["same", "same", "refused_now"]
    assert await kinds(rules(OWN), other, *every(5, 3, lasts_us=SECOND, output_tokens=0)) == ["same"] * 2 + [
        "refused_now"
    ]
    assert await kinds(rules(OWN), other, *every(40, 3, lasts_us=SECOND)) == ["same"] * 3


async def test_a_long_answer_keeps_its_slot() -> None:
    other = rules(OWN, limits=[rate_limit("concurrent_requests", 1)])
    asked = every(600, 8, lasts_us=HOUR - SECOND)
    found = await kinds(rules(OWN), other, *asked)
    assert found == ["same", *["refused_now"] * 5, "same", "refused_now"]


async def test_a_refused_request_takes_no_slot() -> None:
    other = rules(OWN, limits=[rate_limit("concurrent_requests", 1)], budgets=[budget(MOST)])
    asked = [*every(1, 1, lasts_us=SECOND // 2), *[Asking(at=START_US + n * HOUR, lasts_us=HOUR * 2) for n in (1, 2)]]
    found = simulation(rules(OWN), other)
    changes = await replayed(found, await Traffic(rules(OWN)).record(*asked))
    assert [change.code for change in changes] == ["", "budget_exceeded", "budget_exceeded"]


async def test_the_longest_answer_is_limited_by_what_was_asked_for() -> None:
    other = rules(OWN, limits=[rate_limit("max_output_tokens", 100)])
    asked = [Asking(at=START_US + n, max_output_tokens=most) for n, most in enumerate([100, 101, None])]
    assert await kinds(rules(OWN), other, *asked) == ["same", "refused_now", "refused_now"]


# --- Grants, classes, keys ---------------------------------------------------------------------------------------------


async def test_a_new_deny_is_told_by_its_grant() -> None:
    today, other = rules(OWN), rules(OWN, grants=[grant(), grant("no", effect="deny", models=("gpt-5",), note="no!")])
    found = simulation(today, other)
    [change] = await replayed(found, await Traffic(today).record(COSTS_ONE))
    assert (change.kind, change.code, change.other) == ("refused_now", "not_granted", "Denied by grant grt_no (no!).")
    assert change.today == "Credential own, model gpt-5. Allowed by grant grt_all."


async def test_a_condition_sees_the_hour_of_the_request_in_the_zone_of_each_side() -> None:
    nights = [grant(), grant("nights", effect="deny", condition="hour < 6")]
    found = await kinds(rules(OWN), rules(OWN, grants=nights, time_zone="Europe/Berlin"), *every(1_800, 24))
    assert found == ["refused_now"] * 10 + ["same"] * 14


async def test_a_condition_sees_the_very_instant() -> None:
    until = [grant(condition='time < timestamp("2026-01-01T00:00:02.5Z")')]
    assert await kinds(rules(OWN), rules(OWN, grants=until), *every(1, 5)) == ["same"] * 3 + ["refused_now"] * 2


async def test_what_has_expired_or_ended_had_not_when_the_request_came() -> None:
    other = rules(OWN, grants=[grant(expires_at=START_US + 90 * SECOND)])
    assert await kinds(rules(OWN), other, *every(60, 3)) == ["same", "same", "refused_now"]
    ending = credential("own", terms=Terms(no_training=True, ends_at=START_US + 90 * SECOND))
    asked = every(60, 3, said="confidential")
    found = await kinds(rules(credential("own", terms=Terms(no_training=True))), rules(ending), *asked)
    assert found == ["same", "same", "refused_now"]


async def test_a_class_that_a_team_no_longer_has_lowers_what_nobody_else_raised() -> None:
    guarded = rules(OWN, team_class="confidential")
    asked = [COSTS_ONE, Asking(at=START_US + 1, said="confidential")]
    found = simulation(guarded, rules(OWN))
    changes = await replayed(found, await Traffic(guarded).record(*asked))
    assert [change.kind for change in changes] == ["allowed_now", "same"]
    assert "no training on the data" in changes[0].today
    assert changes[0].at_most == {"USD": MOST}
    assert changes[0].paid_other == {}


async def test_a_class_that_is_gone_is_refused_to_who_names_it() -> None:
    patient = DataClass(name="patient", rank=150, requirement=Requirement())
    found = await kinds(rules(OWN, classes=[patient]), rules(OWN), Asking(at=START_US, said="patient"))
    assert found == ["refused_now"]


async def test_a_key_that_the_document_withdraws_may_do_nothing_and_one_that_was_revoked_since_could() -> None:
    today = rules(OWN)
    records = await Traffic(today).record(COSTS_ONE)
    revoked = virtual_key(revoked_at=START_US + HOUR)
    assert [one.kind for one in await replayed(simulation(today, today, revoked), records)] == ["same"]
    [change] = await replayed(simulation(today, today, withdrawn=["vk_key"]), records)
    assert (change.kind, change.code) == ("refused_now", "key_revoked")


async def test_a_key_stays_as_narrow_as_it_is() -> None:
    narrowed = virtual_key(models=("gpt-4o",), networks=("10.0.0.0/8",), credential_ids=(OWN.id,))
    records = await Traffic(rules(OWN), narrowed).record(COSTS_ONE, Asking(at=START_US + 1, model="gpt-4o"))
    elsewhere = msgspec.structs.replace(records[0], error_code="network_not_allowed")
    found = simulation(rules(OWN), rules(OWN, SPARE, grants=[grant("own", credential_ids=(SPARE.id,))]), narrowed)
    changes = await replayed(found, [*records, elsewhere])
    assert [change.kind for change in changes] == ["same", "refused_now", "same"]


# --- What nobody can say -----------------------------------------------------------------------------------------------

APOLLO: Final = {"project": "apollo"}


async def test_without_tags_a_condition_over_tags_is_decided() -> None:
    denies = rules(
        OWN, grants=[grant(), grant("no", effect="deny", condition='has(tags.project) && tags.project == "x"')]
    )
    assert await kinds(rules(OWN), denies, *every(1, 2)) == ["same", "same"]


async def test_where_tags_decide_and_nobody_knows_them_nobody_can_say() -> None:
    denies = rules(OWN, grants=[grant(), BY_TAGS])
    found = simulation(rules(OWN), denies)
    [change] = await replayed(found, await Traffic(rules(OWN)).record(Asking(at=START_US, tags=APOLLO)))
    assert (change.kind, change.code) == ("undecidable", "tags_unknown")
    assert change.other == 'Its tags decide, which are not recorded: `tags.project == "x"`.'
    assert change.paid_today == change.paid_other == {"USD": ONE}


async def test_a_condition_that_both_sides_have_came_to_what_was_decided() -> None:
    by_tags = [grant("by-tags", condition='tags.project == "apollo"')]
    today = rules(OWN, SPARE, grants=by_tags)
    asked = [
        Asking(at=START_US, model="own/gpt-5", tags=APOLLO),
        Asking(at=START_US + 1, model="own/gpt-5", tags={"a": "b"}),
    ]
    other = rules(OWN, SPARE, grants=[*by_tags, grant("no", effect="deny", models=("gpt-4*",))])
    assert await kinds(today, other, *asked) == ["same", "same"]
    narrower = rules(OWN, SPARE, grants=[grant("by-tags", condition='tags.project == "apollo"', models=("gpt-4*",))])
    assert await kinds(today, narrower, *asked) == ["refused_now", "same"]
    wider = rules(OWN, SPARE, grants=[*by_tags, grant()])
    assert await kinds(today, wider, *asked) == ["same", "allowed_now"]


async def test_what_tags_may_have_changed_on_both_sides_alike_is_the_same() -> None:
    by_tags = [grant(), grant("no", effect="deny", credential_ids=(OWN.id,), condition='tags.project == "x"')]
    today = rules(OWN, SPARE, routes=[ROUTE], grants=by_tags)
    asked = Asking(at=START_US, model="coding", tags=APOLLO, failing=DOWN)
    other = rules(OWN, SPARE, routes=[ROUTE], grants=[*by_tags, grant("no-4", effect="deny", models=("gpt-4*",))])
    [recorded] = await Traffic(rules(OWN, SPARE, routes=[ROUTE])).record(asked)
    served = msgspec.structs.replace(recorded, tried=recorded.tried[1:])  # by the spare one: was the first denied?
    assert [change.kind for change in await replayed(simulation(today, other), [served])] == ["same"]


async def test_what_tags_do_not_change_is_decided() -> None:
    other = rules(OWN, grants=[grant(), BY_TAGS, grant("no", effect="deny")])
    assert await kinds(rules(OWN), other, Asking(at=START_US, tags=APOLLO)) == ["refused_now"]


async def test_more_conditions_over_tags_than_are_tried_out_are_undecidable() -> None:
    many = [grant(), *(grant(f"t{n}", effect="deny", condition=f'tags.a == "{n}"') for n in range(5))]
    assert await kinds(rules(OWN), rules(OWN, grants=many), Asking(at=START_US, tags=APOLLO)) == ["undecidable"]


async def test_what_nobody_can_say_counts_as_it_was() -> None:
    by_tags = grant("by-tags", effect="deny", condition='has(tags.project) && tags.project == "x"')
    other = rules(OWN, grants=[grant(), by_tags], budgets=[budget(MOST + ONE)])
    asked = [Asking(at=START_US, tags=APOLLO), *every(10, 3)[1:]]
    assert await kinds(rules(OWN), other, *asked) == ["undecidable", "same", "refused_now"]


async def test_what_nobody_can_say_takes_its_place_in_the_minute() -> None:
    by_tags = grant("by-tags", effect="deny", condition='has(tags.project) && tags.project == "x"')
    other = rules(OWN, grants=[grant(), by_tags], limits=[rate_limit("requests_per_minute", 1)])
    asked = [*every(1, 2, tags=APOLLO), *every(1, 3)[2:], Asking(at=START_US + HOUR)]
    assert await kinds(rules(OWN), other, *asked) == ["undecidable", "undecidable", "refused_now", "same"]


async def test_what_was_recorded_without_an_outline_is_undecidable() -> None:
    [recorded] = await Traffic(rules(OWN)).record(COSTS_ONE)
    bare = msgspec.structs.replace(recorded, outline=None)
    [change] = await replayed(simulation(rules(OWN), rules(OWN)), [bare])
    assert (change.kind, change.code) == ("undecidable", "not_recorded")


@pytest.mark.parametrize(
    ("code", "other", "kind"),
    [
        ("invalid_request", rules(OWN), "same"),
        ("network_not_allowed", rules(OWN), "same"),
        ("blocked_content", rules(OWN), "undecidable"),
        ("unknown_data_class", rules(OWN), "same"),
        (
            "unknown_data_class",
            rules(OWN, classes=[DataClass(name="a", rank=1, requirement=Requirement())]),
            "undecidable",
        ),
        ("no_consent", rules(OWN), "same"),
        ("no_consent", rules(OWN, consents=[CONSENT]), "undecidable"),
    ],
)
async def test_what_the_rules_did_not_refuse_stays_refused_or_is_undecidable(
    code: str, other: Rules, kind: str
) -> None:
    refused = rules(OWN, grants=[grant(models=("gpt-4o",))])
    [recorded] = await Traffic(refused).record(COSTS_ONE)
    recorded = msgspec.structs.replace(recorded, error_code=code)
    [change] = await replayed(simulation(rules(OWN), other, differ=True), [recorded])
    assert change.kind == kind


async def test_a_refused_request_about_a_stored_response_is_undecidable() -> None:
    refused = rules(OWN, grants=[grant(models=("gpt-4o",))])
    [recorded] = await Traffic(refused).record(COSTS_ONE)
    stored = msgspec.structs.replace(recorded, outline=Outline(body_bytes=1, stored=True))
    unseen = msgspec.structs.replace(recorded, outline=Outline(body_bytes=1, found=None))
    changes = await replayed(simulation(refused, rules(OWN)), [stored, unseen])
    assert [change.code for change in changes] == ["credential_unknown", "content_unknown"]


async def test_a_follow_up_stays_with_the_credential_that_it_follows() -> None:
    today = rules(OWN, SPARE)
    [recorded] = await Traffic(today).record(Asking(at=START_US, model="spare/gpt-5"))
    stored = msgspec.structs.replace(recorded, model="gpt-5", outline=Outline(body_bytes=1, stored=True))
    gone = rules(OWN)
    changes = await replayed(simulation(today, gone), [stored])
    assert [(change.kind, change.code) for change in changes] == [("refused_now", "holder_unavailable")]
    assert [change.kind for change in await replayed(simulation(today, today), [stored])] == ["same"]


# --- Other credentials -------------------------------------------------------------------------------------------------


def route(*attempts: RouteAttempt, **more: Any) -> ModelRoute:
    return msgspec.structs.replace(ROUTE, attempts=attempts, **more)


TO_OWN, TO_SPARE = (
    RouteAttempt(model="gpt-5", credential_id=OWN.id),
    RouteAttempt(model="gpt-5", credential_id=SPARE.id),
)
TO_MINI: Final = RouteAttempt(model="gpt-5-mini", credential_id=SPARE.id)
CODING: Final = Asking(at=START_US, model="coding")


async def test_another_first_attempt_is_another_credential_at_its_price() -> None:
    today, other = (rules(OWN, SPARE, routes=[route(first)]) for first in (TO_OWN, TO_MINI))
    found = simulation(today, other)
    [change] = await replayed(found, await Traffic(today).record(CODING))
    assert change.kind == "other_credential"
    assert change.other == "Credential spare, model gpt-5-mini. Allowed by grant grt_all."
    assert (change.paid_today, change.paid_other) == ({"USD": ONE}, {"USD": ONE // 5})
    assert (found.uses[OWN.id].requests_other, found.uses[SPARE.id].requests_other) == (0, 1)


async def test_another_model_is_paid_as_itself_whatever_the_answer_called_itself() -> None:
    today, other = (rules(OWN, SPARE, routes=[route(first)]) for first in (TO_OWN, TO_MINI))
    [recorded] = await Traffic(today).record(CODING)
    reading = msgspec.structs.replace(recorded.tried[0].reading, model="gpt-5-2025-08-07", service_tier="priority")
    tried = msgspec.structs.replace(recorded.tried[0], reading=reading)
    [change] = await replayed(simulation(today, other), [msgspec.structs.replace(recorded, tried=(tried,))])
    assert change.paid_other == {"USD": ONE // 5}


async def test_an_attempt_that_failed_fails_again_and_the_next_is_made() -> None:
    down = msgspec.structs.replace(CODING, failing={"own": ErrorClass.UNREACHABLE})
    both = rules(OWN, SPARE, routes=[route(TO_OWN, TO_SPARE)])
    assert await kinds(both, rules(OWN, SPARE, routes=[route(TO_SPARE)]), down) == ["same"]
    found = simulation(both, rules(OWN, SPARE, routes=[route(TO_OWN)]))
    [change] = await replayed(found, await Traffic(both).record(down))
    assert (change.kind, change.code) == ("refused_now", "nothing_to_try")
    assert change.other == "Nothing may be tried after credential own has failed."


async def test_a_new_attempt_would_have_followed_a_failure_but_not_a_wrong_request() -> None:
    alone, both = (rules(OWN, SPARE, routes=[one]) for one in (route(TO_OWN), route(TO_OWN, TO_SPARE)))
    down = msgspec.structs.replace(CODING, failing={"own": ErrorClass.OVERLOADED})
    wrong = msgspec.structs.replace(CODING, failing={"own": ErrorClass.INVALID_REQUEST})
    assert await kinds(alone, both, down) == ["other_credential"]
    assert await kinds(alone, both, wrong) == ["same"]


async def test_what_was_passed_over_is_passed_over_again() -> None:
    both = rules(OWN, SPARE, routes=[route(TO_OWN, TO_SPARE)])
    [recorded] = await Traffic(rules(OWN, SPARE, routes=[route(TO_SPARE)])).record(CODING)
    assert [one.kind for one in await replayed(simulation(both, both), [recorded])] == ["same"]
    mini_last = rules(OWN, SPARE, routes=[route(TO_OWN, TO_SPARE, TO_MINI)])
    assert [one.kind for one in await replayed(simulation(both, mini_last), [recorded])] == ["same"]


async def test_chance_and_figures_chose_what_the_record_says() -> None:
    for strategy in ("weighted", "fastest"):
        today = rules(OWN, SPARE, routes=[route(TO_OWN, TO_SPARE, strategy=strategy)])
        [recorded] = await Traffic(rules(OWN, SPARE, routes=[route(TO_SPARE)])).record(CODING)
        assert [one.kind for one in await replayed(simulation(today, today), [recorded])] == ["same"]


async def test_the_cheapest_attempt_is_known() -> None:
    today = rules(OWN, SPARE, routes=[route(TO_OWN, TO_MINI)])
    other = rules(OWN, SPARE, routes=[route(TO_OWN, TO_MINI, strategy="cheapest")])
    assert await kinds(today, other, CODING) == ["other_credential"]


async def test_credits_stand_in_as_far_as_the_consent_and_its_cap_go() -> None:
    down = every(10, 3, failing={"own": ErrorClass.UNREACHABLE})
    without = rules(OWN, POOL, prepaid_account="acc_1")
    capped = msgspec.structs.replace(CONSENT, daily_cap_pico=10**12, monthly_cap_pico=10**12)
    consented = rules(OWN, POOL, consents=[CONSENT], prepaid_account="acc_1")
    assert await kinds(consented, without, *down) == ["refused_now"] * 3
    found = simulation(consented, rules(OWN, POOL, consents=[capped], prepaid_account="acc_1"))
    changes = await replayed(found, await Traffic(consented).record(*down))
    assert [change.kind for change in changes] == ["same", "same", "same"]
    assert changes[0].paid_today == {"XCR": ONE * 100}
    tight = msgspec.structs.replace(CONSENT, daily_cap_pico=MOST * 100)
    found = simulation(consented, rules(OWN, POOL, consents=[tight], prepaid_account="acc_1"))
    changes = await replayed(found, await Traffic(consented).record(*down))
    assert [change.code for change in changes] == ["", "consent_cap_reached", "consent_cap_reached"]
    assert await kinds(without, consented, *down) == ["other_credential"] * 3


async def test_a_prepaid_account_without_room_has_none_again() -> None:
    bought = rules(POOL, grants=[grant(credential_ids=(POOL.id,))], prepaid_account="acc_1")
    [recorded] = await Traffic(rules(OWN, grants=[grant(models=("x",))])).record(COSTS_ONE)
    refused = msgspec.structs.replace(recorded, error_code="out_of_credits")
    own_too = rules(OWN, POOL, grants=[grant(), grant("pool", credential_ids=(POOL.id,))], prepaid_account="acc_1")
    found = simulation(bought, own_too)
    [change] = await replayed(found, [refused])
    assert (change.kind, change.today) == ("allowed_now", "The prepaid account had no room for it.")
    assert found.otherwise_recorded == 0


# --- Sums --------------------------------------------------------------------------------------------------------------


async def test_everything_is_added_up_by_kind_team_key_and_model() -> None:
    today = rules(OWN)
    other = rules(OWN, grants=[grant(models=("gpt-5",))])
    asked = [*every(10, 3), *(Asking(at=START_US + HOUR + n, model="gpt-4o", key="vk_b") for n in range(2))]
    keys = (virtual_key(), virtual_key("b"))
    found = simulation(today, other, *keys)
    await replayed(found, await Traffic(today, *keys).record(*asked))
    assert {kind: sums.requests for kind, sums in found.totals.items()} == {"same": 3, "refused_now": 2}
    assert [(one.of, one.requests) for one in found.keys.largest(9)] == [
        ("vk_b", {"refused_now": 2}),
        ("vk_key", {"same": 3}),
    ]
    assert [(one.of, one.changed) for one in found.models.largest(9)] == [("gpt-4o", 2), ("gpt-5", 0)]
    assert [one.of for one in found.teams.largest(9)] == ["team_1"]
    assert [example.recorded.id for example in found.examples] == ["req_4", "req_5"]


async def test_names_that_callers_choose_do_not_fill_the_memory() -> None:
    today, other = rules(OWN), rules(OWN, grants=[grant(models=("gpt-5",))])
    asked = [Asking(at=START_US + n * HOUR, model=f"own/made-up-{n}") for n in range(MOST_GROUPS + 50)]
    found = simulation(today, other)
    await replayed(found, await Traffic(today).record(*asked))
    findings = found.findings.largest(10**6)
    assert len(findings) == MOST_GROUPS + 1
    assert next(one.sums.requests for one in findings if one.other == OTHERS) == 50
    assert len(found.models.largest(10**6)) == MOST_GROUPS + 1
    assert len(found.examples) == 5


async def test_what_the_rules_of_then_decided_otherwise_is_counted() -> None:
    records = await Traffic(rules(OWN, grants=[grant(models=("gpt-4o",))])).record(*every(10, 2))
    found = simulation(rules(OWN), rules(OWN))
    assert [change.kind for change in await replayed(found, records)] == ["same", "same"]
    assert found.otherwise_recorded == 2
