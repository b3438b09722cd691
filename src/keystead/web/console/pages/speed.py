"""How long answers took. The overview puts this in its own place once its figures stand, so that they are not waited for."""

from collections.abc import Sequence
from typing import Final

from keystead.web.admin import usage, virtual_keys
from keystead.web.console.desk import Desk
from keystead.web.console.pages import latencies
from keystead.web.console.pages.dimensions import DIMENSIONS, dimension_of, tabs_of
from keystead.web.console.pages.months import span_query
from keystead.web.console.pages.periods import SPANS, Span, span_of
from keystead.web.console.pages.zones import zone_of
from keystead.web.console.visit import Answer, Page, Shown, Visit

_LONGEST_LIST: Final = 8


async def show(visit: Visit) -> Answer:
    """Show the times of the whole, over time, and line by line for what was asked most."""
    desk = visit.desk
    span = span_of(visit.query, visit.now_us, await zone_of(desk))
    by = dimension_of(visit.query)
    now = await _latency(desk, span, by)
    before = await _latency(desk, span, by, before=True)
    sent = [line for line in now.lines if line.keys[0].id]  # without: nothing was sent
    shown = sent[:_LONGEST_LIST]
    only = [f"{by}:{line.keys[0].id}" for line in shown]
    by_time = (await _latency(desk, span, f"{span.by},{by}", only=only)).lines if only else ()
    whole = (await _latency(desk, span, span.by)).lines
    return Shown(
        template="speed.html",
        values={
            "span": span,
            "spans": SPANS,
            "by": by,
            "of": DIMENSIONS[by],
            "dimensions": tabs_of(span, by),
            "numbers": latencies.numbers(now.total, before.total),
            "charts": [
                charted
                for measure, title in (
                    ("duration", "Time to a whole answer"),
                    ("first_token", "Time to the first token"),
                )
                if (charted := latencies.over_time(whole, span, measure, title)) is not None
            ],
            "paces": latencies.paces(shown, before.lines, by_time, span),
            "more": len(sent) - len(shown),
            "can_connect": desk.may(virtual_keys.list_all),
        },
    )


async def _latency(
    desk: Desk, span: Span, by: str, *, before: bool = False, only: Sequence[str] = ()
) -> usage.LatencyShown:
    since, until = span.before if before else (span.since, span.until)
    asked = {"by": by, "only": only, **span_query(since, until, span.zone)}
    found: usage.LatencyShown = await desk.ask(usage.latency, asked)
    return found


PAGES: Final = (Page(method="GET", path="/speed", handler=show),)
