"""Teams: list, create."""

from typing import Annotated

import msgspec

from keystead.identity.directory import Team
from keystead.web.admin.route import Call, act
from keystead.web.admin.values import (
    LINE,
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    paged,
    require_plain_name,
    with_instants,
)


class CreateTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A department."""

    name: Name
    cost_center: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)] = "default"


class TeamShown(msgspec.Struct, frozen=True, kw_only=True):
    """A department; its cost goes to `cost_center`."""

    id: str
    name: str
    cost_center: str
    created_at: Instant


async def list_all(call: Call[PageQuery, Nothing]) -> Page[TeamShown]:
    """Return a page of teams, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.directory.teams(
            conn, call.who.organization_id, before=decode_cursor(call.query.cursor), limit=call.query.limit + 1
        )
    items, next_cursor = paged(found, call.query.limit)
    return Page(items=tuple(_shown(team) for team in items), next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateTeam]) -> TeamShown:
    """Create a team."""
    require_plain_name(call.body.name)
    async with act(call) as change:
        team = await call.rooms.directory.create_team(
            change.conn,
            organization_id=call.who.organization_id,
            name=call.body.name,
            cost_center=call.body.cost_center,
        )
        await change.record(
            "team.created", object_kind="team", object_id=team.id, name=team.name, cost_center=team.cost_center
        )
    return _shown(team)


def _shown(team: Team) -> TeamShown:
    return TeamShown(**with_instants(team))
