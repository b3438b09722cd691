"""Admin tokens: issue, list, revoke."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import ConflictError
from keystead.identity.issuer import AdminTokenView
from keystead.web.admin.route import Call, act
from keystead.web.admin.values import (
    Instant,
    IssuedState,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    ended_state,
    future,
    paged,
    with_instants,
)


class CreateAdminToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token that signs a member in to the admin API, with the member's own role."""

    name: Name
    member: Reference
    expires_at: Instant | None = None


class AdminTokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """An admin token, without its secret."""

    id: str
    name: str
    member_id: str
    member: str
    state: IssuedState
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class IssuedAdminToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new admin token with its text, which is shown this once."""

    admin_token: AdminTokenShown
    token: str


async def list_all(call: Call[PageQuery, Nothing]) -> Page[AdminTokenShown]:
    """Return a page of admin tokens, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.issuer.admin_tokens(
            conn, call.who.organization_id, before=decode_cursor(call.query.cursor), limit=call.query.limit + 1
        )
        items, next_cursor = paged(found, call.query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateAdminToken]) -> IssuedAdminToken:
    """Issue an admin token."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    now = rooms.clock.now_us()
    pepper = await rooms.pepper()
    async with act(call) as change:
        member = await rooms.directory.member(change.conn, organization_id, body.member)
        if member.disabled_at is not None:
            raise ConflictError("The member is disabled.", code="member_disabled", param="member")
        view, token = await rooms.issuer.create_admin_token(
            change.conn,
            pepper=pepper,
            organization_id=organization_id,
            member_id=member.id,
            name=body.name,
            expires_at=future(body.expires_at, now),
        )
        await change.record(
            "admin_token.created",
            object_kind="admin_token",
            object_id=view.id,
            name=view.name,
            member=member.id,
            role=member.role,
            expires_at=view.expires_at,
        )
        [shown] = await _shown(call, change.conn, [view])
    return IssuedAdminToken(admin_token=shown, token=token.reveal())


async def revoke(call: Call[Nothing, Nothing]) -> AdminTokenShown:
    """Revoke an admin token for good; not the one in use, so that nobody locks everybody out."""
    if call.path["admin_token"] == call.who.token_id:
        raise ConflictError(
            "This is the token you are using.",
            code="token_in_use",
            next_step="Create another one, and revoke this one with it.",
        )
    async with act(call) as change:
        view = await call.rooms.issuer.revoke_admin_token(
            change.conn, organization_id=call.who.organization_id, admin_token=call.path["admin_token"]
        )
        await change.record("admin_token.revoked", object_kind="admin_token", object_id=view.id, name=view.name)
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def _shown(
    call: Call[Any, Any], conn: AsyncConnection, views: Sequence[AdminTokenView]
) -> tuple[AdminTokenShown, ...]:
    members = await call.rooms.directory.member_names(
        conn, call.who.organization_id, [view.member_id for view in views]
    )
    now = call.rooms.clock.now_us()
    return tuple(
        AdminTokenShown(
            **with_instants(view),
            member=members[view.member_id],
            state=ended_state(expires_at=view.expires_at, revoked_at=view.revoked_at, now_us=now),
        )
        for view in views
    )
