"""The parts page: every component of the console in every state, without any data, to look at and to test against."""

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Final
from zoneinfo import ZoneInfo

from keystead.domain.clock import utc
from keystead.domain.errors import InvalidRequestError
from keystead.web.admin import known_models
from keystead.web.admin.credential_shapes import TermsShown
from keystead.web.console.attempt_chain import Chain, chain_of
from keystead.web.console.charts import SERIES, Column, stacked, strokes
from keystead.web.console.diagrams import Target, diagram
from keystead.web.console.pages.budgets import Gauge
from keystead.web.console.pages.periods import SPANS, span_of
from keystead.web.console.pages.sums import Charted
from keystead.web.console.visit import Answer, Page, Shown, Visit

STATES: Final = (
    "active",
    "settled",
    "ok",
    "valid",
    "staged",
    "draining",
    "open",
    "near",
    "refused",
    "unknown",
    "over",
    "failed",
    "revoked",
    "invalid",
    "no_rights",
    "expired",
    "retired",
    "acknowledged",
)
TOKENS: Final = (
    "paper",
    "sheet",
    "sunk",
    "line",
    "ink",
    "soft",
    "accent",
    "accent-ink",
    "wash",
    "good",
    "good-wash",
    "warn",
    "warn-wash",
    "bad",
    "bad-wash",
    "info",
    "info-wash",
    *(f"s{number}" for number in range(SERIES)),
)
_COLUMNS: Final = 14
_TARGETS: Final = (
    Target(model="gpt-5", on="openai-research", patience="5 s"),
    Target(model="family:claude-sonnet", on="any key of Anthropic", means="claude-sonnet-5-5"),
    Target(model="gemini-3-pro", on="google-research", broken="its key is revoked"),
)
_GAUGES: Final = (
    ("ok", Gauge(spent=30, held=4, alert=80, limit=100, forecast=62, left_percent=66)),
    ("near", Gauge(spent=72, held=3, alert=64, limit=80, forecast=100, left_percent=6)),
    ("over", Gauge(spent=100, held=0, alert=70, limit=88, forecast=None, left_percent=-14)),
)


def _chain(now: datetime) -> Chain:
    """Return a request whose first provider was throttled, and whose second one answered."""
    common = {"credential_version": 2, "owner": "own", "consent_id": "", "model_sent": "gpt-5", "credential_id": ""}
    first = SimpleNamespace(
        number=1,
        credential="openai-main",
        provider="openai",
        started_at=now + timedelta(milliseconds=3),
        duration_us=180_000,
        first_byte_us=178_000,
        state="rejected",
        error_class="throttled",
        error_code="",
        upstream_status=429,
        reason="",
        **common,
    )
    second = SimpleNamespace(
        number=2,
        credential="openai-spare",
        provider="openai",
        started_at=now + timedelta(milliseconds=190),
        duration_us=1_450_000,
        first_byte_us=420_000,
        state="settled",
        error_class=None,
        error_code="",
        upstream_status=200,
        reason="throttled",
        **common,
    )
    return chain_of(SimpleNamespace(started_at=now, duration_us=1_650_000), (first, second))


async def show(visit: Visit) -> Answer:
    """Show every part."""
    names = ("one", "another", "a third", "the fourth", "others")
    columns = [
        Column(
            label=f"{day + 1} Jan",
            values=tuple(Decimal((day * (series + 3)) % 11 + 1) for series in range(SERIES)),
            said=f"{day + 1} Jan",
        )
        for day in range(_COLUMNS)
    ]
    return Shown(
        template="parts_page.html",
        values={
            "states": STATES,
            "tokens": TOKENS,
            "charted": Charted(measure="Things", unit="USD", series=list(names), chart=stacked(columns)),
            "strokes": strokes([3, 5, 4, None, 8, 9, 2, None, 4, 4, 6, 3]),
            "gauges": _GAUGES,
            "spans": SPANS,
            "span": span_of({}, visit.now_us, ZoneInfo("UTC")),
            "sees_models": visit.desk.may(known_models.show),
            "error": InvalidRequestError("What was typed is not an amount.", next_step="Write 500 or 12.5."),
            "amounts": ("0", "0.000000000001", "12.5", "-12.5", "1234567.891", None),
            "at_us": visit.now_us,
            "chain": _chain(utc(visit.now_us)),
            "terms": TermsShown(
                regions=("eu",),
                retention_days=0,
                no_training=True,
                baa_reference="",
                dpa_reference="DPA-2026",
                ends_at=utc(visit.now_us),
            ),
            "drawn": diagram("best", "ordered", _TARGETS),
        },
    )


PAGES: Final = (Page(method="GET", path="/parts", handler=show),)
