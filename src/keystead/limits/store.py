"""Budgets and rate limits as the tables hold them, and how budgets stand. Owns `budgets` and `rate_limits`.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision. Another organization's rule is as absent as one that never was.

What is counted against a budget is in `counters`, which the journal keeps; it is only read here. A budget is ended and
not deleted, so that its counters keep their meaning.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import OrganizationId, TeamId, new_id
from keystead.domain.means import Budget, RateLimit, UnpricedPolicy
from keystead.limits.checks import check_budget, check_end, check_rate_limit, check_terms
from keystead.limits.periods import bucket
from keystead.limits.views import BudgetView, NewBudget, NewRateLimit, RateLimitView, Standing, StandingState
from keystead.storage import governance, schema
from keystead.storage.lists import page, require_room
from keystead.storage.sums import exact_sum, whole

MAX_BUDGETS: Final = 5_000
"""In force at a time in an organization: they are compiled with every change."""
MAX_RATE_LIMITS: Final = 5_000

_budgets = governance.budgets
_rate_limits = governance.rate_limits
_counters = governance.counters

IN_TEAMS: Final = {
    "member": schema.members,
    "service_account": governance.service_accounts,
    "virtual_key": schema.virtual_keys,
}
"""What a rule may be about that belongs to a team."""


async def budgets(conn: AsyncConnection) -> list[Budget]:
    """Return every organization's budgets that have not been ended, for the snapshot."""
    found = await conn.execute(select(_budgets).where(_budgets.c.ended_at.is_(None)).order_by(_budgets.c.id))
    return [Budget(**{name: row[name] for name in Budget.__struct_fields__}) for row in found.mappings()]


async def rate_limits(conn: AsyncConnection) -> list[RateLimit]:
    """Return every organization's rate limits, for the snapshot."""
    found = await conn.execute(select(_rate_limits).order_by(_rate_limits.c.id))
    return [RateLimit(**{name: row[name] for name in RateLimit.__struct_fields__}) for row in found.mappings()]


async def standing(conn: AsyncConnection, budget: Budget, now_us: int, time_zone: str) -> Standing:
    """Return how a budget stands in the period around `now_us`; `time_zone` is the organization's."""
    [found] = await standings(conn, [budget], now_us, time_zone)
    return found


async def standings(
    conn: AsyncConnection, asked: Sequence[Budget], now_us: int, time_zone: str
) -> tuple[Standing, ...]:
    """Return how each of some budgets of one time zone stands, in their order."""
    if not asked:
        return ()
    since = {budget.id: bucket(budget.period, budget.rolling_hours, now_us, time_zone)[1] for budget in asked}
    counts = or_(*(and_(_counters.c.counter_id == name, _counters.c.bucket_at >= at) for name, at in since.items()))
    sums = (*exact_sum(_counters.c.spent), *exact_sum(_counters.c.held))
    query = select(_counters.c.counter_id, *sums).where(counts).group_by(_counters.c.counter_id)
    found = {row[0]: (whole(row[1], row[2]), whole(row[3], row[4])) for row in await conn.execute(query)}
    return tuple(_standing(budget, *found.get(budget.id, (0, 0)), since[budget.id]) for budget in asked)


class Budgets:
    """Creates, lists, changes and ends budgets. `budget` arguments are an id or a name."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def create(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, actor_id: str, new: NewBudget
    ) -> BudgetView:
        """Keep a budget that a member, `actor_id`, makes for their organization.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the name is taken, or the organization has as many budgets as there may be.
        """
        now = self._clock.now_us()
        check_budget(new, now)
        await require_room(conn, _budgets, organization_id, _budgets.c.ended_at.is_(None), most=MAX_BUDGETS)
        made = _made(new, new_id("bud", now), organization_id, actor_id, now)
        return BudgetView(**await _kept(conn, _budgets, made))

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        team_ids: Collection[TeamId] | None = None,
        in_force_only: bool = False,
        before: str | None = None,
        limit: int = 50,
    ) -> list[BudgetView]:
        """Return up to `limit` budgets, newest first; `before` is the last id of the page before.

        Those about these teams and what belongs to them, or (None) all.
        """
        narrowed = _about(_budgets, team_ids)
        if in_force_only:
            ends = _budgets.c.ends_at
            narrowed += (_budgets.c.ended_at.is_(None), or_(ends.is_(None), ends > self._clock.now_us()))
        rows = await page(conn, _budgets, organization_id, *narrowed, before=before, limit=limit)
        return [BudgetView(**row) for row in rows]

    async def get(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        budget: str,
        *,
        team_ids: Collection[TeamId] | None = None,
    ) -> BudgetView:
        """Return a budget: one about these teams and what belongs to them, or (None) any.

        Raises:
            NotFoundError: the organization has no such one with this id or name.
        """
        return BudgetView(**await _find(conn, _budgets, organization_id, budget, team_ids=team_ids))

    async def change(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        budget: str,
        limit_pico: int | None = None,
        hard: bool | None = None,
        alert_percent: int | None = None,
        unpriced: UnpricedPolicy | None = None,
        unpriced_hold_pico: int | None = None,
        ends_at: int | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> BudgetView:
        """Change what is given (an end of None: no end) and leave the rest.

        What was spent stays counted, so scope, period and currency stay as they are: in others it would mean nothing.

        Raises:
            InvalidRequestError, NotFoundError: as `create` and `get`.
            ConflictError: the budget has been ended.
        """
        before = await self.get(conn, organization_id, budget)
        if before.ended_at is not None:
            raise ConflictError(
                f"The budget {before.name!r} has been ended.", code="budget_ended", next_step="Create another one."
            )
        given = {
            "limit_pico": limit_pico,
            "hard": hard,
            "alert_percent": alert_percent,
            "unpriced": unpriced,
            "unpriced_hold_pico": unpriced_hold_pico,
        }
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if unpriced not in {None, "hold"}:
            values.setdefault("unpriced_hold_pico", 0)  # what is not held any more has no amount
        if not isinstance(ends_at, msgspec.UnsetType):
            check_end(ends_at, self._clock.now_us())
            values["ends_at"] = ends_at
        after = msgspec.structs.replace(before, **values)
        check_terms(after)
        if values:
            await conn.execute(update(_budgets).where(_budgets.c.id == before.id).values(values))
        return after

    async def end(self, conn: AsyncConnection, *, organization_id: OrganizationId, budget: str) -> BudgetView:
        """End a budget for good: it counts and refuses nothing more. Ending it again changes nothing.

        Raises:
            NotFoundError: as `get`.
        """
        view = await self.get(conn, organization_id, budget)
        if view.ended_at is not None:
            return view
        now = self._clock.now_us()
        await conn.execute(update(_budgets).where(_budgets.c.id == view.id).values(ended_at=now))
        return msgspec.structs.replace(view, ended_at=now)


class RateLimits:
    """Creates, lists and deletes rate limits. `rate_limit` arguments are an id or a name."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def create(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, actor_id: str, new: NewRateLimit
    ) -> RateLimitView:
        """Keep a rate limit that a member, `actor_id`, makes for their organization.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the name is taken, or the organization has as many limits as there may be.
        """
        check_rate_limit(new)
        await require_room(conn, _rate_limits, organization_id, most=MAX_RATE_LIMITS)
        now = self._clock.now_us()
        made = _made(new, new_id("lim", now), organization_id, actor_id, now)
        return RateLimitView(**await _kept(conn, _rate_limits, made))

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        team_ids: Collection[TeamId] | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RateLimitView]:
        """Return up to `limit` rate limits, newest first; `before` is the last id of the page before.

        Those about these teams and what belongs to them, or (None) all.
        """
        rows = await page(
            conn, _rate_limits, organization_id, *_about(_rate_limits, team_ids), before=before, limit=limit
        )
        return [RateLimitView(**row) for row in rows]

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, rate_limit: str) -> RateLimitView:
        """Return a rate limit.

        Raises:
            NotFoundError: the organization has none with this id or name.
        """
        return RateLimitView(**await _find(conn, _rate_limits, organization_id, rate_limit))

    async def delete(self, conn: AsyncConnection, *, organization_id: OrganizationId, rate_limit: str) -> RateLimitView:
        """Delete a rate limit and return what it was.

        Raises:
            NotFoundError: as `get`.
        """
        view = await self.get(conn, organization_id, rate_limit)
        await conn.execute(delete(_rate_limits).where(_rate_limits.c.id == view.id))
        return view


def _standing(budget: Budget, spent: int, held: int, since_at: int) -> Standing:
    state: StandingState = "ok"
    if spent >= budget.limit_pico:
        state = "over"
    elif spent * 100 >= budget.limit_pico * budget.alert_percent:
        state = "near"
    return Standing(
        spent=spent,
        held=held,
        limit=budget.limit_pico,
        remaining=max(budget.limit_pico - spent - held, 0),
        period_starts_at=since_at,
        state=state,
    )


def _made(
    new: NewBudget | NewRateLimit, identifier: str, organization_id: OrganizationId, actor_id: str, now_us: int
) -> dict[str, Any]:
    """Return the row of a new rule."""
    given = {"id": identifier, "organization_id": organization_id, "created_at": now_us, "created_by": actor_id}
    return msgspec.structs.asdict(new) | given


async def _kept(conn: AsyncConnection, table: Table, row: dict[str, Any]) -> RowMapping:
    """Insert a row and return it whole.

    Raises:
        ConflictError: its name is taken.
    """
    try:
        found = await conn.execute(insert(table).values(row).returning(table))
    except IntegrityError as error:
        ended = " Those that have ended keep theirs." if table is _budgets else ""
        raise ConflictError(
            f"There is a {_noun(table)} named {row['name']!r} already.",
            code="name_taken",
            param="name",
            next_step=f"Choose another name.{ended}",
        ) from error
    kept: RowMapping = found.mappings().one()
    return kept


async def _find(
    conn: AsyncConnection,
    table: Table,
    organization_id: OrganizationId,
    id_or_name: str,
    *,
    team_ids: Collection[TeamId] | None = None,
) -> RowMapping:
    query = select(table).where(
        table.c.organization_id == organization_id,
        or_(table.c.id == id_or_name, table.c.name == id_or_name),
        *_about(table, team_ids),
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        noun = _noun(table)
        raise NotFoundError(f"There is no such {noun}.", code=f"{noun.replace(' ', '_')}_not_found")
    return row


def _about(table: Table, team_ids: Collection[TeamId] | None) -> tuple[ColumnElement[bool], ...]:
    """Return what a rule about these teams and what belongs to them meets; None: every rule does."""
    if team_ids is None:
        return ()
    about_a_team = and_(table.c.scope_kind == "team", table.c.scope_id.in_(team_ids))
    about_its_own = (
        and_(table.c.scope_kind == kind, table.c.scope_id.in_(select(owned.c.id).where(owned.c.team_id.in_(team_ids))))
        for kind, owned in IN_TEAMS.items()
    )
    return (or_(about_a_team, *about_its_own),)


def _noun(table: Table) -> str:
    return table.name.removesuffix("s").replace("_", " ")
