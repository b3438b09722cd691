"""Makes organizations and changes what is theirs alone: their name, and the time zone that their months begin in."""

from functools import cache
from importlib.resources import files

import msgspec
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission, Role
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.secret import Secret
from keystead.identity.authority import Assigned, require_held
from keystead.identity.issuer import AdminTokenView, insert_admin_token
from keystead.identity.members import insert_assignment, insert_member
from keystead.identity.teams import NO_COST_CENTER, insert_team
from keystead.identity.views import Member, Organization, Team
from keystead.storage import governance, schema


class Founded(msgspec.Struct, frozen=True, kw_only=True):
    """A new organization with its first team, its first owner and their admin token, whose text exists here alone."""

    organization: Organization
    team: Team
    owner: Member
    token: AdminTokenView
    admin_token: Secret


class Organizations:
    """Creates organizations and changes them, on behalf of who may."""

    def __init__(self, clock: Clock) -> None:
        """Take the times of creation from `clock`."""
        self._clock = clock

    async def create(
        self,
        conn: AsyncConnection,
        who: Administrator,
        *,
        pepper: bytes,
        organization_id: OrganizationId,
        name: str,
        currency: str,
        time_zone: str,
        owner: str,
    ) -> Founded:
        """Create an organization with a team and an owner. Its id is given, so that its root key can be made first.

        Raises:
            PolicyDenied: the actor is no operator.
            InvalidRequestError: the time zone is not known.
        """
        require_held(who, Permission.PLATFORM_ORGANIZATIONS, None)
        return await found(
            conn,
            pepper=pepper,
            organization_id=organization_id,
            name=name,
            currency=currency,
            time_zone=time_zone,
            owner=owner,
            operator=False,
            now=self._clock.now_us(),
        )

    async def change(
        self,
        conn: AsyncConnection,
        who: Administrator,
        organization: Organization,
        *,
        name: str | None,
        time_zone: str | None,
        second_factor_required: bool | None = None,
    ) -> Organization:
        """Give the organization another name or time zone, or want a second factor of its people; None leaves it.

        Raises:
            PolicyDenied: the actor may not.
            InvalidRequestError: the time zone is not known.
        """
        require_held(who, Permission.ORGANIZATION_WRITE, None)
        if time_zone is not None:
            require_time_zone(time_zone)
        changed = msgspec.structs.replace(
            organization,
            name=name or organization.name,
            time_zone=time_zone or organization.time_zone,
            second_factor_required=(
                organization.second_factor_required if second_factor_required is None else second_factor_required
            ),
        )
        table = schema.organizations
        await conn.execute(
            update(table)
            .where(table.c.id == who.organization_id)
            .values(
                name=changed.name,
                time_zone=changed.time_zone,
                second_factor_required=changed.second_factor_required,
            )
        )
        return changed


async def found(
    conn: AsyncConnection,
    *,
    pepper: bytes,
    organization_id: OrganizationId,
    name: str,
    currency: str,
    time_zone: str,
    owner: str,
    operator: bool,
    now: int,
) -> Founded:
    """Write a new organization with a team and an owner, unasked whether anybody may: for the room itself.

    Raises:
        InvalidRequestError: the time zone is not known.
    """
    require_time_zone(time_zone)
    organization = Organization(id=organization_id, name=name, currency=currency, time_zone=time_zone, created_at=now)
    await conn.execute(insert(schema.organizations).values(msgspec.structs.asdict(organization)))
    team = await insert_team(
        conn,
        organization_id,
        name="Default team",
        parent_id=None,
        data_class="",
        cost_center=NO_COST_CENTER,
        now=now,
    )
    member = await insert_member(conn, organization_id, team_id=team.id, name=owner, operator=operator, now=now)
    await insert_assignment(
        conn,
        organization_id,
        member_id=member.id,
        assigned=Assigned(role=Role.OWNER.value, team_id=None),
        actor_id=member.id,
        now=now,
    )
    token, admin_token = await insert_admin_token(
        conn,
        organization_id,
        pepper=pepper,
        member_id=member.id,
        name="first token",
        expires_at=None,
        now=now,
    )
    return Founded(organization=organization, team=team, owner=member, token=token, admin_token=admin_token)


async def grant_everything(conn: AsyncConnection, organization_id: str, *, actor_id: str, now: int) -> str:
    """Let everybody in the organization use every credential of its own, by a grant like any other; return its id.

    Without a grant nothing is allowed, so that a new organization could not make its first request.
    """
    identifier = new_id("grt", now)
    await conn.execute(
        insert(governance.grants).values(
            id=identifier,
            organization_id=organization_id,
            effect="allow",
            subject_kind="organization",
            subject_id=organization_id,
            credentials=None,
            models=None,
            endpoints=None,
            condition="",
            note="Made with the organization: everybody may use every own credential for every model. "
            "Revoke it when each team has its own grants.",
            created_at=now,
            created_by=actor_id,
            expires_at=None,
            revoked_at=None,
        )
    )
    return identifier


def require_time_zone(name: str) -> None:
    """Refuse what is not the name of a time zone.

    Raises:
        InvalidRequestError: `time_zone_unknown`.
    """
    if name not in _time_zones():
        raise InvalidRequestError(
            f"There is no time zone {name[:64]!r}.",
            code="time_zone_unknown",
            param="time_zone",
            next_step="Use an IANA name, such as Europe/Berlin or UTC.",
        )


@cache
def _time_zones() -> frozenset[str]:
    """Return the names in the time zone database that comes with the gateway, so that every replica knows the same."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())
