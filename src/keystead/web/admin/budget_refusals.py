"""Whom a budget stops."""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.identity.authority import teams_where
from keystead.limits.fullness import keys_refused
from keystead.limits.periods import span_at
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, Nothing, with_instants

_MOST: Final = 100


class RefusedShown(msgspec.Struct, frozen=True, kw_only=True):
    """Requests with one virtual key that a budget had no room for."""

    virtual_key_id: str
    virtual_key: str
    team_id: str
    team: str
    count: int
    last_at: Instant


class RefusalsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a budget stopped in its current period."""

    items: tuple[RefusedShown, ...]
    """The most often refused first, a hundred at most."""


async def refusals(call: Call[Nothing, Nothing]) -> RefusalsShown:
    """Return whom a budget stopped in its current period."""
    organization_id, now = call.who.organization_id, call.rooms.clock.now_us()
    async with call.rooms.database.read() as conn:
        view = await call.rooms.budgets.get(
            conn, organization_id, call.path["budget"], team_ids=teams_where(call.who, Permission.BUDGET_READ)
        )
        zone = (await call.rooms.directory.organization(conn, organization_id)).time_zone
        since = span_at(view.period, view.rolling_hours, now, zone).since_at
        found = await keys_refused(conn, view.id, since, most=_MOST)
    return RefusalsShown(items=tuple(RefusedShown(**with_instants(one)) for one in found))


ROUTES: Final = (
    Route(
        method="GET",
        path="/budgets/{budget}/refusals",
        permission=Permission.BUDGET_READ,
        scope="team",
        handler=refusals,
        summary="Whom a budget stopped in its current period, by virtual key.",
        answer=RefusalsShown,
        errors=(404,),
    ),
)
