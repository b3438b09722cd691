"""Walk a plan's steps until one answers: each is authorised, held and recorded anew; the first byte commits.

A later step is taken only while no provider has begun to answer, and by the rules of that moment: a key, a grant or a
consent that was revoked since the request came in makes no further attempt. A platform credential comes after an own
one only under a consent that covers the team, the model, the data class and the reason.
"""

import asyncio
import random  # noqa: TID251 - spreads weighted routes; nothing here is secret
from collections import deque
from collections.abc import Iterable
from typing import Final

from keystead.domain.clock import Clock
from keystead.domain.errors import GatewayError, InvalidRequestError, KeysteadError, PolicyDenied, ProviderError
from keystead.domain.grants import Consent
from keystead.domain.means import refused_by
from keystead.domain.records import FREE, AttemptIntent, Settlement
from keystead.gateway.consent import consent_for
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.flight import Flight
from keystead.gateway.holdings import Holdings
from keystead.gateway.order import in_order
from keystead.gateway.plan import Step
from keystead.gateway.settle import CLIENT_CLOSED_REQUEST, settle
from keystead.gateway.translate_call import translation_for
from keystead.gateway.trip import Case, Trip, Turn, as_decided
from keystead.routing.breaker import Breakers, BreakerState
from keystead.routing.figures import Figures
from keystead.routing.retry_budget import RetryBudget
from keystead.routing.verdict import ANSWER, Verdict, after, reason_of
from keystead.storage.database import Journal
from keystead.telemetry import Metrics

MOST_ATTEMPTS: Final = 8
"""Attempts in one request, however long a route is: a caller waits for all of them."""


class Walk:
    """Makes attempts until one answers."""

    def __init__(
        self,
        *,
        journal: Journal,
        holdings: Holdings,
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
        self._holdings = holdings
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
        trip.steps = deque(self.in_order(trip.case))
        try:
            last = await self._until_answered(trip)
        except BaseException:  # cancelled between two attempts, or a defect: the record has its end all the same
            await self._end(trip)
            raise
        await self._end(trip)
        if last.error is not None:
            raise last.error
        return last

    async def _until_answered(self, trip: Trip) -> Flight:
        """Return the flight that answers, or the last one made."""
        last: Flight | None = None
        turn = self._next(trip)
        while turn is not None:
            try:
                flight = await self._depart(trip, turn)
            except (PolicyDenied, InvalidRequestError) as refusal:
                # A limit has no room for this step, or its provider has no word for what is asked; another may have.
                trip.refusal = refusal
                turn = self._next(trip)
                continue
            except KeysteadError:
                if last is None:
                    raise
                return last
            last = flight
            verdict = await self._ask(flight, turn)
            if verdict is None:
                return flight
            turn = await self._following(trip, flight, turn, verdict)
        if last is None:
            raise trip.refusal or GatewayError("Nothing could be tried.", code="nothing_to_try")
        return last

    def in_order(self, case: Case) -> Iterable[Step]:
        """Return the plan's steps in the order in which they are tried."""
        now_us = self._clock.monotonic_us()
        return in_order(
            case.plan,
            affinity=case.caller.key.id,
            draw=self._draw(),
            price_of=lambda step: case.means.price_of(step, case.ask),
            latency_of=lambda step: self._figures.first_byte_us(step.lane, step.model, now_us=now_us),
        )

    def breaker(self, step: Step) -> BreakerState:
        """Return how the way to a step stands."""
        return self._breakers.state(step.lane, step.model, now_us=self._clock.monotonic_us())

    def _next(self, trip: Trip) -> Turn | None:
        """Return the next step that may be made now."""
        if trip.number >= MOST_ATTEMPTS:
            return None
        while trip.steps:
            step = as_decided(trip.steps.popleft(), trip.case.plan)
            if step is None:  # a grant, a consent or the credential has ended since
                trip.refusal = trip.refusal or PolicyDenied()
                continue
            try:
                consent = self._consent(trip, step)
            except PolicyDenied as refusal:
                trip.refusal = trip.refusal or refusal
                continue
            now_us = self._clock.monotonic_us()
            turn = Turn(step=step, consent=consent, began_us=now_us)
            if self._breakers.allows(step.lane, step.model, now_us=now_us):
                return turn
            if not step.is_platform:
                opened_by = self._breakers.state(step.lane, step.model, now_us=now_us).error_class
                reason = reason_of(opened_by) if opened_by else None
                trip.own_seen = True
                trip.own_reason = trip.own_reason or reason
                trip.reason = trip.reason or reason
            trip.waiting = trip.waiting or turn
        waiting, trip.waiting = trip.waiting, None
        if trip.number > 0:
            return None
        trip.reason = None  # it is the first one that is made: it follows nothing
        return waiting

    def _consent(self, trip: Trip, step: Step) -> Consent | None:
        """Return the consent that `step` needs, None if it needs none.

        Raises:
            PolicyDenied: it needs one and there is none (`no_consent`).
        """
        if not (step.is_platform and trip.own_seen):
            return None
        return consent_for(
            step,
            trip.case.caller,
            trip.case.plan,
            own_only=trip.case.ask.own_only,
            reason=trip.own_reason,
            now_us=self._clock.now_us(),
        )

    async def _depart(self, trip: Trip, turn: Turn) -> Flight:
        """Hold what the step can cost and make its intent durable.

        Raises:
            PolicyDenied: a limit has no room for it.
            InvalidRequestError: it cannot be put into the provider's dialect.
            KeysteadError: it cannot be recorded.
        """
        step = turn.step
        trip.own_seen = trip.own_seen or not step.is_platform
        try:
            route = trip.case.plan.route
            drop = route is not None and route.unsupported == "drop"
            translation = translation_for(trip.case.ask, step, drop=drop)
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
        trip.between = None
        return Flight(
            ask=trip.case.ask,
            step=step,
            request=trip.request,
            attempt=attempt,
            means=trip.case.means,
            translation=translation,
            holdings=self._holdings,
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
            await flight.cancel()
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

    async def _following(self, trip: Trip, flight: Flight, turn: Turn, verdict: Verdict) -> Turn | None:
        """End an attempt that did not answer; return the step that follows, or None when its refusal is the answer."""
        trip.reason = verdict.reason
        if not turn.step.is_platform:
            trip.own_reason = verdict.reason
        again = self._may_repeat(trip, turn, verdict)
        would_go_on = verdict.step != "answer" and not trip.departure.gone
        goes_on = would_go_on and (again or bool(trip.steps))
        # Where an earlier step was refused there is none left to go on to: `_end` has that in the record.
        left_open = goes_on or (would_go_on and trip.refusal is not None)
        trip.between = flight if left_open else None
        # Before any wait: that is not the attempt's, and nothing is held for it.
        await flight.close(ends_request=not left_open)
        if again:
            await asyncio.sleep(verdict.delay_s)
        if not goes_on or trip.departure.gone:
            return None
        return await self._next_now(trip, again=turn if again else None)

    async def _next_now(self, trip: Trip, *, again: Turn | None = None) -> Turn | None:
        """Return the next step by the rules of now: `again` once more, if its breaker has not opened meanwhile."""
        try:
            trip.case = await trip.decide_again()
            if again is not None and (turn := self._once_more(trip, again)) is not None:
                return turn
        except KeysteadError as refusal:
            trip.refusal = refusal
            return None
        return self._next(trip)

    def _once_more(self, trip: Trip, turn: Turn) -> Turn | None:
        step = as_decided(turn.step, trip.case.plan)
        if step is None:
            return None
        consent = self._consent(trip, step)
        now_us = self._clock.monotonic_us()
        if not self._breakers.allows(step.lane, step.model, now_us=now_us):
            return None
        return Turn(step=step, consent=consent, began_us=now_us, tries=turn.tries + 1)

    def _may_repeat(self, trip: Trip, turn: Turn, verdict: Verdict) -> bool:
        # Without a route the caller's SDK repeats by its own rules, and sees the provider's own words.
        return (
            verdict.step == "again"
            and trip.case.plan.route is not None
            and trip.number < MOST_ATTEMPTS
            and self._retry_budget.second_try(turn.step.lane, now_us=self._clock.monotonic_us())
        )

    async def _end(self, trip: Trip) -> None:
        """End a request whose last attempt was to be followed by another, if it is open still."""
        last, trip.between = trip.between, None
        if last is None:
            return
        stopped_by = trip.refusal or last.error
        settlement = Settlement(
            request=trip.request,
            attempt=None,
            state=last.state,
            finished_at=self._clock.now_us(),
            duration_us=self._clock.monotonic_us() - trip.case.ask.started_us,
            status_code=CLIENT_CLOSED_REQUEST if trip.departure.gone else last.status_code,
            error_class=last.error_class.value if last.error_class else "",
            error_code=stopped_by.code if stopped_by else "",
            fault=last.fault,
            was_intended=True,
            refused_by=refused_by(stopped_by),
            cost=FREE,
        )
        await settle(self._journal, settlement)
