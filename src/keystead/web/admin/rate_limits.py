"""Rate limits: how fast, how many at once, how long. List, create, delete."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.means import Measure, ScopeKind
from keystead.identity.authority import teams_where
from keystead.limits.checks import MOST
from keystead.limits.views import NewRateLimit, RateLimitView
from keystead.web.admin.limit_scopes import ScopeGiven, scope_names, scope_of
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Name, Nothing, Page, PageQuery, decode_cursor, instant, paged


class CreateRateLimit(ScopeGiven, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast, how many at once, or how long, on what."""

    name: Name
    measure: Measure
    """`max_output_tokens` is per request; the others are of all requests together."""
    most: Annotated[int, msgspec.Meta(ge=1, le=MOST)]


class RateLimitShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rate limit."""

    id: str
    name: str
    scope_kind: ScopeKind
    scope_id: str
    """An id; of a model, the pattern."""
    scope: str | None
    """Its name; null for the whole organization."""
    measure: Measure
    most: int
    created_at: Instant
    created_by: str


async def list_all(call: Call[PageQuery, Nothing]) -> Page[RateLimitShown]:
    """Return a page of rate limits, newest first: all, or those of the teams in which the caller may see them."""
    query = call.query
    async with call.rooms.database.read() as conn:
        found = await call.rooms.rate_limits.list(
            conn,
            call.who.organization_id,
            team_ids=teams_where(call.who, Permission.BUDGET_READ),
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateRateLimit]) -> RateLimitShown:
    """Create a rate limit."""
    body = call.body
    async with act(call) as change:
        kind, identifier = await scope_of(call, change.conn, body)
        view = await call.rooms.rate_limits.create(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            new=NewRateLimit(
                name=body.name, scope_kind=kind, scope_id=identifier, measure=body.measure, most=body.most
            ),
        )
        await change.record("rate_limit.created", object_kind="rate_limit", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def delete(call: Call[Nothing, Nothing]) -> RateLimitShown:
    """Delete a rate limit."""
    async with act(call) as change:
        view = await call.rooms.rate_limits.delete(
            change.conn, organization_id=call.who.organization_id, rate_limit=call.path["rate_limit"]
        )
        await change.record("rate_limit.deleted", object_kind="rate_limit", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def _shown(
    call: Call[Any, Any], conn: AsyncConnection, views: Sequence[RateLimitView]
) -> tuple[RateLimitShown, ...]:
    names = await scope_names(call, conn, views)
    return tuple(
        RateLimitShown(
            id=view.id,
            name=view.name,
            scope_kind=view.scope_kind,
            scope_id=view.scope_id,
            scope=names.get(view.scope_id),
            measure=view.measure,
            most=view.most,
            created_at=instant(view.created_at),
            created_by=view.created_by,
        )
        for view in views
    )


def _told(view: RateLimitView) -> dict[str, Any]:
    """Return what the audit log says of a rate limit."""
    return {
        "name": view.name,
        "scope_kind": view.scope_kind,
        "scope": view.scope_id,
        "measure": view.measure,
        "most": view.most,
    }


ROUTES: Final = (
    Route(
        method="GET",
        path="/rate-limits",
        permission=Permission.BUDGET_READ,
        scope="team",
        handler=list_all,
        summary="Rate limits, newest first.",
        query=PageQuery,
        answer=Page[RateLimitShown],
    ),
    Route(
        method="POST",
        path="/rate-limits",
        permission=Permission.BUDGET_WRITE,
        handler=create,
        summary="Create a rate limit.",
        body=CreateRateLimit,
        answer=RateLimitShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/rate-limits/{rate_limit}/delete",
        permission=Permission.BUDGET_WRITE,
        handler=delete,
        summary="Delete a rate limit.",
        answer=RateLimitShown,
        errors=(404,),
    ),
)
