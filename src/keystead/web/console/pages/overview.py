"""The first page: what was spent and used, by whom and on what, how fast, and what needs somebody's attention."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from keystead.metering.usage_views import UsageLine
from keystead.web.admin import alerts, budgets, credential_uses, credentials, usage, virtual_keys
from keystead.web.console.desk import Desk
from keystead.web.console.pages import attention, chargeback, measures
from keystead.web.console.pages.dimensions import DIMENSIONS, dimension_of, tabs_of
from keystead.web.console.pages.months import span_query
from keystead.web.console.pages.periods import SPANS, Span, span_of
from keystead.web.console.pages.spend_chart import spend_chart
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_LONGEST_LIST: Final = 8


async def show(visit: Visit) -> Answer:
    """Show the overview, or to who has none what they have: their own keys."""
    desk = visit.desk
    if not desk.may(usage.report):
        return Moved(to="/console/account")
    span = span_of(visit.query, visit.now_us, await zone_of(desk))
    by = dimension_of(visit.query)
    sliced = await _lines(desk, span, f"{by},owner")
    ended = await _lines(desk, span, f"{span.by},outcome,owner")
    before = await _lines(desk, span, "outcome,owner", before=True)
    spent = chargeback.spent(sliced)
    total = chargeback.together(spent)
    currency = total[0].currency if total else "USD"
    return Shown(
        template="overview.html",
        values={
            "span": span,
            "spans": SPANS,
            "by": by,
            "of": DIMENSIONS[by],
            "dimensions": tabs_of(span, by),
            "numbers": measures.numbers(ended, before, currency),
            "others": total[1:],
            "currency": currency,
            # What one pays for first, then what came of it.
            "drawn": {
                "spend": await spend_chart(desk, span, by, spent=spent, whole=ended, currency=currency),
                "requests": measures.outcomes(ended, span),
                "tokens": measures.tokens(ended, span),
            },
            "rows": chargeback.compared(spent[:_LONGEST_LIST], ()),
            "more": max(0, len(spent) - _LONGEST_LIST),
            "speed": f"/console/speed?{urlencode({'span': span.name, 'by': by})}",
            "can_make": desk.may(virtual_keys.create),
            "can_add": desk.may(credentials.add),
            "attention": await _attention(visit, ended),
        },
    )


async def _lines(desk: Desk, span: Span, by: str, *, before: bool = False) -> tuple[UsageLine, ...]:
    since, until = span.before if before else (span.since, span.until)
    asked = {"by": by, **span_query(since, until, span.zone)}
    lines: tuple[UsageLine, ...] = (await desk.ask(usage.report, asked)).lines
    return lines


async def _attention(visit: Visit, ended: Sequence[UsageLine]) -> list[attention.Notice]:
    desk = visit.desk
    found: list[attention.Notice] = []
    if desk.may(credentials.list_all):
        shown = (await desk.ask(credentials.list_all)).items
        found += attention.of_credentials(shown, visit.now_us)
        found += attention.of_unused(shown, (await desk.ask(credential_uses.list_all)).items, visit.now_us)
    if desk.may(budgets.list_all):
        found += attention.of_budgets((await desk.ask(budgets.list_all, {"limit": "200", "in_force": "true"})).items)
    if desk.may(alerts.list_all):
        opened = (await desk.ask(alerts.list_all, {"limit": "50", "open": "true"})).items
        found += attention.of_alerts(opened, {notice.to for notice in found})
    found += attention.of_prices(
        unpriced=sum(line.unpriced for line in ended), unknown=sum(line.unknown for line in ended)
    )
    platform = [line for line in ended if line.keys[2].id == chargeback.PLATFORM]
    found += attention.of_fallbacks(
        sum(line.attempts for line in platform), sum((Decimal(line.charge) for line in platform), Decimal(0))
    )
    return sorted(found, key=lambda notice: ("bad", "warning", "hint").index(notice.weight))


PAGES: Final = (Page(method="GET", path="/", handler=show),)
