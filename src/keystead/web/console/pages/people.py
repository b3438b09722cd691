"""People: the teams as a tree, and of each its members, its programs and where its cost goes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.web.admin import data_classes, grants, members, roles, service_accounts, teams
from keystead.web.console.desk import Desk, Handler
from keystead.web.console.tree import Branch, below, chain, ordered
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

MOST_TEAMS: Final = 2_000


async def tree_of(desk: Desk) -> list[Branch]:
    """Return the teams that the person sees, as a tree."""
    found, _ = await desk.all(teams.list_all, most=MOST_TEAMS)
    return ordered(found)


async def show(visit: Visit) -> Answer:
    """Show the tree, and the members, newest first."""
    visit.desk.require(service_accounts.list_all)
    tree = await tree_of(visit.desk)
    found = await visit.desk.ask(members.list_all, {"cursor": visit.query.get("cursor")})
    values = {"members": found.items, "next_cursor": found.next_cursor, "may_invite": visit.desk.may(members.create)}
    return Shown(template="people.html", values={**values, **_tree_values(visit, tree, None)})


async def team(visit: Visit) -> Answer:
    """Show a team."""
    return await _team(visit)


async def new_team(visit: Visit) -> Answer:
    """Ask for a new team."""
    return await _new_team(visit, {"parent": visit.query.get("parent", "")}, None)


async def create_team(visit: Visit) -> Answer:
    """Make a team."""
    names = ("name", "parent", "cost_center", "data_class")
    try:
        made = await visit.desk.act(teams.create, {name: visit.form[name] for name in names if visit.form.get(name)})
    except KeysteadError as error:
        return await _new_team(visit, visit.form, error)
    return Moved(to=f"/console/people/teams/{made.id}")


async def rename(visit: Visit) -> Answer:
    """Rename a team."""
    return await _done(visit, teams.rename, {"name": visit.form.get("name", "")})


async def set_cost_center(visit: Visit) -> Answer:
    """Say where a team's cost goes, from now or from a day on."""
    body = {"cost_center": visit.form.get("cost_center", "")}
    if visit.form.get("valid_from"):
        body["valid_from"] = f"{visit.form['valid_from']}T00:00:00Z"
    return await _done(visit, teams.set_cost_center, body)


async def set_data_class(visit: Visit) -> Answer:
    """Say how sensitive a team's requests are."""
    return await _done(visit, teams.set_data_class, {"data_class": visit.form.get("data_class", "")})


async def create_program(visit: Visit) -> Answer:
    """Make a service account in a team."""
    body = {"name": visit.form.get("name", ""), "team": visit.path["team"]}
    try:
        made = await visit.desk.act(service_accounts.create, body)
    except KeysteadError as error:
        return await _team(visit, error)
    return Moved(to=f"/console/people/programs/{made.id}")


async def ask_move(visit: Visit) -> Answer:
    """Ask where a team goes, and tell what that changes."""
    return await _move(visit, None)


async def move(visit: Visit) -> Answer:
    """Move a team."""
    parent = visit.form.get("parent", "")
    try:
        await visit.desk.act(teams.move, {"parent": parent} if parent else {"top": True}, team=visit.path["team"])
    except KeysteadError as error:
        return await _move(visit, error)
    return Moved(to=f"/console/people/teams/{visit.path['team']}")


async def list_roles(visit: Visit) -> Answer:
    """Show the roles, and what each may do."""
    visit.desk.require(service_accounts.list_all)
    found = await visit.desk.ask(roles.list_all)
    return Shown(template="roles.html", values={"roles": found.items})


async def _done(visit: Visit, handler: Handler, body: Mapping[str, Any]) -> Answer:
    try:
        await visit.desk.act(handler, body, team=visit.path["team"])
    except KeysteadError as error:
        return await _team(visit, error)
    return Moved(to=f"/console/people/teams/{visit.path['team']}")


async def _team(visit: Visit, error: KeysteadError | None = None) -> Answer:
    desk = visit.desk
    desk.require(service_accounts.list_all)
    one = await desk.ask(teams.show, team=visit.path["team"])
    tree = await tree_of(desk)
    known = {branch.team.id: branch.team for branch in tree}
    query = {"team": one.id, "cursor": visit.query.get("cursor")}
    people = await desk.ask(members.list_all, query)
    programs, more_programs = await desk.all(service_accounts.list_all, {"team": one.id}, most=200)
    classes = await desk.ask(data_classes.list_all) if desk.may(data_classes.list_all) else None
    values = {
        "team": one,
        "above": list(reversed(chain(one.id, known)[1:])),
        "inside": [each for each in below(one.id, tree) if each.parent_id == one.id],
        "members": people.items,
        "next_cursor": people.next_cursor,
        "programs": programs,
        "more_programs": more_programs,
        "classes": classes.items if classes else (),
        "cost_centers": _told(one.cost_centers, visit.now_us),
        "error": error,
        "given": {name: visit.form.get(name, "") for name in ("name", "cost_center")},
        "may_invite": desk.may_in(members.create, one.id),
        "may_change": desk.may_in(teams.rename, one.id),
        "may_class": desk.may_in(teams.set_data_class, one.id),
        "may_move": desk.may(teams.move),
        "may_program": desk.may_in(service_accounts.create, one.id),
        "sees_grants": desk.may(grants.list_all),
    }
    status = error.status if error else 200
    return Shown(template="team.html", values={**values, **_tree_values(visit, tree, one.id)}, status=status)


def _told(entries: tuple[teams.CostCenterShown, ...], now_us: int) -> list[dict[str, Any]]:
    """Return where a team's cost goes over time, newest first, each with whether it counts now."""
    past = [entry for entry in entries if _us(entry.valid_from) <= now_us]
    now = past[-1] if past else None
    return [{"entry": entry, "now": entry is now} for entry in reversed(entries)]


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _tree_values(visit: Visit, tree: list[Branch], chosen: str | None) -> dict[str, Any]:
    """Return what the tree beside the page shows: all of it, or the teams whose name holds what was looked for."""
    wanted = visit.query.get("find", "").strip()
    shown = [branch for branch in tree if wanted.casefold() in branch.team.name.casefold()] if wanted else tree
    flat = [Branch(team=branch.team, depth=0) for branch in shown] if wanted else shown
    return {
        "tree": flat,
        "all_teams": len(tree),
        "find": wanted,
        "chosen": chosen,
        "may_make_team": visit.desk.may(teams.create),
        "may_make_top": visit.desk.may_in(teams.create, None),
    }


async def _new_team(visit: Visit, given: Mapping[str, str], error: KeysteadError | None) -> Answer:
    desk = visit.desk
    desk.require(teams.create)
    tree = await tree_of(desk)
    classes = await desk.ask(data_classes.list_all) if desk.may(data_classes.list_all) else None
    values = {
        "given": {name: given.get(name, "") for name in ("name", "parent", "cost_center", "data_class")},
        "parents": [branch for branch in tree if desk.may_in(teams.create, branch.team.id)],
        "may_top": desk.may_in(teams.create, None),
        "classes": classes.items if classes else (),
        "error": error,
    }
    return Shown(template="team_new.html", values=values, status=error.status if error else 200)


async def _move(visit: Visit, error: KeysteadError | None) -> Answer:
    desk = visit.desk
    desk.require(teams.move)
    one = await desk.ask(teams.show, team=visit.path["team"])
    tree = await tree_of(desk)
    inside = below(one.id, tree)
    own = {one.id, *(each.id for each in inside)}
    values = {
        "team": one,
        "inside": inside,
        "people": one.members + sum(each.members for each in inside),
        "parents": [branch for branch in tree if branch.team.id not in own],
        "error": error,
        "given": visit.form.get("parent", one.parent_id or ""),
    }
    return Shown(template="team_move.html", values=values, status=error.status if error else 200)


PAGES: Final = (
    Page(method="GET", path="/people", handler=show),
    Page(method="GET", path="/people/roles", handler=list_roles),
    Page(method="GET", path="/people/teams/new", handler=new_team),
    Page(method="POST", path="/people/teams/new", handler=create_team),
    Page(method="GET", path="/people/teams/{team}", handler=team),
    Page(method="POST", path="/people/teams/{team}/rename", handler=rename),
    Page(method="POST", path="/people/teams/{team}/cost-center", handler=set_cost_center),
    Page(method="POST", path="/people/teams/{team}/data-class", handler=set_data_class),
    Page(method="POST", path="/people/teams/{team}/programs", handler=create_program),
    Page(method="GET", path="/people/teams/{team}/move", handler=ask_move),
    Page(method="POST", path="/people/teams/{team}/move", handler=move),
)
