"""The audit log: who changed what."""

from typing import Annotated, Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.identity.audit import ActorKind, AuditFilter, list_events
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import (
    LINE,
    Instant,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    optional_micros,
    paged,
    with_instants,
)


class AuditQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    action: (
        Annotated[str, msgspec.Meta(max_length=64, pattern=LINE, description="Such as `credential.rotated`.")] | None
    ) = None
    actor: Reference | None = None
    """A member's id."""
    object: Reference | None = None
    """The id of what was changed."""
    since: Instant | None = None
    until: Instant | None = None


class AuditEventShown(msgspec.Struct, frozen=True, kw_only=True):
    """One administrative act."""

    id: str
    at: Instant
    actor_kind: ActorKind
    actor_id: str
    actor: str | None
    """A member's name; null for the system."""
    action: str
    object_kind: str
    object_id: str
    details: dict[str, Any]


async def list_all(call: Call[AuditQuery, Nothing]) -> Page[AuditEventShown]:
    """Return a page of audit events, newest first."""
    query = call.query
    chosen = AuditFilter(
        action=query.action,
        actor_id=query.actor,
        object_id=query.object,
        since=optional_micros(query.since),
        until=optional_micros(query.until),
    )
    async with call.rooms.database.read() as conn:
        found = await list_events(
            conn, call.who.organization_id, chosen, before=decode_cursor(query.cursor), limit=query.limit + 1
        )
        items, next_cursor = paged(found, query.limit)
        actors = await call.rooms.directory.member_names(
            conn, call.who.organization_id, [event.actor_id for event in items]
        )
    shown = (AuditEventShown(**with_instants(event), actor=actors.get(event.actor_id)) for event in items)
    return Page(items=tuple(shown), next_cursor=next_cursor)


ROUTES: Final = (
    Route(
        method="GET",
        path="/audit-events",
        permission=Permission.AUDIT_READ,
        handler=list_all,
        summary="Who changed what, newest first.",
        query=AuditQuery,
        answer=Page[AuditEventShown],
    ),
)
