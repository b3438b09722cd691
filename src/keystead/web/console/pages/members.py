"""A person: invited by a one-time link, given and taken roles, disabled, brought back."""

from collections.abc import Mapping
from typing import Any, Final

from keystead.domain.access import Administrator
from keystead.domain.errors import KeysteadError
from keystead.domain.ids import TeamId
from keystead.identity.authority import lacking
from keystead.web.admin import (
    explain,
    grants,
    members,
    roles,
    second_factor,
    service_accounts,
    sessions,
    sign_in_links,
    virtual_keys,
)
from keystead.web.console.desk import Handler
from keystead.web.console.pages.people import tree_of
from keystead.web.console.pages.permissions import ending, grants_in_force
from keystead.web.console.tree import Branch
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = "/console/people/members"


async def new(visit: Visit) -> Answer:
    """Ask whom to invite."""
    return await _asked(visit, {"team": visit.query.get("team", "")}, None)


async def create(visit: Visit) -> Answer:
    """Make a member, and the link by which they come in: this answer is the only one that ever holds it."""
    form = visit.form
    body = {"name": form.get("name", ""), "team": form.get("team", ""), "roles": [_role(form)]}
    try:
        made = await visit.desk.act(members.create, body)
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return await _linked(visit, made.id)


async def link(visit: Visit) -> Answer:
    """Make another link for a member."""
    return await _linked(visit, visit.path["member"])


async def show(visit: Visit) -> Answer:
    """Show a member."""
    return await _member(visit, visit.path["member"])


async def assign(visit: Visit) -> Answer:
    """Give a role."""
    return await _done(visit, members.assign, _role(visit.form))


async def unassign(visit: Visit) -> Answer:
    """Take a role away."""
    return await _done(visit, members.unassign, _role(visit.form))


async def enable(visit: Visit) -> Answer:
    """Let a member come back."""
    return await _done(visit, members.enable, {})


async def ask_disable(visit: Visit) -> Answer:
    """Tell what ends when a member is disabled, and ask."""
    visit.desk.require(members.disable)
    one = await visit.desk.ask(members.show, member=visit.path["member"])
    keys, _ = await visit.desk.all(virtual_keys.list_all, {"principal": one.id}, most=1_000)
    active = [key.name for key in keys if key.state == "active"]
    values = {
        "title": f"Disable {one.name}",
        "back": (f"{_HERE}/{one.id}", one.name),
        "says": "They are out at once, in every browser and with every key. What was issued to them stays ended, "
        "even if they come back. The prompts that they saved for themselves are deleted.",
        "facts": [
            ("Virtual keys that stop", ", ".join(active) or "none"),
            (
                "Roles that rest",
                ", ".join(f"{role.name} in {role.team or 'everything'}" for role in one.roles) or "none",
            ),
        ],
        "action": f"{_HERE}/{one.id}/disable",
        "button": f"Disable {one.name}",
    }
    return Shown(template="confirm.html", values=values)


async def disable(visit: Visit) -> Answer:
    """Disable a member."""
    return await _done(visit, members.disable, {})


async def ask_reset(visit: Visit) -> Answer:
    """Tell what lets a member in without their second factor, and ask."""
    one = await visit.desk.ask(members.show, member=visit.path["member"])
    factor = await visit.desk.ask(second_factor.show_of, member=one.id)
    after = (
        "sets up another before anything else"
        if factor.required
        else "comes in with that alone until they set up another"
    )
    values = {
        "title": f"Reset the second factor of {one.name}",
        "back": (f"{_HERE}/{one.id}", one.name),
        "says": f"For somebody who lost it: be sure that it is {one.name} who asks. They are signed out everywhere; whoever "
        f"has their password {after}.",
        "facts": [("Recovery codes that they still have", str(factor.recovery_codes_left))],
        "action": f"{_HERE}/{one.id}/second-factor/reset",
        "button": "Reset it",
    }
    return Shown(template="confirm.html", values=values)


async def reset(visit: Visit) -> Answer:
    """Take a member's second factor away."""
    return await _done(visit, second_factor.reset, {})


async def end_sessions(visit: Visit) -> Answer:
    """Sign a member out everywhere."""
    return await _done(visit, sessions.end_of, {})


def _role(form: Mapping[str, str]) -> dict[str, str]:
    """Return a role as a form names it; without a place, it is for the whole organization."""
    where = form.get("where", "")
    return {"role": form.get("role", ""), **({"team": where} if where else {})}


async def _done(visit: Visit, handler: Handler, body: Mapping[str, Any]) -> Answer:
    member = visit.path["member"]
    try:
        await visit.desk.act(handler, body, member=member)
    except KeysteadError as error:
        return await _member(visit, member, error)
    return Moved(to=f"{_HERE}/{member}")


async def _linked(visit: Visit, member: str) -> Answer:
    try:
        made = await visit.desk.act(sign_in_links.create, {}, member=member)
    except KeysteadError as error:
        return await _member(visit, member, error)
    return Shown(template="member_invited.html", values={"link": made}, status=201)


async def _member(visit: Visit, member: str, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    desk.require(service_accounts.list_all)
    one = await desk.ask(members.show, member=member)
    keys, _ = await desk.all(virtual_keys.list_all, {"principal": one.id}, most=200)
    given = []
    if desk.may(grants.list_all):
        given = [grant for grant in await grants_in_force(desk) if grant.subject_id == one.id]
    may_change = desk.may_in(members.assign, one.team_id)
    factor = await desk.ask(second_factor.show_of, member=one.id) if may_change else None
    signed_in = (await desk.ask(sessions.list_of, member=one.id)).sessions if may_change else ()
    values = {
        "one": one,
        "factor": factor,
        "sessions": signed_in,
        "keys": keys,
        "grants": given,
        "sees_grants": desk.may(grants.list_all),
        "may_grant": desk.may_in(grants.create, one.team_id),
        "may_explain": desk.may(explain.explain),
        "may_end": ending(desk, one.team_id),
        "may_change": may_change,
        "may_assign": lambda team_id: desk.may_in(members.assign, team_id),
        "myself": one.id == desk.who.member_id,
        **(await _offered(visit) if desk.may(members.assign) else {"roles": [], "places": [], "may_everywhere": False}),
        "error": error,
        "given": {name: visit.form.get(name, "") for name in ("role", "where")},
    }
    return Shown(template="member.html", values=values, status=error.status if error else 200)


async def _asked(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    visit.desk.require(members.create)
    values = {
        **await _offered(visit),
        "given": {name: given.get(name, "") for name in ("name", "team", "role", "where")},
        "error": error,
    }
    return Shown(template="member_new.html", values=values, status=error.status if error else 200)


async def _offered(visit: Visit) -> dict[str, Any]:
    """Return the roles that the person could give somewhere, and the places where they give any."""
    desk, tree = visit.desk, await tree_of(visit.desk)
    places = [branch for branch in tree if desk.may_in(members.assign, branch.team.id)]
    found = (await desk.ask(roles.list_all)).items
    return {
        "roles": [role for role in found if _givable(desk.who, role, places)],
        "places": places,
        "may_everywhere": desk.may_in(members.assign, None),
    }


def _givable(who: Administrator, role: roles.RoleShown, places: list[Branch]) -> bool:
    held = frozenset(role.permissions)
    return not lacking(who, held, None) or any(not lacking(who, held, TeamId(one.team.id)) for one in places)


PAGES: Final = (
    Page(method="GET", path="/people/members/new", handler=new),
    Page(method="POST", path="/people/members/new", handler=create),
    Page(method="GET", path="/people/members/{member}", handler=show),
    Page(method="POST", path="/people/members/{member}/assign", handler=assign),
    Page(method="POST", path="/people/members/{member}/unassign", handler=unassign),
    Page(method="POST", path="/people/members/{member}/link", handler=link),
    Page(method="POST", path="/people/members/{member}/enable", handler=enable),
    Page(method="GET", path="/people/members/{member}/second-factor/reset", handler=ask_reset),
    Page(method="POST", path="/people/members/{member}/second-factor/reset", handler=reset),
    Page(method="POST", path="/people/members/{member}/sessions/end", handler=end_sessions),
    Page(method="GET", path="/people/members/{member}/disable", handler=ask_disable),
    Page(method="POST", path="/people/members/{member}/disable", handler=disable),
)
