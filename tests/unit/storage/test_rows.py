"""Records as rows: the right values under the right columns, whatever strangers put into them."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.money import MAX_PICO
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent
from keystead.domain.traffic import CostState, Fault, State
from keystead.domain.usage import COUNTS, NOTHING, Reading, Usage, UsageSource
from keystead.storage import rows
from keystead.storage.schema import attempts, requests
from keystead.storage.usage_tables import ROLLUP_DIMENSIONS, ROLLUP_SUMS, ROLLUP_TIMES, rollups
from tests.fakes.clock import START_US, FakeClock
from tests.fakes.records import USAGE, attempt_intent, budget_hold, credit_hold, request_intent, settlement

CLOCK = FakeClock()


def test_every_column_of_the_record_is_written_by_exactly_one_part() -> None:
    of_request = (rows.REQUEST_INTENT, rows.REQUEST_END, rows.REQUEST_TOTALS, ("attempts",))
    assert {name for part in of_request for name in part} == set(requests.c.keys())
    assert all(not set(one) & set(other) for one, other in combinations(of_request, 2))
    assert {*rows.ATTEMPT_INTENT, *rows.ATTEMPT_END, "noticed_at"} == set(attempts.c.keys())  # the last by alerts
    assert set(rows.ATTEMPT_INTENT) & set(rows.ATTEMPT_END) == {"region"}  # what was asked for, then what was served
    assert {*ROLLUP_DIMENSIONS, *ROLLUP_SUMS, *ROLLUP_TIMES} == set(rollups.c.keys())


def test_the_counts_are_the_first_fields_of_a_usage() -> None:
    assert Usage.__struct_fields__ == (*COUNTS, "units")


def test_an_intents_values_stand_under_their_names() -> None:
    request, attempt = request_intent(CLOCK), attempt_intent(CLOCK, holds=(budget_hold(), credit_hold()))
    request_row = dict(zip(rows.REQUEST_INTENT, rows.request_row(request), strict=True))
    assert RequestIntent(**request_row) == request
    attempt_row = dict(zip(rows.ATTEMPT_INTENT, rows.attempt_row(request, attempt), strict=True))
    assert (attempt_row.pop("request_id"), attempt_row.pop("request_started_at")) == (request.id, request.started_at)
    assert attempt_row.pop("organization_id") == request.organization_id
    assert AttemptIntent(**attempt_row | {"holds": rows.holds_in(attempt_row["holds"])}) == attempt


def test_an_attempt_without_holds_keeps_none() -> None:
    row = dict(zip(rows.ATTEMPT_INTENT, rows.attempt_row(request_intent(CLOCK), attempt_intent(CLOCK)), strict=True))
    assert row["holds"] == ""
    assert rows.holds_in("") == rows.holds_in(None) == ()


def test_an_ends_values_stand_under_their_names() -> None:
    attempt = attempt_intent(CLOCK, region="eu")
    end = settlement(CLOCK, request_intent(CLOCK), attempt, state=State.FAILED_BILLED, fault=Fault.PROVIDER)
    row = dict(zip(rows.ATTEMPT_END, rows.attempt_end(end, attempt), strict=True))
    assert {name: row[name] for name in COUNTS} == {name: getattr(end.reading.usage, name) for name in COUNTS}
    assert (row["state"], row["fault"], row["region"], row["cost_state"]) == (
        "failed_billed",
        "provider",
        "eu",
        "priced",
    )
    assert (row["model_served"], row["response_id"], row["cost_pico"]) == ("gpt-5-2026-01-01", "resp_1", 1_500_000)
    totals = dict(zip(rows.REQUEST_TOTALS, rows.request_totals(end), strict=True))
    assert totals == {
        "input_total": 120,
        "output_total": 37,
        "usage_source": "provider",
        "cost_state": "priced",
        "cost_pico": 1_500_000,
    }


def test_usage_that_nobody_reported_is_absent_and_not_zero() -> None:
    attempt = attempt_intent(CLOCK)
    end = settlement(CLOCK, request_intent(CLOCK), attempt, reading=NOTHING, cost=Cost(state=CostState.UNKNOWN))
    row = dict(zip(rows.ATTEMPT_END, rows.attempt_end(end, attempt), strict=True))
    assert {row[name] for name in COUNTS} == {None}
    assert rows.request_totals(end) == (None, None, "none", "unknown", None)
    assert all(isinstance(value, int) for value in rows.rollup_sums(end, ends_request=True))


def test_a_requests_duration_includes_what_came_before_its_last_attempt() -> None:
    request = request_intent(CLOCK)
    later = attempt_intent(CLOCK, number=2, started_at=START_US + 5_000)
    earlier = attempt_intent(CLOCK, started_at=START_US - 5_000)  # the wall clock was set back in between
    ends = [settlement(CLOCK, request, attempt, duration_us=2_000) for attempt in (later, earlier, None)]
    durations = [dict(zip(rows.REQUEST_END, rows.request_end(end), strict=True))["duration_us"] for end in ends]
    assert durations == [7_000, 2_000, 2_000]


def test_a_rollup_is_named_after_the_model_served_else_sent_else_asked() -> None:
    request, attempt = request_intent(CLOCK), attempt_intent(CLOCK)
    ends = [
        settlement(CLOCK, request, attempt),
        settlement(CLOCK, request, attempt, reading=NOTHING),
        settlement(CLOCK, request, None, reading=NOTHING),
    ]
    models = [dict(zip(ROLLUP_DIMENSIONS, rows.rollup_key(end), strict=True))["model"] for end in ends]
    assert models == ["gpt-5-2026-01-01", "gpt-5", "openai/gpt-5"]


def test_each_cost_state_is_counted_in_one_sum() -> None:
    request, attempt = request_intent(CLOCK), attempt_intent(CLOCK)
    counted = {}
    for state in CostState:
        end = settlement(CLOCK, request, attempt, cost=Cost(state=state))
        sums = dict(zip(ROLLUP_SUMS, rows.rollup_sums(end, ends_request=True), strict=True))
        counted[state] = [name for name in ("priced", "estimated", "unpriced", "unknown") if sums[name]]
    assert counted == {
        CostState.PRICED: ["priced"],
        CostState.REPORTED: ["priced"],
        CostState.FREE: ["priced"],
        CostState.ESTIMATED: ["estimated"],
        CostState.UNPRICED: ["unpriced"],
        CostState.UNKNOWN: ["unknown"],
    }


def test_an_answer_is_counted_by_how_long_it_and_its_first_token_took() -> None:
    request, attempt = request_intent(CLOCK), attempt_intent(CLOCK)
    end = settlement(CLOCK, request, attempt, duration_us=450_000, first_byte_us=1, first_token_us=49_999)
    assert [ROLLUP_TIMES[place] for place in rows.rollup_times(end)] == ["took_to_800ms", "first_to_50ms"]
    beyond = settlement(CLOCK, request, attempt, duration_us=102_400_000, first_byte_us=1)
    assert [ROLLUP_TIMES[place] for place in rows.rollup_times(beyond)] == ["took_beyond"]
    unmeasured = settlement(CLOCK, request, attempt, duration_us=450_000)
    assert rows.rollup_times(unmeasured) == ()


def test_a_refusal_counts_a_request_and_no_attempt() -> None:
    end = settlement(CLOCK, request_intent(CLOCK), None, reading=NOTHING, cost=FREE)
    sums = dict(zip(ROLLUP_SUMS, rows.rollup_sums(end, ends_request=True), strict=True))
    assert {name for name, value in sums.items() if value} == {"requests", "duration_us"}


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_any_text_becomes_storable(text: str) -> None:
    stored = rows.storable(text)
    assert "\x00" not in stored
    assert stored.encode("utf-8").decode("utf-8") == stored
    assert rows.storable(stored) == stored


@given(st.text())
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert rows.storable(text.replace("\x00", "")) == text.replace("\x00", "")


@given(st.text(alphabet="a\x00\ud800é", max_size=3000), st.integers(0, 2**80), st.binary(max_size=50))
def test_what_a_provider_sends_always_fits_its_columns(text: str, count: int, raw: bytes) -> None:
    attempt = attempt_intent(CLOCK)
    reading = Reading(
        usage=Usage(input_tokens=count, output_tokens=count),
        source=UsageSource.PROVIDER,
        raw=raw,
        model=text,
        response_id=text,
        service_tier=text,
        speed=text,
        region=text,
    )
    end = settlement(
        CLOCK,
        request_intent(CLOCK),
        attempt,
        reading=reading,
        error_code=text,
        upstream_request_id=text,
        charge_pico=count,
    )
    row = dict(zip(rows.ATTEMPT_END, rows.attempt_end(end, attempt), strict=True))
    for name, value in row.items():
        if isinstance(value, int):
            assert value <= MAX_PICO, name
        elif isinstance(value, str):
            limit = getattr(attempts.c[name].type, "length", None)
            assert limit is None or len(value) <= limit, name
            assert "\x00" not in value, name
            value.encode("utf-8")
    assert max(value for value in rows.request_totals(end) if isinstance(value, int)) <= MAX_PICO
    assert max(rows.rollup_sums(end, ends_request=True)) <= MAX_PICO
    # PostgreSQL takes at most 2,704 bytes in one entry of an index.
    assert sum(len(str(part).encode()) for part in rows.rollup_key(end)) < 2_000
    assert len(row["response_id"].encode()) < 2_000


def tally(
    *,
    finished_at: int | None = 1,
    source: str = "provider",
    state: str = "priced",
    pico: int | None = 10,
    currency: str = "USD",
    usage: Usage | None = USAGE,
) -> rows.Row:
    counts = [getattr(usage, name) if usage else None for name in COUNTS]
    return (finished_at, source, state, pico, currency, *counts)


def test_the_totals_of_one_attempt_are_its_own() -> None:
    end = settlement(CLOCK, request_intent(CLOCK), attempt_intent(CLOCK))
    assert rows.tallied([tally(pico=end.cost.pico)], "USD") == rows.request_totals(end)


def test_the_totals_of_several_attempts_are_their_sums_and_their_least_certain_words() -> None:
    attempts_made = [
        tally(),
        tally(source="none", state="free", pico=0, usage=None),
        tally(source="provider_partial", state="estimated", pico=5),
    ]
    assert rows.tallied(attempts_made, "USD") == (240, 74, "provider_partial", "estimated", 15)
    assert rows.tallied([*attempts_made, tally(source="none", state="unknown", pico=None, usage=None)], "USD") == (
        240,
        74,
        "provider_partial",
        "unknown",
        15,
    )


def test_there_are_no_totals_while_an_attempt_is_open() -> None:
    assert rows.tallied([tally(), tally(finished_at=None)], "USD") is None


def test_amounts_of_another_currency_are_not_added() -> None:
    totals = rows.tallied([tally(currency="EUR"), tally(pico=None)], "USD")
    assert totals is not None
    assert totals[-1] is None


def test_totals_stay_at_the_largest_number() -> None:
    absurd = tally(pico=MAX_PICO, usage=Usage(input_tokens=MAX_PICO, output_tokens=MAX_PICO, reasoning_tokens=1))
    assert rows.tallied([absurd, absurd], "USD") == (MAX_PICO, MAX_PICO, "provider", "priced", MAX_PICO)


def test_every_word_has_a_rank() -> None:
    for source in UsageSource:
        assert rows.tallied([tally(source=source.value)], "USD") is not None
    for state in CostState:
        assert rows.tallied([tally(state=state.value)], "USD") is not None


def test_a_reduced_settlement_ends_the_same_and_says_that_its_usage_is_lost() -> None:
    end = settlement(CLOCK, request_intent(CLOCK), attempt_intent(CLOCK), ends_request=False)
    less = rows.reduced(end)
    assert (less.request, less.attempt, less.state, less.status_code) == (end.request, end.attempt, end.state, 200)
    assert not less.ends_request
    assert (less.cost.state, less.reading.source) == (CostState.UNKNOWN, UsageSource.NONE)
    assert less.reading.anomalies == ("unrecordable",)
