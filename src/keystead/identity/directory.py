"""Organizations, teams and members, and what the data plane must know of the keys and tokens they hold.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import and_, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Role, VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId, new_id
from keystead.identity.lookup import find, insert_row, names, page
from keystead.storage import schema


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant. Instants here and below are Unix microseconds."""

    id: OrganizationId
    name: str
    currency: str
    created_at: int


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A department; its cost goes to `cost_center`."""

    id: TeamId
    name: str
    cost_center: str
    created_at: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person."""

    id: str
    team_id: TeamId
    name: str
    role: Role
    created_at: int
    disabled_at: int | None


class AdminToken(msgspec.Struct, frozen=True, kw_only=True):
    """An admin token as the snapshot holds it: whom it signs in, and the HMAC of its secret."""

    id: str
    administrator: Administrator
    digest: bytes
    expires_at: int | None
    revoked_at: int | None


class Directory:
    """Reads and changes who is who, in one organization at a time."""

    def __init__(self, clock: Clock) -> None:
        """Take the times of creation and disabling from `clock`."""
        self._clock = clock

    async def organization(self, conn: AsyncConnection, organization_id: str) -> Organization:
        """Return the organization, which exists: its id comes from a verified key or token."""
        found = await conn.execute(select(schema.organizations).where(schema.organizations.c.id == organization_id))
        return Organization(**found.mappings().one())

    async def teams(self, conn: AsyncConnection, organization_id: str, *, before: str | None, limit: int) -> list[Team]:
        """Return up to `limit` teams, newest first; `before` is the last id of the page before."""
        return [_team(row) for row in await page(conn, schema.teams, organization_id, before=before, limit=limit)]

    async def team(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> Team:
        """Return a team.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        return _team(await find(conn, schema.teams, organization_id, id_or_name, noun="team"))

    async def team_names(self, conn: AsyncConnection, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return id → name of the organization's teams among `ids`."""
        return await names(conn, schema.teams, organization_id, ids)

    async def create_team(self, conn: AsyncConnection, *, organization_id: str, name: str, cost_center: str) -> Team:
        """Create a team.

        Raises:
            ConflictError: the name is taken.
        """
        now = self._clock.now_us()
        team = Team(id=TeamId(new_id("team", now)), name=name, cost_center=cost_center, created_at=now)
        await insert_row(conn, schema.teams, organization_id, msgspec.structs.asdict(team), noun="team")
        return team

    async def members(
        self, conn: AsyncConnection, organization_id: str, *, before: str | None, limit: int
    ) -> list[Member]:
        """Return up to `limit` members, newest first; `before` is the last id of the page before."""
        return [_member(row) for row in await page(conn, schema.members, organization_id, before=before, limit=limit)]

    async def member(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> Member:
        """Return a member.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        return _member(await find(conn, schema.members, organization_id, id_or_name, noun="member"))

    async def member_names(self, conn: AsyncConnection, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return id → name of the organization's members among `ids`."""
        return await names(conn, schema.members, organization_id, ids)

    async def create_member(
        self, conn: AsyncConnection, *, organization_id: str, team_id: TeamId, name: str, role: Role
    ) -> Member:
        """Create a member, who can act once an admin token or a virtual key is issued to them.

        Raises:
            ConflictError: the name is taken.
        """
        now = self._clock.now_us()
        member = Member(id=new_id("mem", now), team_id=team_id, name=name, role=role, created_at=now, disabled_at=None)
        await insert_row(conn, schema.members, organization_id, msgspec.structs.asdict(member), noun="member")
        return member

    async def disable_member(self, conn: AsyncConnection, *, organization_id: str, member: str) -> Member:
        """Disable a member (id or name), and with them their tokens and keys. Twice is once: the first time stands.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        found = await self.member(conn, organization_id, member)
        if found.disabled_at is not None:
            return found
        now = self._clock.now_us()
        await conn.execute(update(schema.members).where(schema.members.c.id == found.id).values(disabled_at=now))
        return msgspec.structs.replace(found, disabled_at=now)


_KEYS: Final = schema.virtual_keys
_TOKENS: Final = schema.admin_tokens
_MEMBERS: Final = schema.members


async def virtual_keys(conn: AsyncConnection) -> list[VirtualKey]:
    """Return every organization's virtual keys for the snapshot; a disabled member's count as revoked then."""
    holder = and_(_KEYS.c.principal_kind == "member", _KEYS.c.principal_id == _MEMBERS.c.id)
    revoked_at = func.coalesce(_KEYS.c.revoked_at, _MEMBERS.c.disabled_at).label("stopped_at")
    found = await conn.execute(select(_KEYS, revoked_at).select_from(_KEYS.outerjoin(_MEMBERS, holder)))
    return [
        VirtualKey(
            id=VirtualKeyId(row["id"]),
            organization_id=OrganizationId(row["organization_id"]),
            team_id=TeamId(row["team_id"]),
            principal_kind=row["principal_kind"],
            principal_id=row["principal_id"],
            name=row["name"],
            digest=row["digest"],
            models=patterns(row["models"]),
            credential_ids=credential_ids(row["credential_ids"]),
            expires_at=row["expires_at"],
            revoked_at=row["stopped_at"],
        )
        for row in found.mappings()
    ]


async def admin_tokens(conn: AsyncConnection) -> list[AdminToken]:
    """Return every organization's admin tokens for the snapshot; a disabled member's count as revoked then."""
    revoked_at = func.coalesce(_TOKENS.c.revoked_at, _MEMBERS.c.disabled_at).label("stopped_at")
    found = await conn.execute(
        select(_TOKENS, _MEMBERS.c.role, revoked_at).join(_MEMBERS, _TOKENS.c.member_id == _MEMBERS.c.id)
    )
    return [
        AdminToken(
            id=row["id"],
            administrator=Administrator(
                organization_id=OrganizationId(row["organization_id"]),
                member_id=row["member_id"],
                token_id=row["id"],
                role=Role(row["role"]),
            ),
            digest=row["digest"],
            expires_at=row["expires_at"],
            revoked_at=row["stopped_at"],
        )
        for row in found.mappings()
    ]


def patterns(text: str | None) -> tuple[str, ...] | None:
    """Read a JSON list of model patterns from its column."""
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def credential_ids(text: str | None) -> tuple[CredentialId, ...] | None:
    """Read a JSON list of credential ids from its column."""
    return None if text is None else tuple(CredentialId(value) for value in msgspec.json.decode(text, type=list[str]))


def _team(row: RowMapping) -> Team:
    return Team(id=TeamId(row["id"]), name=row["name"], cost_center=row["cost_center"], created_at=row["created_at"])


def _member(row: RowMapping) -> Member:
    return Member(
        id=row["id"],
        team_id=TeamId(row["team_id"]),
        name=row["name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )
