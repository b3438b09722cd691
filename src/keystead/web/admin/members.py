"""Members: list, show, create with roles, give and take roles, disable, enable again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission
from keystead.domain.errors import NotFoundError
from keystead.identity.authority import Assigned, narrowed_to, teams_where
from keystead.identity.views import Member
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    instant,
    optional_instant,
    paged,
    require_plain_name,
)


class RoleGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role, and where it is held."""

    role: Reference
    """A built-in role or one of your own."""
    team: Reference | None = None
    """In that team and those below it; null: in the whole organization."""


class CreateMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person, who can act once a token or a key is issued to them."""

    name: Name
    team: Reference
    roles: Annotated[tuple[RoleGiven, ...], msgspec.Meta(min_length=1, max_length=20)]
    operator: bool = False
    """Whether they run the platform; only an operator can say so."""


class MembersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which members."""

    team: Reference | None = None
    """Of that team, without those below it."""


class RoleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A role that somebody has."""

    role: str
    """A built-in role's name, or the id of one of your own."""
    name: str
    team_id: str | None
    """Null: in the whole organization."""
    team: str | None


class MemberShown(msgspec.Struct, frozen=True, kw_only=True):
    """A person."""

    id: str
    name: str
    team_id: str
    team: str
    roles: tuple[RoleShown, ...]
    operator: bool
    created_at: Instant
    disabled_at: Instant | None


async def list_all(call: Call[MembersQuery, Nothing]) -> Page[MemberShown]:
    """Return a page of members, newest first."""
    async with call.rooms.database.read() as conn:
        within = teams_where(call.who, Permission.ORGANIZATION_READ)
        if call.query.team is not None:
            team = await call.rooms.directory.team(conn, call.who.organization_id, call.query.team)
            within = narrowed_to(within, team.id)
        found = await call.rooms.directory.members(
            conn,
            call.who.organization_id,
            within=within,
            before=decode_cursor(call.query.cursor),
            limit=call.query.limit + 1,
        )
        items, next_cursor = paged(found, call.query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> MemberShown:
    """Return one member."""
    async with call.rooms.database.read() as conn:
        member = await _named(call, conn)
        if not call.who.may(Permission.ORGANIZATION_READ, member.team_id):
            raise NotFoundError(f"There is no member {call.path['member']!r}.")
        [shown] = await _shown(call, conn, [member])
    return shown


async def create(call: Call[Nothing, CreateMember]) -> MemberShown:
    """Create a member with roles."""
    body, rooms = call.body, call.rooms
    require_plain_name(body.name)
    async with act(call) as change:
        team = await rooms.directory.team(change.conn, call.who.organization_id, body.team)
        member = await rooms.members.create(
            change.conn, call.who, team_id=team.id, name=body.name, operator=body.operator
        )
        for given in body.roles:
            await rooms.members.assign(change.conn, call.who, member, await _assigned(call, change.conn, given))
        [shown] = await _shown(call, change.conn, [member])
        await change.record(
            "member.created",
            object_kind="member",
            object_id=member.id,
            name=member.name,
            team=team.id,
            roles=[{"role": role.role, "team": role.team_id} for role in shown.roles],
            operator=member.operator,
        )
    return shown


async def assign(call: Call[Nothing, RoleGiven]) -> MemberShown:
    """Give a member a role."""
    return await _change_roles(call, call.rooms.members.assign, "member.role_assigned")


async def unassign(call: Call[Nothing, RoleGiven]) -> MemberShown:
    """Take a role away from a member."""
    return await _change_roles(call, call.rooms.members.unassign, "member.role_unassigned")


async def disable(call: Call[Nothing, Nothing]) -> MemberShown:
    """Disable a member, whose tokens and keys stop at once; not oneself, so that nobody locks everybody out."""
    async with act(call) as change:
        member = await call.rooms.members.disable(change.conn, call.who, await _named(call, change.conn))
        await change.record("member.disabled", object_kind="member", object_id=member.id, name=member.name)
        [shown] = await _shown(call, change.conn, [member])
    return shown


async def enable(call: Call[Nothing, Nothing]) -> MemberShown:
    """Let a disabled member come back. What they came in with stays ended: they need a new link, tokens and keys."""
    async with act(call) as change:
        member = await call.rooms.members.enable(change.conn, call.who, await _named(call, change.conn))
        await change.record("member.enabled", object_kind="member", object_id=member.id, name=member.name)
        [shown] = await _shown(call, change.conn, [member])
    return shown


async def _change_roles(
    call: Call[Nothing, RoleGiven],
    write: Callable[[AsyncConnection, Administrator, Member, Assigned], Awaitable[None]],
    action: str,
) -> MemberShown:
    async with act(call) as change:
        member = await _named(call, change.conn)
        assigned = await _assigned(call, change.conn, call.body)
        await write(change.conn, call.who, member, assigned)
        await change.record(
            action, object_kind="member", object_id=member.id, role=assigned.role, team=assigned.team_id
        )
        [shown] = await _shown(call, change.conn, [member])
    return shown


async def _named(call: Call[Any, Any], conn: AsyncConnection) -> Member:
    return await call.rooms.directory.member(conn, call.who.organization_id, call.path["member"])


async def _assigned(call: Call[Any, Any], conn: AsyncConnection, given: RoleGiven) -> Assigned:
    organization_id = call.who.organization_id
    role = await call.rooms.roles.resolve(conn, organization_id, given.role)
    if given.team is None:
        return Assigned(role=role, team_id=None)
    return Assigned(role=role, team_id=(await call.rooms.directory.team(conn, organization_id, given.team)).id)


async def _shown(call: Call[Any, Any], conn: AsyncConnection, members: Sequence[Member]) -> tuple[MemberShown, ...]:
    directory, organization_id = call.rooms.directory, call.who.organization_id
    assignments = await directory.assignments(conn, organization_id, [member.id for member in members])
    own = {role.id: role.name for role in await directory.own_roles(conn, organization_id)}
    teams = await directory.team_names(
        conn,
        organization_id,
        [*(member.team_id for member in members), *(one.team_id for one in assignments if one.team_id)],
    )
    roles: dict[str, list[RoleShown]] = {}
    for one in assignments:
        roles.setdefault(one.member_id, []).append(
            RoleShown(
                role=one.role,
                name=own.get(one.role, one.role),
                team_id=one.team_id,
                team=teams[one.team_id] if one.team_id else None,
            )
        )
    return tuple(
        MemberShown(
            id=member.id,
            name=member.name,
            team_id=member.team_id,
            team=teams[member.team_id],
            roles=tuple(roles.get(member.id, ())),
            operator=member.operator,
            created_at=instant(member.created_at),
            disabled_at=optional_instant(member.disabled_at),
        )
        for member in members
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/members",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=list_all,
        summary="Its members, newest first.",
        query=MembersQuery,
        answer=Page[MemberShown],
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/members/{member}",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=show,
        summary="One member.",
        answer=MemberShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/members",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=create,
        summary="Create a member with roles.",
        body=CreateMember,
        answer=MemberShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/members/{member}/assign",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=assign,
        summary="Give a member a role, in a team or in the whole organization.",
        body=RoleGiven,
        answer=MemberShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/members/{member}/unassign",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=unassign,
        summary="Take a role away from a member.",
        body=RoleGiven,
        answer=MemberShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/members/{member}/disable",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=disable,
        summary="Disable a member: their tokens and keys stop at once.",
        answer=MemberShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/members/{member}/enable",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=enable,
        summary="Let a disabled member come back; their old tokens, keys and password stay ended.",
        answer=MemberShown,
        errors=(404,),
    ),
)
