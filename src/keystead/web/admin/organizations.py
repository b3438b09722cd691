"""The organizations of the installation, for its operator: list and create. What is in them is theirs alone."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.money import USD
from keystead.identity.audit import record_event
from keystead.identity.organizations import grant_everything, require_time_zone
from keystead.web.admin.organization import OrganizationShown, TimeZone, tenant
from keystead.web.admin.route import Act, Call, Route, act
from keystead.web.admin.values import (
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    instant,
    paged,
    require_plain_name,
    whole,
)
from keystead.web.sandbox import ensure_sandbox


class CreateOrganization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant, with its first owner."""

    name: Name
    owner: Name = "owner"
    """The name of its first member, who is its owner."""
    currency: Annotated[str, msgspec.Meta(pattern=whole(r"[A-Z]{3}"))] = USD
    time_zone: TimeZone = "UTC"
    open: bool = False
    """Whether everybody in it may use every credential it brings, until its owner decides otherwise."""


class OwnerShown(msgspec.Struct, frozen=True, kw_only=True):
    """The first member of a new organization."""

    id: str
    name: str
    team_id: str
    created_at: Instant


class CreatedOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """A new organization with its owner's admin token, which is shown this once."""

    organization: OrganizationShown
    owner: OwnerShown
    token_id: str
    token: str


async def list_all(call: Call[PageQuery, Nothing]) -> Page[OrganizationShown]:
    """Return a page of the installation's organizations, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.organizations(
            conn, before=decode_cursor(call.query.cursor), limit=call.query.limit + 1
        )
    items, next_cursor = paged(found, call.query.limit)
    return Page(items=tuple(tenant(item) for item in items), next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateOrganization]) -> CreatedOrganization:
    """Create an organization with a team, an owner and the owner's admin token."""
    body, rooms = call.body, call.rooms
    require_plain_name(body.owner)
    require_time_zone(body.time_zone)
    _require_counted(body.currency)
    now = rooms.clock.now_us()
    organization_id = OrganizationId(new_id("org", now))
    pepper = await rooms.pepper()
    # First: an organization is never without its root key. A key without its organization opens nothing.
    await rooms.ensure_root_key(organization_id)
    async with act(call) as change:
        founded = await rooms.organizations.create(
            change.conn,
            call.who,
            pepper=pepper,
            organization_id=organization_id,
            name=body.name,
            currency=body.currency,
            time_zone=body.time_zone,
            owner=body.owner,
        )
        await ensure_sandbox(change.conn, rooms.credentials, organization_id)
        await rooms.ledger.open_account(change.conn, organization_id, actor_id="operator")
        if body.open:
            await grant_everything(change.conn, organization_id, actor_id=founded.owner.id, now=now)
        await _record(call, change, organization_id)
    return CreatedOrganization(
        organization=tenant(founded.organization),
        owner=OwnerShown(
            id=founded.owner.id,
            name=founded.owner.name,
            team_id=founded.team.id,
            created_at=instant(founded.owner.created_at),
        ),
        token_id=founded.token.id,
        token=founded.admin_token.reveal(),
    )


def _require_counted(currency: str) -> None:
    """Refuse a currency in which none of the organization's budgets could be.

    Raises:
        InvalidRequestError: `currency_not_counted`.
    """
    if currency != USD:
        raise InvalidRequestError(
            f"Nothing would be counted in {currency}: there is no exchange rate, and providers are paid in {USD}.",
            code="currency_not_counted",
            param="currency",
            next_step=f"Leave it out, or give {USD}.",
        )


async def _record(call: Call[Nothing, CreateOrganization], change: Act, organization_id: OrganizationId) -> None:
    """Write the event into both logs; the new organization's does not tell whose organization the operator is of."""
    details = {"name": call.body.name, "open": call.body.open}
    await change.record("organization.created", object_kind="organization", object_id=organization_id, **details)
    await record_event(
        change.conn,
        organization_id=organization_id,
        at=call.rooms.clock.now_us(),
        actor_kind="system",
        actor_id="operator",
        action="organization.created",
        object_kind="organization",
        object_id=organization_id,
        details=details,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/organizations",
        permission=Permission.PLATFORM_ORGANIZATIONS,
        handler=list_all,
        sees="installation",
        summary="The organizations of the installation, newest first.",
        query=PageQuery,
        answer=Page[OrganizationShown],
    ),
    Route(
        method="POST",
        path="/organizations",
        permission=Permission.PLATFORM_ORGANIZATIONS,
        handler=create,
        sees="installation",
        summary="Create an organization; its owner's admin token is shown this once.",
        body=CreateOrganization,
        answer=CreatedOrganization,
        status=201,
    ),
)
