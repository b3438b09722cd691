"""The log of requests: narrowed, walked page by page, and as a file."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from keystead.domain.traffic import CostState, ErrorClass, State
from keystead.web.admin import known_models, request_export, requests, retention, virtual_keys
from keystead.web.admin.requests import RequestShown
from keystead.web.console.desk import Desk
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

_NAMES: Final = {
    "since": "from",
    "until": "before",
    "virtual_key": "key",
    "principal": "who",
    "error_class": "error",
    "cost_state": "cost",
    "min_cost": "costs at least",
}
"""What a filter is called in few words, where its own name would not do."""
FORMS: Final = (("csv", "Export CSV"), ("jsonl", "JSON lines"))

_NEWER: Final = "200"
"""Rows that a page which follows the log is given at once; if there are more it begins anew."""
_LATE: Final = timedelta(seconds=15)
"""A request is in the log a moment after it began, and clocks of several gateways differ: so far back is asked again."""
_TO_THE_MINUTE: Final = len("2026-01-31T13:45")


async def list_all(visit: Visit) -> Answer:
    """Show a page of requests, newest first, narrowed as the address says."""
    chosen, asked = _meant(visit)
    found = await visit.desk.ask(requests.list_all, {**asked, "cursor": visit.query.get("cursor")})
    kept = {name: value for name, value in chosen.items() if value}

    def page(cursor: str | None) -> str | None:
        return f"?{urlencode({**kept, 'cursor': cursor})}" if cursor else None

    return Shown(
        template="requests.html",
        values={
            **_rows(visit, found.items),
            "more": False,
            "chosen": chosen,
            "filtered": bool(kept),
            "chips": [_chip(name, value, kept) for name, value in kept.items()],
            "exports": [
                (title, f"/console/requests/export?{urlencode({**kept, 'format': form})}") for form, title in FORMS
            ],
            "can_make": visit.desk.may(virtual_keys.create),
            "may_export": visit.desk.may(request_export.export),
            "older": page(found.next_cursor),
            "newer": page(found.previous_cursor),
            "first": f"?{urlencode(kept)}",
            "paged": bool(visit.query.get("cursor")),
            "states": list(State),
            "error_classes": list(ErrorClass),
            "cost_states": list(CostState),
            "newest": f"/console/requests/newer?{urlencode(kept)}",
            "kept_days": None if found.next_cursor else await _kept_days(visit.desk),
        },
    )


async def _kept_days(desk: Desk) -> int | None:
    """Return after how many days requests are forgotten, for whoever has come to the end; None for never."""
    days: int | None = (await desk.ask(retention.show)).days if desk.may(retention.show) else None
    return days


async def newer(visit: Visit) -> Answer:
    """Show the rows alone, since the instant that a page with the older ones names."""
    _, asked = _meant(visit)
    since = visit.query.get("begun") or asked["since"]
    found = await visit.desk.ask(requests.list_all, {**asked, "since": since, "limit": _NEWER})
    values = {**_rows(visit, found.items), "more": found.next_cursor is not None}
    return Shown(template="requests_newer.html", values=values)


def _rows(visit: Visit, rows: Sequence[RequestShown]) -> Mapping[str, Any]:
    """Return what the rows show, and since when a page that shows them asks for newer ones.

    What is still open is asked for again until it has ended; nothing is from before what the filters want.
    """
    begun = [row.started_at for row in rows if row.finished_at is None]
    if rows:
        begun.append(rows[-1].started_at if visit.query.get("since") else rows[0].started_at - _LATE)
    return {
        "rows": rows,
        "begun": min(begun).isoformat() if begun else "",
        "sees_models": visit.desk.may(known_models.show),
    }


async def keep(visit: Visit) -> Answer:
    """Give all of them as a file, by the same filters."""
    _, asked = _meant(visit)
    file: Answer = await visit.desk.ask(request_export.export, {**asked, "format": visit.query.get("format")})
    return file


def _chip(name: str, value: str, kept: Mapping[str, str]) -> tuple[str, str, str]:
    """Return what a filter says, and the address without it."""
    others = {other: text for other, text in kept.items() if other != name}
    return _NAMES.get(name, name), value, f"/console/requests?{urlencode(others)}" if others else "/console/requests"


def _meant(visit: Visit) -> tuple[dict[str, str], dict[str, str]]:
    """Return the filters as they were typed, and as the admin API takes them."""
    chosen = {name: visit.query.get(name, "") for name in FILTERS}
    return chosen, {**chosen, "since": _instant(chosen["since"]), "until": _instant(chosen["until"])}


def _instant(typed: str) -> str:
    """Return what a field of a day and time gives, which has no zone: UTC, as the form says."""
    return f"{typed}:00Z" if len(typed) == _TO_THE_MINUTE else typed


PAGES: Final = (
    Page(method="GET", path="/requests", handler=list_all),
    Page(method="GET", path="/requests/newer", handler=newer),
    Page(method="GET", path="/requests/export", handler=keep),
)
