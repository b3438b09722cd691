"""Makes teams and changes them: their name, their place in the tree, their data class, where their cost goes.

What stands above a team decides which roles, grants, consents and budgets reach it. So a team begins where its maker
may make one, and moving it later takes somebody who holds everything.
"""

from typing import Final

import msgspec
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import TeamId, new_id
from keystead.identity.authority import require_everything, require_held
from keystead.identity.directory import Directory
from keystead.identity.lookup import insert_row, rename_row
from keystead.identity.tree import TeamTree
from keystead.identity.views import CostCenter, Team
from keystead.storage import governance, revision, schema

NO_COST_CENTER: Final = "default"
"""Where the cost of a team goes that was given no cost centre."""


class Teams:
    """Creates and changes teams, on behalf of who may."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        """Take the times of changes from `clock`."""
        self._clock = clock
        self._directory = directory

    async def create(
        self,
        conn: AsyncConnection,
        who: Administrator,
        *,
        name: str,
        parent: Team | None,
        data_class: str,
        cost_center: str | None,
    ) -> Team:
        """Create a team; without a cost centre of its own it has its parent's of today.

        Raises:
            PolicyDenied: the actor may not make teams there, or give one a data class.
            InvalidRequestError: it would stand too deep.
            ConflictError: the name is taken.
        """
        now = self._clock.now_us()
        above = parent.id if parent else None
        require_held(who, Permission.TEAM_WRITE, above)
        if data_class:
            require_held(who, Permission.DATA_CLASS_WRITE, above)
        if parent is not None:
            tree = await self._locked_tree(conn, who)
            tree.check_place(parent.id)
        inherited = parent.cost_center(now) if parent else NO_COST_CENTER
        return await insert_team(
            conn,
            who.organization_id,
            name=name,
            parent_id=above,
            data_class=data_class,
            cost_center=cost_center or inherited,
            now=now,
        )

    async def rename(self, conn: AsyncConnection, who: Administrator, team: Team, name: str) -> Team:
        """Give a team another name.

        Raises:
            PolicyDenied: the actor may not.
            ConflictError: the name is taken.
        """
        require_held(who, Permission.TEAM_WRITE, team.id)
        await rename_row(conn, schema.teams, team.id, name, noun="team")
        return msgspec.structs.replace(team, name=name)

    async def move(self, conn: AsyncConnection, who: Administrator, team: Team, parent: Team | None) -> Team:
        """Put a team below another, or (None) at the top.

        Raises:
            PolicyDenied: the actor does not hold everything.
            InvalidRequestError: the team would stand below itself, or too deep.
        """
        require_everything(who)
        if parent is not None:
            # Under the lock: two moves at once could otherwise close a circle that neither sees.
            tree = await self._locked_tree(conn, who)
            tree.check_place(parent.id, team.id)
        parent_id = parent.id if parent else None
        await conn.execute(update(schema.teams).where(schema.teams.c.id == team.id).values(parent_id=parent_id))
        return msgspec.structs.replace(team, parent_id=parent_id)

    async def set_data_class(self, conn: AsyncConnection, who: Administrator, team: Team, data_class: str) -> Team:
        """Say how sensitive the team's requests are at least, beside what the teams above it say; empty for no more than that.

        Raises:
            PolicyDenied: the actor may not.
        """
        require_held(who, Permission.DATA_CLASS_WRITE, team.id)
        await conn.execute(update(schema.teams).where(schema.teams.c.id == team.id).values(data_class=data_class))
        return msgspec.structs.replace(team, data_class=data_class)

    async def set_cost_center(
        self, conn: AsyncConnection, who: Administrator, team: Team, *, cost_center: str, valid_from: int | None
    ) -> Team:
        """Say where the team's cost goes from an instant on (None: now). What was planned for that instant gives way.

        The past stays: each request was recorded with the cost centre of its time, and a month may be closed on it.

        Raises:
            PolicyDenied: the actor may not.
            InvalidRequestError: `cost_center_in_past`.
        """
        require_held(who, Permission.TEAM_WRITE, team.id)
        now = self._clock.now_us()
        begins = now if valid_from is None else valid_from
        if begins < now:
            raise InvalidRequestError(
                "A cost centre cannot be changed for the past: its requests are recorded with the one they had.",
                code="cost_center_in_past",
                param="valid_from",
                next_step="Leave the instant out to change it from now on, or name one that is still to come.",
            )
        table = governance.team_cost_centers
        await conn.execute(delete(table).where(table.c.team_id == team.id, table.c.valid_from == begins))
        await conn.execute(
            insert(table).values(
                team_id=team.id, valid_from=begins, organization_id=who.organization_id, cost_center=cost_center
            )
        )
        return await self._directory.team(conn, who.organization_id, team.id)

    async def _locked_tree(self, conn: AsyncConnection, who: Administrator) -> TeamTree:
        """Return the tree as it stays until this transaction ends: its changes take turns at the revision's row."""
        await revision.touch(conn)
        return await self._directory.team_tree(conn, who.organization_id)


async def insert_team(
    conn: AsyncConnection,
    organization_id: str,
    *,
    name: str,
    parent_id: TeamId | None,
    data_class: str,
    cost_center: str,
    now: int,
) -> Team:
    """Write a new team, unasked whether anybody may: for the room itself.

    Raises:
        ConflictError: the name is taken.
    """
    team = Team(
        id=TeamId(new_id("team", now)),
        name=name,
        parent_id=parent_id,
        data_class=data_class,
        cost_centers=(CostCenter(valid_from=now, cost_center=cost_center),),
        created_at=now,
    )
    values = msgspec.structs.asdict(team)
    del values["cost_centers"]
    await insert_row(conn, schema.teams, organization_id, values, noun="team")
    await conn.execute(
        insert(governance.team_cost_centers).values(
            team_id=team.id, valid_from=now, organization_id=organization_id, cost_center=cost_center
        )
    )
    return team
