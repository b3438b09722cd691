"""Routes: an organization's own model names and what is tried behind them. List, create, show, change, delete."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.routes import Strategy, Unsupported
from keystead.routing.store import (
    LEAST_FIRST_BYTE_S,
    MAX_ATTEMPTS,
    MAX_WEIGHT,
    MOST_FIRST_BYTE_S,
    AttemptGiven,
    RouteView,
)
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    ModelName,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    instant,
    paged,
)

RouteName = Annotated[
    str,
    msgspec.Meta(
        max_length=100,
        description="What callers write as the model: `coding`. Letters, digits and `.`, `_`, `-`, `:`, `@`. It may be "
        "a real model's name, and then wins over it.",
    ),
]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to try: a model on a credential, or on whichever credential of a provider may be used."""

    model: ModelName
    """As the provider calls it; never another route's name."""
    credential: Reference | None = None
    provider: Reference | None = None
    """Exactly one of `credential` and `provider` is given."""
    weight: Annotated[int, msgspec.Meta(ge=1, le=MAX_WEIGHT)] = 1
    """With the strategy `weighted`: its share of the requests."""
    first_byte_timeout_s: Annotated[float, msgspec.Meta(ge=LEAST_FIRST_BYTE_S, le=MOST_FIRST_BYTE_S)] | None = None
    """Less patience than the gateway's own; null for that."""


Attempts = Annotated[tuple[Attempt, ...], msgspec.Meta(min_length=1, max_length=MAX_ATTEMPTS)]


class CreateModelRoute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that callers use as a model."""

    name: RouteName
    attempts: Attempts
    strategy: Strategy = "ordered"
    sticky: bool = False
    """With the strategy `weighted`: keep a virtual key on the same order of attempts."""
    unsupported: Unsupported = "refuse"
    """What becomes of what a provider of another dialect has no word for, if it would change the answer: the attempt is
    refused, or it is dropped and named in the header `x-keystead-dropped`."""


class ChangeModelRoute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; null leaves it as it is. The attempts are replaced as a whole."""

    attempts: Attempts | None = None
    strategy: Strategy | None = None
    sticky: bool | None = None
    unsupported: Unsupported | None = None


class AttemptShown(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try."""

    model: str
    credential_id: str | None
    credential: str | None
    """Its name."""
    provider: str | None
    weight: int
    first_byte_timeout_s: float | None


class ModelRouteShown(msgspec.Struct, frozen=True, kw_only=True):
    """A route."""

    id: str
    name: str
    strategy: Strategy
    sticky: bool
    unsupported: Unsupported
    attempts: tuple[AttemptShown, ...]
    created_at: Instant
    created_by: str


async def list_all(call: Call[PageQuery, Nothing]) -> Page[ModelRouteShown]:
    """Return a page of routes, newest first."""
    query = call.query
    async with call.rooms.database.read() as conn:
        found = await call.rooms.model_routes.list(
            conn, call.who.organization_id, before=decode_cursor(query.cursor), limit=query.limit + 1
        )
    items, next_cursor = paged(found, query.limit)
    return Page(items=tuple(_shown(view) for view in items), next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> ModelRouteShown:
    """Return one route."""
    async with call.rooms.database.read() as conn:
        view = await call.rooms.model_routes.get(conn, call.who.organization_id, call.path["model_route"])
    return _shown(view)


async def create(call: Call[Nothing, CreateModelRoute]) -> ModelRouteShown:
    """Create a route."""
    body = call.body
    async with act(call) as change:
        view = await call.rooms.model_routes.create(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            name=body.name,
            strategy=body.strategy,
            sticky=body.sticky,
            unsupported=body.unsupported,
            attempts=_given(body.attempts),
        )
        await change.record("model_route.created", object_kind="model_route", object_id=view.id, **_told(view))
    return _shown(view)


async def change_route(call: Call[Nothing, ChangeModelRoute]) -> ModelRouteShown:
    """Change a route."""
    body = call.body
    async with act(call) as change:
        view = await call.rooms.model_routes.change(
            change.conn,
            organization_id=call.who.organization_id,
            model_route=call.path["model_route"],
            strategy=body.strategy,
            sticky=body.sticky,
            unsupported=body.unsupported,
            attempts=None if body.attempts is None else _given(body.attempts),
        )
        await change.record("model_route.changed", object_kind="model_route", object_id=view.id, **_told(view))
    return _shown(view)


async def delete(call: Call[Nothing, Nothing]) -> ModelRouteShown:
    """Delete a route."""
    async with act(call) as change:
        view = await call.rooms.model_routes.delete(
            change.conn, organization_id=call.who.organization_id, model_route=call.path["model_route"]
        )
        await change.record("model_route.deleted", object_kind="model_route", object_id=view.id, **_told(view))
    return _shown(view)


def _given(attempts: Sequence[Attempt]) -> list[AttemptGiven]:
    return [AttemptGiven(**msgspec.structs.asdict(attempt)) for attempt in attempts]


def _told(view: RouteView) -> dict[str, Any]:
    """Return what the audit log keeps: the whole route, so that "what was behind it then" has an answer."""
    return {
        "name": view.name,
        "strategy": view.strategy,
        "sticky": view.sticky,
        "unsupported": view.unsupported,
        "attempts": [msgspec.structs.asdict(attempt) for attempt in view.attempts],
    }


def _shown(view: RouteView) -> ModelRouteShown:
    return ModelRouteShown(
        id=view.id,
        name=view.name,
        strategy=view.strategy,
        sticky=view.sticky,
        unsupported=view.unsupported,
        attempts=tuple(AttemptShown(**msgspec.structs.asdict(attempt)) for attempt in view.attempts),
        created_at=instant(view.created_at),
        created_by=view.created_by,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/model-routes",
        permission=Permission.ROUTE_READ,
        handler=list_all,
        summary="Routes (your own model names), newest first.",
        query=PageQuery,
        answer=Page[ModelRouteShown],
    ),
    Route(
        method="POST",
        path="/model-routes",
        permission=Permission.ROUTE_WRITE,
        handler=create,
        summary="Create a route.",
        body=CreateModelRoute,
        answer=ModelRouteShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/model-routes/{model_route}",
        permission=Permission.ROUTE_READ,
        handler=show,
        summary="One route.",
        answer=ModelRouteShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/model-routes/{model_route}/change",
        permission=Permission.ROUTE_WRITE,
        handler=change_route,
        summary="Change a route's attempts, strategy, stickiness or what it drops.",
        body=ChangeModelRoute,
        answer=ModelRouteShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/model-routes/{model_route}/delete",
        permission=Permission.ROUTE_WRITE,
        handler=delete,
        summary="Delete a route; its name means again what it meant without it.",
        answer=ModelRouteShown,
        errors=(404,),
    ),
)
