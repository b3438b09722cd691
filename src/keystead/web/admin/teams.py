"""Teams: list, show, create, rename, move, say where their cost goes and how sensitive their requests are."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.identity.authority import teams_where
from keystead.identity.views import Team
from keystead.web.admin.data_class_names import DataClassName, require_data_class
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    LINE,
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    instant,
    optional_micros,
    paged,
    require_plain_name,
)

CostCenterName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]


class CreateTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A department."""

    name: Name
    parent: Reference | None = None
    """The team it is part of; null for none."""
    cost_center: CostCenterName | None = None
    """Null: its parent's of today, else `default`."""
    data_class: DataClassName = ""


class RenameTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Its new name."""

    name: Name


class MoveTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it goes."""

    parent: Reference | None = None
    """The team it becomes part of; or else:"""
    top: bool = False
    """Whether it becomes part of none."""


class SetCostCenter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where its cost goes from an instant on."""

    cost_center: CostCenterName
    valid_from: Instant | None = None
    """Now (null) or later."""


class SetDataClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sensitive its requests are, unless they say more."""

    data_class: DataClassName
    """Empty: as its parent's."""


class CostCenterShown(msgspec.Struct, frozen=True, kw_only=True):
    """Where a team's cost goes from an instant on, until the next one."""

    cost_center: str
    valid_from: Instant


class TeamShown(msgspec.Struct, frozen=True, kw_only=True):
    """A department."""

    id: str
    name: str
    parent_id: str | None
    parent: str | None
    cost_center: str
    """Where its cost goes now."""
    cost_centers: tuple[CostCenterShown, ...]
    """Where it went and will go, oldest first."""
    data_class: str
    members: int
    """How many belong to it, without those below it and without the disabled."""
    created_at: Instant


async def list_all(call: Call[PageQuery, Nothing]) -> Page[TeamShown]:
    """Return a page of teams, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.teams(
            conn,
            call.who.organization_id,
            within=teams_where(call.who, Permission.ORGANIZATION_READ),
            before=decode_cursor(call.query.cursor),
            limit=call.query.limit + 1,
        )
        items, next_cursor = paged(found, call.query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> TeamShown:
    """Return one team."""
    async with call.rooms.database.read() as conn:
        team = await call.rooms.directory.team(conn, call.who.organization_id, call.path["team"])
        if not call.who.may(Permission.ORGANIZATION_READ, team.id):
            raise NotFoundError(f"There is no team {call.path['team']!r}.")
        [shown] = await _shown(call, conn, [team])
    return shown


async def create(call: Call[Nothing, CreateTeam]) -> TeamShown:
    """Create a team."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    require_plain_name(body.name)
    async with act(call) as change:
        parent = None
        if body.parent is not None:
            parent = await rooms.directory.team(change.conn, organization_id, body.parent)
        await require_data_class(call, change.conn, body.data_class)
        team = await rooms.teams.create(
            change.conn,
            call.who,
            name=body.name,
            parent=parent,
            data_class=body.data_class,
            cost_center=body.cost_center,
        )
        await change.record(
            "team.created",
            object_kind="team",
            object_id=team.id,
            name=team.name,
            parent=team.parent_id,
            cost_center=team.cost_centers[0].cost_center,
            data_class=team.data_class,
        )
        [shown] = await _shown(call, change.conn, [team])
    return shown


async def rename(call: Call[Nothing, RenameTeam]) -> TeamShown:
    """Rename a team."""
    require_plain_name(call.body.name)
    async with act(call) as change:
        before = await _named(call, change.conn)
        team = await call.rooms.teams.rename(change.conn, call.who, before, call.body.name)
        await change.record("team.renamed", object_kind="team", object_id=team.id, name=team.name, before=before.name)
        [shown] = await _shown(call, change.conn, [team])
    return shown


async def move(call: Call[Nothing, MoveTeam]) -> TeamShown:
    """Put a team below another, or at the top."""
    if (call.body.parent is None) is not call.body.top:
        raise InvalidRequestError("Say either a parent or the top.", param="parent")
    async with act(call) as change:
        before = await _named(call, change.conn)
        parent = None
        if call.body.parent is not None:
            parent = await call.rooms.directory.team(change.conn, call.who.organization_id, call.body.parent)
        team = await call.rooms.teams.move(change.conn, call.who, before, parent)
        await change.record(
            "team.moved", object_kind="team", object_id=team.id, parent=team.parent_id, before=before.parent_id
        )
        [shown] = await _shown(call, change.conn, [team])
    return shown


async def set_cost_center(call: Call[Nothing, SetCostCenter]) -> TeamShown:
    """Say where the team's cost goes from an instant on."""
    async with act(call) as change:
        before = await _named(call, change.conn)
        team = await call.rooms.teams.set_cost_center(
            change.conn,
            call.who,
            before,
            cost_center=call.body.cost_center,
            valid_from=optional_micros(call.body.valid_from),
        )
        await change.record(
            "team.cost_center_changed",
            object_kind="team",
            object_id=team.id,
            cost_center=call.body.cost_center,
            valid_from=optional_micros(call.body.valid_from),
            before=before.cost_center(call.rooms.clock.now_us()),
        )
        [shown] = await _shown(call, change.conn, [team])
    return shown


async def set_data_class(call: Call[Nothing, SetDataClass]) -> TeamShown:
    """Say how sensitive the team's requests are, unless they say more."""
    async with act(call) as change:
        before = await _named(call, change.conn)
        await require_data_class(call, change.conn, call.body.data_class)
        team = await call.rooms.teams.set_data_class(change.conn, call.who, before, call.body.data_class)
        await change.record(
            "team.data_class_changed",
            object_kind="team",
            object_id=team.id,
            data_class=team.data_class,
            before=before.data_class,
        )
        [shown] = await _shown(call, change.conn, [team])
    return shown


async def _named(call: Call[Any, Any], conn: AsyncConnection) -> Team:
    return await call.rooms.directory.team(conn, call.who.organization_id, call.path["team"])


async def _shown(call: Call[Any, Any], conn: AsyncConnection, teams: Sequence[Team]) -> tuple[TeamShown, ...]:
    parents = await call.rooms.directory.team_names(
        conn, call.who.organization_id, [team.parent_id for team in teams if team.parent_id]
    )
    sizes = await call.rooms.directory.team_sizes(conn, call.who.organization_id, [team.id for team in teams])
    now = call.rooms.clock.now_us()
    return tuple(
        TeamShown(
            id=team.id,
            name=team.name,
            parent_id=team.parent_id,
            parent=parents[team.parent_id] if team.parent_id else None,
            cost_center=team.cost_center(now),
            cost_centers=tuple(
                CostCenterShown(cost_center=entry.cost_center, valid_from=instant(entry.valid_from))
                for entry in team.cost_centers
            ),
            data_class=team.data_class,
            members=sizes.get(team.id, 0),
            created_at=instant(team.created_at),
        )
        for team in teams
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/teams",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=list_all,
        summary="Its teams, newest first.",
        query=PageQuery,
        answer=Page[TeamShown],
    ),
    Route(
        method="POST",
        path="/teams",
        permission=Permission.TEAM_WRITE,
        scope="team",
        handler=create,
        summary="Create a team.",
        body=CreateTeam,
        answer=TeamShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/teams/{team}",
        permission=Permission.ORGANIZATION_READ,
        scope="team",
        handler=show,
        summary="One team.",
        answer=TeamShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/teams/{team}/rename",
        permission=Permission.TEAM_WRITE,
        scope="team",
        handler=rename,
        summary="Rename a team.",
        body=RenameTeam,
        answer=TeamShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/teams/{team}/move",
        permission=Permission.ORGANIZATION_WRITE,
        handler=move,
        summary="Put a team below another, or at the top. It takes an owner: other grants, budgets and roles reach it.",
        body=MoveTeam,
        answer=TeamShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/teams/{team}/cost-center",
        permission=Permission.TEAM_WRITE,
        scope="team",
        handler=set_cost_center,
        summary="Say where a team's cost goes from now, or from a later instant, on.",
        body=SetCostCenter,
        answer=TeamShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/teams/{team}/data-class",
        permission=Permission.DATA_CLASS_WRITE,
        scope="team",
        handler=set_data_class,
        summary="Say how sensitive a team's requests are, unless they say more.",
        body=SetDataClass,
        answer=TeamShown,
        errors=(404,),
    ),
)
