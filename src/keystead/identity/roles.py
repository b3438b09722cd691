"""An organization's own roles: named sets of permissions, beside the built-in ones."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission, Role
from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError
from keystead.domain.ids import new_id
from keystead.identity.authority import require_assignable, require_giving, require_held
from keystead.identity.directory import Directory
from keystead.identity.lookup import insert_row
from keystead.identity.views import OwnRole
from keystead.storage import governance, revision


class Roles:
    """Creates, changes and deletes own roles, on behalf of who may."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        """Take the times of creation from `clock`."""
        self._clock = clock
        self._directory = directory

    async def resolve(self, conn: AsyncConnection, organization_id: str, name_or_id: str) -> str:
        """Return what an assignment calls a role: a built-in role's name, or the id of one of the organization's own.

        Raises:
            NotFoundError: there is neither.
        """
        if name_or_id in set(Role):
            return name_or_id
        return (await self._directory.own_role(conn, organization_id, name_or_id)).id

    async def create(
        self, conn: AsyncConnection, who: Administrator, *, name: str, permissions: Iterable[Permission]
    ) -> OwnRole:
        """Create a role.

        Raises:
            PolicyDenied: the actor may not, or does not hold all of `permissions` in the whole organization.
            InvalidRequestError: one of them is the operator's.
            ConflictError: the name is taken, or a built-in role's.
        """
        held = frozenset(permissions)
        _require_giving(who, held)
        if name in set(Role):
            raise ConflictError(
                f"{name} is a built-in role.", code="name_taken", param="name", next_step="Choose another name."
            )
        now = self._clock.now_us()
        role = OwnRole(id=new_id("role", now), name=name, permissions=held, created_at=now, created_by=who.member_id)
        values = msgspec.structs.asdict(role) | {"permissions": _json(held)}
        await insert_row(conn, governance.roles, who.organization_id, values, noun="role")
        return role

    async def change(
        self, conn: AsyncConnection, who: Administrator, role: OwnRole, permissions: Iterable[Permission]
    ) -> OwnRole:
        """Give a role other permissions, and with it everybody who has it.

        Raises:
            PolicyDenied: the actor may not, or does not hold all that the role held and will hold.
            InvalidRequestError: one of them is the operator's.
        """
        held = frozenset(permissions)
        _require_giving(who, held | role.permissions)
        table = governance.roles
        await conn.execute(update(table).where(table.c.id == role.id).values(permissions=_json(held)))
        return msgspec.structs.replace(role, permissions=held)

    async def delete(self, conn: AsyncConnection, who: Administrator, role: OwnRole) -> None:
        """Delete a role that nobody has.

        Raises:
            PolicyDenied: the actor may not, or does not hold all that the role holds.
            ConflictError: somebody has it.
        """
        _require_giving(who, role.permissions)
        await revision.touch(conn)  # a lock: nobody is given the role meanwhile
        assigned = governance.role_assignments
        mine = (assigned.c.organization_id == who.organization_id, assigned.c.role == role.id)
        if (await conn.execute(select(assigned.c.id).where(*mine).limit(1))).first() is not None:
            raise ConflictError(
                "Somebody has this role.", code="role_in_use", next_step="Take it away from its members first."
            )
        await conn.execute(delete(governance.roles).where(governance.roles.c.id == role.id))


def _require_giving(who: Administrator, permissions: frozenset[Permission]) -> None:
    require_held(who, Permission.ROLE_WRITE, None)
    require_assignable(permissions)
    require_giving(who, permissions, None)


def _json(permissions: frozenset[Permission]) -> str:
    return msgspec.json.encode(sorted(permissions)).decode()
