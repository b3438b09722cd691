"""Members: list, create with a role, disable."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Role
from keystead.domain.errors import ConflictError
from keystead.identity.directory import Member
from keystead.web.admin.route import Call, act
from keystead.web.admin.values import (
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    paged,
    require_plain_name,
    with_instants,
)


class CreateMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person, who can act once a token or a key is issued to them."""

    name: Name
    team: Reference
    role: Role


class MemberShown(msgspec.Struct, frozen=True, kw_only=True):
    """A person."""

    id: str
    name: str
    team_id: str
    team: str
    role: Role
    created_at: Instant
    disabled_at: Instant | None


async def list_all(call: Call[PageQuery, Nothing]) -> Page[MemberShown]:
    """Return a page of members, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.members(
            conn, call.who.organization_id, before=decode_cursor(call.query.cursor), limit=call.query.limit + 1
        )
        items, next_cursor = paged(found, call.query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateMember]) -> MemberShown:
    """Create a member."""
    require_plain_name(call.body.name)
    rooms, organization_id = call.rooms, call.who.organization_id
    async with act(call) as change:
        team = await rooms.directory.team(change.conn, organization_id, call.body.team)
        member = await rooms.directory.create_member(
            change.conn, organization_id=organization_id, team_id=team.id, name=call.body.name, role=call.body.role
        )
        await change.record(
            "member.created",
            object_kind="member",
            object_id=member.id,
            name=member.name,
            team=team.id,
            role=member.role,
        )
        [shown] = await _shown(call, change.conn, [member])
    return shown


async def disable(call: Call[Nothing, Nothing]) -> MemberShown:
    """Disable a member, whose tokens and keys stop at once; not oneself, so that nobody locks everybody out."""
    async with act(call) as change:
        member = await call.rooms.directory.disable_member(
            change.conn, organization_id=call.who.organization_id, member=call.path["member"]
        )
        if member.id == call.who.member_id:
            raise ConflictError(
                "You cannot disable yourself.", code="self_disable", next_step="Let another administrator do it."
            )
        await change.record("member.disabled", object_kind="member", object_id=member.id, name=member.name)
        [shown] = await _shown(call, change.conn, [member])
    return shown


async def _shown(call: Call[Any, Any], conn: AsyncConnection, members: Sequence[Member]) -> tuple[MemberShown, ...]:
    teams = await call.rooms.directory.team_names(
        conn, call.who.organization_id, [member.team_id for member in members]
    )
    return tuple(MemberShown(**with_instants(member), team=teams[member.team_id]) for member in members)
