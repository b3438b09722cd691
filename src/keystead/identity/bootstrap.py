"""The first start of a deployment: an organization, a team, an owner, the first two secrets, and a first grant."""

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.money import USD
from keystead.domain.secret import Secret
from keystead.identity.audit import record_event
from keystead.identity.issuer import VirtualKeyView, insert_virtual_key
from keystead.identity.narrowing import Narrowing
from keystead.identity.organizations import Founded, found, grant_everything
from keystead.identity.service_accounts import insert_service_account
from keystead.identity.views import Member, Organization, Principal, Team
from keystead.storage import revision, schema


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """What the first start made. The two secrets exist here and nowhere else."""

    organization: Organization
    team: Team
    member: Member
    """An owner of the organization, and the operator of the installation."""
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
    founded = await found(
        conn,
        pepper=pepper,
        organization_id=OrganizationId(new_id("org", now)),
        name="Default organization",
        currency=USD,
        time_zone="UTC",
        owner="administrator",
        operator=True,
        now=now,
    )
    organization_id, member = founded.organization.id, founded.owner
    key, virtual_key = await _first_key(conn, founded, pepper=pepper, now=now)
    grant_id = await grant_everything(conn, organization_id, actor_id=member.id, now=now)
    await record_event(
        conn,
        organization_id=organization_id,
        at=now,
        actor_kind="system",
        actor_id="bootstrap",
        action="organization.created",
        object_kind="organization",
        object_id=organization_id,
        details={
            "team": founded.team.id,
            "member": member.id,
            "admin_token": founded.token.id,
            "virtual_key": key.id,
            "grant": grant_id,
        },
    )
    return Bootstrap(
        organization=founded.organization,
        team=founded.team,
        member=member,
        admin_token=founded.admin_token,
        virtual_key=virtual_key,
    )


async def _first_key(
    conn: AsyncConnection, founded: Founded, *, pepper: bytes, now: int
) -> tuple[VirtualKeyView, Secret]:
    """Issue a virtual key to a service account of its own."""
    team_id, actor_id = founded.team.id, founded.owner.id
    account = await insert_service_account(
        conn, founded.organization.id, team_id=team_id, name="first key", actor_id=actor_id, now=now
    )
    return await insert_virtual_key(
        conn,
        founded.organization.id,
        pepper=pepper,
        team_id=team_id,
        principal=Principal(kind="service_account", id=account.id, team_id=team_id, disabled=False),
        name=account.name,
        narrowing=Narrowing(),
        actor_id=actor_id,
        now=now,
    )


async def _exists(conn: AsyncConnection) -> bool:
    return (await conn.execute(select(schema.organizations.c.id).limit(1))).first() is not None
