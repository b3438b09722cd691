"""The first start of a deployment: an organization, a team, an administrator, and the first two secrets."""

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Role
from keystead.domain.clock import Clock
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.money import USD
from keystead.domain.secret import Secret
from keystead.identity.audit import record_event
from keystead.identity.directory import Directory, Member, Organization, Team
from keystead.identity.issuer import Issuer
from keystead.storage import revision, schema


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """What the first start made. The two secrets exist here and nowhere else."""

    organization: Organization
    team: Team
    member: Member
    admin_token: Secret
    virtual_key: Secret


async def bootstrap(conn: AsyncConnection, *, clock: Clock, pepper: bytes) -> Bootstrap | None:
    """Make the first organization, in the caller's write transaction; None if there is one already.

    Safe when several processes start at once: touching the one row of `snapshot_revision` makes the others wait
    until this transaction ends, and what it wrote is looked for only after that.
    """
    if await _exists(conn):
        return None
    await revision.touch(conn)
    if await _exists(conn):
        return None
    now = clock.now_us()
    organization = Organization(
        id=OrganizationId(new_id("org", now)), name="Default organization", currency=USD, created_at=now
    )
    await conn.execute(insert(schema.organizations).values(**msgspec.structs.asdict(organization)))
    directory, issuer = Directory(clock), Issuer(clock)
    team = await directory.create_team(
        conn, organization_id=organization.id, name="Default team", cost_center="default"
    )
    member = await directory.create_member(
        conn, organization_id=organization.id, team_id=team.id, name="administrator", role=Role.ADMINISTRATOR
    )
    token, admin_token = await issuer.create_admin_token(
        conn,
        pepper=pepper,
        organization_id=organization.id,
        member_id=member.id,
        name="first token",
        expires_at=None,
    )
    key, virtual_key = await issuer.create_virtual_key(
        conn,
        pepper=pepper,
        organization_id=organization.id,
        actor_id=member.id,
        team_id=team.id,
        principal_kind="service_account",
        principal_id=None,
        name="first key",
        models=None,
        credential_ids=None,
        expires_at=None,
    )
    await record_event(
        conn,
        organization_id=organization.id,
        at=now,
        actor_kind="system",
        actor_id="bootstrap",
        action="organization.created",
        object_kind="organization",
        object_id=organization.id,
        details={"team": team.id, "member": member.id, "admin_token": token.id, "virtual_key": key.id},
    )
    return Bootstrap(
        organization=organization, team=team, member=member, admin_token=admin_token, virtual_key=virtual_key
    )


async def _exists(conn: AsyncConnection) -> bool:
    return (await conn.execute(select(schema.organizations.c.id).limit(1))).first() is not None
