"""The first page: what was spent and used, by whom and on what, how fast, and what needs somebody's attention."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from keystead.domain.errors import InvalidRequestError
from keystead.metering.latency import LatencyLine
from keystead.metering.usage_views import UsageLine
from keystead.web.admin import alerts, budgets, credentials, usage
from keystead.web.console.desk import Desk
from keystead.web.console.pages import attention, chargeback, latencies, measures, sums
from keystead.web.console.pages.periods import SPANS, Span, span_of
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

DIMENSIONS: Final = {"team": "Team", "model": "Model", "credential": "Credential", "provider": "Provider"}
_LONGEST_LIST: Final = 8


async def show(visit: Visit) -> Answer:
    """Show the overview, or to who has none what they have: their own keys."""
    desk = visit.desk
    if not desk.may(usage.report):
        return Moved(to="/console/account")
    span = span_of(visit.query, visit.now_us, await zone_of(desk))
    by = visit.query.get("by", "team")
    by = by if by in DIMENSIONS else "team"
    sliced = await _lines(desk, span, f"{by},owner")
    ended = await _lines(desk, span, f"{span.by},outcome,owner")
    before = await _lines(desk, span, "outcome,owner", before=True)
    spent = chargeback.spent(sliced)
    total = chargeback.together(spent)
    speed = await _speed(desk, span, by)
    currency = total[0].currency if total else "USD"
    return Shown(
        template="overview.html",
        values={
            "span": span,
            "spans": SPANS,
            "by": by,
            "dimensions": {
                name: (title, f"?{urlencode({'span': span.name, 'by': name})}") for name, title in DIMENSIONS.items()
            },
            "numbers": [*measures.numbers(ended, before, currency), speed["numbers"][0]],
            "others": total[1:],
            "currency": currency,
            "drawn": await _charts(desk, span, by, ended, currency),
            "rows": chargeback.compared(spent[:_LONGEST_LIST], ()),
            "more": max(0, len(spent) - _LONGEST_LIST),
            "speed": speed,
            "attention": await _attention(visit, span, by, sliced, ended),
        },
    )


async def _charts(
    desk: Desk, span: Span, by: str, ended: Sequence[UsageLine], currency: str
) -> dict[str, sums.Charted]:
    """Return the charts: what one pays for first, then what came of it."""
    try:
        lines = await _lines(desk, span, f"{span.by},{by},owner")
    except InvalidRequestError:  # so many that nobody would tell their colours apart
        lines = await _lines(desk, span, f"{span.by},provider,owner")
    own = [line for line in lines if line.keys[2].id != chargeback.PLATFORM]
    return {
        "spend": sums.charted(own, span, currency),
        "requests": measures.outcomes(ended, span),
        "tokens": measures.tokens(ended, span),
    }


async def _speed(desk: Desk, span: Span, by: str) -> dict[str, Any]:
    """Return how long answers took: the whole, over time, and line by line."""
    try:
        lines = await _latency(desk, span, f"{span.by},{by}")
    except InvalidRequestError:  # as above
        by = "provider"
        lines = await _latency(desk, span, f"{span.by},{by}")
    before = await _latency(desk, span, by, before=True)
    paces, more = latencies.paces(lines, before, span, most=_LONGEST_LIST)
    return {
        "of": DIMENSIONS[by],
        "numbers": latencies.numbers(lines, before),
        "charts": [
            charted
            for measure, title in (("duration", "Time to a whole answer"), ("first_token", "Time to the first token"))
            if (charted := latencies.over_time(lines, span, measure, title)) is not None
        ],
        "paces": paces,
        "more": more,
    }


async def _latency(desk: Desk, span: Span, by: str, *, before: bool = False) -> tuple[LatencyLine, ...]:
    lines: tuple[LatencyLine, ...] = (await desk.ask(usage.latency, _asked(span, by, before=before))).lines
    return lines


async def _lines(desk: Desk, span: Span, by: str, *, before: bool = False) -> tuple[UsageLine, ...]:
    lines: tuple[UsageLine, ...] = (await desk.ask(usage.report, _asked(span, by, before=before))).lines
    return lines


def _asked(span: Span, by: str, *, before: bool) -> dict[str, str]:
    since, until = span.before if before else (span.since, span.until)
    return {"by": by, "since": since.isoformat(), "until": until.isoformat(), "time_zone": span.zone.key}


async def _attention(
    visit: Visit, span: Span, by: str, sliced: Sequence[UsageLine], ended: Sequence[UsageLine]
) -> list[attention.Notice]:
    desk = visit.desk
    found: list[attention.Notice] = []
    if desk.may(credentials.list_all):
        shown = (await desk.ask(credentials.list_all)).items
        found += attention.of_credentials(shown, visit.now_us)
        if by == "credential":
            found += attention.of_unused(shown, {line.keys[0].id for line in sliced}, span)
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
    return found


PAGES: Final = (Page(method="GET", path="/", handler=show),)
