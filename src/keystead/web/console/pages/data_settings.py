"""How sensitive requests can be and what each class asks for, and what requests are searched for."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.policy.patterns import KINDS
from keystead.web.admin import data_classes, recognizers
from keystead.web.admin.data_classes import DataClassShown, RequirementShown
from keystead.web.admin.recognizers import RecognizerShown
from keystead.web.console.navigation import SETTINGS
from keystead.web.console.pages.settings import framed
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit
from keystead.web.console.words import counted

_HERE: Final = f"{SETTINGS}/data"
_PATH: Final = "/settings/data"
_BACK: Final = (_HERE, "Data")
_FLAGS: Final = ("no_training", "dpa", "baa", "own_key_only")
_KINDS: Final[Mapping[str, str]] = {
    "secret": "Keys, tokens and private keys",
    "payment_card": "Payment cards",
    "iban": "Bank accounts (IBAN)",
    "national_id": "National identity numbers",
    "health_id": "Health identity numbers",
    "email": "E-mail addresses",
    "pattern": "A pattern of your own",
}
_CLASS_FIELDS: Final = ("name", "rank", "regions", "days")
_RECOGNIZER_FIELDS: Final = ("name", "kind", "pattern", "action", "data_class")
_APART: Final = re.compile(r"[\s,;]+")


async def show(visit: Visit) -> Answer:
    """Show the classes, the least sensitive first, and the recognisers."""
    desk = visit.desk
    classes = (await desk.ask(data_classes.list_all)).items
    values = {
        "classes": [(one, asks(one.in_effect)) for one in classes],
        "recognizers": [(one, looks_for(one)) for one in (await desk.ask(recognizers.list_all)).items],
        "can_set": desk.may(data_classes.set_class),
        "can_add": desk.may(recognizers.add),
    }
    return Shown(template="settings_data.html", values={**framed(visit, _HERE), **values})


async def ask_class(visit: Visit) -> Answer:
    """Ask for a class of one's own, or for other terms of the one that is named."""
    visit.desk.require(data_classes.set_class)
    one = await _class(visit, visit.query["name"]) if visit.query.get("name") else None
    return _class_form(visit, one, _typed_class(one))


async def set_class(visit: Visit) -> Answer:
    """Make a class, or set what it asks for."""
    form = visit.form
    requirement: dict[str, Any] = {flag: flag in form.get("asks", "").split() for flag in _FLAGS}
    requirement["regions"] = _words(form.get("regions", "").lower())
    if form.get("days", "").strip():
        requirement["most_retention_days"] = form["days"].strip()
    body: dict[str, Any] = {"name": form.get("name", "").strip(), "requirement": requirement}
    if form.get("rank", "").strip():
        body["rank"] = form["rank"].strip()
    try:
        await visit.desk.act(data_classes.set_class, body)
    except KeysteadError as error:
        one = next((each for each in await _classes(visit) if each.name == body["name"]), None)
        given = {name: form.get(name, "") for name in _CLASS_FIELDS}
        return _class_form(visit, one, {**given, "asks": form.get("asks", "").split()}, error)
    return Moved(to=f"{_HERE}?done=kept")


async def ask_remove_class(visit: Visit) -> Answer:
    """Tell what is asked for afterwards, and ask."""
    visit.desk.require(data_classes.remove)
    one = await _class(visit, visit.path["data_class"])
    says = (
        "It asks for what it asks for by nature from then on, and no more for what you have set."
        if one.built_in
        else "Nothing may name it any more; a team, key, recogniser or consent that does keeps it from being removed."
    )
    values = {
        "title": f"{'Set back' if one.built_in else 'Remove'} {one.name}",
        "back": _BACK,
        "says": f"{says} Requests are decided anew at once.",
        "facts": [("It asks for now", ", ".join(asks(one.in_effect)) or "nothing")],
        "action": f"{_HERE}/classes/{one.name}/remove",
        "button": "Set it back" if one.built_in else "Remove it",
    }
    return Shown(template="confirm.html", values=values)


async def remove_class(visit: Visit) -> Answer:
    """Remove a class of one's own, or one's own terms for a built-in one."""
    await visit.desk.act(data_classes.remove, {}, data_class=visit.path["data_class"])
    return Moved(to=f"{_HERE}?done=removed")


async def ask_recognizer(visit: Visit) -> Answer:
    """Ask what to search requests for."""
    return await _recognizer_form(visit, {"kind": "secret", "action": "redact"})


async def add_recognizer(visit: Visit) -> Answer:
    """Search requests for it from now on."""
    body = {name: visit.form.get(name, "").strip() for name in _RECOGNIZER_FIELDS}
    if body["action"] != "raise":
        body["data_class"] = ""
    if body["kind"] != "pattern":
        body["pattern"] = ""
    try:
        await visit.desk.act(recognizers.add, body)
    except KeysteadError as error:
        return await _recognizer_form(visit, visit.form, error)
    return Moved(to=f"{_HERE}?done=kept")


async def ask_remove_recognizer(visit: Visit) -> Answer:
    """Tell what gets through without it, and ask."""
    visit.desk.require(recognizers.remove)
    every = (await visit.desk.ask(recognizers.list_all)).items
    one = next((each for each in every if each.id == visit.path["recognizer"]), None)
    if one is None:
        raise NotFoundError("There is no such recogniser.", code="recognizer_not_found")
    values = {
        "title": f"Remove {one.name}",
        "back": _BACK,
        "says": "Requests are not searched for it any more, at once, and reach providers with what it would have found.",
        "facts": [("It looks for", looks_for(one)), ("What it does", does(one))],
        "action": f"{_HERE}/recognizers/{one.id}/remove",
        "button": "Remove it",
    }
    return Shown(template="confirm.html", values=values)


async def remove_recognizer(visit: Visit) -> Answer:
    """Search requests for it no more."""
    await visit.desk.act(recognizers.remove, {}, recognizer=visit.path["recognizer"])
    return Moved(to=f"{_HERE}?done=removed")


def asks(one: RequirementShown) -> list[str]:
    """Return what a class asks of a credential's terms, in words."""
    days = one.most_retention_days
    found = [f"kept in {', '.join(one.regions)}"] if one.regions else []
    if days is not None:
        found.append("zero retention" if days == 0 else f"kept for {counted(days, 'day')} at most")
    words = {"no_training": "no training", "dpa": "DPA", "baa": "BAA", "own_key_only": "own keys only"}
    return found + [word for flag, word in words.items() if getattr(one, flag)]


def looks_for(one: RecognizerShown) -> str:
    """Return what a recogniser looks for, in words or as its pattern."""
    return one.pattern or _KINDS.get(one.kind, one.kind)


def does(one: RecognizerShown) -> str:
    """Return what becomes of a request in which it finds something."""
    return {
        "block": "refuses the request",
        "raise": f"raises it to {one.data_class}",
        "redact": "blacks it out before it is sent",
    }[one.action]


async def _classes(visit: Visit) -> Iterable[DataClassShown]:
    found: tuple[DataClassShown, ...] = (await visit.desk.ask(data_classes.list_all)).items
    return found


async def _class(visit: Visit, name: str) -> DataClassShown:
    one = next((each for each in await _classes(visit) if each.name == name), None)
    if one is None:
        raise NotFoundError("There is no such data class.", code="data_class_not_found")
    return one


def _typed_class(one: DataClassShown | None) -> dict[str, Any]:
    """Return a class as the form holds it."""
    if one is None:
        return {**dict.fromkeys(_CLASS_FIELDS, ""), "asks": []}
    asked = one.requirement
    return {
        "name": one.name,
        "rank": str(one.rank),
        "regions": ", ".join(asked.regions),
        "days": "" if asked.most_retention_days is None else str(asked.most_retention_days),
        "asks": [flag for flag in _FLAGS if getattr(asked, flag)],
    }


def _class_form(
    visit: Visit, one: DataClassShown | None, given: Mapping[str, Any], error: KeysteadError | None = None
) -> Shown:
    at = ((error.param if error else None) or "").removeprefix("requirement.").partition("[")[0]
    values = {
        "one": one,
        "given": given,
        "at": {"most_retention_days": "days"}.get(at, at),
        "error": error,
        "can_remove": one is not None and one.own and visit.desk.may(data_classes.remove),
    }
    return Shown(template="data_class.html", values=values, status=error.status if error else 200)


async def _recognizer_form(visit: Visit, given: Mapping[str, str], error: KeysteadError | None = None) -> Shown:
    visit.desk.require(recognizers.add)
    values = {
        "given": {name: given.get(name, "") for name in _RECOGNIZER_FIELDS},
        "kinds": [(kind, _KINDS.get(kind, kind)) for kind in KINDS],
        "classes": [("", "–"), *((one.name, one.name) for one in await _classes(visit))],
        "at": (error.param if error else None) or "",
        "error": error,
    }
    return Shown(template="recognizer_new.html", values=values, status=error.status if error else 200)


def _words(text: str) -> list[str]:
    return [one for one in _APART.split(text) if one]


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="GET", path=f"{_PATH}/classes/set", handler=ask_class),
    Page(method="POST", path=f"{_PATH}/classes/set", handler=set_class),
    Page(method="GET", path=f"{_PATH}/classes/{{data_class}}/remove", handler=ask_remove_class),
    Page(method="POST", path=f"{_PATH}/classes/{{data_class}}/remove", handler=remove_class),
    Page(method="GET", path=f"{_PATH}/recognizers/new", handler=ask_recognizer),
    Page(method="POST", path=f"{_PATH}/recognizers/new", handler=add_recognizer),
    Page(method="GET", path=f"{_PATH}/recognizers/{{recognizer}}/remove", handler=ask_remove_recognizer),
    Page(method="POST", path=f"{_PATH}/recognizers/{{recognizer}}/remove", handler=remove_recognizer),
)
