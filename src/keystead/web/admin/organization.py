"""The caller's own organization, and who the caller is in it."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.identity.views import Organization
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import LINE, Instant, Name, Nothing, instant, with_instants

TimeZone = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE, description="An IANA name: `Europe/Berlin`.")
]


class OrganizationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, as who runs the platform sees it: how its people sign in is its own affair."""

    id: str
    name: str
    currency: str
    time_zone: str
    """Where its days, weeks and months begin."""
    created_at: Instant


class OwnOrganization(OrganizationShown, frozen=True, kw_only=True):
    """The caller's own organization."""

    second_factor_required: bool
    """Of everybody who signs in to the console with a password."""
    keep_requests_days: int | None
    """Null: for ever. See `/retention`."""


class ChangeOrganization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; null leaves it as it is."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    second_factor_required: bool | None = None
    """True: whoever signs in to the console with a password and has no second factor sets one up before all else."""


class HeldInTeam(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller may do in one team, beyond what it may do in the whole organization."""

    team_id: str
    team: str
    permissions: tuple[Permission, ...]


class Self(msgspec.Struct, frozen=True, kw_only=True):
    """The caller."""

    organization_id: str
    member_id: str
    member: str
    team_id: str
    """The team it belongs to."""
    token_id: str
    operator: bool
    """Runs the platform."""
    permissions: tuple[Permission, ...]
    """What it may do in the whole organization."""
    in_teams: tuple[HeldInTeam, ...]


def tenant(organization: Organization) -> OrganizationShown:
    """Return an organization as who runs the platform sees it."""
    return OrganizationShown(
        id=organization.id,
        name=organization.name,
        currency=organization.currency,
        time_zone=organization.time_zone,
        created_at=instant(organization.created_at),
    )


async def show(call: Call[Nothing, Nothing]) -> OwnOrganization:
    """Return the caller's organization."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.organization(conn, call.who.organization_id)
    return OwnOrganization(**with_instants(found))


async def change_organization(call: Call[Nothing, ChangeOrganization]) -> OwnOrganization:
    """Rename the organization, set its time zone, or want a second factor of its people."""
    body = call.body
    if body.name is None and body.time_zone is None and body.second_factor_required is None:
        raise InvalidRequestError("Nothing changes.", next_step="Give what is to be different.")
    async with act(call) as change:
        before = await call.rooms.directory.organization(change.conn, call.who.organization_id)
        changed = await call.rooms.organizations.change(
            change.conn,
            call.who,
            before,
            name=body.name,
            time_zone=body.time_zone,
            second_factor_required=body.second_factor_required,
        )
        await change.record(
            "organization.changed",
            object_kind="organization",
            object_id=changed.id,
            name=changed.name,
            time_zone=changed.time_zone,
            second_factor_required=changed.second_factor_required,
            before={
                "name": before.name,
                "time_zone": before.time_zone,
                "second_factor_required": before.second_factor_required,
            },
        )
    return OwnOrganization(**with_instants(changed))


async def whoami(call: Call[Nothing, Nothing]) -> Self:
    """Return who the caller is and what it may do."""
    who, directory = call.who, call.rooms.directory
    async with call.rooms.database.read() as conn:
        member = await directory.member(conn, who.organization_id, who.member_id)
        teams = await directory.team_names(conn, who.organization_id, who.in_teams)
    return Self(
        organization_id=who.organization_id,
        member_id=who.member_id,
        member=member.name,
        team_id=member.team_id,
        token_id=who.token_id,
        operator=who.operator,
        permissions=tuple(sorted(permission for permission in Permission if who.may(permission))),
        in_teams=tuple(
            HeldInTeam(team_id=team_id, team=teams[team_id], permissions=tuple(sorted(held)))
            for team_id, held in sorted(who.in_teams.items())
        ),
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/self",
        permission=None,
        handler=whoami,
        summary="Who you are and what you may do.",
        answer=Self,
    ),
    Route(
        method="GET",
        path="/organization",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=show,
        summary="Your organization.",
        answer=OwnOrganization,
    ),
    Route(
        method="POST",
        path="/organization/change",
        permission=Permission.ORGANIZATION_WRITE,
        handler=change_organization,
        summary="Rename your organization, set the time zone in which its days and months begin, or want a second factor.",
        body=ChangeOrganization,
        answer=OwnOrganization,
    ),
)
