"""Chargeback: who spent what in a month or a range of days, beside the one before; as a page, a statement and a file."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from keystead.domain.errors import InvalidRequestError
from keystead.domain.tags import dimension_of, tag_of
from keystead.metering.usage_views import UsageLine
from keystead.web.admin import focus, organization, requests, usage
from keystead.web.admin.route import Download
from keystead.web.console.pages import chargeback
from keystead.web.console.pages.chargeback import Line, together
from keystead.web.console.pages.months import Days, days_of, month_of, span_query
from keystead.web.console.pages.spend_chart import spend_chart
from keystead.web.console.pages.sums import Charted
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Kept, Page, Shown, Visit
from keystead.web.csv_file import csv_of

DIMENSIONS: Final = {
    "cost_center": "Cost centre",
    "team": "Team",
    "principal": "Person or program",
    "virtual_key": "Virtual key",
    "model": "Model",
    "credential": "Credential",
    "provider": "Provider",
}
_IN_REQUESTS: Final = frozenset({"team", "virtual_key", "credential", "provider"})
"""What the list of requests can be narrowed to."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A chargeback of some days by one dimension."""

    days: Days
    by: str
    lines: list[Line]
    before: list[chargeback.Spent]


async def show(visit: Visit) -> Answer:
    """Show what was spent in some days by one dimension."""
    zone = await zone_of(visit.desk)
    problem: InvalidRequestError | None = None
    try:
        days = days_of(visit.query, visit.now_us, zone)
    except InvalidRequestError as error:
        days, problem = month_of(visit.now_us, zone), error
    found = await _statement(visit, days)
    totals = together([line.now for line in found.lines])
    currency = totals[0].currency if totals else "USD"
    linked = found.by in _IN_REQUESTS and visit.desk.may(requests.list_all)
    return Shown(
        template="spend.html",
        values={
            "days": days,
            "by": found.by,
            "dimensions": DIMENSIONS,
            "said": DIMENSIONS.get(found.by) or f"Tag {tag_of(found.by)}",
            "tags": await _tags(visit, found.by),
            "lines": found.lines,
            "totals": chargeback.compared(totals, together(found.before)),
            "currency": currency,
            "charted": await _charted(visit, found, currency),
            "addresses": _addresses(visit, days, found.by),
            "asked": days.asked,
            "given": {name: visit.query.get(name, "") for name in ("from", "to")},
            "problem": problem,
            "linked": linked,
            "tagged": tag_of(found.by) is not None,
            "organization": visit.desk.may(organization.show) and await visit.desk.ask(organization.show),
        },
        status=problem.status if problem else 200,
    )


async def keep(visit: Visit) -> Answer:
    """Give the same lines as a file."""
    days = days_of(visit.query, visit.now_us, await zone_of(visit.desk))
    found = await _statement(visit, days)
    content = csv_of(chargeback.HEADER, map(chargeback.cells, found.lines))
    return Kept(name=f"spend-by-{found.by.replace(':', '-')}-{days.name}.csv", content=content, media_type="text/csv")


async def keep_focus(visit: Visit) -> Answer:
    """Give the charges of the same days as a FOCUS file."""
    days = days_of(visit.query, visit.now_us, await zone_of(visit.desk))
    file: Download = await visit.desk.ask(focus.export, span_query(days.since, days.until, days.zone))
    return msgspec.structs.replace(file, name=f"focus-{days.name}.csv")


async def _statement(visit: Visit, days: Days) -> Statement:
    by = visit.query.get("by", "team")
    by = by if by in DIMENSIONS or tag_of(by) is not None else "team"
    now = chargeback.spent(await _lines(visit, days, f"{by},owner"))
    before = chargeback.spent(await _lines(visit, days.before, f"{by},owner"))
    return Statement(days=days, by=by, lines=chargeback.compared(now, before), before=before)


async def _tags(visit: Visit, by: str) -> list[tuple[str, str]]:
    """Return the tags there are to choose from, as what a report is by and a name; the one it is by is among them."""
    found = (await visit.desk.ask(usage.tags)).tags
    chosen = tag_of(by)
    return [(dimension_of(tag), tag) for tag in sorted({*found, *([chosen] if chosen else [])})]


async def _charted(visit: Visit, found: Statement, currency: str) -> Charted:
    spent = [line.now for line in found.lines]
    whole = await _lines(visit, found.days, "day,owner")
    return await spend_chart(visit.desk, found.days, found.by, spent=spent, whole=whole, currency=currency)


async def _lines(visit: Visit, days: Days, by: str) -> tuple[UsageLine, ...]:
    lines: tuple[UsageLine, ...] = (
        await visit.desk.ask(usage.report, {"by": by, **span_query(days.since, days.until, days.zone)})
    ).lines
    return lines


def _addresses(visit: Visit, days: Days, by: str) -> dict[str, Any]:
    """Return where the page's links lead."""
    now = month_of(visit.now_us, days.zone)
    after = days.after
    return {
        "before": f"?{urlencode({**days.before.asked, 'by': by})}",
        "after": f"?{urlencode({**after.asked, 'by': by})}" if after.first <= now.last else None,
        "this_month": f"?{urlencode({'by': by})}" if days != now else None,
        "by": {name: f"?{urlencode({**days.asked, 'by': name})}" for name in DIMENSIONS},
        "csv": f"/console/spend.csv?{urlencode({**days.asked, 'by': by})}",
        "focus": f"/console/spend-focus.csv?{urlencode(days.asked)}" if visit.desk.may(focus.export) else None,
    }


PAGES: Final = (
    Page(method="GET", path="/spend", handler=show),
    Page(method="GET", path="/spend.csv", handler=keep),
    Page(method="GET", path="/spend-focus.csv", handler=keep_focus),
)
