"""Budgets: how much may be spent, and how they stand. List, show, create, change, end."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.means import Period, ScopeKind, UnpricedPolicy
from keystead.domain.money import to_text
from keystead.identity.authority import teams_where
from keystead.limits.checks import MAX_ROLLING_HOURS, parse_amount
from keystead.limits.forecast import forecast
from keystead.limits.fullness import refused_since
from keystead.limits.periods import span_at
from keystead.limits.store import standings
from keystead.limits.views import BudgetView, NewBudget, Refused, Standing, StandingState
from keystead.web.admin.limit_scopes import ScopeGiven, scope_names, scope_of
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    Name,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    instant,
    micros,
    optional_instant,
    optional_micros,
    paged,
)

Amount = Annotated[
    str, msgspec.Meta(max_length=40, description="Plain decimal text with at most 12 decimals: `500`, `12.5`.")
]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class CreateBudget(ScopeGiven, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be spent in a period, on what."""

    name: Name
    limit: Amount
    currency: Literal["USD", "XCR"] = "USD"
    """`USD`: what providers bill; `XCR`: credits."""
    period: Period
    """`day`, `week` and `month` of the calendar, in the organization's time zone; `rolling`: the last hours."""
    rolling_hours: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROLLING_HOURS)] = 0
    """The length of a rolling period."""
    hard: bool = True
    """Refuse what would go over, instead of only telling."""
    alert_percent: Percent = 80
    """Of the limit, from which on it stands `near`."""
    unpriced: UnpricedPolicy = "refuse"
    """For requests whose model has no price: refuse them (if the budget is hard), `hold` an amount, or allow them."""
    unpriced_hold: Amount | None = None
    """With `hold`: that amount."""
    ends_at: Instant | None = None


class ChangeBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; null leaves it as it is."""

    limit: Amount | None = None
    hard: bool | None = None
    alert_percent: Percent | None = None
    unpriced: UnpricedPolicy | None = None
    unpriced_hold: Amount | None = None
    ends_at: Instant | None = None
    endless: bool = False
    """Take the end away."""


class BudgetsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which budgets."""

    in_force: bool = False
    """Only those that count now."""


class StandingShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a budget stands in its current period, in its currency."""

    spent: str
    held: str
    """For attempts under way; what they do not cost comes back."""
    remaining: str
    """What is neither spent nor held."""
    period_starts_at: Instant
    period_ends_at: Instant | None
    """Null for a rolling one, which has no end."""
    forecast: str | None
    """What will be spent by its end if it goes on as it did until now; null while that is too early to say."""
    refused: int
    """Requests in the period that it had no room for."""
    state: StandingState
    """`near`: spent up to the alert; `over`: spent up."""


class BudgetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A budget."""

    id: str
    name: str
    scope_kind: ScopeKind
    scope_id: str
    """An id; of a model, the pattern."""
    scope: str | None
    """Its name; null for the whole organization."""
    period: Period
    rolling_hours: int
    limit: str
    currency: str
    hard: bool
    alert_percent: int
    unpriced: UnpricedPolicy
    unpriced_hold: str | None
    state: Literal["active", "ended"]
    standing: StandingShown
    created_at: Instant
    created_by: str
    ends_at: Instant | None
    ended_at: Instant | None


async def list_all(call: Call[BudgetsQuery, Nothing]) -> Page[BudgetShown]:
    """Return a page of budgets, newest first: all, or those of the teams in which the caller may see them."""
    query, organization_id = call.query, call.who.organization_id
    async with call.rooms.database.read() as conn:
        found = await call.rooms.budgets.list(
            conn,
            organization_id,
            team_ids=teams_where(call.who, Permission.BUDGET_READ),
            in_force_only=query.in_force,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> BudgetShown:
    """Return one budget."""
    async with call.rooms.database.read() as conn:
        view = await call.rooms.budgets.get(
            conn,
            call.who.organization_id,
            call.path["budget"],
            team_ids=teams_where(call.who, Permission.BUDGET_READ),
        )
        [shown] = await _shown(call, conn, [view])
    return shown


async def create(call: Call[Nothing, CreateBudget]) -> BudgetShown:
    """Create a budget."""
    body = call.body
    limit = parse_amount(body.limit, param="limit")
    unpriced_hold = _optional_amount(body.unpriced_hold)
    async with act(call) as change:
        kind, identifier = await scope_of(call, change.conn, body)
        view = await call.rooms.budgets.create(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            new=NewBudget(
                name=body.name,
                scope_kind=kind,
                scope_id=identifier,
                period=body.period,
                rolling_hours=body.rolling_hours,
                limit_pico=limit,
                currency=body.currency,
                hard=body.hard,
                alert_percent=body.alert_percent,
                unpriced=body.unpriced,
                unpriced_hold_pico=unpriced_hold or 0,
                ends_at=optional_micros(body.ends_at),
            ),
        )
        await change.record("budget.created", object_kind="budget", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def change_budget(call: Call[Nothing, ChangeBudget]) -> BudgetShown:
    """Change a budget. What was spent in its period stays counted."""
    body = call.body
    limit = None if body.limit is None else parse_amount(body.limit, param="limit")
    unpriced_hold = _optional_amount(body.unpriced_hold)
    async with act(call) as change:
        view = await call.rooms.budgets.change(
            change.conn,
            organization_id=call.who.organization_id,
            budget=call.path["budget"],
            limit_pico=limit,
            hard=body.hard,
            alert_percent=body.alert_percent,
            unpriced=body.unpriced,
            unpriced_hold_pico=unpriced_hold,
            ends_at=_changed_end(body),
        )
        await change.record("budget.changed", object_kind="budget", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def end(call: Call[Nothing, Nothing]) -> BudgetShown:
    """End a budget for good."""
    async with act(call) as change:
        view = await call.rooms.budgets.end(
            change.conn, organization_id=call.who.organization_id, budget=call.path["budget"]
        )
        await change.record("budget.ended", object_kind="budget", object_id=view.id, name=view.name)
        [shown] = await _shown(call, change.conn, [view])
    return shown


def _changed_end(body: ChangeBudget) -> int | msgspec.UnsetType | None:
    if body.ends_at is not None and body.endless:
        raise InvalidRequestError("A budget with an end is not endless.", param="endless")
    if body.endless:
        return None
    return msgspec.UNSET if body.ends_at is None else micros(body.ends_at)


def _optional_amount(text: str | None) -> int | None:
    return None if text is None else parse_amount(text, param="unpriced_hold")


async def _shown(call: Call[Any, Any], conn: AsyncConnection, views: Sequence[BudgetView]) -> tuple[BudgetShown, ...]:
    now = call.rooms.clock.now_us()
    organization = await call.rooms.directory.organization(conn, call.who.organization_id)
    found = await standings(conn, views, now, organization.time_zone)
    names = await scope_names(call, conn, views)
    began = {view.id: one.period_starts_at - 1 for view, one in zip(views, found, strict=True)}
    refused = await refused_since(conn, began)
    return tuple(
        BudgetShown(
            id=view.id,
            name=view.name,
            scope_kind=view.scope_kind,
            scope_id=view.scope_id,
            scope=names.get(view.scope_id),
            period=view.period,
            rolling_hours=view.rolling_hours,
            limit=to_text(view.limit_pico),
            currency=view.currency,
            hard=view.hard,
            alert_percent=view.alert_percent,
            unpriced=view.unpriced,
            unpriced_hold=to_text(view.unpriced_hold_pico) if view.unpriced == "hold" else None,
            state="active" if _counts(view, now) else "ended",
            standing=_standing(view, standing, refused.get(view.id), now, organization.time_zone),
            created_at=instant(view.created_at),
            created_by=view.created_by,
            ends_at=optional_instant(view.ends_at),
            ended_at=optional_instant(view.ended_at),
        )
        for view, standing in zip(views, found, strict=True)
    )


def _standing(view: BudgetView, found: Standing, refused: Refused | None, now_us: int, time_zone: str) -> StandingShown:
    ends_at, expected = None, None
    if view.period != "rolling":
        ends_at = span_at(view.period, view.rolling_hours, now_us, time_zone).until_at
        expected = forecast(found.spent, starts_at=found.period_starts_at, ends_at=ends_at, now_us=now_us)
    return StandingShown(
        spent=to_text(found.spent),
        held=to_text(found.held),
        remaining=to_text(found.remaining),
        period_starts_at=instant(found.period_starts_at),
        period_ends_at=optional_instant(ends_at),
        forecast=None if expected is None else to_text(expected),
        refused=refused.count if refused else 0,
        state=found.state,
    )


def _counts(view: BudgetView, now_us: int) -> bool:
    return view.ended_at is None and (view.ends_at is None or now_us < view.ends_at)


def _told(view: BudgetView) -> dict[str, Any]:
    """Return what the audit log keeps: the whole budget, so that "what was allowed then" has an answer."""
    return {
        "name": view.name,
        "scope_kind": view.scope_kind,
        "scope": view.scope_id,
        "period": view.period,
        "rolling_hours": view.rolling_hours,
        "limit": to_text(view.limit_pico),
        "currency": view.currency,
        "hard": view.hard,
        "alert_percent": view.alert_percent,
        "unpriced": view.unpriced,
        "unpriced_hold": to_text(view.unpriced_hold_pico),
        "ends_at": view.ends_at,
    }


ROUTES: Final = (
    Route(
        method="GET",
        path="/budgets",
        permission=Permission.BUDGET_READ,
        scope="team",
        handler=list_all,
        summary="Budgets and how they stand, newest first.",
        query=BudgetsQuery,
        answer=Page[BudgetShown],
    ),
    Route(
        method="POST",
        path="/budgets",
        permission=Permission.BUDGET_WRITE,
        handler=create,
        summary="Create a budget.",
        body=CreateBudget,
        answer=BudgetShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/budgets/{budget}",
        permission=Permission.BUDGET_READ,
        scope="team",
        handler=show,
        summary="One budget and how it stands.",
        answer=BudgetShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/budgets/{budget}/change",
        permission=Permission.BUDGET_WRITE,
        handler=change_budget,
        summary="Change a budget's limit, its strictness, its alert or its end.",
        body=ChangeBudget,
        answer=BudgetShown,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/budgets/{budget}/end",
        permission=Permission.BUDGET_WRITE,
        handler=end,
        summary="End a budget for good.",
        answer=BudgetShown,
        errors=(404,),
    ),
)
