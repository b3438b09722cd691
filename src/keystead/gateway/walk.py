"""Walk a plan's steps until one answers: each is authorised, held and recorded anew; the first byte commits.

A later step is taken only while the caller has not seen a byte. A platform credential comes after an own one only
under a consent that covers the team, the model, the data class and the reason, looked for at that moment.
"""

import asyncio
import random  # noqa: TID251 - spreads weighted routes; nothing here is secret
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from keystead.domain.clock import Clock
from keystead.domain.errors import GatewayError, KeysteadError, PolicyDenied, ProviderError
from keystead.domain.grants import Consent, Reason
from keystead.domain.records import FREE, AttemptIntent, RequestIntent, Settlement
from keystead.domain.routes import RouteAttempt
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.flight import Flight, settle
from keystead.gateway.means import Means
from keystead.gateway.plan import Plan, Step
from keystead.gateway.rules import Caller
from keystead.policy.consents import find_consent
from keystead.routing.breaker import Breakers, BreakerState
from keystead.routing.figures import Figures
from keystead.routing.order import ordered
from keystead.routing.retry_budget import RetryBudget
from keystead.routing.verdict import ANSWER, Verdict, after, reason_of
from keystead.storage.database import Journal
from keystead.telemetry import Metrics

MOST_ATTEMPTS: Final = 8
"""Attempts in one request, however long a route is: a caller waits for all of them."""

FORBID_FALLBACK: Final = b"x-keystead-fallback"
"""The header by which a caller forbids platform credentials to step in (`none`); nothing can allow them so."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A step whose turn it is."""

    step: Step
    consent: Consent | None = None
    """What lets a platform credential step in after an own one."""
    began_us: int
    """When its breaker let it through: a monotonic reading."""
    tries: int = 1
    """How often it has been made, this time included."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has been decided about: who, what, how it may be done, and by which prices."""

    caller: Caller
    ask: Ask
    plan: Plan
    means: Means


class Trip(msgspec.Struct, kw_only=True):
    """One request on its way through its steps."""

    case: Case
    request: RequestIntent
    departure: Departure
    steps: Iterator[Step] = iter(())
    number: int = 0
    own_seen: bool = False
    """An own credential was tried or passed over: from here on, a platform one is a fallback."""
    reason: Reason | None = None
    """Why the attempt before did not answer."""
    refusal: KeysteadError | None = None
    """Why the last step that was not even tried was not."""
    waiting: Turn | None = None
    """The first step whose breaker is open: better than nothing, if nothing else may be tried."""


class Walk:
    """Makes attempts until one answers."""

    def __init__(
        self,
        *,
        journal: Journal,
        dispatch: Dispatch,
        breakers: Breakers,
        retry_budget: RetryBudget,
        figures: Figures,
        clock: Clock,
        metrics: Metrics,
        drain_s: float,
    ) -> None:
        """Wire the rooms."""
        self._journal = journal
        self._dispatch = dispatch
        self._breakers = breakers
        self._retry_budget = retry_budget
        self._figures = figures
        self._clock = clock
        self._metrics = metrics
        self._drain_s = drain_s
        self._draw = random.Random().random  # noqa: S311 - as above

    async def begin(self, trip: Trip) -> Flight:
        """Return the flight that answers, with the head of the provider's response; or the last refusal's.

        Raises:
            KeysteadError: no attempt could be made, or the last one failed; whatever was made is recorded, and
                `trip.number` says whether anything was.
            ClientLeftError: the client left before a provider answered; the same holds.
        """
        trip.steps = iter(self.in_order(trip.case))
        last: Flight | None = None
        final = True
        turn = self._next(trip)
        while turn is not None:
            try:
                flight = await self._depart(trip, turn)
            except PolicyDenied as refusal:  # a limit has no room for this step; another may have
                trip.refusal = refusal
                turn = self._next(trip)
                continue
            except KeysteadError:
                if last is None:
                    raise
                break
            verdict = await self._ask(flight, turn)
            if verdict is None:
                return flight
            turn = await self._following(trip, turn, verdict)
            final = turn is None
            await flight.close(ends_request=final)
            last = flight
        if last is None:
            raise trip.refusal or GatewayError("Nothing could be tried.", code="nothing_to_try")
        if not final:  # another was to follow, and was not admitted
            await self._end(trip, last)
        if last.error is not None:
            raise last.error
        return last

    def in_order(self, case: Case) -> Iterable[Step]:
        """Return the plan's steps in the order in which they are tried."""
        plan, means = case.plan, case.means
        groups = plan.groups
        if plan.route is not None:
            behind = dict(zip(map(_key, plan.route.attempts), plan.groups, strict=True))

            now_us = self._clock.monotonic_us()

            def first_byte_us(attempt: RouteAttempt) -> int | None:
                steps = behind[_key(attempt)]
                found = [self._figures.first_byte_us(s.lane, s.model, now_us=now_us) for s in steps]
                return min((us for us in found if us is not None), default=None)

            def price(attempt: RouteAttempt) -> int | None:
                found = [means.price_of(step, case.ask) for step in behind[_key(attempt)]]
                return min((pico for pico in found if pico is not None), default=None)

            attempts = ordered(
                plan.route, affinity=case.caller.key.id, draw=self._draw(), price_of=price, latency_of=first_byte_us
            )
            groups = tuple(behind[_key(attempt)] for attempt in attempts)
        return (*(step for group in groups for step in group), *plan.reserve)

    def breaker(self, step: Step) -> BreakerState:
        """Return how the way to a step stands."""
        return self._breakers.state(step.lane, step.model, now_us=self._clock.monotonic_us())

    def _next(self, trip: Trip) -> Turn | None:
        """Return the next step that may be made now."""
        if trip.number >= MOST_ATTEMPTS:
            return None
        for step in trip.steps:
            consent: Consent | None = None
            if step.is_platform and trip.own_seen:
                found = self._consent(trip, step)
                if isinstance(found, str):
                    trip.refusal = trip.refusal or PolicyDenied(found, code="no_consent")
                    continue
                consent = found
            now_us = self._clock.monotonic_us()
            turn = Turn(step=step, consent=consent, began_us=now_us)
            if self._breakers.allows(step.lane, step.model, now_us=now_us):
                return turn
            if not step.is_platform:
                opened_by = self._breakers.state(step.lane, step.model, now_us=now_us).error_class
                trip.own_seen = True
                trip.reason = trip.reason or (reason_of(opened_by) if opened_by else None)
            trip.waiting = trip.waiting or turn
        waiting, trip.waiting = trip.waiting, None
        return waiting if trip.number == 0 else None

    def _consent(self, trip: Trip, step: Step) -> Consent | str:
        if trip.case.ask.headers.get(FORBID_FALLBACK, b"").strip().lower() == b"none":
            return "The request forbids a fallback to platform credentials."
        if trip.reason is None:
            return "Nothing happened for which platform credentials may step in."
        rules = trip.case.caller.rules
        return find_consent(
            rules.consents,
            team_ids=trip.case.caller.subject.team_ids,
            model=step.model,
            data_class=rules.classes.get(trip.case.plan.data_class),
            reason=trip.reason,
            now_us=self._clock.now_us(),
        )

    async def _depart(self, trip: Trip, turn: Turn) -> Flight:
        """Hold what the step can cost and make its intent durable.

        Raises:
            PolicyDenied: a limit has no room for it.
            KeysteadError: it cannot be recorded.
        """
        step = turn.step
        trip.own_seen = trip.own_seen or not step.is_platform
        try:
            holds = trip.case.means.holds(trip.case.caller, step, trip.case.ask, turn.consent)
            attempt = AttemptIntent(
                number=trip.number + 1,
                started_at=trip.case.ask.started_at if trip.number == 0 else self._clock.now_us(),
                credential_id=step.credential.id,
                credential_version=step.version.version,
                owner=step.credential.owner.value,
                provider=step.provider.name,
                model_sent=step.model,
                destination=step.credential.origin,
                region=step.credential.region,
                reason=trip.reason.value if trip.reason else "",
                consent_id=turn.consent.id if turn.consent else "",
                holds=holds,
            )
            await self._journal.intend(trip.request, attempt)  # durable from here on: no record, no request
        except BaseException:  # refused, or cancelled while it waited for its record: a probe would be lost otherwise
            self._breakers.abandoned(step.lane, step.model, began_us=turn.began_us)
            raise
        trip.number += 1
        return Flight(
            ask=trip.case.ask,
            step=step,
            request=trip.request,
            attempt=attempt,
            means=trip.case.means,
            journal=self._journal,
            clock=self._clock,
            metrics=self._metrics,
            departure=trip.departure,
            drain_s=self._drain_s,
        )

    async def _ask(self, flight: Flight, turn: Turn) -> Verdict | None:
        """Ask the provider; return what to do next, or None if it answers."""
        lane, model = turn.step.lane, turn.step.model
        if turn.tries == 1:
            self._retry_budget.first_try(lane, now_us=self._clock.monotonic_us())
        retry_after_s = should_retry = None
        try:
            await self._dispatch.launch(flight)
            if flight.answers:
                self._worked(flight, turn)
                return None
            refusal = await flight.read_refusal()
            error_class, retry_after_s, sent = refusal.error_class, refusal.retry_after_s, True
            should_retry = refusal.should_retry
        except ProviderError as error:
            flight.error = error
            error_class, sent = error.error_class, error.sent
        except KeysteadError as error:
            flight.error = error
            self._breakers.abandoned(lane, model, began_us=turn.began_us)
            return ANSWER
        except BaseException:  # the client has left, or the process stops: nothing is known about the provider
            self._breakers.abandoned(lane, model, began_us=turn.began_us)
            raise
        self._breakers.failed(
            lane,
            model,
            error_class,
            retry_after_s=retry_after_s,
            began_us=turn.began_us,
            now_us=self._clock.monotonic_us(),
        )
        return after(
            error_class,
            retry_after_s=retry_after_s,
            sent=sent,
            tries=turn.tries,
            draw=self._draw(),
            should_retry=should_retry,
        )

    def _worked(self, flight: Flight, turn: Turn) -> None:
        step, now_us = flight.step, self._clock.monotonic_us()
        self._breakers.succeeded(step.lane, step.model, began_us=turn.began_us, now_us=now_us)
        if flight.first_byte_us is not None:
            self._figures.note(step.lane, step.model, flight.first_byte_us, now_us=now_us)

    async def _following(self, trip: Trip, turn: Turn, verdict: Verdict) -> Turn | None:
        """Return the step to be made after one that did not answer; None when its refusal is the answer."""
        if verdict.step == "answer" or trip.departure.gone:
            return None
        trip.reason = verdict.reason
        if self._may_repeat(trip, turn, verdict):
            await asyncio.sleep(verdict.delay_s)
            if trip.departure.gone:
                return None
            if (again := self._again(turn)) is not None:
                return again
        return self._next(trip)

    def _again(self, turn: Turn) -> Turn | None:
        """Return the same step once more; None if its breaker has opened meanwhile."""
        step, now_us = turn.step, self._clock.monotonic_us()
        if not self._breakers.allows(step.lane, step.model, now_us=now_us):
            return None
        return Turn(step=step, consent=turn.consent, began_us=now_us, tries=turn.tries + 1)

    def _may_repeat(self, trip: Trip, turn: Turn, verdict: Verdict) -> bool:
        # Without a route the caller's SDK repeats by its own rules, and sees the provider's own words.
        return (
            verdict.step == "again"
            and trip.case.plan.route is not None
            and trip.number < MOST_ATTEMPTS
            and self._retry_budget.second_try(turn.step.lane, now_us=self._clock.monotonic_us())
        )

    async def _end(self, trip: Trip, last: Flight) -> None:
        """End a request whose last attempt was to be followed by another."""
        settlement = Settlement(
            request=trip.request,
            attempt=None,
            state=last.state,
            finished_at=self._clock.now_us(),
            duration_us=self._clock.monotonic_us() - trip.case.ask.started_us,
            status_code=last.status_code,
            error_class=last.error_class.value if last.error_class else "",
            error_code=trip.refusal.code if trip.refusal else "",
            fault=last.fault,
            cost=FREE,
        )
        await settle(self._journal, settlement)


def _key(attempt: RouteAttempt) -> tuple[str | None, str | None, str]:
    return attempt.credential_id, attempt.provider, attempt.model
