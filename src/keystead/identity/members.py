"""Makes members, gives them roles and takes them away, disables and enables them. Nobody takes away the last owner."""

from typing import Final

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission, Role
from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import TeamId, new_id
from keystead.identity.authority import (
    Assigned,
    permissions_of,
    require_covering,
    require_giving,
    require_held,
    require_operator,
)
from keystead.identity.directory import Directory
from keystead.identity.lookup import insert_row
from keystead.identity.saved_prompts import forget_prompts
from keystead.identity.sign_in import end_sign_in
from keystead.identity.views import Member
from keystead.storage import governance, revision, schema

_OWNER: Final = Assigned(role=Role.OWNER.value, team_id=None)


class Members:
    """Creates and changes members, on behalf of who may."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        """Take the times of creation and disabling from `clock`."""
        self._clock = clock
        self._directory = directory

    async def create(
        self, conn: AsyncConnection, who: Administrator, *, team_id: TeamId, name: str, operator: bool = False
    ) -> Member:
        """Create a member, who can act once they have a role, and an admin token or a virtual key.

        Raises:
            PolicyDenied: the actor may not make members of that team, or is no operator and would make one.
            ConflictError: the name is taken.
        """
        require_held(who, Permission.MEMBER_WRITE, team_id)
        if operator:
            require_operator(who)
        now = self._clock.now_us()
        return await insert_member(conn, who.organization_id, team_id=team_id, name=name, operator=operator, now=now)

    async def assign(self, conn: AsyncConnection, who: Administrator, member: Member, assigned: Assigned) -> None:
        """Give a member a role, in a team or in the whole organization.

        Raises:
            PolicyDenied: the actor does not hold there all that the role holds.
            ConflictError: the member has it already, or is disabled.
        """
        await self._require_giving(conn, who, assigned)
        if member.disabled_at is not None:
            raise ConflictError("The member is disabled.", code="member_disabled", param="member")
        if await self._has(conn, who, member, assigned):
            raise ConflictError("The member has this role there already.", code="role_assigned", param="role")
        await insert_assignment(
            conn,
            who.organization_id,
            member_id=member.id,
            assigned=assigned,
            actor_id=who.member_id,
            now=self._clock.now_us(),
        )

    async def unassign(self, conn: AsyncConnection, who: Administrator, member: Member, assigned: Assigned) -> None:
        """Take a role away from a member.

        Raises:
            PolicyDenied: the actor does not hold there all that the role holds.
            NotFoundError: the member does not have it there.
            ConflictError: they are the last owner.
        """
        await self._require_giving(conn, who, assigned)
        await revision.touch(conn)  # a lock: two owners must not take each other's last role away
        if not await self._has(conn, who, member, assigned):
            raise NotFoundError("The member does not have this role there.", code="role_not_assigned", param="role")
        if assigned == _OWNER:
            await self._require_another_owner(conn, who, member)
        table = governance.role_assignments
        await conn.execute(
            delete(table).where(
                table.c.organization_id == who.organization_id,
                table.c.member_id == member.id,
                table.c.role == assigned.role,
                table.c.team_id == (assigned.team_id or ""),
            )
        )

    async def disable(self, conn: AsyncConnection, who: Administrator, member: Member) -> Member:
        """Disable a member, and with them their tokens and keys; what they saved for themselves goes. Twice is once: the first time stands.

        Raises:
            PolicyDenied: the actor may not, or the member holds more than the actor.
            ConflictError: it is the actor, the last owner or the last operator.
        """
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, await self._directory.holding(conn, who.organization_id, member))
        if member.disabled_at is not None:
            return member
        if member.id == who.member_id:
            raise ConflictError(
                "You cannot disable yourself.", code="self_disable", next_step="Let somebody else do it."
            )
        await revision.touch(conn)  # as in `unassign`
        if await self._has(conn, who, member, _OWNER):
            await self._require_another_owner(conn, who, member)
        if member.operator:
            await self._require_another_operator(conn, member)
        now = self._clock.now_us()
        await conn.execute(update(schema.members).where(schema.members.c.id == member.id).values(disabled_at=now))
        await forget_prompts(conn, who.organization_id, member.id)
        return msgspec.structs.replace(member, disabled_at=now)

    async def enable(self, conn: AsyncConnection, who: Administrator, member: Member) -> Member:
        """Let a disabled member come back, with the roles they have. Nothing that they came in with works again.

        Their tokens, keys, sessions and password were ended with them, and might be in other hands by now.

        Raises:
            PolicyDenied: the actor may not, or the member holds more than the actor.
        """
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, await self._directory.holding(conn, who.organization_id, member))
        if member.disabled_at is None:
            return member
        tokens, keys, stopped = schema.admin_tokens, schema.virtual_keys, {"revoked_at": member.disabled_at}
        await conn.execute(
            update(tokens).where(tokens.c.member_id == member.id, tokens.c.revoked_at.is_(None)).values(stopped)
        )
        theirs = (keys.c.principal_kind == "member", keys.c.principal_id == member.id, keys.c.revoked_at.is_(None))
        await conn.execute(update(keys).where(*theirs).values(stopped))
        await end_sign_in(conn, member.id, now=self._clock.now_us())
        await conn.execute(update(schema.members).where(schema.members.c.id == member.id).values(disabled_at=None))
        return msgspec.structs.replace(member, disabled_at=None)

    async def _require_giving(self, conn: AsyncConnection, who: Administrator, assigned: Assigned) -> None:
        require_held(who, Permission.MEMBER_WRITE, assigned.team_id)
        own = {role.id: role.permissions for role in await self._directory.own_roles(conn, who.organization_id)}
        require_giving(who, permissions_of(assigned.role, own), assigned.team_id)

    async def _has(self, conn: AsyncConnection, who: Administrator, member: Member, assigned: Assigned) -> bool:
        held = await self._directory.assignments(conn, who.organization_id, [member.id])
        return any((one.role, one.team_id) == (assigned.role, assigned.team_id) for one in held)

    async def _require_another_owner(self, conn: AsyncConnection, who: Administrator, member: Member) -> None:
        assignments, members = governance.role_assignments.c, schema.members.c
        others = (
            select(members.id)
            .join(governance.role_assignments, members.id == assignments.member_id)
            .where(
                assignments.organization_id == who.organization_id,
                assignments.role == _OWNER.role,
                assignments.team_id == "",
                members.disabled_at.is_(None),
                members.id != member.id,
            )
            .limit(1)
        )
        if (await conn.execute(others)).first() is None:
            raise ConflictError(
                "This is the last owner of the organization.",
                code="last_owner",
                next_step="Make somebody else an owner first.",
            )

    async def _require_another_operator(self, conn: AsyncConnection, member: Member) -> None:
        members = schema.members.c
        others = (
            select(members.id)
            .where(members.operator.is_(True), members.disabled_at.is_(None), members.id != member.id)
            .limit(1)
        )
        if (await conn.execute(others)).first() is None:
            raise ConflictError("This is the last operator of the platform.", code="last_operator")


async def insert_member(
    conn: AsyncConnection, organization_id: str, *, team_id: TeamId, name: str, operator: bool, now: int
) -> Member:
    """Write a new member, unasked whether anybody may: for the room itself.

    Raises:
        ConflictError: the name is taken.
    """
    member = Member(
        id=new_id("mem", now), team_id=team_id, name=name, operator=operator, created_at=now, disabled_at=None
    )
    await insert_row(conn, schema.members, organization_id, msgspec.structs.asdict(member), noun="member")
    return member


async def insert_assignment(
    conn: AsyncConnection, organization_id: str, *, member_id: str, assigned: Assigned, actor_id: str, now: int
) -> None:
    """Write that a member has a role, unasked whether anybody may give it: for the room itself."""
    values = {
        "id": new_id("ra", now),
        "organization_id": organization_id,
        "member_id": member_id,
        "role": assigned.role,
        "team_id": assigned.team_id or "",
        "created_at": now,
        "created_by": actor_id,
    }
    await conn.execute(governance.role_assignments.insert().values(values))
