"""The trip of one request, in order, on one page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from keystead.dialects.body import read_json
from keystead.dialects.named_models import named_models
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import AuthenticationError, KeysteadError, NotRecordedError, PolicyDenied
from keystead.domain.grants import DataClass
from keystead.domain.ids import InstanceId
from keystead.domain.means import refused_by
from keystead.domain.records import FREE, RequestIntent, Settlement
from keystead.domain.traffic import Endpoint, Fault, State
from keystead.gateway.ask import Ask
from keystead.gateway.beside import check_beside
from keystead.gateway.candidates import candidates_of
from keystead.gateway.departure import Departure
from keystead.gateway.flight import Flight
from keystead.gateway.holdings_list import listed
from keystead.gateway.inspect import (
    check_fallback,
    data_class_of,
    look_into,
    names_alternatives,
    outline_of,
    tags_of,
)
from keystead.gateway.keeping import Keeping
from keystead.gateway.narrowed import check_alternatives, check_endpoint
from keystead.gateway.pace import Pace
from keystead.gateway.plan import Plan, Question, judge, plan_for
from keystead.gateway.refused import class_so_far, hidden_model, refusal_decision
from keystead.gateway.rules import Caller
from keystead.gateway.settle import settle
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.translate_call import Estimate, estimate_for
from keystead.gateway.trip import Case, Trip, as_decided
from keystead.gateway.upload_address import key_in
from keystead.gateway.usable import UsableModel, usable_models
from keystead.gateway.walk import Walk
from keystead.policy.facts import Facts
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import Candidate
from keystead.storage.database import Database
from keystead.telemetry import Metrics

MOST_AT_ONCE: Final = 128 << 10
"""Bytes of a body that is looked into while every other request waits: some 2 ms. A larger one has a thread."""

_SOUND: Final = msgspec.Raw(b'"input_audio_buffer.append"')
"""The type of a session's messages that hold a piece of sound and nothing else."""

_LOOKERS: Final = 2
"""Threads for that. The event loop competes with them for the interpreter, so they are few; with two, one body that takes
long does not hold up all others."""


class Pipeline:
    """Takes an ask from an authenticated caller to an answer under way, with its record kept."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        database: Database,
        keeping: Keeping,
        walk: Walk,
        pace: Pace,
        clock: Clock,
        instance_id: InstanceId,
        metrics: Metrics,
    ) -> None:
        """Wire the rooms; `snapshot` returns the current one."""
        self._snapshot = snapshot
        self._database = database
        self._keeping = keeping
        self._journal = database.journal
        self._walk = walk
        self._pace = pace
        self._clock = clock
        self._instance_id = instance_id
        self._metrics = metrics
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="looker")

    @asynccontextmanager
    async def open(self, key: VirtualKey, ask: Ask, departure: Departure) -> AsyncIterator[Flight | Estimate]:
        """Decide, hold, record the intent, ask the provider; lend the flight with the response's head.

        Where a token count is asked for and the model's provider has no counter, nobody is asked: the recorded estimate.

        Raises:
            KeysteadError: refused or failed; it is recorded.
            ClientLeftError: the client left before the provider answered; it is recorded.
        """
        seen, plan = ask, None
        try:
            case = await self._decide(key, ask)
            seen, plan = case.ask, case.plan  # recorded, whatever becomes of it
            estimate = self._estimate(case) if seen.endpoint is Endpoint.COUNT_TOKENS else None
            admission = await self._pace.admit(case.caller, plan, seen)
        except KeysteadError as error:
            hidden = hidden_model(error, ask)
            await self.refuse(key, seen, hidden or error, plan)
            if hidden is not None:
                raise hidden from error
            raise
        trip = Trip(
            case=case,
            request=self._request(case.caller, seen, case.plan.decision, case.plan.data_class),
            departure=departure,
            decide_again=partial(self._decide_again, key, ask),
        )
        tokens = 0
        try:
            if estimate is not None:
                await self._estimated(key, estimate, plan)
                yield estimate
                return
            try:
                flight = await self._walk.begin(trip)
            except NotRecordedError:
                raise  # the journal ends what may have been written of it
            except KeysteadError as error:
                if trip.number == 0:
                    await self.refuse(key, seen, error, plan)
                raise
            yield flight
            tokens = flight.tokens
        finally:
            await self._pace.done(admission, tokens)

    async def _decide(self, key: VirtualKey, ask: Ask) -> Case:
        """Decide about a request by the snapshot of now.

        Raises:
            KeysteadError: it may not be made.
        """
        snapshot = self._snapshot()
        caller = snapshot.caller(key)
        caller.check_network(ask.address)
        check_fallback(ask)
        seen = await self._looked_into(caller, ask)
        if ask.body_bytes > MOST_AT_ONCE:
            snapshot = self._snapshot()
            caller = snapshot.caller(self._in_force(snapshot, key))  # meanwhile it may have ended, or lost its grants
            caller.check_network(ask.address)
        seen, plan = await self._plan(snapshot, caller, seen, data_class_of(caller, seen))
        return Case(caller=caller, ask=seen, plan=plan, means=snapshot.means)

    async def _looked_into(self, caller: Caller, ask: Ask) -> Ask:
        if ask.body_bytes <= MOST_AT_ONCE:
            return look_into(caller, ask)
        return await asyncio.get_running_loop().run_in_executor(self._lookers, look_into, caller, ask)

    async def _decide_again(self, key: VirtualKey, ask: Ask) -> Case:
        """Decide for another attempt: the key may have ended since, and a grant, a credential or a consent with it."""
        return await self._decide(self._in_force(self._snapshot(), key), ask)

    def _in_force(self, snapshot: Snapshot, key: VirtualKey) -> VirtualKey:
        """Return the key as it is by now.

        Raises:
            AuthenticationError: it has been revoked or has expired.
        """
        current = snapshot.in_force(key.id, self._clock.now_us())
        if current is None:
            raise AuthenticationError
        return current

    async def refuse(self, key: VirtualKey, ask: Ask, error: KeysteadError, plan: Plan | None = None) -> None:
        """Record a request that ends before any attempt, with what was planned for it, if anything was."""
        await self._without_attempt(
            key,
            ask,
            State.REJECTED,
            decision=refusal_decision(error, plan),
            data_class=plan.data_class if plan else class_so_far(self._snapshot().caller(key), ask),
            status=error.status,
            code=error.code,
            fault=error.fault,
            refused_by=refused_by(error),
        )

    async def listed(self, key: VirtualKey, ask: Ask) -> bytes:
        """Return the list of the caller's own stored objects that `ask` is about.

        Raises:
            KeysteadError: the caller may not, or the query cannot be read.
        """
        caller = self._snapshot().caller(key)
        caller.check_network(ask.address)
        check_endpoint(key, ask.endpoint)
        return await listed(self._database, key, ask)

    def _estimate(self, case: Case) -> Estimate | None:
        """Count what is asked for, if the first to be asked has no counter."""
        first = next(iter(self._walk.in_order(case)))
        return estimate_for(case.ask, first) if first.estimates else None

    async def _estimated(self, key: VirtualKey, estimate: Estimate, plan: Plan) -> None:
        """Record a count that the gateway estimated: no provider saw it."""
        decision = msgspec.json.encode(msgspec.json.decode(plan.decision) | {"estimated": True}).decode()
        await self._without_attempt(
            key, estimate.ask, State.SETTLED, decision=decision, data_class=plan.data_class, status=200
        )

    async def answered_here(self, key: VirtualKey, ask: Ask) -> None:
        """Record a request that the gateway answered itself, such as its own list of models."""
        await self._without_attempt(key, ask, State.SETTLED, status=200)

    async def _without_attempt(
        self,
        key: VirtualKey,
        ask: Ask,
        state: State,
        *,
        decision: str = "{}",
        data_class: str = "",
        status: int,
        code: str = "",
        fault: Fault | None = None,
        refused_by: str = "",
    ) -> None:
        settlement = Settlement(
            request=self._request(self._snapshot().caller(key), ask, decision, data_class),
            attempt=None,
            state=state,
            finished_at=self._clock.now_us(),
            duration_us=self._clock.monotonic_us() - ask.started_us,
            status_code=status,
            error_code=code,
            fault=fault,
            refused_by=refused_by,
            cost=FREE,
        )
        self._metrics.answered(ask.dialect.value, ask.endpoint.value, state.value, settlement.duration_us)
        await settle(self._journal, settlement)

    async def check_session(self, key: VirtualKey, flight: Flight) -> None:
        """See that a session may still go on, by the rules of now.

        Raises:
            KeysteadError: its key, grant, consent, credential or class has ended.
        """
        case = await self._decide_again(key, flight.ask)
        consent_id, now_us = flight.attempt.consent_id, self._clock.now_us()
        consents = {each.id for each in case.caller.rules.consents if each.expires_at > now_us}
        if as_decided(flight.step, case.plan) is None or (consent_id and consent_id not in consents):
            raise PolicyDenied("The session's credential may not be used any more.", code="session_revoked")

    async def check_message(self, key: VirtualKey, flight: Flight, text: str) -> str:
        """Return a session's message as it may leave. Audio is not looked into.

        Raises:
            InvalidRequestError: it is no JSON object.
            PolicyDenied: it names another model that may not be used, such as one that transcribes; a recogniser blocks it, or raises it to a class that was not decided about.
        """
        read = read_json(text.encode())
        if read.members.get("type") == _SOUND:
            return text
        caller = self._snapshot().caller(key)
        if models := named_models(read.raw) - {flight.step.model}:
            data_class = data_class_of(caller, flight.ask)
            check_beside(question_of(caller, flight.ask, data_class, self._clock.now_us()), flight.step, models)
        if caller.rules.recognizers is None:
            return text
        seen = await self._looked_into(caller, msgspec.structs.replace(flight.ask, body=read.raw, json=read))
        if data_class_of(caller, seen).name != flight.request.data_class:
            raise PolicyDenied(
                "What the message holds is more sensitive than the session.",
                code="session_class",
                next_step="Begin a session of that data class: send its name in x-keystead-data-class.",
            )
        return seen.body.decode()

    async def uploader(self, address: str) -> VirtualKey:
        """Return the virtual key that began an upload, by the address for its pieces (see `upload_address`).

        Raises:
            AuthenticationError: there is no such upload, or its key has ended.
        """
        key = self._snapshot().in_force(key_in(address) or "", self._clock.now_us())
        if key is None or not await self._keeping.has_begun(key, address):
            raise AuthenticationError
        return key

    def provider_called(self, key: VirtualKey, name: str) -> Provider | None:
        """Return the provider of that name, or the one of the credential of that name that `key` could use."""
        credentials = self._snapshot().caller(key).rules.credentials
        provider = next((each.provider for each in credentials if each.name == name), name)
        return PROVIDERS.get(provider)

    def usable(self, key: VirtualKey, ask: Ask) -> Sequence[Credential]:
        """Return the credentials that could serve `ask`, for the gateway's own list of models."""
        candidates = candidates_of(self._snapshot().caller(key), dialect=ask.dialect, endpoint=ask.endpoint)
        return [candidate.credential for candidate in candidates]

    def may_use(self, key: VirtualKey, ask: Ask, credential: Credential, *, name: str, model: str) -> bool:
        """Say whether `key` may call `model` on `credential` under the name `name`, as far as can be said beforehand."""
        caller = self._snapshot().caller(key)
        data_class = caller.rules.classes.highest(caller.data_classes)
        question = question_of(caller, ask, data_class, self._clock.now_us())
        question = msgspec.structs.replace(question, model=name)
        return judge(question, Candidate(credential=credential), model)[1] is not None

    async def models(self, key: VirtualKey, ask: Ask) -> list[UsableModel]:
        """Return the models that `key` may call with asks like this one, as far as can be said beforehand.

        There may be more than a thousand, each to be decided about, so a thread does it.

        Raises:
            PolicyDenied: the key may not be used from where the caller is.
        """
        caller = self._snapshot().caller(key)
        caller.check_network(ask.address)
        data_class = caller.rules.classes.highest(caller.data_classes)
        question = question_of(caller, ask, data_class, self._clock.now_us())
        return await asyncio.get_running_loop().run_in_executor(self._lookers, usable_models, question)

    def routes(self, key: VirtualKey) -> Sequence[str]:
        """Return the names of the organization's routes."""
        return list(self._snapshot().caller(key).rules.routes)

    async def _plan(self, snapshot: Snapshot, caller: Caller, ask: Ask, data_class: DataClass) -> tuple[Ask, Plan]:
        now_us = self._clock.now_us()
        question = question_of(caller, ask, data_class, now_us)
        if ask.stored or ask.action or ask.endpoint is Endpoint.PASSTHROUGH:
            ask, plan = await self._keeping.plan(question, ask, snapshot.means)
        else:
            plan = snapshot.plan(question, plan_for)
        for step in (step for group in plan.groups for step in group):
            if names_alternatives(ask):
                check_alternatives(caller.key, step.credential)
            if ask.template:
                check_beside(question, step, [ask.template])
        return ask, plan

    def _request(self, caller: Caller, ask: Ask, decision: str, data_class: str) -> RequestIntent:
        key = caller.key
        return RequestIntent(
            id=ask.request_id,
            organization_id=key.organization_id,
            started_at=ask.started_at,
            instance_id=self._instance_id,
            team_id=key.team_id,
            principal_kind=key.principal_kind,
            principal_id=key.principal_id,
            virtual_key_id=key.id,
            dialect=ask.dialect.value,
            endpoint=ask.endpoint.value,
            model_asked=ask.model,
            stream=ask.stream,
            decision=decision,
            client=ask.client,
            data_class=data_class,
            cost_center=caller.cost_center(ask.started_at),
            outline=msgspec.json.encode(outline_of(caller, ask)).decode(),
        )


def question_of(caller: Caller, ask: Ask, data_class: DataClass, now_us: int) -> Question:
    """Return what is decided about.

    Raises:
        InvalidRequestError: the tags are malformed.
    """
    return Question(
        caller=caller,
        dialect=ask.dialect,
        endpoint=ask.endpoint,
        model=ask.model,
        data_class=data_class,
        facts=Facts(
            model=ask.model,
            endpoint=ask.endpoint,
            dialect=ask.dialect,
            stream=ask.stream,
            tags=tags_of(ask),
            team=caller.key.team_id,
            principal=caller.key.principal_id,
            data_class=data_class.name,
            time_us=now_us,
            time_zone=caller.rules.time_zone,
        ),
        now_us=now_us,
    )
