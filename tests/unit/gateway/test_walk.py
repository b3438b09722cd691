"""What a walk does at moments that are hard to meet from outside; what is seen there is in tests/acceptance."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import msgspec
import pytest

from keystead.dialects.body import read_json
from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import AuthenticationError, KeysteadError
from keystead.domain.grants import Consent
from keystead.domain.ids import VirtualKeyId
from keystead.domain.means import HoldRefusedError
from keystead.domain.records import AttemptIntent, RequestIntent, Settlement
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.secret import Secret
from keystead.domain.traffic import CostState, Dialect, Endpoint, ErrorClass, State
from keystead.gateway import refusal_body
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.flight import Flight
from keystead.gateway.holdings import Holdings
from keystead.gateway.means import Means
from keystead.gateway.plan import Plan, Step
from keystead.gateway.rules import Caller, Rules, caller_of
from keystead.gateway.trip import Case, Trip
from keystead.gateway.walk import Walk
from keystead.identity.views import TeamFacts
from keystead.limits.holds import BudgetRules
from keystead.limits.rates import RateRules
from keystead.metering.prices import load_snapshot
from keystead.policy.access import AccessRules
from keystead.policy.classes import DataClasses
from keystead.providers.authorization import Authorized, Authorizers
from keystead.providers.failures import FIRST_BYTE_TIMEOUT
from keystead.providers.request import UpstreamRequest
from keystead.providers.sockets import Sockets
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import Transport
from keystead.routing.breaker import KEY_REFUSALS_IN_A_ROW, Breakers
from keystead.routing.figures import Figures
from keystead.routing.retry_budget import RetryBudget
from keystead.storage.database import Journal
from keystead.telemetry import Metrics
from keystead.vault.lease import LeaseDoor
from tests.fakes.clock import START_US, FakeClock
from tests.fakes.records import request_intent
from tests.unit.gateway.test_plan import CONSENT as CONSENT_ONCE
from tests.unit.gateway.test_plan import ORGANIZATION, OTHER, OWN, POOL, TEAM, credential

MODEL = "gpt-5-mini"
CONSENT = msgspec.structs.replace(CONSENT_ONCE, expires_at=2 * START_US)
"""Covers `down` and nothing else."""
OTHER_POOL = credential("other-pool", owner=POOL.owner, margin_ppm=0)
BUSY = (503, b'{"error":{"code":"overloaded","message":"Busy."}}')
HUNG = (403, None)
"""A refusal whose words do not come."""


class FakeJournal:
    """Takes records at once, and keeps them."""

    def __init__(self) -> None:
        self.attempts: list[AttemptIntent] = []
        self.ends: list[Settlement] = []
        self.full: set[str] = set()
        """Counters that have no room."""
        self.ended = asyncio.Event()

    async def intend(self, _request: RequestIntent, attempt: AttemptIntent) -> None:
        full = next((hold for hold in attempt.holds if hold.counter_id in self.full), None)
        if full is not None:
            raise HoldRefusedError(full)
        self.attempts.append(attempt)

    async def settle(self, settlement: Settlement) -> bool:
        self.ends.append(settlement)
        self.ended.set()
        return True


class Response:
    """A provider's answer; its body may never come."""

    def __init__(self, status: int, words: bytes | None) -> None:
        self.status = status
        self.headers = [("retry-after", "4")] if status == 503 else []
        self.content_type = "application/json"
        self.upstream_request_id = ""
        self.upload_url = ""
        self.read = asyncio.Event()
        self._words = words

    async def chunks(self) -> AsyncGenerator[bytes]:
        yield self._words or b""

    async def body(self, _limit: int) -> bytes:
        self.read.set()
        if self._words is None:
            await asyncio.Event().wait()
        return self._words or b""

    def close(self) -> None:
        pass


class Provider:
    """Answers in turn: with a response, or with the error that a transport raises."""

    def __init__(self, *answers: Response | KeysteadError) -> None:
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while it is asked."""
        self._answers = deque(answers)

    async def open(self, request: UpstreamRequest, _authorized: Authorized) -> Response:
        self.asked.append(request.origin)
        self.meanwhile()
        answer = self._answers.popleft()
        if isinstance(answer, KeysteadError):
            raise answer
        return answer


class Door:
    async def lease(self, *_: object) -> Secret:
        return Secret("sk-test")


def step(of: Credential) -> Step:
    assert of.active is not None
    wire = (Dialect.OPENAI, Endpoint.CHAT)
    provider = PROVIDERS[of.provider]
    return Step(credential=of, version=of.active, provider=provider, model=MODEL, wire=wire, grant_id=None)


def caller(consents: tuple[Consent, ...]) -> Caller:
    facts = TeamFacts(id=TEAM, organization_id=ORGANIZATION, parent_id=None, data_class="", cost_centers=())
    rules = Rules(
        organization_id=ORGANIZATION,
        time_zone="UTC",
        credentials=(OWN, POOL),
        teams={TEAM: facts},
        access=AccessRules([]),
        classes=DataClasses(),
        recognizers=None,
        routes={},
        consents=consents,
        budgets=BudgetRules([]),
        rates=RateRules([]),
        prepaid_account="acc_1",
    )
    key = VirtualKey(
        id=VirtualKeyId("vk_1"),
        organization_id=ORGANIZATION,
        team_id=TEAM,
        principal_kind="member",
        principal_id="mem_1",
        name="key",
        digest=b"",
        models=None,
        credential_ids=None,
        expires_at=None,
        revoked_at=None,
    )
    return caller_of(key, rules)


def ask() -> Ask:
    body = b'{"model":"way","messages":[],"max_tokens":7}'
    return Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.CHAT,
        tail="/chat/completions",
        query=b"",
        headers={},
        model="way",
        stream=False,
        body=body,
        json=read_json(body),
    )


class Stage:
    """A walk over a route of the given credentials, and all that it touches."""

    def __init__(self, provider: Provider, *route: Credential, consents: tuple[Consent, ...] = ()) -> None:
        self.journal = FakeJournal()
        self.breakers = Breakers()
        self.departure = Departure()
        clock = FakeClock()
        means = Means(price_book=load_snapshot(), credit_value_pico=10**10, revenue_account="acc_2", clock=clock)
        self.case = Case(caller=caller(consents), ask=ask(), plan=_plan(route), means=means)
        self.clock = clock
        self._provider = provider

    async def walk(self, decide_again: Callable[[], Awaitable[Case]] | None = None) -> Flight:
        async def as_before() -> Case:
            return self.case

        trip = Trip(
            case=self.case,
            request=request_intent(self.clock),
            departure=self.departure,
            decide_again=decide_again or as_before,
        )
        walk = Walk(
            journal=cast("Journal", self.journal),
            holdings=cast("Holdings", None),
            dispatch=Dispatch(
                lease_door=cast("LeaseDoor", Door()),
                authorizers=Authorizers({}),
                transport_for=lambda _: cast("Transport", self._provider),
                sockets=cast("Sockets", self._provider),
                total_timeout_s=60,
            ),
            breakers=self.breakers,
            retry_budget=RetryBudget(),
            figures=Figures(),
            clock=self.clock,
            metrics=Metrics(),
            drain_s=1,
        )
        return await walk.begin(trip)


def _plan(route: tuple[Credential, ...]) -> Plan:
    attempts = tuple(RouteAttempt(model=MODEL, credential_id=each.id) for each in route)
    return Plan(
        rule="route:way",
        groups=tuple((step(each),) for each in route),
        route=ModelRoute(
            id="route_1", organization_id=ORGANIZATION, name="way", strategy="ordered", sticky=False, attempts=attempts
        ),
        considered=(),
        data_class="public",
        decision="{}",
    )


async def test_a_process_that_stops_while_a_request_waits_leaves_a_whole_record() -> None:
    provider = Provider(Response(*BUSY))
    stage = Stage(provider, OWN, OTHER)
    walking = asyncio.get_running_loop().create_task(stage.walk())
    await stage.journal.ended.wait()
    walking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walking
    of_attempt, of_request = stage.journal.ends
    assert (of_attempt.state, of_attempt.ends_request) == (State.REJECTED, False)
    assert (of_request.attempt, of_request.state, of_request.ends_request) == (None, State.REJECTED, True)
    assert len(provider.asked) == 1


async def test_a_process_that_stops_while_it_reads_a_refusal_leaves_a_whole_record() -> None:
    response = Response(*HUNG)
    stage = Stage(Provider(response), OWN, OTHER)
    walking = asyncio.get_running_loop().create_task(stage.walk())
    await response.read.wait()
    walking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walking
    [end] = stage.journal.ends
    assert (end.state, end.cost.state, end.ends_request) == (State.CANCELLED_PARTIAL, CostState.FREE, True)


async def test_a_refusal_whose_words_do_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_body, "REFUSAL_S", 0.01)
    stage = Stage(Provider(Response(*HUNG), Response(200, b"{}")), OWN, OTHER)
    assert (await stage.walk()).step.credential is OTHER
    assert [end.error_class for end in stage.journal.ends] == ["permission_denied"]


async def test_for_a_client_that_has_left_no_further_attempt_is_made() -> None:
    provider = Provider(FIRST_BYTE_TIMEOUT.error())
    stage = Stage(provider, OWN, OTHER)
    stage.departure.gone = True
    with pytest.raises(KeysteadError):
        await stage.walk()
    [end] = stage.journal.ends
    assert (end.status_code, end.ends_request) == (499, True)
    assert len(provider.asked) == 1


async def test_a_key_that_has_ended_makes_no_further_attempt() -> None:
    async def ended() -> Case:
        raise AuthenticationError

    provider = Provider(FIRST_BYTE_TIMEOUT.error())
    stage = Stage(provider, OWN, OTHER)
    with pytest.raises(KeysteadError) as caught:
        await stage.walk(ended)
    assert caught.value.code == "first_byte_timeout", "the caller is told what became of its request"
    assert [(end.attempt is None, end.error_code) for end in stage.journal.ends] == [
        (False, "first_byte_timeout"),
        (True, "invalid_key"),
    ]
    assert len(provider.asked) == 1


async def test_a_consent_is_asked_why_an_own_key_could_not_serve_and_not_why_the_platforms_could_not() -> None:
    # The own key was down; that the first platform credential lacks the model is beside that.
    missing = Response(404, b'{"error":{"code":"model_not_found","message":"No."}}')
    stage = Stage(
        Provider(FIRST_BYTE_TIMEOUT.error(), missing, Response(200, b"{}")), OWN, POOL, OTHER_POOL, consents=(CONSENT,)
    )
    assert (await stage.walk()).step.credential is OTHER_POOL
    assert [(each.reason, each.consent_id) for each in stage.journal.attempts] == [
        ("", ""),
        ("down", CONSENT.id),
        ("model_missing", CONSENT.id),
    ]


async def test_a_refused_own_key_is_not_papered_over_because_the_platform_was_down_before_it() -> None:
    provider = Provider(FIRST_BYTE_TIMEOUT.error())
    stage = Stage(provider, POOL, OWN, OTHER_POOL, consents=(CONSENT,))
    for _ in range(KEY_REFUSALS_IN_A_ROW):
        stage.breakers.failed(step(OWN).lane, MODEL, ErrorClass.AUTH_FAILED, retry_after_s=None, began_us=0, now_us=0)
    with pytest.raises(KeysteadError):
        await stage.walk()
    assert provider.asked == [POOL.origin]


async def test_what_is_tried_although_every_breaker_is_open_follows_nothing() -> None:
    stage = Stage(Provider(Response(200, b"{}")), OWN, OTHER)
    for each in (OWN, OTHER):
        stage.breakers.failed(step(each).lane, MODEL, ErrorClass.OUT_OF_FUNDS, retry_after_s=None, began_us=0, now_us=0)
    assert (await stage.walk()).step.credential is OWN
    assert [each.reason for each in stage.journal.attempts] == [""]


async def test_a_cap_without_room_is_in_the_record_also_where_the_own_key_was_passed_over_at_first() -> None:
    # Its breaker is open, so the platform is tried first; as that has no room, the own key is asked after all.
    stage = Stage(Provider(FIRST_BYTE_TIMEOUT.error()), OWN, POOL, consents=(CONSENT,))
    stage.journal.full.add(f"{CONSENT.id}:day")
    stage.breakers.failed(step(OWN).lane, MODEL, ErrorClass.OVERLOADED, retry_after_s=60, began_us=0, now_us=0)
    with pytest.raises(KeysteadError) as caught:
        await stage.walk()
    assert caught.value.code == "first_byte_timeout", "the caller is told what became of its request"
    assert [attempt.credential_id for attempt in stage.journal.attempts] == [OWN.id]
    assert [(end.attempt is None, end.error_code, end.refused_by, end.status_code) for end in stage.journal.ends] == [
        (False, "first_byte_timeout", "", 504),
        (True, "consent_cap_reached", f"{CONSENT.id}:day", 504),
    ]
    assert [end.ends_request for end in stage.journal.ends] == [False, True]


async def test_a_request_that_is_wrong_everywhere_ended_for_that_and_not_for_a_cap_without_room() -> None:
    stage = Stage(Provider(Response(400, b"{}")), OWN, POOL, consents=(CONSENT,))
    stage.journal.full.add(f"{CONSENT.id}:day")
    stage.breakers.failed(step(OWN).lane, MODEL, ErrorClass.OVERLOADED, retry_after_s=60, began_us=0, now_us=0)
    await stage.walk()
    assert [(end.status_code, end.error_code, end.ends_request) for end in stage.journal.ends] == [(400, "", True)]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_durations_are_those_of_a_clock_that_nobody_sets(hours: int) -> None:
    provider = Provider(FIRST_BYTE_TIMEOUT.error(), Response(400, b"{}"))
    stage = Stage(provider, OWN, OTHER)

    def two_seconds() -> None:
        stage.clock.advance(2)
        stage.clock.jump(hours * 3600)

    provider.meanwhile = two_seconds
    await stage.walk()
    assert [end.duration_us for end in stage.journal.ends] == [2_000_000, 2_000_000]
