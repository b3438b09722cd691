"""Why, or why not: a request that is not made, decided by the functions that decide real ones, step by step."""

from collections.abc import Mapping
from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.domain.traffic import Endpoint
from keystead.web.admin import data_classes, explain, grants, members, service_accounts, teams, virtual_keys
from keystead.web.console.desk import Desk
from keystead.web.console.reasons import steps
from keystead.web.console.visit import Answer, Page, Shown, Visit

WHOSE: Final = {
    "virtual_key": "Virtual key",
    "team": "Team",
    "member": "Person",
    "service_account": "Program",
}
_FIELDS: Final = ("whose", "name", "model", "endpoint", "data_class", "max_output_tokens")
_SUGGESTED: Final = 200
_ASKABLE: Final = tuple(one for one in Endpoint if one not in {Endpoint.MODELS, Endpoint.RESPONSE_STATE})


async def show(visit: Visit) -> Answer:
    """Ask, or answer what the address asks."""
    desk = visit.desk
    desk.require(explain.explain)
    given = {name: visit.query.get(name, "").strip() for name in _FIELDS}
    given["whose"] = given["whose"] if given["whose"] in WHOSE else "virtual_key"
    answered: dict[str, Any] = {"found": None, "steps": (), "error": None}
    if given["name"] and given["model"]:
        answered = await _answered(desk, given)
    classes = (await desk.ask(data_classes.list_all)).items if desk.may(data_classes.list_all) else ()
    error = answered["error"]
    values = {
        "given": given,
        "whose": WHOSE,
        "endpoints": _ASKABLE,
        "classes": [one.name for one in classes],
        "suggested": await _suggested(desk),
        **answered,
    }
    return Shown(template="explain.html", values=values, status=error.status if error else 200)


async def _answered(desk: Desk, given: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {given["whose"]: given["name"], "model": given["model"]}
    body |= {name: given[name] for name in ("endpoint", "data_class", "max_output_tokens") if given[name]}
    try:
        found = await desk.act(explain.explain, body)
    except KeysteadError as error:
        return {"found": None, "steps": (), "error": error}
    subject = ""
    if desk.may_in(grants.create, None) and given["whose"] != "virtual_key":
        subject = f"{given['whose']}:{given['name']}"
    elif desk.may_in(grants.create, None):
        keys, _ = await desk.all(virtual_keys.list_all, most=1_000)
        subject = next((f"team:{key.team_id}" for key in keys if given["name"] in {key.id, key.name}), "")
    return {"found": found, "steps": steps(found, model=given["model"], subject=subject), "error": None}


async def _suggested(desk: Desk) -> list[str]:
    """Return names to choose from while one types: keys in force, teams, people and programs."""
    names: list[str] = []
    if desk.may(virtual_keys.list_all):
        keys, _ = await desk.all(virtual_keys.list_all, most=_SUGGESTED)
        names += [key.name for key in keys if key.state == "active"]
    for handler in (teams.list_all, members.list_all, service_accounts.list_all):
        if desk.may(handler):
            names += [one.name for one in (await desk.all(handler, most=_SUGGESTED))[0]]
    return list(dict.fromkeys(names))


PAGES: Final = (Page(method="GET", path="/explain", handler=show),)
