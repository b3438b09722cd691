"""Alerts in the database. Owns `alerts`.

Every function and method takes the connection first: the caller owns the transaction. An alert is open until it is
resolved; of each organization, kind and subject at most one is, which an index sees to. So when two processes tell the
same, one of their transactions fails, and is told anew.
"""

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, case, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.alerts.views import Alert, AlertKind, Cause, Detail
from keystead.domain.clock import DAY_US, Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import TeamId, new_id
from keystead.storage import governance
from keystead.storage.lists import page

KEPT_US: Final = 400 * DAY_US
"""How long an alert is kept once it is resolved."""

_alerts = governance.alerts
_is_open: Final = _alerts.c.resolved_at.is_(None)


async def open_alerts(conn: AsyncConnection, kinds: Collection[AlertKind] | None = None) -> list[Alert[int]]:
    """Return every organization's alerts that are open: of some kinds, or of all."""
    narrowed = [] if kinds is None else [_alerts.c.kind.in_(kinds)]
    found = await conn.execute(select(_alerts).where(_is_open, *narrowed).order_by(_alerts.c.id))
    return [_alert(row) for row in found.mappings()]


async def last_resolved(conn: AsyncConnection, kind: AlertKind) -> dict[str, int]:
    """Return subject → when its last alert of that kind was resolved."""
    resolved = func.max(_alerts.c.resolved_at)
    query = select(_alerts.c.subject_id, resolved).where(_alerts.c.kind == kind, ~_is_open)
    return {row[0]: row[1] for row in await conn.execute(query.group_by(_alerts.c.subject_id))}


async def record(conn: AsyncConnection, cause: Cause, *, now: int) -> Alert[int] | None:
    """Count a cause in the alert that is open about it; open and return one if there is none.

    Raises:
        IntegrityError: another process has opened it meanwhile; the transaction is lost.
    """
    detail = msgspec.json.encode(cause.detail).decode()
    same = (
        _alerts.c.organization_id == cause.organization_id,
        _alerts.c.kind == cause.kind,
        _alerts.c.subject_id == cause.subject_id,
    )
    later = case((_alerts.c.last_at < cause.last_at, cause.last_at), else_=_alerts.c.last_at)
    counted = update(_alerts).where(*same, _is_open)
    values = {"last_at": later, "count": _alerts.c.count + cause.count, "detail": detail}
    if (await conn.execute(counted.values(values))).rowcount:
        return None
    row = {
        "id": new_id("alr", now),
        "detail": detail,
        **{name: getattr(cause, name) for name in Cause.__struct_fields__ if name != "detail"},
    }
    found = await conn.execute(insert(_alerts).values(row).returning(_alerts))
    return _alert(found.mappings().one())


async def resolve(conn: AsyncConnection, alert_id: str, *, now: int) -> Alert[int] | None:
    """Close an alert whose cause is gone, and return it; None if it is closed already."""
    closed = update(_alerts).where(_alerts.c.id == alert_id, _is_open).values(resolved_at=now)
    row = (await conn.execute(closed.returning(_alerts))).mappings().one_or_none()
    return None if row is None else _alert(row)


async def forget(conn: AsyncConnection, *, now: int) -> int:
    """Delete the alerts that were resolved long ago; return how many."""
    return (await conn.execute(delete(_alerts).where(_alerts.c.resolved_at < now - KEPT_US))).rowcount


class Alerts:
    """Lists and acknowledges alerts: of some teams' subjects, or (None) of everything in the organization."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        team_ids: frozenset[TeamId] | None = None,
        open_only: bool = False,
        since: int | None = None,
        until: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Alert[int]]:
        """Return up to `limit` alerts, newest first; `before` is the last id of the page before.

        With `since` and `until` (Unix microseconds), those that were open at some time between them.
        """
        narrowed = _of_teams(team_ids)
        if open_only:
            narrowed.append(_is_open)
        if since is not None:
            narrowed.append(or_(_is_open, _alerts.c.resolved_at >= since))
        if until is not None:
            narrowed.append(_alerts.c.first_at < until)
        rows = await page(conn, _alerts, organization_id, *narrowed, before=before, limit=limit)
        return [_alert(row) for row in rows]

    async def get(
        self,
        conn: AsyncConnection,
        organization_id: str,
        alert_id: str,
        *,
        team_ids: frozenset[TeamId] | None = None,
    ) -> Alert[int]:
        """Return an alert.

        Raises:
            NotFoundError: the organization, or the teams, have none of that id.
        """
        query = select(_alerts).where(
            _alerts.c.organization_id == organization_id, _alerts.c.id == alert_id, *_of_teams(team_ids)
        )
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("There is no such alert.", code="alert_not_found")
        return _alert(row)

    async def acknowledge(
        self,
        conn: AsyncConnection,
        *,
        organization_id: str,
        actor_id: str,
        alert_id: str,
        team_ids: frozenset[TeamId] | None = None,
    ) -> Alert[int]:
        """Note that a member has seen an alert, which stays open. A second time changes nothing.

        Raises:
            NotFoundError: as `get`.
            ConflictError: it is resolved.
        """
        alert = await self.get(conn, organization_id, alert_id, team_ids=team_ids)
        if alert.resolved_at is not None:
            raise ConflictError("The alert is resolved.", code="alert_resolved", next_step="There is nothing to do.")
        if alert.acknowledged_at is not None:
            return alert
        given = {"acknowledged_at": self._clock.now_us(), "acknowledged_by": actor_id}
        await conn.execute(update(_alerts).where(_alerts.c.id == alert_id).values(given))
        return msgspec.structs.replace(alert, **given)


def _of_teams(team_ids: frozenset[TeamId] | None) -> list[ColumnElement[bool]]:
    return [] if team_ids is None else [_alerts.c.team_id.in_(team_ids)]


def _alert(row: RowMapping) -> Alert[int]:
    values = {name: row[name] for name in Alert.__struct_fields__ if name not in {"kind", "detail"}}
    return Alert(kind=AlertKind(row["kind"]), detail=msgspec.json.decode(row["detail"], type=Detail), **values)
