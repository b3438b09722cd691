"""Who changed what, when: one row in `audit_events` for every administrative act, in the act's own transaction.

An event names its object and says what changed in `details`; it never holds a secret. A `Secret` put there by
mistake cannot be encoded, so the act fails instead of leaking.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.ids import new_id
from keystead.storage.lists import page
from keystead.storage.schema import audit_events

ActorKind = Literal["member", "system"]


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One administrative act."""

    id: str
    at: int
    """Unix microseconds."""
    actor_kind: ActorKind
    actor_id: str
    action: str
    """What was done, as `<object kind>.<past participle>`: `credential.rotated`."""
    object_kind: str
    object_id: str
    details: dict[str, Any]


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to list; None means any. Instants are Unix microseconds, `since` inclusive, `until` exclusive."""

    action: str | None = None
    actor_id: str | None = None
    object_id: str | None = None
    since: int | None = None
    until: int | None = None


async def record_event(
    conn: AsyncConnection,
    *,
    organization_id: str,
    at: int,
    actor_kind: ActorKind,
    actor_id: str,
    action: str,
    object_kind: str,
    object_id: str,
    details: Mapping[str, Any],
) -> str:
    """Write one event inside the caller's transaction and return its id.

    Raises:
        TypeError: `details` holds something that is not plain data, such as a Secret.
    """
    identifier = new_id("evt", at)
    await conn.execute(
        insert(audit_events).values(
            id=identifier,
            organization_id=organization_id,
            at=at,
            actor_kind=actor_kind,
            actor_id=actor_id,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            details=msgspec.json.encode(details).decode(),
        )
    )
    return identifier


async def list_events(
    conn: AsyncConnection, organization_id: str, chosen: AuditFilter, *, before: str | None, limit: int
) -> list[AuditEvent]:
    """Return up to `limit` events of the organization, newest first; `before` is the last id of the page before."""
    columns = audit_events.c
    conditions: list[ColumnElement[bool]] = []
    if chosen.action is not None:
        conditions.append(columns.action == chosen.action)
    if chosen.actor_id is not None:
        conditions.append(columns.actor_id == chosen.actor_id)
    if chosen.object_id is not None:
        conditions.append(columns.object_id == chosen.object_id)
    if chosen.since is not None:
        conditions.append(columns.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(columns.at < chosen.until)
    rows = await page(conn, audit_events, organization_id, *conditions, before=before, limit=limit)
    return [
        AuditEvent(
            id=row["id"],
            at=row["at"],
            actor_kind=row["actor_kind"],
            actor_id=row["actor_id"],
            action=row["action"],
            object_kind=row["object_kind"],
            object_id=row["object_id"],
            details=msgspec.json.decode(row["details"], type=dict[str, Any]),
        )
        for row in rows
    ]
