"""Roles: the built-in ones, and the organization's own as sets of permissions."""

from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import PERMISSIONS, Permission, Role
from keystead.identity.views import OwnRole
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Name, Nothing, Page, instant, require_plain_name

Permissions = Annotated[tuple[Permission, ...], msgspec.Meta(min_length=1, max_length=len(Permission))]


class CreateRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of permissions; whoever makes it must hold them all."""

    name: Name
    permissions: Permissions


class ChangeRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it holds from now on."""

    permissions: Permissions


class RoleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A role."""

    id: str
    """Of a built-in role, its name."""
    name: str
    built_in: bool
    permissions: tuple[Permission, ...]
    created_at: Instant | None
    created_by: str | None


async def list_all(call: Call[Nothing, Nothing]) -> Page[RoleShown]:
    """Return every role: the built-in ones, then one's own, newest first. There are few."""
    async with call.rooms.database.read() as conn:
        own = await call.rooms.directory.own_roles(conn, call.who.organization_id)
    built_in = tuple(
        RoleShown(
            id=role.value,
            name=role.value,
            built_in=True,
            permissions=tuple(sorted(PERMISSIONS[role])),
            created_at=None,
            created_by=None,
        )
        for role in Role
    )
    return Page(items=(*built_in, *(_shown(role) for role in own)))


async def create(call: Call[Nothing, CreateRole]) -> RoleShown:
    """Create a role."""
    require_plain_name(call.body.name)
    async with act(call) as change:
        role = await call.rooms.roles.create(
            change.conn, call.who, name=call.body.name, permissions=call.body.permissions
        )
        await change.record(
            "role.created",
            object_kind="role",
            object_id=role.id,
            name=role.name,
            permissions=sorted(role.permissions),
        )
    return _shown(role)


async def change_role(call: Call[Nothing, ChangeRole]) -> RoleShown:
    """Give a role other permissions."""
    async with act(call) as change:
        before = await _named(call, change.conn)
        role = await call.rooms.roles.change(change.conn, call.who, before, call.body.permissions)
        await change.record(
            "role.changed",
            object_kind="role",
            object_id=role.id,
            permissions=sorted(role.permissions),
            before=sorted(before.permissions),
        )
    return _shown(role)


async def delete(call: Call[Nothing, Nothing]) -> RoleShown:
    """Delete a role that nobody has."""
    async with act(call) as change:
        role = await _named(call, change.conn)
        await call.rooms.roles.delete(change.conn, call.who, role)
        await change.record("role.deleted", object_kind="role", object_id=role.id, name=role.name)
    return _shown(role)


async def _named(call: Call[Any, Any], conn: AsyncConnection) -> OwnRole:
    return await call.rooms.directory.own_role(conn, call.who.organization_id, call.path["role"])


def _shown(role: OwnRole) -> RoleShown:
    return RoleShown(
        id=role.id,
        name=role.name,
        built_in=False,
        permissions=tuple(sorted(role.permissions)),
        created_at=instant(role.created_at),
        created_by=role.created_by,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/roles",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=list_all,
        summary="The roles there are, and what each may do.",
        answer=Page[RoleShown],
    ),
    Route(
        method="POST",
        path="/roles",
        permission=Permission.ROLE_WRITE,
        handler=create,
        summary="Create a role of your own; you must hold all that it holds.",
        body=CreateRole,
        answer=RoleShown,
        status=201,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/roles/{role}/change",
        permission=Permission.ROLE_WRITE,
        handler=change_role,
        summary="Give a role of your own other permissions, and with it everybody who has it.",
        body=ChangeRole,
        answer=RoleShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/roles/{role}/delete",
        permission=Permission.ROLE_WRITE,
        handler=delete,
        summary="Delete a role of your own that nobody has.",
        answer=RoleShown,
        errors=(404, 409),
    ),
)
