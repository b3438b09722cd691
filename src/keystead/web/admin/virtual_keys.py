"""Virtual keys: issue, list, revoke."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import PrincipalKind
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.domain.ids import CredentialId
from keystead.identity.issuer import VirtualKeyView
from keystead.web.admin.route import Call, act
from keystead.web.admin.values import (
    Instant,
    IssuedState,
    ModelPatterns,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    ended_state,
    future,
    paged,
    require_plain_name,
    with_instants,
)


class CreateVirtualKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key for one principal: a member, a service account that has a key already, or (neither given) a new one."""

    name: Name
    team: Reference
    member: Reference | None = None
    service_account: Reference | None = None
    models: ModelPatterns | None = None
    """What the key is narrowed to; null: not narrowed."""
    credentials: Annotated[tuple[Reference, ...], msgspec.Meta(min_length=1, max_length=100)] | None = None
    """Credentials the key is narrowed to, in order of preference; null: not narrowed."""
    expires_at: Instant | None = None


class VirtualKeysQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which virtual keys."""

    team: Reference | None = None


class VirtualKeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key, without its secret."""

    id: str
    name: str
    team_id: str
    team: str
    principal_kind: PrincipalKind
    principal_id: str
    principal: str | None
    """A member's name; null for a service account."""
    models: tuple[str, ...] | None
    credential_ids: tuple[str, ...] | None
    state: IssuedState
    created_at: Instant
    created_by: str
    expires_at: Instant | None
    revoked_at: Instant | None


class IssuedVirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new virtual key with its text, which is shown this once."""

    virtual_key: VirtualKeyShown
    key: str


async def list_all(call: Call[VirtualKeysQuery, Nothing]) -> Page[VirtualKeyShown]:
    """Return a page of virtual keys, newest first."""
    rooms, organization_id, query = call.rooms, call.who.organization_id, call.query
    async with rooms.database.read() as conn:
        team_id = None if query.team is None else (await rooms.directory.team(conn, organization_id, query.team)).id
        found = await rooms.issuer.virtual_keys(
            conn, organization_id, team_id=team_id, before=decode_cursor(query.cursor), limit=query.limit + 1
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateVirtualKey]) -> IssuedVirtualKey:
    """Issue a virtual key."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    require_plain_name(body.name)
    now = rooms.clock.now_us()
    pepper = await rooms.pepper()
    async with act(call) as change:
        team = await rooms.directory.team(change.conn, organization_id, body.team)
        principal_kind, principal_id = await _principal(call, change.conn)
        view, key = await rooms.issuer.create_virtual_key(
            change.conn,
            pepper=pepper,
            organization_id=organization_id,
            actor_id=call.who.member_id,
            team_id=team.id,
            principal_kind=principal_kind,
            principal_id=principal_id,
            name=body.name,
            models=body.models,
            credential_ids=await _credential_ids(call, change.conn),
            expires_at=future(body.expires_at, now),
        )
        await change.record(
            "virtual_key.created",
            object_kind="virtual_key",
            object_id=view.id,
            name=view.name,
            team=team.id,
            principal_kind=view.principal_kind,
            principal=view.principal_id,
            models=view.models,
            credentials=view.credential_ids,
            expires_at=view.expires_at,
        )
        [shown] = await _shown(call, change.conn, [view])
    return IssuedVirtualKey(virtual_key=shown, key=key.reveal())


async def revoke(call: Call[Nothing, Nothing]) -> VirtualKeyShown:
    """Revoke a virtual key for good."""
    rooms = call.rooms
    async with act(call) as change:
        view = await rooms.issuer.revoke_virtual_key(
            change.conn, organization_id=call.who.organization_id, virtual_key=call.path["virtual_key"]
        )
        await change.record("virtual_key.revoked", object_kind="virtual_key", object_id=view.id, name=view.name)
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def _principal(call: Call[Nothing, CreateVirtualKey], conn: AsyncConnection) -> tuple[PrincipalKind, str | None]:
    """Return who will act with the key; None is a service account to be made."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    if body.member is not None and body.service_account is not None:
        raise InvalidRequestError("A key belongs to a member or to a service account, not to both.", param="member")
    if body.member is not None:
        member = await rooms.directory.member(conn, organization_id, body.member)
        if member.disabled_at is not None:
            raise ConflictError("The member is disabled.", code="member_disabled", param="member")
        return "member", member.id
    if body.service_account is not None:
        await rooms.issuer.check_service_account(
            conn, organization_id=organization_id, principal_id=body.service_account
        )
    return "service_account", body.service_account


async def _credential_ids(
    call: Call[Nothing, CreateVirtualKey], conn: AsyncConnection
) -> tuple[CredentialId, ...] | None:
    if call.body.credentials is None:
        return None
    views = [await call.rooms.credentials.get(conn, call.who.organization_id, name) for name in call.body.credentials]
    return tuple(dict.fromkeys(view.id for view in views))


async def _shown(
    call: Call[Any, Any], conn: AsyncConnection, views: Sequence[VirtualKeyView]
) -> tuple[VirtualKeyShown, ...]:
    directory, organization_id = call.rooms.directory, call.who.organization_id
    teams = await directory.team_names(conn, organization_id, [view.team_id for view in views])
    members = await directory.member_names(conn, organization_id, [view.principal_id for view in views])
    now = call.rooms.clock.now_us()
    return tuple(
        VirtualKeyShown(
            **with_instants(view),
            team=teams[view.team_id],
            principal=members.get(view.principal_id),
            state=ended_state(expires_at=view.expires_at, revoked_at=view.revoked_at, now_us=now),
        )
        for view in views
    )
