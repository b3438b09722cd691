"""Who is who: organizations, teams, members, service accounts, their roles and what follows from them. Reads only.

`Directory` looks into one organization at a time, for those who administer it. The functions below it read every
organization's, for the snapshot that the data plane decides by.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission, VirtualKey
from keystead.domain.ids import OrganizationId, TeamId, VirtualKeyId
from keystead.identity.authority import Assigned, Holding, holding
from keystead.identity.lookup import find, names
from keystead.identity.rows import (
    assignment_of,
    credential_ids,
    endpoints,
    member_of,
    organization_of,
    own_role_of,
    service_account_of,
    texts,
)
from keystead.identity.tree import TeamTree
from keystead.identity.views import (
    Assignment,
    CostCenter,
    Member,
    Organization,
    OrganizationFacts,
    OwnRole,
    ServiceAccount,
    Team,
    TeamFacts,
)
from keystead.storage import governance, schema
from keystead.storage.lists import page


class AdminToken(msgspec.Struct, frozen=True, kw_only=True):
    """An admin token as the snapshot holds it: whom it signs in, and the HMAC of its secret."""

    id: str
    administrator: Administrator
    digest: bytes
    expires_at: int | None
    revoked_at: int | None


class Directory:
    """Looks up who is who, in one organization at a time."""

    async def organization(self, conn: AsyncConnection, organization_id: str) -> Organization:
        """Return the organization, which exists: its id comes from a verified key or token."""
        found = await conn.execute(select(schema.organizations).where(schema.organizations.c.id == organization_id))
        return organization_of(found.mappings().one())

    async def organizations(self, conn: AsyncConnection, *, before: str | None, limit: int) -> list[Organization]:
        """Return up to `limit` organizations of the installation, newest first. For its operator."""
        table = schema.organizations
        older = [] if before is None else [table.c.id < before]
        found = await conn.execute(select(table).where(*older).order_by(table.c.id.desc()).limit(limit))
        return [organization_of(row) for row in found.mappings()]

    async def teams(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        within: Collection[TeamId] | None = None,
        before: str | None,
        limit: int,
    ) -> list[Team]:
        """Return up to `limit` teams, newest first, of those in `within`; `before` is the last id of the page before."""
        narrowed = _within(schema.teams.c.id, within)
        rows = await page(conn, schema.teams, organization_id, *narrowed, before=before, limit=limit)
        return await _teams(conn, rows)

    async def team(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> Team:
        """Return a team.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        row = await find(conn, schema.teams, organization_id, id_or_name, noun="team")
        [team] = await _teams(conn, [row])
        return team

    async def team_names(self, conn: AsyncConnection, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return id → name of the organization's teams among `ids`."""
        return await names(conn, schema.teams, organization_id, ids)

    async def team_sizes(
        self, conn: AsyncConnection, organization_id: str, ids: Collection[TeamId]
    ) -> dict[TeamId, int]:
        """Return id → number of members, the disabled not counted, of the teams among `ids` that have any."""
        columns = schema.members.c
        found = await conn.execute(
            select(columns.team_id, func.count().label("size"))
            .where(columns.organization_id == organization_id, columns.disabled_at.is_(None))
            .where(columns.team_id.in_(ids))
            .group_by(columns.team_id)
        )
        return {row.team_id: row.size for row in found}

    async def team_tree(self, conn: AsyncConnection, organization_id: str) -> TeamTree:
        """Return how the organization's teams stand."""
        columns = schema.teams.c
        found = await conn.execute(
            select(columns.id, columns.parent_id).where(columns.organization_id == organization_id)
        )
        return TeamTree({row.id: row.parent_id for row in found})

    async def members(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        within: Collection[TeamId] | None = None,
        before: str | None,
        limit: int,
    ) -> list[Member]:
        """Return up to `limit` members, newest first, of the teams in `within`; `before` as in `teams`."""
        narrowed = _within(schema.members.c.team_id, within)
        rows = await page(conn, schema.members, organization_id, *narrowed, before=before, limit=limit)
        return [member_of(row) for row in rows]

    async def member(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> Member:
        """Return a member.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        return member_of(await find(conn, schema.members, organization_id, id_or_name, noun="member"))

    async def member_names(self, conn: AsyncConnection, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return id → name of the organization's members among `ids`."""
        return await names(conn, schema.members, organization_id, ids)

    async def service_accounts(
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        within: Collection[TeamId] | None = None,
        before: str | None,
        limit: int,
    ) -> list[ServiceAccount]:
        """Return up to `limit` service accounts, newest first, of the teams in `within`; `before` as in `teams`."""
        table = governance.service_accounts
        narrowed = _within(table.c.team_id, within)
        rows = await page(conn, table, organization_id, *narrowed, before=before, limit=limit)
        return [service_account_of(row) for row in rows]

    async def service_account(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> ServiceAccount:
        """Return a service account.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        table = governance.service_accounts
        return service_account_of(await find(conn, table, organization_id, id_or_name, noun="service account"))

    async def principal_names(self, conn: AsyncConnection, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return id → name of the organization's members and service accounts among `ids`."""
        wanted = set(ids)
        members = await names(conn, schema.members, organization_id, wanted)
        return members | await names(conn, governance.service_accounts, organization_id, wanted - members.keys())

    async def own_roles(self, conn: AsyncConnection, organization_id: str) -> list[OwnRole]:
        """Return the roles that the organization made, newest first."""
        table = governance.roles
        found = await conn.execute(
            select(table).where(table.c.organization_id == organization_id).order_by(table.c.id.desc())
        )
        return [own_role_of(row) for row in found.mappings()]

    async def own_role(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> OwnRole:
        """Return one of the organization's own roles.

        Raises:
            NotFoundError: it has none of that id or name.
        """
        return own_role_of(await find(conn, governance.roles, organization_id, id_or_name, noun="role"))

    async def assignments(
        self, conn: AsyncConnection, organization_id: str, member_ids: Collection[str]
    ) -> list[Assignment]:
        """Return the roles of these members, oldest first, then by name."""
        table = governance.role_assignments
        found = await conn.execute(
            select(table)
            .where(table.c.organization_id == organization_id, table.c.member_id.in_(set(member_ids)))
            .order_by(table.c.created_at, table.c.role, table.c.team_id)
        )
        return [assignment_of(row) for row in found.mappings()]

    async def holding(self, conn: AsyncConnection, organization_id: str, member: Member) -> Holding:
        """Return what a member holds."""
        own = {role.id: role.permissions for role in await self.own_roles(conn, organization_id)}
        tree = await self.team_tree(conn, organization_id)
        assigned = await self.assignments(conn, organization_id, [member.id])
        return holding(assigned, own_roles=own, tree=tree, operator=member.operator)


_KEYS: Final = schema.virtual_keys
_TOKENS: Final = schema.admin_tokens
_MEMBERS: Final = schema.members
_ACCOUNTS: Final = governance.service_accounts


async def virtual_keys(conn: AsyncConnection) -> list[VirtualKey]:
    """Return every organization's virtual keys for the snapshot; those of a disabled principal count as revoked."""
    of_member = and_(_KEYS.c.principal_kind == "member", _KEYS.c.principal_id == _MEMBERS.c.id)
    of_account = and_(_KEYS.c.principal_kind == "service_account", _KEYS.c.principal_id == _ACCOUNTS.c.id)
    stopped_at = func.coalesce(_KEYS.c.revoked_at, _MEMBERS.c.disabled_at, _ACCOUNTS.c.disabled_at).label("stopped_at")
    found = await conn.execute(
        select(_KEYS, stopped_at).select_from(_KEYS.outerjoin(_MEMBERS, of_member).outerjoin(_ACCOUNTS, of_account))
    )
    return [
        VirtualKey(
            id=VirtualKeyId(row["id"]),
            organization_id=OrganizationId(row["organization_id"]),
            team_id=TeamId(row["team_id"]),
            principal_kind=row["principal_kind"],
            principal_id=row["principal_id"],
            name=row["name"],
            digest=row["digest"],
            models=texts(row["models"]),
            credential_ids=credential_ids(row["credential_ids"]),
            endpoints=endpoints(row["endpoints"]),
            networks=texts(row["networks"]),
            data_class=row["data_class"],
            max_output_tokens=row["max_output_tokens"],
            expires_at=row["expires_at"],
            revoked_at=row["stopped_at"],
        )
        for row in found.mappings()
    ]


async def admin_tokens(conn: AsyncConnection) -> list[AdminToken]:
    """Return every organization's admin tokens for the snapshot; a disabled member's count as revoked."""
    stopped_at = func.coalesce(_TOKENS.c.revoked_at, _MEMBERS.c.disabled_at).label("stopped_at")
    found = await conn.execute(
        select(_TOKENS, _MEMBERS.c.operator, stopped_at).join(_MEMBERS, _TOKENS.c.member_id == _MEMBERS.c.id)
    )
    rows = found.mappings().all()
    held = await _holdings(conn, {row["member_id"]: row for row in rows})
    return [
        AdminToken(
            id=row["id"],
            administrator=Administrator(
                organization_id=OrganizationId(row["organization_id"]),
                member_id=row["member_id"],
                token_id=row["id"],
                operator=row["operator"],
                everywhere=held[row["member_id"]].everywhere,
                in_teams=held[row["member_id"]].in_teams,
            ),
            digest=row["digest"],
            expires_at=row["expires_at"],
            revoked_at=row["stopped_at"],
        )
        for row in rows
    ]


async def organization_facts(conn: AsyncConnection) -> list[OrganizationFacts]:
    """Return every organization for the snapshot."""
    table = schema.organizations.c
    found = await conn.execute(select(table.id, table.currency, table.time_zone))
    return [OrganizationFacts(id=row.id, currency=row.currency, time_zone=row.time_zone) for row in found]


async def team_facts(conn: AsyncConnection) -> list[TeamFacts]:
    """Return every organization's teams for the snapshot."""
    rows = (await conn.execute(select(schema.teams))).mappings().all()
    centers = await _cost_centers(conn, None)
    return [
        TeamFacts(
            id=TeamId(row["id"]),
            organization_id=OrganizationId(row["organization_id"]),
            parent_id=row["parent_id"],
            data_class=row["data_class"],
            cost_centers=tuple((entry.valid_from, entry.cost_center) for entry in centers.get(row["id"], [])),
        )
        for row in rows
    ]


async def _holdings(conn: AsyncConnection, members: Mapping[str, RowMapping]) -> dict[str, Holding]:
    """Return what these members (id → row, of any organization) hold."""
    own: dict[str, dict[str, frozenset[Permission]]] = {}
    for row in (await conn.execute(select(governance.roles))).mappings():
        own.setdefault(row["organization_id"], {})[row["id"]] = own_role_of(row).permissions
    parents: dict[str, dict[TeamId, TeamId | None]] = {}
    for team in await conn.execute(select(schema.teams.c.id, schema.teams.c.organization_id, schema.teams.c.parent_id)):
        parents.setdefault(team.organization_id, {})[team.id] = team.parent_id
    trees = {organization_id: TeamTree(of_one) for organization_id, of_one in parents.items()}
    assigned: dict[str, list[Assigned]] = {}
    for row in (await conn.execute(select(governance.role_assignments))).mappings():
        assigned.setdefault(row["member_id"], []).append(assignment_of(row))
    return {
        member_id: holding(
            assigned.get(member_id, ()),
            own_roles=own.get(row["organization_id"], {}),
            tree=trees.get(row["organization_id"], TeamTree({})),
            operator=row["operator"],
        )
        for member_id, row in members.items()
    }


async def _teams(conn: AsyncConnection, rows: Sequence[RowMapping]) -> list[Team]:
    centers = await _cost_centers(conn, [row["id"] for row in rows])
    return [
        Team(
            id=TeamId(row["id"]),
            name=row["name"],
            parent_id=row["parent_id"],
            data_class=row["data_class"],
            cost_centers=tuple(centers.get(row["id"], ())),
            created_at=row["created_at"],
        )
        for row in rows
    ]


async def _cost_centers(conn: AsyncConnection, team_ids: Collection[str] | None) -> dict[str, list[CostCenter]]:
    """Return the cost centres by team, oldest first; None for every team's."""
    table = governance.team_cost_centers
    chosen = [] if team_ids is None else [table.c.team_id.in_(team_ids)]
    found = await conn.execute(select(table).where(*chosen).order_by(table.c.team_id, table.c.valid_from))
    centers: dict[str, list[CostCenter]] = {}
    for row in found:
        centers.setdefault(row.team_id, []).append(CostCenter(valid_from=row.valid_from, cost_center=row.cost_center))
    return centers


def _within(column: ColumnElement[str], team_ids: Collection[TeamId] | None) -> list[ColumnElement[bool]]:
    return [] if team_ids is None else [column.in_(team_ids)]
