"""What was spent, by whatever one pays by: teams, keys, models, credentials; and how the budgets stand."""

import csv
import io
from typing import Final

from keystead.web.admin import budgets, usage
from keystead.web.console.pages import sums
from keystead.web.console.pages.periods import SPANS, span_of
from keystead.web.console.visit import Answer, Page, Shown, Visit

DIMENSIONS: Final = {
    "team": "Team",
    "principal": "Person or program",
    "virtual_key": "Virtual key",
    "model": "Model",
    "credential": "Credential",
    "provider": "Provider",
    "owner": "Whose credential",
}


async def show(visit: Visit) -> Answer:
    """Show the spend of a span by one dimension."""
    span = span_of(visit.query, visit.now_us)
    by = visit.query.get("by", "team")
    by = by if by in DIMENSIONS else "team"
    asked = {"since": span.since.isoformat(), "until": span.until.isoformat()}
    whole = await visit.desk.ask(usage.report, {"by": by, **asked})
    over_time = await visit.desk.ask(usage.report, {"by": f"{span.by},{by}", **asked})
    currencies = [total.currency for total in sums.totals(whole.lines)] or ["USD"]
    shown = (await visit.desk.ask(budgets.list_all, {"limit": "100"})).items if visit.desk.may(budgets.list_all) else ()
    return Shown(
        template="spend.html",
        values={
            "span": span,
            "spans": SPANS,
            "by": by,
            "dimensions": DIMENSIONS,
            "totals": sums.totals(whole.lines),
            "rows": sums.rows(whole.lines),
            "currency": currencies[0],
            "charted": sums.charted(over_time.lines, span, currencies[0]),
            "budgets": [one for one in shown if one.state == "active"],
        },
    )


PAGES: Final = (Page(method="GET", path="/spend", handler=show),)


def as_csv(rows: list[sums.Row]) -> str:
    """Return the lines as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe (T33)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["name", "currency", "cost", "credits", "requests", "input tokens", "output tokens", "unpriced", "unknown"]
    )
    for row in rows:
        total = row.total
        name = f"'{row.name}" if row.name[:1] in {"=", "+", "-", "@", "\t", "\r"} else row.name
        writer.writerow(
            [
                name,
                total.currency,
                total.cost,
                total.charge,
                total.requests,
                total.input_total,
                total.output_total,
                total.unpriced,
                total.unknown,
            ]
        )
    return out.getvalue()
