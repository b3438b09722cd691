"""The owner's digest, of any span: the weekly one is the same, of the week that ended."""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.clock import DAY_US
from keystead.gateway.digest import Digest
from keystead.identity.authority import teams_where
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, Nothing, reported_span


class DigestQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which span of whole hours."""

    since: Instant | None = None
    """Default: a week before `until`."""
    until: Instant | None = None
    """Default: now."""


async def report(call: Call[DigestQuery, Nothing]) -> Digest:
    """Return what happened: everywhere, or in the teams in which the caller may see usage and alerts."""
    query = call.query
    from_at, to_at = reported_span(query.since, query.until, now_us=call.rooms.clock.now_us(), usual_us=7 * DAY_US)
    async with call.rooms.database.read() as conn:
        return await call.rooms.digests.digest(
            conn,
            call.who.organization_id,
            from_at=from_at,
            to_at=to_at,
            team_ids=teams_where(call.who, Permission.USAGE_READ),
            alerts_of=teams_where(call.who, Permission.ALERT_READ),
            all_consents=call.who.may(Permission.CONSENT_READ),
        )


ROUTES: Final = (
    Route(
        method="GET",
        path="/digest",
        permission=Permission.USAGE_READ,
        scope="team",
        handler=report,
        summary="What work cost, where platform credits stepped in or were refused, and which alerts there were.",
        query=DigestQuery,
        answer=Digest,
    ),
)
