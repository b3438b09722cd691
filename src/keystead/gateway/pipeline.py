"""The trip of one request, in order, on one page."""

from collections.abc import Callable, Sequence

from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.domain.ids import InstanceId
from keystead.domain.records import FREE, AttemptIntent, RequestIntent, Settlement
from keystead.domain.traffic import Fault, State
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.flight import Flight, settle
from keystead.gateway.plan import Plan, candidates_for, check_alternatives, plan_follow_up, plan_for
from keystead.gateway.snapshot import Snapshot
from keystead.metering import stored
from keystead.storage.database import Database
from keystead.telemetry import Metrics


class Pipeline:
    """Takes an ask from an authenticated caller to an answer under way, with its record kept."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        database: Database,
        dispatch: Dispatch,
        clock: Clock,
        instance_id: InstanceId,
        metrics: Metrics,
        drain_s: float,
    ) -> None:
        """Wire the rooms; `snapshot` returns the current one."""
        self._snapshot = snapshot
        self._database = database
        self._journal = database.journal
        self._dispatch = dispatch
        self._clock = clock
        self._instance_id = instance_id
        self._metrics = metrics
        self._drain_s = drain_s

    async def open(self, key: VirtualKey, ask: Ask, departure: Departure) -> Flight:
        """Decide, record the intent, ask the provider; return the flight with the response's head.

        Raises:
            KeysteadError: refused or failed; it is recorded.
            ClientLeftError: the client left before the provider answered; it is recorded.
        """
        snapshot = self._snapshot()
        try:
            plan = await self._plan(snapshot, key, ask)
        except KeysteadError as error:
            await self.refuse(key, ask, error)
            raise
        request = self._request(key, ask, plan.decision)
        attempt = _attempt(plan, ask)
        await self._journal.intend(request, attempt)  # durable from here on: no record, no request
        flight = Flight(
            ask=ask,
            plan=plan,
            request=request,
            attempt=attempt,
            journal=self._journal,
            clock=self._clock,
            price_book=snapshot.price_book,
            metrics=self._metrics,
            departure=departure,
            drain_s=self._drain_s,
        )
        await self._dispatch.launch(flight)
        return flight

    async def refuse(self, key: VirtualKey, ask: Ask, error: KeysteadError) -> None:
        """Record a request that ends before any attempt."""
        await self._without_attempt(key, ask, State.REJECTED, status=error.status, code=error.code, fault=error.fault)

    async def answered_here(self, key: VirtualKey, ask: Ask) -> None:
        """Record a request that the gateway answered itself, such as its own list of models."""
        await self._without_attempt(key, ask, State.SETTLED, status=200, code="", fault=None)

    async def _without_attempt(
        self, key: VirtualKey, ask: Ask, state: State, *, status: int, code: str, fault: Fault | None
    ) -> None:
        settlement = Settlement(
            request=self._request(key, ask, "{}"),
            attempt=None,
            state=state,
            finished_at=self._clock.now_us(),
            duration_us=self._clock.monotonic_us() - ask.started_us,
            status_code=status,
            error_code=code,
            fault=fault,
            cost=FREE,
        )
        self._metrics.answered(ask.dialect.value, ask.endpoint.value, state.value, settlement.duration_us)
        await settle(self._journal, settlement)

    def usable(self, key: VirtualKey, ask: Ask) -> Sequence[Credential]:
        """Return the credentials that could serve `ask`, for the gateway's own list of models."""
        credentials = self._snapshot().credentials.get(key.organization_id, ())
        candidates = candidates_for(key, credentials, dialect=ask.dialect, endpoint=ask.endpoint)
        return [candidate.credential for candidate in candidates]

    async def _plan(self, snapshot: Snapshot, key: VirtualKey, ask: Ask) -> Plan:
        credentials = snapshot.credentials.get(key.organization_id, ())
        memo = (key.id, ask.dialect.value, ask.endpoint.value, ask.model)
        plan: Plan | None
        if ask.object_id is not None:
            credential_id = await self._stored_with(key, ask.object_id)
            plan = plan_follow_up(key, credentials, credential_id=credential_id, ask=ask)
        elif (plan := snapshot.plans.get(memo)) is None:
            plan = plan_for(key, credentials, dialect=ask.dialect, endpoint=ask.endpoint, model=ask.model)
            snapshot.remember(memo, plan)
        check_alternatives(key, plan, ask)
        return plan

    async def _stored_with(self, key: VirtualKey, response_id: str) -> str:
        async with self._database.read() as conn:
            credential_id = await stored.credential_of_response(
                conn,
                organization_id=key.organization_id,
                principal_id=key.principal_id,
                response_id=response_id,
            )
        if credential_id is None:
            raise NotFoundError("There is no such response.", code="response_not_found")
        return credential_id

    def _request(self, key: VirtualKey, ask: Ask, decision: str) -> RequestIntent:
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
        )


def _attempt(plan: Plan, ask: Ask) -> AttemptIntent:
    return AttemptIntent(
        number=1,
        started_at=ask.started_at,
        credential_id=plan.credential.id,
        credential_version=plan.version.version,
        owner=plan.credential.owner.value,
        provider=plan.provider.name,
        model_sent=plan.model,
        destination=plan.credential.origin,
        region=plan.credential.region,
    )
