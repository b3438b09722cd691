"""Who changed what, when."""

from typing import Final
from urllib.parse import urlencode

import msgspec

from keystead.web.admin import audit_events
from keystead.web.console.visit import Answer, Page, Shown, Visit

FILTERS: Final = ("action", "actor", "object")


async def list_all(visit: Visit) -> Answer:
    """Show a page of events, newest first, narrowed as the address says."""
    chosen = {name: visit.query.get(name, "") for name in FILTERS}
    found = await visit.desk.ask(audit_events.list_all, {**chosen, "cursor": visit.query.get("cursor")})
    kept = {name: value for name, value in chosen.items() if value}
    events = [
        (event, msgspec.json.format(msgspec.json.encode(event.details), indent=1).decode()) for event in found.items
    ]
    return Shown(
        template="audit.html",
        values={
            "events": events,
            "chosen": chosen,
            "filtered": bool(kept),
            "older": f"?{urlencode({**kept, 'cursor': found.next_cursor})}" if found.next_cursor else None,
        },
    )


PAGES: Final = (Page(method="GET", path="/audit", handler=list_all),)
