"""The log of requests, and one of them whole: its attempts as a picture, what decided, what it used and cost."""

from typing import Any, Final
from urllib.parse import urlencode

from keystead.domain.traffic import CostState, ErrorClass, State
from keystead.web.admin import explain, known_models, request_explanation, requests
from keystead.web.console.visit import Answer, Page, Shown, Visit

FILTERS: Final = (
    "since",
    "until",
    "state",
    "team",
    "virtual_key",
    "principal",
    "credential",
    "provider",
    "model",
    "error_class",
    "cost_state",
    "min_cost",
    "request",
)

_TO_THE_MINUTE: Final = len("2026-01-31T13:45")


async def list_all(visit: Visit) -> Answer:
    """Show a page of requests, newest first, narrowed as the address says."""
    chosen = {name: visit.query.get(name, "") for name in FILTERS}
    asked = {**chosen, "since": _instant(chosen["since"]), "until": _instant(chosen["until"])}
    found = await visit.desk.ask(requests.list_all, {**asked, "cursor": visit.query.get("cursor")})
    kept = {name: value for name, value in chosen.items() if value}

    def page(cursor: str | None) -> str | None:
        return f"?{urlencode({**kept, 'cursor': cursor})}" if cursor else None

    return Shown(
        template="requests.html",
        values={
            "rows": found.items,
            "chosen": chosen,
            "filtered": bool(kept),
            "older": page(found.next_cursor),
            "newer": page(found.previous_cursor),
            "first": f"?{urlencode(kept)}",
            "paged": bool(visit.query.get("cursor")),
            "states": list(State),
            "error_classes": list(ErrorClass),
            "cost_states": list(CostState),
            "sees_models": visit.desk.may(known_models.show),
        },
    )


def _instant(typed: str) -> str:
    """Return what a field of a day and time gives, which has no zone: UTC, as the form says."""
    return f"{typed}:00Z" if len(typed) == _TO_THE_MINUTE else typed


async def show(visit: Visit) -> Answer:
    """Show one request."""
    found = await visit.desk.ask(requests.show, request=visit.path["request"])
    explained: Any = None
    if visit.desk.may(request_explanation.explain):
        explained = await visit.desk.ask(request_explanation.explain, request=visit.path["request"])
    longest = max([attempt.duration_us or 0 for attempt in found.attempts], default=0)
    begins = found.request.started_at
    bars = [_bar(attempt, begins, found.request.duration_us or longest) for attempt in found.attempts]
    return Shown(
        template="request.html",
        values={
            "one": found.request,
            "attempts": list(zip(found.attempts, bars, strict=True)),
            "found": found,
            "explained": explained,
            "may_explain": visit.desk.may(explain.explain),
            "sees_models": visit.desk.may(known_models.show),
        },
    )


def _bar(attempt: Any, begins: Any, whole_us: int) -> dict[str, float]:
    """Return where on the request's time an attempt lies, in parts of a hundred."""
    if not whole_us:
        return {"at": 0.0, "first": 0.0, "width": 100.0}
    at = (attempt.started_at - begins).total_seconds() * 1e8 / whole_us
    width = (attempt.duration_us or 0) * 100 / whole_us
    first = (attempt.first_byte_us or 0) * 100 / whole_us
    return {
        "at": round(max(0.0, min(99.0, at)), 2),
        "first": round(min(first, width), 2),
        "width": round(max(0.6, min(100.0, width)), 2),
    }


PAGES: Final = (
    Page(method="GET", path="/requests", handler=list_all),
    Page(method="GET", path="/requests/{request}", handler=show),
)
