"""Records as the gateway makes them, for tests of what stores and reads them."""

from typing import Any

from keystead.domain.clock import Clock
from keystead.domain.ids import new_id
from keystead.domain.means import CREDITS, Hold
from keystead.domain.records import AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, State
from keystead.domain.usage import Reading, Usage, UsageSource
from tests.fakes.clock import START_US

USAGE = Usage(input_tokens=100, cache_read_tokens=20, output_tokens=30, reasoning_tokens=7)
READING = Reading(
    usage=USAGE, source=UsageSource.PROVIDER, model="gpt-5-2026-01-01", response_id="resp_1", finished=True
)
COST = Cost(
    state=CostState.PRICED, pico=1_500_000, price_version="2026-01-01", lines=(("input_tokens", "100", "0.000001"),)
)


def request_intent(clock: Clock, **changes: Any) -> RequestIntent:
    now = clock.now_us()
    given: dict[str, Any] = {
        "id": new_id("req", now),
        "organization_id": "org_1",
        "started_at": now,
        "instance_id": "ins_1",
        "team_id": "team_1",
        "principal_kind": "member",
        "principal_id": "mem_1",
        "virtual_key_id": "vk_1",
        "dialect": "openai",
        "endpoint": "chat",
        "model_asked": "openai/gpt-5",
        "stream": False,
        "decision": '{"rule":"only"}',
        "client": "test",
    }
    return RequestIntent(**given | changes)


def attempt_intent(clock: Clock, **changes: Any) -> AttemptIntent:
    given: dict[str, Any] = {
        "number": 1,
        "started_at": clock.now_us(),
        "credential_id": "cred_1",
        "credential_version": 1,
        "owner": "own",
        "provider": "openai",
        "model_sent": "gpt-5",
        "destination": "https://api.openai.com",
    }
    return AttemptIntent(**given | changes)


def settlement(clock: Clock, request: RequestIntent, attempt: AttemptIntent | None, **changes: Any) -> Settlement:
    given: dict[str, Any] = {
        "request": request,
        "attempt": attempt,
        "state": State.SETTLED,
        "finished_at": clock.now_us(),
        "duration_us": 2_000,
        "status_code": 200,
        "reading": READING,
        "cost": COST,
    }
    return Settlement(**given | changes)


def budget_hold(**changes: Any) -> Hold:
    """A hold of 10 in a hard budget of 1,000 for the day on which the clock starts."""
    given: dict[str, Any] = {
        "counter_id": "bud_1",
        "kind": "budget",
        "bucket_at": START_US,
        "since_at": START_US,
        "amount": 10,
        "limit": 1_000,
        "on_unknown": 10,
        "name": "daily",
        "currency": "USD",
    }
    return Hold(**given | changes)


def credit_hold(**changes: Any) -> Hold:
    """A hold of 10 in a prepaid account."""
    given: dict[str, Any] = {
        "counter_id": "acc_1",
        "kind": "credits",
        "bucket_at": 0,
        "since_at": 0,
        "amount": 10,
        "limit": None,
        "on_unknown": 0,
        "pays": "acc_revenue",
        "currency": CREDITS,
    }
    return Hold(**given | changes)
