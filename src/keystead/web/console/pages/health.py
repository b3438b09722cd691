"""How the installation is, for whoever runs it: what was looked at, what to do, and the work beside the requests."""

from collections.abc import Mapping
from typing import Final

from keystead.web.admin import operations
from keystead.web.admin.rooms import Check, Health, Job
from keystead.web.console.navigation import SETTINGS
from keystead.web.console.pages.settings import framed
from keystead.web.console.visit import Answer, Page, Shown, Visit

_HERE: Final = f"{SETTINGS}/health"
_CHECKS: Final[Mapping[str, str]] = {
    "record": "Record",
    "database": "Database",
    "isolation": "Isolation",
    "clock": "Clock",
    "root_key": "Key file",
    "vault": "Vault",
    "rate_limits": "Rate limits",
    "background_work": "Background work",
    "snapshot": "Rules in memory",
    "prices": "Catalogue",
    "notices": "Alerts",
    "listening": "Listening",
    "egress": "Egress",
}
_JOBS: Final[Mapping[str, str]] = {
    "snapshot_poll": "See what was changed elsewhere",
    "heartbeat": "Say that the process lives",
    "rates": "Renew the slots of rate limits",
    "gauges": "Set the gauges of the metrics",
    "recovery": "End what a dead process left open",
    "afterwork": "Follow batches and background answers",
    "alerts": "Look for what to alert of",
    "notices": "Send alerts and digests",
    "digests": "Draw up weekly digests",
    "models": "Ask providers for their models",
    "days": "Add usage up by days",
    "housekeeping": "Make partitions, retire keys, forget what is over",
}
_WORST: Final = ("failure", "warning", "ok")


async def show(visit: Visit) -> Answer:
    """Show what the process that answers knows."""
    found: Health = await visit.desk.ask(operations.doctor)
    checks = sorted(found.checks, key=lambda check: _WORST.index(check.state))
    wrong = [check for check in checks if check.state != "ok"]
    values = {
        "health": found,
        "checks": [(_named(_CHECKS, check), check) for check in checks],
        "wrong": len(wrong),
        "worst": checks[0].state if checks else "ok",
        "jobs": [(_named(_JOBS, job), job, _every(job.every_s)) for job in found.jobs],
    }
    return Shown(template="settings_health.html", values={**framed(visit, _HERE), **values})


def _named(names: Mapping[str, str], one: Check | Job) -> str:
    """Return what it is called for people; what came in since is called by its own name."""
    return names.get(one.name, one.name.replace("_", " ").capitalize())


def _every(seconds: float) -> str:
    """Return how often, in one unit."""
    if seconds < 1:
        return f"{1 / seconds:g} times a second"
    if seconds < 120:
        return f"every {seconds:g} s"
    return f"every {seconds / 60:g} min"


PAGES: Final = (Page(method="GET", path="/settings/health", handler=show),)
