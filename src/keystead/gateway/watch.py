"""Looking for what somebody should know: every few seconds, in one process, off every request's way.

What own keys were refused is told by the attempts that the record holds, each of which is counted once; everything
else by how it stands. Nothing is kept in memory between two looks, so a process that dies loses none: the next one
that looks sees the same. The eldest living process looks. Should two do so for a moment, an index lets one of them
open an alert, and the other's transaction is undone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.alerts import keys, notices, store
from keystead.alerts.views import OF_KEYS, Alert, AlertKind, AlertTold, Cause, as_told
from keystead.domain.clock import Clock
from keystead.domain.grants import Consent
from keystead.domain.means import Budget
from keystead.gateway import causes
from keystead.gateway.causes import Changes
from keystead.identity import directory
from keystead.identity.expiring import expiring_keys
from keystead.identity.views import ExpiringKey
from keystead.ledger.left import credits_left
from keystead.limits import fullness
from keystead.limits import store as limits
from keystead.limits.views import Standing
from keystead.policy import store as policy
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from keystead.vault.contracts import contracts

Owned = TypeVar("Owned", Budget, Consent)

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200
"""Alerts opened or resolved in one transaction: on SQLite everybody who writes waits for it. The next look takes more."""

LOOK_S: Final = 5.0
"""How often. An alert is there within two looks, and within 20 seconds should the process that looked have died."""


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a look has found."""

    failures_wait: bool
    mended: Sequence[Alert[int]]
    changes: Changes

    @property
    def is_nothing(self) -> bool:
        return not (self.failures_wait or self.mended or self.changes.recorded or self.changes.resolved)


class Watch:
    """Opens, counts and resolves alerts."""

    def __init__(self, *, database: Database, clock: Clock, metrics: Metrics, notify: bool) -> None:
        """Look into `database`. With `notify` whatever opens or resolves is also put down for the operator's webhook."""
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._notify = notify

    async def look(self) -> None:
        """Look once, and write what has changed."""
        now = self._clock.now_us()
        while True:
            async with self._database.read() as conn:
                found = await _look(conn, now)
            if found.is_nothing:
                return
            async with self._database.write() as conn:
                opened, resolved, taken = await self._write(conn, found, now)
            self._tell(opened, "opened")
            self._tell(resolved, "resolved")
            if taken < keys.BATCH:
                return

    async def _write(
        self, conn: AsyncConnection, found: _Found, now: int
    ) -> tuple[list[Alert[int]], list[Alert[int]], int]:
        """Write what a look has found; return what opened, what resolved, and how many failures were taken."""
        failures = await keys.notice(conn, now=now) if found.failures_wait else []
        standing, gone = found.changes.recorded[:AT_ONCE], found.changes.resolved[:AT_ONCE]
        recorded = [await store.record(conn, cause, now=now) for cause in (*failures, *standing)]
        opened = [alert for alert in recorded if alert is not None]
        # Looked at again, now that the last failures are counted: a success before one of them mends nothing.
        mended = await keys.mended(conn, await store.open_alerts(conn, OF_KEYS))
        closed = [await store.resolve(conn, alert.id, now=now) for alert in (*mended, *gone)]
        resolved = [alert for alert in closed if alert is not None]
        if self._notify:
            told = [("alert.opened", alert) for alert in opened] + [("alert.resolved", alert) for alert in resolved]
            for event, alert in told:
                await notices.put_down(
                    conn,
                    organization_id=alert.organization_id,
                    event=event,
                    subject_id=alert.id,
                    content=AlertTold(**as_told(alert)),
                    now=now,
                )
        return opened, resolved, sum(cause.count for cause in failures)

    def _tell(self, alerts: Iterable[Alert[int]], event: str) -> None:
        for alert in alerts:
            self._metrics.alerts.labels(alert.kind.value, event).inc()
            write = log.warning if event == "opened" else log.info
            write(f"alert_{event}", alert=alert.id, kind=alert.kind.value)


async def _look(conn: AsyncConnection, now: int) -> _Found:
    alerts = await store.open_alerts(conn)
    time_zones = {str(one.id): one.time_zone for one in await directory.organization_facts(conn)}
    standing = [
        *await _about_budgets(conn, alerts, time_zones, now),
        *await _about_consents(conn, time_zones, now),
        *causes.of_contracts(await contracts(conn), now_us=now),
        *causes.of_credits(await credits_left(conn), now_us=now),
        *causes.of_keys(await _expiring(conn, now), now_us=now),
    ]
    return _Found(
        failures_wait=await keys.are_waiting(conn),
        mended=await keys.mended(conn, alerts),
        changes=causes.changes(alerts, standing),
    )


async def _about_budgets(
    conn: AsyncConnection, alerts: Iterable[Alert[int]], time_zones: Mapping[str, str], now: int
) -> list[Cause]:
    reached = {alert.subject_id: alert for alert in alerts if alert.kind is AlertKind.BUDGET_REACHED}
    resolved_at = await store.last_resolved(conn, AlertKind.BUDGET_REACHED)
    in_force = {one.id: one for one in await limits.budgets(conn) if one.ends_at is None or now < one.ends_at}
    standing: list[tuple[Budget, Standing]] = []
    for time_zone, budgets in _by_time_zone(in_force.values(), time_zones).items():
        standing += await fullness.budgets_standing(conn, budgets, now_us=now, time_zone=time_zone)
    since = causes.refusals_since(standing, reached, resolved_at, now_us=now)
    refused = await fullness.refused_since(conn, since)
    found = list(causes.of_budgets(standing, refused, reached, now_us=now))
    teams = await fullness.teams_of(conn, [in_force[budget_id] for budget_id in {one.subject_id for one in found}])
    return [msgspec.structs.replace(one, team_id=teams.get(one.subject_id, "")) for one in found]


async def _about_consents(conn: AsyncConnection, time_zones: Mapping[str, str], now: int) -> list[Cause]:
    lately = [one for one in await policy.consents(conn) if now - one.expires_at < causes.CONSENT_AHEAD_US]
    found: list[Cause] = []
    for time_zone, consents in _by_time_zone(lately, time_zones).items():
        used = await fullness.caps_used(conn, consents, now_us=now, time_zone=time_zone)
        found += causes.of_consents(consents, used, now_us=now)
    return found


async def _expiring(conn: AsyncConnection, now: int) -> list[ExpiringKey]:
    ahead = causes.KEY_AHEAD_US
    return await expiring_keys(conn, after=now - ahead, before=now + ahead, lifetime_us=causes.KEY_LIFETIME_US)


def _by_time_zone(values: Iterable[Owned], time_zones: Mapping[str, str]) -> dict[str, list[Owned]]:
    """Sort what organizations own by their time zones: whose periods begin at the same time is asked for at once."""
    found: dict[str, list[Owned]] = {}
    for value in values:
        found.setdefault(time_zones[value.organization_id], []).append(value)
    return found
