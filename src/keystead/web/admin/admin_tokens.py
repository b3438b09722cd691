"""Admin tokens: issue, list, revoke."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import ConflictError
from keystead.identity.issuer import AdminTokenView
from keystead.web.admin.route import Call, Route, act
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
    """A token that signs a member in to the admin API, with all that the member holds."""

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
        view, token = await rooms.issuer.create_admin_token(
            change.conn,
            call.who,
            pepper=pepper,
            member=member,
            held=await rooms.directory.holding(change.conn, organization_id, member),
            name=body.name,
            expires_at=future(body.expires_at, now),
        )
        await change.record(
            "admin_token.created",
            object_kind="admin_token",
            object_id=view.id,
            name=view.name,
            member=member.id,
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
    rooms, organization_id = call.rooms, call.who.organization_id
    async with act(call) as change:
        found = await rooms.issuer.admin_token(change.conn, organization_id, call.path["admin_token"])
        member = await rooms.directory.member(change.conn, organization_id, found.member_id)
        held = await rooms.directory.holding(change.conn, organization_id, member)
        view = await rooms.issuer.revoke_admin_token(change.conn, call.who, found, member=member, held=held)
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


ROUTES: Final = (
    Route(
        method="GET",
        path="/admin-tokens",
        permission=Permission.ORGANIZATION_READ,
        handler=list_all,
        summary="Admin tokens, newest first, without their secrets.",
        query=PageQuery,
        answer=Page[AdminTokenShown],
    ),
    Route(
        method="POST",
        path="/admin-tokens",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=create,
        summary="Issue an admin token to a member who holds no more than you; it is shown this once.",
        body=CreateAdminToken,
        answer=IssuedAdminToken,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/admin-tokens/{admin_token}/revoke",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=revoke,
        summary="Revoke an admin token.",
        answer=AdminTokenShown,
        errors=(404, 409),
    ),
)
