"""A program (service account): its keys, made here and shown once, and its end."""

from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.web.admin import explain, grants, service_accounts, virtual_keys
from keystead.web.console.pages.keys import shown_once
from keystead.web.console.pages.permissions import ending, grants_in_force
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = "/console/people/programs"


async def show(visit: Visit) -> Answer:
    """Show a program."""
    return await _program(visit)


async def make_key(visit: Visit) -> Answer:
    """Make a key for a program, and show it: this answer is the only one that ever holds it."""
    one = await visit.desk.ask(service_accounts.show, service_account=visit.path["program"])
    body: dict[str, Any] = {"name": visit.form.get("name", ""), "team": one.team_id, "service_account": one.id}
    if visit.form.get("models", "").strip():
        body["models"] = visit.form["models"].split()
    if visit.form.get("expires_at"):
        body["expires_at"] = f"{visit.form['expires_at']}T00:00:00Z"
    try:
        issued = await visit.desk.act(virtual_keys.create, body)
    except KeysteadError as error:
        return await _program(visit, error)
    return await shown_once(visit, issued)


async def ask_disable(visit: Visit) -> Answer:
    """Tell what ends when a program is disabled, and ask."""
    visit.desk.require(service_accounts.disable)
    one = await visit.desk.ask(service_accounts.show, service_account=visit.path["program"])
    keys, _ = await visit.desk.all(virtual_keys.list_all, {"principal": one.id}, most=1_000)
    active = [key.name for key in keys if key.state == "active"]
    values = {
        "title": f"Disable {one.name}",
        "back": (f"{_HERE}/{one.id}", one.name),
        "says": "Whatever runs with its keys is refused within a second. There is no way back: make another program.",
        "facts": [("Virtual keys that stop", ", ".join(active) or "none"), ("Team", one.team)],
        "action": f"{_HERE}/{one.id}/disable",
        "button": f"Disable {one.name}",
    }
    return Shown(template="confirm.html", values=values)


async def disable(visit: Visit) -> Answer:
    """Disable a program."""
    try:
        await visit.desk.act(service_accounts.disable, {}, service_account=visit.path["program"])
    except KeysteadError as error:
        return await _program(visit, error)
    return Moved(to=f"{_HERE}/{visit.path['program']}")


async def _program(visit: Visit, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    one = await desk.ask(service_accounts.show, service_account=visit.path["program"])
    keys, _ = await desk.all(virtual_keys.list_all, {"principal": one.id}, most=200)
    given = []
    if desk.may(grants.list_all):
        given = [grant for grant in await grants_in_force(desk) if grant.subject_id == one.id]
    values = {
        "one": one,
        "keys": keys,
        "grants": given,
        "sees_grants": desk.may(grants.list_all),
        "may_grant": desk.may_in(grants.create, one.team_id),
        "may_explain": desk.may(explain.explain),
        "may_end": ending(desk, one.team_id),
        "may_change": desk.may_in(service_accounts.disable, one.team_id) and one.disabled_at is None,
        "error": error,
        "given": {name: visit.form.get(name, "") for name in ("name", "models", "expires_at")},
    }
    return Shown(template="program.html", values=values, status=error.status if error else 200)


PAGES: Final = (
    Page(method="GET", path="/people/programs/{program}", handler=show),
    Page(method="POST", path="/people/programs/{program}/key", handler=make_key),
    Page(method="GET", path="/people/programs/{program}/disable", handler=ask_disable),
    Page(method="POST", path="/people/programs/{program}/disable", handler=disable),
)
