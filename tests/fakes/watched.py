"""An organization whose alerts somebody watches, for tests of alerts, notices and digests."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select

from keystead.alerts.store import Alerts
from keystead.alerts.views import Alert
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.records import FREE
from keystead.domain.traffic import ErrorClass, Fault, State
from keystead.domain.usage import NOTHING
from keystead.gateway.watch import Watch
from keystead.storage import governance, schema
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

ORGANIZATION: Final = OrganizationId("org_1")
TEAM: Final = TeamId("team_1")


class Scene:
    """An organization with a credential, and somebody who watches."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.metrics = Metrics()
        self.watch = Watch(database=database, clock=clock, metrics=self.metrics, notify=True)

    async def furnish(self) -> None:
        rows: Sequence[tuple[Any, dict[str, Any]]] = (
            (schema.organizations, {"id": ORGANIZATION, "name": "Acme", "currency": "USD", "time_zone": "UTC"}),
            (schema.teams, {"id": TEAM, "organization_id": ORGANIZATION, "name": "Research", "data_class": ""}),
            (
                schema.credentials,
                {
                    "id": "cred_1",
                    "organization_id": ORGANIZATION,
                    "name": "main",
                    "provider": "openai",
                    "origin": "https://api.openai.com",
                    "settings": "{}",
                    "owner": "own",
                    "region": "",
                    "on_disconnect": "drain",
                    "terms": "{}",
                    "created_by": "mem_1",
                },
            ),
            (
                schema.credential_versions,
                {
                    "credential_id": "cred_1",
                    "version": 1,
                    "organization_id": ORGANIZATION,
                    "state": "active",
                    "fingerprint": b"",
                    "mask": "sk-…",
                    "created_by": "mem_1",
                },
            ),
        )
        async with self.database.write() as conn:
            for table, values in rows:
                await conn.execute(insert(table).values(values | {"created_at": 1}))

    async def call(self, error_class: ErrorClass | None = None, status: int = 200, **changes: Any) -> None:
        """Record a call of the own credential that a second passes after."""
        request = request_intent(self.clock)
        attempt = attempt_intent(self.clock, **changes)
        await self.database.journal.intend(request, attempt)
        failed: dict[str, Any] = {}
        if error_class is not None:
            failed = {"state": State.FAILED_UNSENT, "error_class": error_class.value, "reading": NOTHING, "cost": FREE}
        await self.database.journal.settle(
            settlement(self.clock, request, attempt, status_code=status, upstream_status=status, **failed)
        )
        self.clock.advance(1)

    async def refused(self, budget_id: str) -> None:
        """Record a request that a budget had no room for."""
        end = settlement(
            self.clock,
            request_intent(self.clock),
            None,
            state=State.REJECTED,
            status_code=403,
            fault=Fault.POLICY,
            error_code="budget_exceeded",
            refused_by=budget_id,
            reading=NOTHING,
            cost=FREE,
        )
        await self.database.journal.settle(end)
        self.clock.advance(1)

    async def look(self) -> list[Alert[int]]:
        """Look, and return the alerts, oldest first."""
        await self.watch.look()
        return await self.alerts()

    async def alerts(self) -> list[Alert[int]]:
        async with self.database.read() as conn:
            return (await Alerts(self.clock).list(conn, ORGANIZATION))[::-1]

    async def told(self) -> list[tuple[str, str]]:
        """Return (event, kind) of what was put down for the webhook."""
        async with self.database.read() as conn:
            rows = (await conn.execute(select(governance.notices).order_by(governance.notices.c.id))).all()
        return [(row.event, msgspec.json.decode(row.body)["alert"]["kind"]) for row in rows]


async def scene_on(database: Database, clock: FakeClock) -> Scene:
    made = Scene(database, clock)
    await made.furnish()
    return made
