"""The trip of one request, in order, on one page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import AuthenticationError, KeysteadError, NotFoundError, NotRecordedError, PolicyDenied
from keystead.domain.grants import DataClass
from keystead.domain.ids import InstanceId
from keystead.domain.means import refused_by
from keystead.domain.records import FREE, RequestIntent, Settlement
from keystead.domain.traffic import Endpoint, Fault, State
from keystead.gateway.ask import Ask
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
from keystead.gateway.pace import Pace
from keystead.gateway.plan import Plan, Question, check_alternatives, check_endpoint, judge, plan_for
from keystead.gateway.rules import Caller
from keystead.gateway.settle import settle
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.trip import Case, Trip
from keystead.gateway.usable import UsableModel, usable_models
from keystead.gateway.walk import Walk
from keystead.policy.facts import Facts
from keystead.routing.resolve import Candidate
from keystead.storage.database import Database
from keystead.telemetry import Metrics

MOST_AT_ONCE: Final = 128 << 10
"""Bytes of a body that is looked into while every other request waits: some 2 ms. A larger one has a thread."""

_LOOKERS: Final = 2
"""Threads for that. The event loop competes with them for the interpreter, so they are few; with two, one body that takes
long does not hold up all others."""

_ABOUT_MODELS: Final = frozenset({"model_not_allowed", "not_granted", "data_class_refused"})


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
    async def open(self, key: VirtualKey, ask: Ask, departure: Departure) -> AsyncIterator[Flight]:
        """Decide, hold, record the intent, ask the provider; lend the flight with the response's head.

        Raises:
            KeysteadError: refused or failed; it is recorded.
            ClientLeftError: the client left before the provider answered; it is recorded.
        """
        seen, plan = ask, None
        try:
            case = await self._decide(key, ask)
            seen, plan = case.ask, case.plan  # recorded, whatever becomes of it
            admission = await self._pace.admit(case.caller, plan, seen)
        except KeysteadError as error:
            hidden = _hidden(error, ask)
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
        if ask.body_bytes <= MOST_AT_ONCE:
            seen = look_into(caller, ask)
        else:
            seen = await asyncio.get_running_loop().run_in_executor(self._lookers, look_into, caller, ask)
            snapshot = self._snapshot()
            caller = snapshot.caller(self._in_force(snapshot, key))  # meanwhile it may have ended, or lost its grants
            caller.check_network(ask.address)
        seen, plan = await self._plan(snapshot, caller, seen, data_class_of(caller, seen))
        return Case(caller=caller, ask=seen, plan=plan, means=snapshot.means)

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
            decision=_refused(error, plan),
            data_class=plan.data_class if plan else _class_so_far(self._snapshot().caller(key), ask),
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
        if ask.stored or ask.action:
            ask, plan = await self._keeping.plan(question, ask, snapshot.means)
        else:
            plan = snapshot.plan(question, plan_for)
        if names_alternatives(ask):
            for group in plan.groups:
                for step in group:
                    check_alternatives(caller.key, step)
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


def _class_so_far(caller: Caller, ask: Ask) -> str:
    """Return the data class of a request that nothing was planned for.

    Empty where it named none that exists, or where recognisers might have raised it.
    """
    if caller.rules.recognizers is not None and ask.raised_to is None:
        return ""
    try:
        return data_class_of(caller, ask).name
    except KeysteadError:
        return ""


def _hidden(error: KeysteadError, ask: Ask) -> KeysteadError | None:
    """Return what is told, in place of a refusal, about a model that is asked after and not asked for something.

    What others may use is to such a caller as if it never was. `explain` says why to who may know.
    """
    if ask.endpoint is not Endpoint.MODELS or not ask.model or error.code not in _ABOUT_MODELS:
        return None
    return NotFoundError(
        f"There is no model {ask.model!r} here.",
        code="model_not_found",
        param="model",
        next_step="GET /v1/models lists what this key may use.",
    )


def _refused(error: KeysteadError, plan: Plan | None) -> str:
    """Return the decision to be recorded for a refusal: what was planned, and why nothing came of it.

    The words are kept where they are about rules and models. Others may repeat what the caller sent.
    """
    decision: dict[str, Any] = msgspec.json.decode(plan.decision) if plan else {}
    if isinstance(error, PolicyDenied) or error.param == "model":
        decision["reason"] = error.message
    return msgspec.json.encode(decision).decode()


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
