"""Alerts: what somebody should look at. List, show, acknowledge."""

from typing import Final

from keystead.alerts.views import AlertTold, as_told
from keystead.domain.access import Permission
from keystead.identity.authority import teams_where
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing, Page, PageQuery, decode_cursor, paged


class AlertsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts."""

    open: bool = False
    """Only those whose cause is there still, acknowledged or not."""


async def list_all(call: Call[AlertsQuery, Nothing]) -> Page[AlertTold]:
    """Return a page of alerts, newest first: all, or those about the teams in which the caller may see them."""
    query = call.query
    async with call.rooms.database.read() as conn:
        found = await call.rooms.alerts.list(
            conn,
            call.who.organization_id,
            team_ids=teams_where(call.who, Permission.ALERT_READ),
            open_only=query.open,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
    items, next_cursor = paged(found, query.limit)
    return Page(items=tuple(AlertTold(**as_told(alert)) for alert in items), next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> AlertTold:
    """Return one alert."""
    async with call.rooms.database.read() as conn:
        alert = await call.rooms.alerts.get(
            conn,
            call.who.organization_id,
            call.path["alert"],
            team_ids=teams_where(call.who, Permission.ALERT_READ),
        )
    return AlertTold(**as_told(alert))


async def acknowledge(call: Call[Nothing, Nothing]) -> AlertTold:
    """Note that the caller has seen an alert."""
    async with act(call) as change:
        alert = await call.rooms.alerts.acknowledge(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            alert_id=call.path["alert"],
            team_ids=teams_where(call.who, Permission.ALERT_WRITE),
        )
        await change.record(
            "alert.acknowledged", object_kind="alert", object_id=alert.id, kind=alert.kind, subject=alert.subject_id
        )
    return AlertTold(**as_told(alert))


ROUTES: Final = (
    Route(
        method="GET",
        path="/alerts",
        permission=Permission.ALERT_READ,
        scope="team",
        handler=list_all,
        summary="What somebody should look at, newest first.",
        query=AlertsQuery,
        answer=Page[AlertTold],
    ),
    Route(
        method="GET",
        path="/alerts/{alert}",
        permission=Permission.ALERT_READ,
        scope="team",
        handler=show,
        summary="One alert.",
        answer=AlertTold,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/alerts/{alert}/acknowledge",
        permission=Permission.ALERT_WRITE,
        scope="team",
        handler=acknowledge,
        summary="Say that one has seen an alert; it stays open until its cause is gone.",
        answer=AlertTold,
        errors=(404, 409),
    ),
)
