"""Giving a grant, and ending one: each tells first whom it reaches."""

from collections.abc import Mapping
from typing import Any, Final

from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.traffic import Endpoint
from keystead.web.admin import grants, members, service_accounts, teams, virtual_keys
from keystead.web.admin.grants import GrantShown
from keystead.web.console.desk import Desk
from keystead.web.console.matrix import ALL, EVERYONE
from keystead.web.console.pages.people import tree_of
from keystead.web.console.pages.permissions import GRANT_FIELDS, columns_seen, grants_in_force
from keystead.web.console.tree import Branch, below
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_KINDS: Final = ("team", "member", "service_account")
_MOST_KEYS: Final = 5_000


async def new(visit: Visit) -> Answer:
    """Ask for a grant."""
    return await _asked(visit, visit.query, None)


async def create(visit: Visit) -> Answer:
    """Give it."""
    form = visit.form
    try:
        made = await visit.desk.act(grants.create, _body(form))
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return Moved(to=_home(made, form.get("credential", "")))


async def ask_revoke(visit: Visit) -> Answer:
    """Tell whom the end of a grant reaches, and ask."""
    visit.desk.require(grants.revoke)
    one = await visit.desk.ask(grants.show, grant=visit.path["grant"])
    return Shown(template="confirm.html", values=await _reach(visit, one))


async def revoke(visit: Visit) -> Answer:
    """End a grant."""
    ended = await visit.desk.act(grants.revoke, {}, grant=visit.path["grant"])
    return Moved(to=_home(ended, ""))


def _body(form: Mapping[str, str]) -> dict[str, Any]:
    """Return a grant as the admin API takes it.

    Raises:
        InvalidRequestError: it is for nobody.
    """
    kind, _, name = form.get("subject", "").partition(":")
    body: dict[str, Any] = {"effect": form.get("effect", "allow")}
    if kind == EVERYONE:
        body["everyone"] = True
    elif kind in _KINDS and name:
        body[kind] = name
    else:
        raise InvalidRequestError("Say whom it is for.", param="subject")
    if form.get("credential") == "":
        raise InvalidRequestError("Say which credential it is about.", param="credential")
    if form.get("credential", ALL) != ALL:
        body["credentials"] = [form["credential"]]
    if form.get("models", "").strip():
        body["models"] = form["models"].split()
    if form.get("endpoint"):
        body["endpoints"] = form["endpoint"].split("\n")
    body |= {name: form[name].strip() for name in ("condition", "note") if form.get(name, "").strip()}
    if form.get("expires_at"):
        body["expires_at"] = f"{form['expires_at']}T00:00:00Z"
    return body


def _home(grant: GrantShown, credential: str) -> str:
    """Return the page on which a grant is seen."""
    if grant.subject_kind == "member":
        return f"/console/people/members/{grant.subject_id}"
    if grant.subject_kind == "service_account":
        return f"/console/people/programs/{grant.subject_id}"
    if credential:
        subject = EVERYONE if grant.subject_kind == "organization" else grant.subject_id
        if credential != ALL:
            return f"/console/permissions/cells/{subject}/{credential}"
    return "/console/permissions"


async def _asked(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    desk = visit.desk
    desk.require(grants.create)
    every = await grants_in_force(desk)
    subject = given.get("subject", "")
    name, team_id = await _subject(desk, subject)
    tree = await tree_of(desk) if desk.may(teams.list_all) else []
    values = {
        "given": {field: given.get(field, "") for field in GRANT_FIELDS},
        "subject": subject if name else "",
        "subject_name": name,
        "teams": [branch for branch in tree if desk.may_in(grants.create, branch.team.id)],
        "columns": await columns_seen(desk, every),
        "may_allow": desk.may_in(grants.create, None),
        "may_deny": desk.may_in(grants.create, team_id) or not name,
        "endpoints": list(Endpoint),
        "error": error,
    }
    return Shown(template="grant_new.html", values=values, status=error.status if error else 200)


async def _subject(desk: Desk, subject: str) -> tuple[str, str | None]:
    """Return the name of whom a grant is to be for, and the team they are in; no name: that is still to be said."""
    kind, _, identifier = subject.partition(":")
    if kind == EVERYONE:
        return "everyone", None
    if kind == "team" and identifier:
        team = await desk.ask(teams.show, team=identifier)
        return f"{team.name} and the teams below it", team.id
    if kind == "member" and identifier:
        member = await desk.ask(members.show, member=identifier)
        return member.name, member.team_id
    if kind == "service_account" and identifier:
        account = await desk.ask(service_accounts.show, service_account=identifier)
        return account.name, account.team_id
    return "", None


async def _reach(visit: Visit, one: GrantShown) -> dict[str, Any]:
    """Return what the page says that asks before a grant ends."""
    desk = visit.desk
    tree = await tree_of(desk) if desk.may(teams.list_all) else []
    inside = [team.name for team in below(one.subject_id, tree)]
    allows = one.effect == "allow"
    keys = await _keys(desk, one, tree)
    facts = [
        ("For", one.subject or "everyone"),
        ("Teams below", ", ".join(inside) or "none"),
        ("Credentials", ", ".join(one.credentials) if one.credentials else "all own ones" if allows else "all"),
        ("Models", ", ".join(one.models) if one.models else "all"),
        ("Virtual keys it reaches", keys),
    ]
    says = (
        "What only this grant allows is refused within a second. Another grant may still allow it."
        if allows
        else "What it forbids can be used again at once, wherever another grant allows it."
    )
    return {
        "title": f"End this {'grant' if allows else 'deny'}",
        "back": ("/console/permissions", "Permissions"),
        "says": says,
        "facts": [(name, value) for name, value in facts if value],
        "action": f"/console/permissions/grants/{one.id}/revoke",
        "button": "End it",
    }


async def _keys(desk: Desk, one: GrantShown, tree: list[Branch]) -> str:
    """Return which active virtual keys a grant reaches, in words; empty for who may not see keys."""
    if not desk.may(virtual_keys.list_all):
        return ""
    whole = {one.subject_id, *(team.id for team in below(one.subject_id, tree))}
    every, more = await desk.all(virtual_keys.list_all, most=_MOST_KEYS)
    names = [
        key.name
        for key in every
        if key.state == "active"
        and (one.subject_kind == "organization" or key.team_id in whole or key.principal_id == one.subject_id)
    ]
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{len(names)}{' or more' if more else ''}{': ' + some if names else ''}"


PAGES: Final = (
    Page(method="GET", path="/permissions/grants/new", handler=new),
    Page(method="POST", path="/permissions/grants/new", handler=create),
    Page(method="GET", path="/permissions/grants/{grant}/revoke", handler=ask_revoke),
    Page(method="POST", path="/permissions/grants/{grant}/revoke", handler=revoke),
)
