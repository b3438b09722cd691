"""What was spent over time: the largest by name, and all others together.

Only the largest are asked for one by one, for the report of a quarter by every model and day is thousands of lines.
"""

from collections.abc import Sequence

from keystead.domain.traffic import Owner
from keystead.metering.usage_views import UsageLine
from keystead.web.admin import usage
from keystead.web.console.charts import SERIES
from keystead.web.console.desk import Desk
from keystead.web.console.pages.chargeback import PLATFORM, Spent
from keystead.web.console.pages.months import Days, span_query
from keystead.web.console.pages.periods import Span
from keystead.web.console.pages.sums import Charted, charted

_OWN = ("owner:", *(f"owner:{owner}" for owner in Owner if owner != PLATFORM))
"""What is not paid with credits; and what was refused before anybody's credential was chosen."""


async def spend_chart(
    desk: Desk, span: Span | Days, by: str, *, spent: Sequence[Spent], whole: Sequence[UsageLine], currency: str
) -> Charted:
    """Return the chart of a span in one currency.

    Args:
        desk: who asks.
        span: the span.
        by: the dimension whose values are the series.
        spent: the span by this dimension, the dearest first.
        whole: the span by its columns, and by the owner at last.
        currency: the currency.
    """
    ids = [one.id for one in spent if one.currency == currency]
    largest = ids if len(ids) <= SERIES else ids[: SERIES - 1]
    lines: Sequence[UsageLine] = ()
    if largest:
        asked = {
            "by": f"{span.by},{by}",
            "only": [*_OWN, *(f"{by}:{one}" for one in largest)],
            **span_query(span.since, span.until, span.zone),
        }
        lines = (await desk.ask(usage.report, asked)).lines
    return charted(lines, [line for line in whole if line.keys[-1].id != PLATFORM], span, currency)
