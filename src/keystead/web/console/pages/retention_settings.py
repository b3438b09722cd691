"""How long requests are kept."""

from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.metering.retention import LEAST_DAYS, MOST_DAYS
from keystead.web.admin import request_export, retention
from keystead.web.admin.retention import RetentionShown, WouldForget
from keystead.web.console import words
from keystead.web.console.navigation import SETTINGS
from keystead.web.console.pages.settings import framed
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = f"{SETTINGS}/retention"
_PATH: Final = "/settings/retention"


async def show(visit: Visit) -> Answer:
    """Show how long requests are kept, and ask for how long they shall be."""
    return await _shown(visit)


async def ask_set(visit: Visit) -> Answer:
    """Tell what would be forgotten, and ask."""
    visit.desk.require(retention.set_retention)
    days = visit.query.get("days", "").strip()
    try:
        found: RetentionShown = await visit.desk.ask(retention.show, {"days": days})
    except KeysteadError as error:
        return await _shown(visit, error)
    would = found.would_forget
    values = {
        "title": f"Keep requests {_kept(would.days if would else None)}",
        "back": (_HERE, "Retention"),
        "says": _says(would),
        "facts": [("Now they are kept", _kept(found.days)), *([("Forgotten", _count(would))] if would else [])],
        "action": f"{_HERE}/set?days={would.days if would else ''}",
        "button": f"Keep them {_kept(would.days if would else None)}",
    }
    return Shown(template="confirm.html", values=values)


async def set_days(visit: Visit) -> Answer:
    """Keep requests for so long from now on."""
    days = visit.query.get("days", "").strip()
    try:
        await visit.desk.act(retention.set_retention, {"days": days} if days else {"for_ever": True})
    except KeysteadError as error:
        return await _shown(visit, error)
    return Moved(to=f"{_HERE}?done=kept")


def _says(would: WouldForget | None) -> str:
    if would is None:
        return "No request is forgotten from then on. What has been forgotten does not come back."
    return (
        f"Each request is forgotten {would.days} days after it began, with its attempts: who asked for what, when, and "
        "with which key. It cannot be brought back. Spend, usage and times of all days stay, as do budgets, credits and "
        "the audit."
    )


def _kept(days: int | None) -> str:
    return "for ever" if days is None else f"for {days} days"


def _count(would: WouldForget) -> str:
    if not would.requests:
        return "none today: all are younger"
    count = f"{'more than ' if would.more else ''}{words.whole(would.requests)}"
    return f"{count} within minutes, from before {would.before:%-d %b %Y}; then the oldest of each day"


async def _shown(visit: Visit, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    found: RetentionShown = await desk.ask(retention.show)
    values: dict[str, Any] = {
        "found": found,
        "wrong": error,
        "kept": _kept(found.days),
        "given": visit.query.get("days", "" if found.days is None else str(found.days)),
        "least": LEAST_DAYS,
        "most": MOST_DAYS,
        "can_set": desk.may(retention.set_retention),
        "may_export": desk.may(request_export.export),
    }
    return Shown(
        template="settings_retention.html",
        values={**framed(visit, _HERE), **values},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="GET", path=f"{_PATH}/set", handler=ask_set),
    Page(method="POST", path=f"{_PATH}/set", handler=set_days),
)
