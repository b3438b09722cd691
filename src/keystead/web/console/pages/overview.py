"""The first page: what was spent and used, by whom and on what, and what needs somebody's attention."""

from collections.abc import Sequence
from typing import Any, Final

from keystead.metering.usage_views import UsageLine
from keystead.web.admin import budgets, credentials, usage
from keystead.web.admin.usage import UsageShown
from keystead.web.console.desk import Desk
from keystead.web.console.pages import attention, sums
from keystead.web.console.pages.periods import SPANS, Span, span_of
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit
from keystead.web.console.words import change

_LISTS: Final = (("team", "Teams"), ("model", "Models"), ("credential", "Credentials"), ("provider", "Providers"))
_LONGEST_LIST: Final = 6


async def show(visit: Visit) -> Answer:
    """Show the overview, or to who has none what they have: their own keys."""
    desk = visit.desk
    if not desk.may(usage.report):
        return Moved(to="/console/account")
    span = span_of(visit.query, visit.now_us)
    over_time = await _report(desk, span, f"{span.by},provider")
    now = sums.totals(over_time.lines)
    before = await _before(desk, span)
    currency = now[0].currency if now else "USD"
    lists = [
        (title, name, sums.rows((await _report(desk, span, name)).lines, limit=_LONGEST_LIST)) for name, title in _LISTS
    ]
    return Shown(
        template="overview.html",
        values={
            "span": span,
            "spans": SPANS,
            "numbers": _numbers(now[0] if now else None, before.get(currency)),
            "others": now[1:],
            "currency": currency,
            "charted": sums.charted(over_time.lines, span, currency),
            "lists": lists,
            "attention": await _attention(visit, over_time.lines),
        },
    )


async def _report(desk: Desk, span: Span, by: str) -> UsageShown:
    found: UsageShown = await desk.ask(
        usage.report, {"by": by, "since": span.since.isoformat(), "until": span.until.isoformat()}
    )
    return found


async def _before(desk: Desk, span: Span) -> dict[str, sums.Total]:
    since, until = span.before
    found = await desk.ask(usage.report, {"by": "owner", "since": since.isoformat(), "until": until.isoformat()})
    return {total.currency: total for total in sums.totals(found.lines)}


def _numbers(now: sums.Total | None, before: sums.Total | None) -> list[dict[str, Any]]:
    now = now or sums.Total(currency="USD")
    before = before or sums.Total(currency=now.currency)
    mean = now.duration_us // now.requests if now.requests else 0
    mean_before = before.duration_us // before.requests if before.requests else 0
    tokens, tokens_before = now.input_total + now.output_total, before.input_total + before.output_total
    return [
        {"title": "Spent", "kind": "money", "value": now.cost, "change": change(now.cost, before.cost)},
        {"title": "Requests", "kind": "count", "value": now.requests, "change": change(now.requests, before.requests)},
        {"title": "Tokens", "kind": "short", "value": tokens, "change": change(tokens, tokens_before)},
        {"title": "Mean time", "kind": "span", "value": mean or None, "change": change(mean, mean_before)},
    ]


async def _attention(visit: Visit, lines: Sequence[UsageLine]) -> list[attention.Notice]:
    desk = visit.desk
    found = []
    if desk.may(credentials.list_all):
        shown = await desk.ask(credentials.list_all)
        found += attention.of_credentials(shown.items, visit.now_us)
    if desk.may(budgets.list_all):
        found += attention.of_budgets((await desk.ask(budgets.list_all, {"limit": "200"})).items)
    unpriced, unknown = sum(line.unpriced for line in lines), sum(line.unknown for line in lines)
    found += attention.of_prices(unpriced=unpriced, unknown=unknown)
    return found


PAGES: Final = (Page(method="GET", path="/", handler=show),)
