"""Service accounts, the programs that act with virtual keys: list, show, create, disable."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import NotFoundError
from keystead.identity.authority import narrowed_to, teams_where
from keystead.identity.views import ServiceAccount
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    paged,
    require_plain_name,
    with_instants,
)


class CreateServiceAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program, which can act once a virtual key is issued to it."""

    name: Name
    team: Reference


class ServiceAccountsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which service accounts."""

    team: Reference | None = None
    """Of that team, without those below it."""


class ServiceAccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """A program."""

    id: str
    name: str
    team_id: str
    team: str
    created_at: Instant
    created_by: str
    disabled_at: Instant | None


async def list_all(call: Call[ServiceAccountsQuery, Nothing]) -> Page[ServiceAccountShown]:
    """Return a page of service accounts, newest first."""
    async with call.rooms.database.read() as conn:
        within = teams_where(call.who, Permission.KEY_READ)
        if call.query.team is not None:
            team = await call.rooms.directory.team(conn, call.who.organization_id, call.query.team)
            within = narrowed_to(within, team.id)
        found = await call.rooms.directory.service_accounts(
            conn,
            call.who.organization_id,
            within=within,
            before=decode_cursor(call.query.cursor),
            limit=call.query.limit + 1,
        )
        items, next_cursor = paged(found, call.query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> ServiceAccountShown:
    """Return one service account."""
    async with call.rooms.database.read() as conn:
        name = call.path["service_account"]
        account = await call.rooms.directory.service_account(conn, call.who.organization_id, name)
        if not call.who.may(Permission.KEY_READ, account.team_id):
            raise NotFoundError(f"There is no service account {name!r}.")
        [shown] = await _shown(call, conn, [account])
    return shown


async def create(call: Call[Nothing, CreateServiceAccount]) -> ServiceAccountShown:
    """Create a service account."""
    require_plain_name(call.body.name)
    async with act(call) as change:
        team = await call.rooms.directory.team(change.conn, call.who.organization_id, call.body.team)
        account = await call.rooms.service_accounts.create(change.conn, call.who, team_id=team.id, name=call.body.name)
        await change.record(
            "service_account.created",
            object_kind="service_account",
            object_id=account.id,
            name=account.name,
            team=team.id,
        )
        [shown] = await _shown(call, change.conn, [account])
    return shown


async def disable(call: Call[Nothing, Nothing]) -> ServiceAccountShown:
    """Disable a service account, whose keys stop at once."""
    async with act(call) as change:
        found = await call.rooms.directory.service_account(
            change.conn, call.who.organization_id, call.path["service_account"]
        )
        account = await call.rooms.service_accounts.disable(change.conn, call.who, found)
        await change.record(
            "service_account.disabled", object_kind="service_account", object_id=account.id, name=account.name
        )
        [shown] = await _shown(call, change.conn, [account])
    return shown


async def _shown(
    call: Call[Any, Any], conn: AsyncConnection, accounts: Sequence[ServiceAccount]
) -> tuple[ServiceAccountShown, ...]:
    teams = await call.rooms.directory.team_names(
        conn, call.who.organization_id, [account.team_id for account in accounts]
    )
    return tuple(ServiceAccountShown(**with_instants(account), team=teams[account.team_id]) for account in accounts)


ROUTES: Final = (
    Route(
        method="GET",
        path="/service-accounts",
        permission=Permission.KEY_READ,
        scope="team",
        handler=list_all,
        summary="Service accounts, newest first.",
        query=ServiceAccountsQuery,
        answer=Page[ServiceAccountShown],
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/service-accounts/{service_account}",
        permission=Permission.KEY_READ,
        scope="team",
        handler=show,
        summary="One service account.",
        answer=ServiceAccountShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/service-accounts",
        permission=Permission.KEY_WRITE,
        scope="team",
        handler=create,
        summary="Create a service account.",
        body=CreateServiceAccount,
        answer=ServiceAccountShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/service-accounts/{service_account}/disable",
        permission=Permission.KEY_WRITE,
        scope="team",
        handler=disable,
        summary="Disable a service account: its keys stop at once.",
        answer=ServiceAccountShown,
        errors=(404,),
    ),
)
