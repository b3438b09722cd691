"""Usage as a FOCUS file: charges by day, for the tools that finance has already."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.clock import DAY_US
from keystead.identity.authority import teams_where
from keystead.metering import focus
from keystead.metering.calendar import zone_of
from keystead.metering.days import Span
from keystead.providers.table import PROVIDERS
from keystead.web.admin.organization import TimeZone
from keystead.web.admin.route import Call, Download, Route
from keystead.web.admin.values import Instant, Nothing, reported_span
from keystead.web.csv_file import csv_of, csv_rows

_MONTH_US: Final = 31 * DAY_US
CSV: Final = "text/csv; charset=utf-8"


class FocusQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over which span of whole hours."""

    since: Instant | None = None
    """Default: 31 days before `until`."""
    until: Instant | None = None
    """Default: now."""
    time_zone: TimeZone | None = None
    """Where days and months begin; default: the organization's."""


async def export(call: Call[FocusQuery, Nothing]) -> Download:
    """Return the charges of a span, a line each, as they are read."""
    query = call.query
    now = call.rooms.clock.now_us()
    span = focus.asked_span(*reported_span(query.since, query.until, now_us=now, usual_us=_MONTH_US))
    async with call.rooms.database.read() as conn:
        organization = await call.rooms.directory.organization(conn, call.who.organization_id)
    account = focus.Account(
        organization_id=organization.id,
        name=organization.name,
        currency=organization.currency,
        time_zone=query.time_zone or organization.time_zone,
    )
    zone_of(account.time_zone)  # refused before anything is sent
    return Download(name="focus.csv", media_type=CSV, pieces=_pieces(call, account, span))


async def _pieces(call: Call[FocusQuery, Nothing], account: focus.Account, span: Span) -> AsyncIterator[bytes]:
    """Yield the file, a part of a day at a time: a year is never in memory, and no reader holds the database up."""
    titles = {name: provider.title for name, provider in PROVIDERS.items()}
    seen = teams_where(call.who, Permission.USAGE_READ)
    database = call.rooms.database
    yield csv_of(focus.COLUMNS, ())
    async with database.read() as conn:
        changes = await focus.tag_changes(conn, account.organization_id)
    for part in focus.parts_of(account, span, changes):
        async with database.read() as conn:
            lines = await focus.charges(conn, account, part, team_ids=seen)
        found = [focus.charge(line, account, part, titles=titles) for line in lines]
        yield csv_rows([one[name] for name in focus.COLUMNS] for one in found)


ROUTES: Final = (
    Route(
        method="GET",
        path="/usage/focus",
        permission=Permission.USAGE_READ,
        scope="team",
        handler=export,
        summary="Charges by day, as a FOCUS 1.2 file (CSV).",
        query=FocusQuery,
        answer=str,
        files=(CSV,),
    ),
)
