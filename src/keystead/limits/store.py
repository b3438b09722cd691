"""Budgets and rate limits as the tables hold them, and how budgets stand. Owns `budgets` and `rate_limits`.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision. Another organization's rule is as absent as one that never was.

What is counted against a budget is in `counters`, which the journal keeps; it is only read here. A budget is ended and
not deleted, so that its counters keep their meaning.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.means import Budget, Measure, Period, RateLimit, ScopeKind, UnpricedPolicy
from keystead.domain.money import USD
from keystead.limits.checks import check_end, check_name, check_period, check_rate, check_scope, check_terms
from keystead.limits.periods import bucket
from keystead.limits.views import BudgetView, RateLimitView, Standing, StandingState
from keystead.storage import governance
from keystead.storage.sums import exact_sum, whole

MAX_BUDGETS: Final = 5_000
"""In force at a time in an organization: they are compiled with every change."""
MAX_RATE_LIMITS: Final = 5_000

_budgets = governance.budgets
_rate_limits = governance.rate_limits
_counters = governance.counters


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
    """Return how each of some budgets of one organization stands, in their order."""
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
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        actor_id: str,
        name: str,
        scope_kind: ScopeKind,
        scope_id: str,
        period: Period,
        limit_pico: int,
        rolling_hours: int = 0,
        currency: str = USD,
        hard: bool = True,
        alert_percent: int = 80,
        unpriced: UnpricedPolicy = "refuse",
        unpriced_hold_pico: int = 0,
        ends_at: int | None = None,
    ) -> BudgetView:
        """Keep a budget.

        Args:
            conn: in the caller's transaction.
            organization_id: whose budget it is.
            actor_id: the member who makes it.
            name: unique in the organization, ended budgets included.
            scope_kind: what `scope_id` is the id of.
            scope_id: what is counted; for a model a shell-style pattern. The caller has looked an id up.
            period: when counting begins anew, in the organization's time zone.
            limit_pico: how much may be spent in a period, in pico units of `currency`.
            rolling_hours: the length of a rolling period; 0 for a calendar one.
            currency: `USD`, or `XCR` for credits.
            hard: refuse what would go over.
            alert_percent: of the limit, from which on it stands `near`.
            unpriced: what to do with a request whose most is not known.
            unpriced_hold_pico: what to hold for it, with `hold`; else 0.
            ends_at: Unix microseconds; None for no end.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the name is taken, or the organization has as many budgets as there may be.
        """
        now = self._clock.now_us()
        check_name(name)
        check_scope(scope_kind, scope_id)
        check_period(period, rolling_hours)
        check_terms(
            limit_pico=limit_pico,
            currency=currency,
            alert_percent=alert_percent,
            unpriced=unpriced,
            unpriced_hold_pico=unpriced_hold_pico,
        )
        check_end(ends_at, now)
        await _require_room(conn, _budgets, organization_id, most=MAX_BUDGETS)
        row = {
            "id": new_id("bud", now),
            "organization_id": organization_id,
            "name": name,
            "scope_kind": scope_kind,
            "scope_id": scope_id,
            "period": period,
            "rolling_hours": rolling_hours,
            "limit_pico": limit_pico,
            "currency": currency,
            "hard": hard,
            "alert_percent": alert_percent,
            "unpriced": unpriced,
            "unpriced_hold_pico": unpriced_hold_pico,
            "ends_at": ends_at,
            "created_at": now,
            "created_by": actor_id,
        }
        return BudgetView(**await _kept(conn, _budgets, row))

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        in_force_only: bool = False,
        before: str | None = None,
        limit: int = 50,
    ) -> list[BudgetView]:
        """Return up to `limit` budgets, newest first; `before` is the last id of the page before."""
        ends = _budgets.c.ends_at
        narrowed = _budgets.c.ended_at.is_(None), or_(ends.is_(None), ends > self._clock.now_us())
        rows = await _page(
            conn, _budgets, organization_id, *(narrowed if in_force_only else ()), before=before, limit=limit
        )
        return [BudgetView(**row) for row in rows]

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, budget: str) -> BudgetView:
        """Return a budget.

        Raises:
            NotFoundError: the organization has none with this id or name.
        """
        return BudgetView(**await _find(conn, _budgets, organization_id, budget))

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
        check_terms(
            limit_pico=after.limit_pico,
            currency=after.currency,
            alert_percent=after.alert_percent,
            unpriced=after.unpriced,
            unpriced_hold_pico=after.unpriced_hold_pico,
        )
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
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        actor_id: str,
        name: str,
        scope_kind: ScopeKind,
        scope_id: str,
        measure: Measure,
        most: int,
    ) -> RateLimitView:
        """Keep a rate limit.

        Args:
            conn: in the caller's transaction.
            organization_id: whose limit it is.
            actor_id: the member who makes it.
            name: unique in the organization.
            scope_kind: what `scope_id` is the id of.
            scope_id: what is counted; for a model a shell-style pattern. The caller has looked an id up.
            measure: what is counted.
            most: of that, 1 to `MOST`.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the name is taken, or the organization has as many limits as there may be.
        """
        check_name(name)
        check_scope(scope_kind, scope_id)
        check_rate(measure, most)
        await _require_room(conn, _rate_limits, organization_id, most=MAX_RATE_LIMITS)
        now = self._clock.now_us()
        row = {
            "id": new_id("lim", now),
            "organization_id": organization_id,
            "name": name,
            "scope_kind": scope_kind,
            "scope_id": scope_id,
            "measure": measure,
            "most": most,
            "created_at": now,
            "created_by": actor_id,
        }
        return RateLimitView(**await _kept(conn, _rate_limits, row))

    async def list(
        self, conn: AsyncConnection, organization_id: OrganizationId, *, before: str | None = None, limit: int = 50
    ) -> list[RateLimitView]:
        """Return up to `limit` rate limits, newest first; `before` is the last id of the page before."""
        rows = await _page(conn, _rate_limits, organization_id, before=before, limit=limit)
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


async def _page(
    conn: AsyncConnection,
    table: Table,
    organization_id: OrganizationId,
    *narrowed: ColumnElement[bool],
    before: str | None,
    limit: int,
) -> Sequence[RowMapping]:
    conditions = [table.c.organization_id == organization_id, *narrowed]
    if before is not None:
        conditions.append(table.c.id < before)
    found = await conn.execute(select(table).where(*conditions).order_by(table.c.id.desc()).limit(limit))
    return found.mappings().all()


async def _find(conn: AsyncConnection, table: Table, organization_id: OrganizationId, id_or_name: str) -> RowMapping:
    query = select(table).where(
        table.c.organization_id == organization_id, or_(table.c.id == id_or_name, table.c.name == id_or_name)
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        noun = _noun(table)
        raise NotFoundError(f"There is no such {noun}.", code=f"{noun.replace(' ', '_')}_not_found")
    return row


async def _require_room(conn: AsyncConnection, table: Table, organization_id: OrganizationId, *, most: int) -> None:
    counted = select(func.count()).select_from(table).where(table.c.organization_id == organization_id)
    if table is _budgets:
        counted = counted.where(_budgets.c.ended_at.is_(None))
    if (await conn.execute(counted)).scalar_one() >= most:
        raise ConflictError(
            f"There are {most:,} {_noun(table)}s already, as many as there may be.",
            code="too_many",
            next_step="Remove what is not needed, or say the same with fewer.",
        )


def _noun(table: Table) -> str:
    return table.name.removesuffix("s").replace("_", " ")
