"""The organization and who is in it."""

import msgspec

from keystead.domain.access import PERMISSIONS, Permission, Role
from keystead.web.admin.route import Call
from keystead.web.admin.values import Instant, Nothing, with_instants


class OrganizationShown(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant."""

    id: str
    name: str
    currency: str
    created_at: Instant


class Self(msgspec.Struct, frozen=True, kw_only=True):
    """The caller."""

    organization_id: str
    member_id: str
    token_id: str
    role: Role
    permissions: tuple[Permission, ...]


async def show(call: Call[Nothing, Nothing]) -> OrganizationShown:
    """Return the caller's organization."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.organization(conn, call.who.organization_id)
    return OrganizationShown(**with_instants(found))


async def whoami(call: Call[Nothing, Nothing]) -> Self:
    """Return who the caller is and what it may do."""
    return Self(
        organization_id=call.who.organization_id,
        member_id=call.who.member_id,
        token_id=call.who.token_id,
        role=call.who.role,
        permissions=tuple(sorted(PERMISSIONS[call.who.role])),
    )
