"""Recorded requests: what was asked, which key did the work, what it used and cost. Never what was said.

Who may not see a team's requests may see their own: those made with a key of theirs.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import NotFoundError
from keystead.domain.ids import TeamId
from keystead.domain.money import to_pico
from keystead.domain.traffic import CostState, ErrorClass, State
from keystead.identity.authority import teams_where
from keystead.metering.outline import Outline
from keystead.metering.request_log import list_requests, show_request
from keystead.metering.usage_views import AttemptView, RequestDetail, RequestFilter, RequestRow
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import (
    Cursor,
    Instant,
    Limit,
    ModelName,
    Nothing,
    Page,
    Reference,
    optional_micros,
    with_instants,
)

LeastCost = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,12})?$")]


class RequestsMeant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests."""

    since: Instant | None = None
    until: Instant | None = None
    state: State | None = None
    team: Reference | None = None
    virtual_key: Reference | None = None
    credential: Reference | None = None
    provider: Reference | None = None
    model: ModelName | None = None
    """As asked, sent or served."""
    error_class: ErrorClass | None = None
    cost_state: CostState | None = None
    request: Reference | None = None
    """This one only, by its id."""
    principal: Reference | None = None
    """A member or a service account."""
    min_cost: LeastCost | None = None
    """Costing at least so much, as plain decimal text, in whichever currency."""


class RequestsQuery(RequestsMeant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests, and which page of them."""

    cursor: Cursor | None = None
    limit: Limit = 50


class RequestShown(RequestRow[Instant], frozen=True, kw_only=True):
    """One request, with its last attempt's provider and credential (null if it was refused before any)."""


class RequestsPage(Page[RequestShown], frozen=True, kw_only=True):
    """Requests, newest first. Looking for what is rare takes several pages: one may be short, or empty, and go on."""

    previous_cursor: str | None = None
    """For the page of newer requests; null on the first one."""


class AttemptShown(AttemptView[Instant], frozen=True, kw_only=True):
    """One try at one provider, whole."""


class RequestDetailShown(msgspec.Struct, frozen=True, kw_only=True):
    """One request with everything that is known of it."""

    request: RequestShown
    attempts: tuple[AttemptShown, ...]
    decision: Any
    """Which rule chose the credential; null to who sees the request as their own alone."""
    outline: Outline | None
    """What else was decided by: how large it was and what it asked for, and nothing of what it said."""
    client: str
    instance_id: str


async def list_all(call: Call[RequestsQuery, Nothing]) -> RequestsPage:
    """Return a page of requests, newest first."""
    query = call.query
    async with call.rooms.database.read() as conn:
        page = await list_requests(
            conn,
            organization_id=call.who.organization_id,
            filters=filters_of(call),
            limit=query.limit,
            cursor=query.cursor,
        )
    return RequestsPage(
        items=tuple(map(request_shown, page.requests)),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
    )


def filters_of(call: Call[Any, Nothing]) -> RequestFilter:
    """Return what is asked for (`RequestsMeant`), within what the caller may see."""
    query: RequestsMeant = call.query
    return RequestFilter(
        from_at=optional_micros(query.since),
        to_at=optional_micros(query.until),
        state=query.state,
        team=query.team,
        team_ids=teams_where(call.who, Permission.REQUEST_READ),
        or_of_member=call.who.member_id,
        virtual_key=query.virtual_key,
        credential=query.credential,
        provider=query.provider,
        model=query.model,
        error_class=query.error_class,
        cost_state=query.cost_state,
        request=query.request,
        principal=query.principal,
        least_cost_pico=None if query.min_cost is None else to_pico(Decimal(query.min_cost)),
    )


async def show(call: Call[Nothing, Nothing]) -> RequestDetailShown:
    """Return one request with its attempts."""
    async with call.rooms.database.read() as conn:
        found = await seen_request(call, conn)
    return RequestDetailShown(
        request=request_shown(found.request),
        attempts=tuple(_attempt(attempt) for attempt in found.attempts),
        decision=found.decision if _sees_all(call, found) else None,
        outline=found.outline,
        client=found.client,
        instance_id=found.instance_id,
    )


async def seen_request(call: Call[Any, Any], conn: AsyncConnection) -> RequestDetail:
    """Return the request that the path names.

    Raises:
        NotFoundError: there is none, or it is neither the caller's own nor of a team whose requests they may see.
    """
    found = await show_request(conn, organization_id=call.who.organization_id, request_id=call.path["request"])
    mine = (found.request.principal_kind, found.request.principal_id) == ("member", call.who.member_id)
    if not mine and not _sees_all(call, found):
        raise NotFoundError("There is no such request.")
    return found


def _sees_all(call: Call[Any, Any], found: RequestDetail) -> bool:
    """Say whether the caller may see what concerns others too: the credentials that were passed over, and why."""
    return call.who.may(Permission.REQUEST_READ, TeamId(found.request.team_id))


def request_shown(row: RequestRow[int]) -> RequestShown:
    """Return a request as the list shows it."""
    return RequestShown(**with_instants(row))


def _attempt(view: AttemptView[int]) -> AttemptShown:
    return AttemptShown(**with_instants(view))


ROUTES: Final = (
    Route(
        method="GET",
        path="/requests",
        permission=Permission.REQUEST_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=list_all,
        summary="Recorded requests, newest first.",
        query=RequestsQuery,
        answer=RequestsPage,
    ),
    Route(
        method="GET",
        path="/requests/{request}",
        permission=Permission.REQUEST_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=show,
        summary="One request with its attempts, usage and the arithmetic of its cost.",
        answer=RequestDetailShown,
        errors=(404,),
    ),
)
