"""One attempt, from its durable intent to its one end.

A flight is made when the intent is durable and ends exactly once, whatever happens: answered, refused, cut, left by
the client, cancelled by a shutdown. Ending hands one settlement to the journal, which is queued before the first
suspension, so that a cancelled task still leaves its record.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from keystead.dialects.sse import UsageChunkFilter
from keystead.domain.clock import Clock
from keystead.domain.errors import KeysteadError, ProviderError
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, ErrorClass, Fault, OnDisconnect, State
from keystead.domain.usage import NOTHING, Usage, UsageSource
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.faults import fault_of
from keystead.gateway.holdings import Holdings
from keystead.gateway.means import BEYOND_HELD, Means, posts
from keystead.gateway.metered import metered
from keystead.gateway.opened import Opened
from keystead.gateway.plan import Step
from keystead.gateway.refusal_body import refusal_body
from keystead.gateway.settle import CLIENT_CLOSED_REQUEST, settle
from keystead.gateway.translate import is_stream
from keystead.gateway.translation import Translation
from keystead.metering.first_content import FirstContent
from keystead.metering.meter import Meter
from keystead.metering.read_realtime import ended_responses
from keystead.providers.classify import Refusal, classify
from keystead.providers.transport import UpstreamResponse
from keystead.storage.database import Journal
from keystead.telemetry import Metrics


class Flight:
    """One attempt under way."""

    def __init__(
        self,
        *,
        ask: Ask,
        step: Step,
        request: RequestIntent,
        attempt: AttemptIntent,
        means: Means,
        translation: Translation | None,
        holdings: Holdings,
        journal: Journal,
        clock: Clock,
        metrics: Metrics,
        departure: Departure,
        drain_s: float,
    ) -> None:
        """Begin: the intent is durable, nothing has been sent."""
        self.ask = ask
        self.step = step
        self.request = request
        self.attempt = attempt
        self.translation = translation
        self.response: UpstreamResponse | None = None
        self.refusal_body = b""
        """What the provider said when it refused."""
        self.refusal: Refusal | None = None
        """What that means."""
        self.error: KeysteadError | None = None
        """What went wrong on our side of the provider's answer, if the attempt broke."""
        self.error_class: ErrorClass | None = None
        self.first_byte_us: int | None = None
        self.first_token_us: int | None = None
        self.status_code = 0
        """What the caller was told, once it has ended."""
        self.fault: Fault | None = None
        self.charge_pico: int | None = None
        """Credits that the platform bills, once it has ended."""
        self.client_left = False
        self.state = State.INTENT
        self.goes_on = False
        """The answer is given, the work is not done: the attempt stays open, for whoever asks the provider."""
        self._holdings = holdings
        self._journal = journal
        self._clock = clock
        self._means = means
        self._metrics = metrics
        self._drain_s = drain_s
        self._meter: Meter | None = None
        self._filter: UsageChunkFilter | None = None
        self._opened = Opened(holdings, request, attempt)
        self._received = 0
        self._sent = 0
        self._aborted = False
        self._reading = NOTHING
        self._cost = FREE
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting = asyncio.current_task()
        self._departure = departure
        self._departed_us = ask.started_us if attempt.number == 1 else clock.monotonic_us()
        departure.watch(self.leave)

    def answered(self, response: UpstreamResponse, *, withhold_usage: bool) -> None:
        """Take the provider's response head."""
        self.response = response
        self.first_byte_us = self._clock.monotonic_us() - self._departed_us
        if response.status < 400:
            translated, containers = self.translation is not None, self._opened.named
            self._meter = metered(self.ask, self.step, response, translated=translated, containers=containers)
            if withhold_usage and response.content_type.startswith("text/event-stream"):
                self._filter = UsageChunkFilter()

    @property
    def answers(self) -> bool:
        """Say whether the provider answers, instead of refusing."""
        return self._response().status < 400

    async def read_refusal(self) -> Refusal:
        """Read and classify a provider's refusal (status ≥ 400): nothing is billed."""
        response = self._response()
        self.refusal_body = body = await refusal_body(response)
        self._received = len(body)
        provider, now = self.step.provider.name, self._clock.now_us()
        self.refusal = classify(provider, response.status, response.headers, body, now_us=now)
        self.error_class = self.refusal.error_class
        return self.refusal

    async def close(self, *, ends_request: bool) -> None:
        """End an attempt that did not answer; with `ends_request` its refusal is what the caller gets."""
        if self.error is not None:
            await self.fail(self.error, ends_request=ends_request)
        else:
            status = self._response().status
            await self.end(State.REJECTED, status_code=status, error_class=self.error_class, ends_request=ends_request)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the answer's bytes for the client as they come, the meter watching them pass.

        Raises:
            ProviderError: the answer broke off.
        """
        response, meter, change = self._response(), self._meter, self._change()
        awaited = FirstContent(*self.step.wire) if self.ask.stream else None
        try:
            async for chunk in response.chunks():
                self._received += len(chunk)
                if awaited is not None and awaited.comes(chunk):
                    awaited, self.first_token_us = None, self._clock.monotonic_us() - self._departed_us
                if meter is not None:
                    meter.feed(chunk)
                if self._opened.named:
                    await self._opened.bind()
                out = change(chunk) if change is not None else chunk
                if out:
                    yield out
        except ProviderError:
            if not self._aborted:
                raise
            return
        if rest := self._rest():
            yield rest

    def whole(self, body: bytes) -> bytes:
        """Return a plain answer as the caller reads it, once all of it is there.

        Raises:
            ProviderError: it cannot be translated.
        """
        if self.translation is None or self._aborted:  # of a part nothing can be made, and nobody waits for it
            return body
        self.measure(complete=True)
        return self.translation.whole(body, self._known_usage())

    async def keep(self, body: bytes) -> bytes:
        """Return a plain answer as the caller may read it, what it made or told of stored objects being bound.

        Raises:
            ConflictError: it is somebody else's.
            GatewayError: it cannot be kept.
        """
        if not self.ask.action and not self.ask.in_background:
            return body
        body, self.goes_on = await self._holdings.keep(
            self.ask, self.request, self.attempt, body, upload_url=self._response().upload_url
        )
        return body

    def hear(self, message: bytes) -> None:
        """Count one whole message of a session."""
        self._received += len(message)
        if self._meter is not None:
            self._meter.feed(message)

    def affords(self, responses: int) -> bool:
        """Say whether what is held for a session covers so many responses, at their dearest, beside those that ended."""
        most = self._means.ceiling(self.step, self.ask).pico if self.attempt.holds else None
        if most is None or self._meter is None:
            return True
        so_far = ended_responses(self._meter.finish(complete=False))
        spent = 0 if so_far is None else self._means.cost(self.step, self.attempt, so_far).pico
        return spent is not None and spent + responses * (most // self.ask.wanted.rounds) <= most

    def _change(self) -> Callable[[bytes], bytes] | None:
        """Return what is done to each piece of an answer as it passes; None: nothing."""
        if self.translation is not None and self.is_events:
            return self.translation.feed
        return self._filter.feed if self._filter is not None else None

    def _rest(self) -> bytes:
        """Return what is owed at the end of an answer."""
        if self.translation is not None and self.is_events:
            self.measure(complete=True)
            return self.translation.end(self._known_usage())
        return self._filter.flush() if self._filter is not None else b""

    @property
    def is_events(self) -> bool:
        """The answer comes as events: if it is translated, one by one."""
        return is_stream(self._response().content_type)

    def _known_usage(self) -> Usage | None:
        return None if self._reading.source is UsageSource.NONE else self._reading.usage

    def sent(self, count: int) -> None:
        """Count bytes handed to the client."""
        self._sent += count

    def leave(self) -> None:
        """The client is gone: read on for the usage, within bounds, or stop the cost, as the credential says."""
        if self.client_left or self.ended:
            return
        self.client_left = True
        if self.step.credential.on_disconnect is OnDisconnect.CANCEL:
            self.abort()
        else:
            self._deadline = asyncio.get_running_loop().call_later(self._drain_s, self.abort)

    def abort(self) -> None:
        """Close the upstream now, or stop waiting for it."""
        self._aborted = True
        if self.response is not None:
            self.response.close()
        elif self._waiting is not None and not self.ended:
            self._waiting.cancel()

    def gave_up_waiting(self) -> bool:
        """Take back the cancellation by which `abort` stopped the wait; False if the task is cancelled anyway."""
        assert self._waiting is not None, "a flight is made inside a task"
        return self._aborted and self._waiting.uncancel() == 0

    def measure(self, *, complete: bool) -> Cost:
        """Read the usage off the meter and price it, when no more bytes come; a second call changes nothing."""
        if self._meter is None or self._reading is not NOTHING or self.goes_on or self.ask.only_looks:
            return self._cost
        self._reading = self._meter.finish(complete=complete)
        self._cost = self._means.cost(self.step, self.attempt, self._reading)
        if self._means.is_beyond(self.step, self._cost, self.attempt.holds):
            anomalies = (*self._reading.anomalies, BEYOND_HELD)
            self._reading = msgspec.structs.replace(self._reading, anomalies=anomalies)
        return self._cost

    async def finish(self) -> None:
        """End an answer that came to its end, or that was stopped because the client had left."""
        status = self._response().status
        if self._aborted:
            self.measure(complete=False)
            await self.end(State.CANCELLED_PARTIAL, status_code=status)
            return
        self.measure(complete=True)
        await self._opened.bind()
        if self._reading.error is None:
            await self.end(State.SETTLED, status_code=status)
        else:  # an error event inside a 200 stream: the provider began to answer and failed
            self.error_class = ErrorClass.PROVIDER_ERROR
            await self.end(State.FAILED_BILLED, status_code=status, error_class=self.error_class)

    async def hang_up(self, error: KeysteadError | None = None) -> None:
        """End a session that came to its end, or that a limit or a rule has ended."""
        self.measure(complete=error is None)
        partial = error is not None or self._reading.source is UsageSource.PROVIDER_PARTIAL
        await self.end(
            State.CANCELLED_PARTIAL if partial else State.SETTLED,
            status_code=self._response().status,
            error_code=error.code if error else "",
            fault=error.fault if error else None,
        )

    async def fail(self, error: KeysteadError, *, ends_request: bool = True) -> None:
        """End an attempt that broke: before anything was sent, or after, when it may be billed."""
        sent = not isinstance(error, ProviderError) or error.sent
        reached = self.response is not None or (isinstance(error, ProviderError) and sent)
        self.error_class = error_class = error.error_class if isinstance(error, ProviderError) else None
        if reached:
            self.measure(complete=False)
            if self._reading is NOTHING:
                self._cost = Cost(state=CostState.UNKNOWN)
        await self.end(
            State.FAILED_BILLED if reached else State.FAILED_UNSENT,
            status_code=error.status,
            error_class=error_class,
            error_code=error.code,
            fault=error.fault,
            ends_request=ends_request,
        )

    async def cancel(self) -> None:
        """End an attempt whose task is being cancelled (shutdown, or a defect): the record is kept."""
        if self.response is not None:
            self.response.close()
            self.measure(complete=False)
        else:
            self._cost = Cost(state=CostState.UNKNOWN)
        await self.end(State.CANCELLED_PARTIAL, status_code=CLIENT_CLOSED_REQUEST)

    async def end(
        self,
        state: State,
        *,
        status_code: int,
        error_class: ErrorClass | None = None,
        error_code: str = "",
        fault: Fault | None = None,
        ends_request: bool = True,
    ) -> None:
        """Hand the one settlement to the journal; a second call does nothing."""
        if self.ended:
            return
        self._departure.unwatch(self.leave)
        if self._deadline is not None:
            self._deadline.cancel()
        if self.response is not None:
            self.response.close()
        if self.goes_on or await self._goes_on_after_stream():
            return
        self.state = state
        if self.client_left and not self._sent:
            status_code = CLIENT_CLOSED_REQUEST
        self.status_code = status_code
        self.fault = fault or (fault_of(error_class) if error_class else None)
        self.charge_pico = self._means.charge(self.step, self._cost, self.attempt.holds)
        settlement = Settlement(
            request=self.request,
            attempt=self.attempt,
            state=state,
            finished_at=self._clock.now_us(),
            duration_us=self._clock.monotonic_us() - self._departed_us,
            first_byte_us=self.first_byte_us,
            first_token_us=self.first_token_us,
            status_code=status_code,
            upstream_status=self.response.status if self.response is not None else None,
            error_class=error_class.value if error_class else "",
            error_code=error_code,
            fault=self.fault,
            upstream_request_id=self.response.upstream_request_id if self.response is not None else "",
            reading=self._reading,
            cost=self._cost,
            charge_pico=self.charge_pico,
            posts=posts(self.attempt.holds, cost=self._cost, charged=self.charge_pico),
            on_disconnect=("cancelled" if self._aborted else "drained") if self.client_left else "",
            bytes_received=self._received,
            bytes_sent=self._sent,
            ends_request=ends_request,
        )
        ask = self.ask
        self._metrics.answered(ask.dialect.value, ask.endpoint.value, state.value, settlement.duration_us)
        if error_class is not None:
            self._metrics.provider_errors.labels(self.step.provider.name, error_class.value).inc()
        await settle(self._journal, settlement)

    async def _goes_on_after_stream(self) -> bool:
        """Say whether a background response goes on although its stream has ended, and see that it is awaited."""
        if self.ask.in_background:
            self.goes_on = await self._holdings.keep_stream(self.ask, self.request, self.attempt, self._reading)
        return self.goes_on

    @property
    def tokens(self) -> int:
        """Tokens in and out, once it was measured; for limits per minute."""
        return self._reading.usage.input_total + self._reading.usage.output_total

    @property
    def ended(self) -> bool:
        """The settlement has been handed over, or will be when the work has ended."""
        return self.goes_on or self.state is not State.INTENT

    @property
    def cost(self) -> Cost:
        """What the answer cost, once it was measured."""
        return self._cost

    def _response(self) -> UpstreamResponse:
        assert self.response is not None, "the provider has answered"
        return self.response
