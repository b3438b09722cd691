"""Permissions: the matrix of teams and credentials, and behind each cell the grants it comes from."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from keystead.domain.errors import NotFoundError
from keystead.domain.traffic import Endpoint
from keystead.web.admin import credentials, explain, grants, service_accounts, teams
from keystead.web.admin.grants import GrantShown
from keystead.web.console.desk import Desk
from keystead.web.console.matrix import EVERYONE, Column, Matrix, columns_of
from keystead.web.console.pages.people import MOST_TEAMS
from keystead.web.console.tree import Branch, ordered
from keystead.web.console.visit import Answer, Page, Shown, Visit

_TEAMS_SHOWN: Final = 40
_COLUMNS_SHOWN: Final = 10
_MOST_GRANTS: Final = 5_000
GRANT_FIELDS: Final = ("subject", "effect", "credential", "models", "endpoint", "condition", "note", "expires_at")
"""Of the form of a grant."""
_SINGLE_SHOWN: Final = 100


async def grants_in_force(desk: Desk) -> list[GrantShown]:
    """Return the grants that the person sees and that count now, newest first; there are never more than that."""
    found, _ = await desk.all(grants.list_all, {"in_force": "true"}, most=_MOST_GRANTS)
    return found


def ending(desk: Desk, team_id: str | None = None) -> Callable[[GrantShown], bool]:
    """Return what says whether the person may end a grant; `team_id` is the team of whom single grants are for."""

    def may_end(grant: GrantShown) -> bool:
        subject = grant.subject_id if grant.subject_kind == "team" else team_id
        return grant.state == "active" and desk.may_in(grants.revoke, None if grant.effect == "deny" else subject)

    return may_end


async def columns_seen(desk: Desk, given: list[GrantShown]) -> list[Column]:
    """Return the credentials that the person sees, or that grants name."""
    seen = (await desk.ask(credentials.list_all)).items if desk.may(credentials.list_all) else None
    return columns_of(seen, given)


async def show(visit: Visit) -> Answer:
    """Show the matrix: a page of teams, and a page of credentials."""
    desk = visit.desk
    given = await grants_in_force(desk)
    columns = await columns_seen(desk, given)
    tree = await _teams(desk)
    chosen = {name: visit.query.get(name, "").strip() for name in ("team", "credential")}
    rows = [one for one in tree if chosen["team"].casefold() in one.team.name.casefold()]
    wanted = chosen["credential"].casefold()
    cells = [one for one in columns if wanted in one.name.casefold() or wanted == one.provider.casefold()]
    down, across = _page(visit, "down", len(rows), _TEAMS_SHOWN), _page(visit, "across", len(cells), _COLUMNS_SHOWN)
    matrix = Matrix(given, {branch.team.id: branch.team for branch in tree})
    shown = cells[across * _COLUMNS_SHOWN :][:_COLUMNS_SHOWN]
    everyone = [] if chosen["team"] or down else [(None, [matrix.cell(None, column) for column in shown])]
    body = [
        (branch, [matrix.cell(branch.team.id, column) for column in shown])
        for branch in rows[down * _TEAMS_SHOWN :][:_TEAMS_SHOWN]
    ]
    single = [grant for grant in given if grant.subject_kind in {"member", "service_account"}]
    kept = {name: value for name, value in chosen.items() if value}
    values = {
        "rows": [*everyone, *body],
        "columns": shown,
        "all_columns": len(columns),
        "all_rows": len(tree),
        "single": single[:_SINGLE_SHOWN],
        "sees_people": visit.desk.may(service_accounts.list_all),
        "more_single": len(single) - _SINGLE_SHOWN,
        "chosen": chosen,
        "filtered": bool(kept),
        "narrow": not desk.may_in(grants.list_all, None),
        "may_add": desk.may(grants.create),
        "may_end": ending(desk),
        "down": _around({**kept, "across": across}, "down", down, count=len(rows), size=_TEAMS_SHOWN),
        "across": _around({**kept, "down": down}, "across", across, count=len(cells), size=_COLUMNS_SHOWN),
    }
    return Shown(template="permissions.html", values=values)


async def cell(visit: Visit) -> Answer:
    """Show what a team may do with a credential, by which grants, and the form of another one."""
    desk = visit.desk
    given = await grants_in_force(desk)
    columns = await columns_seen(desk, given)
    column = next((one for one in columns if one.id == visit.path["credential"]), None)
    if column is None:
        raise NotFoundError("There is no such credential.", next_step="Choose one in the matrix.")
    tree = await _teams(desk)
    known = {branch.team.id: branch.team for branch in tree}
    team = None if visit.path["team"] == EVERYONE else known.get(visit.path["team"])
    if team is None and visit.path["team"] != EVERYONE:
        raise NotFoundError("There is no such team.", next_step="Choose one in the matrix.")
    found = Matrix(given, known).cell(team.id if team else None, column)
    may_allow, may_deny = desk.may_in(grants.create, None), desk.may_in(grants.create, team.id if team else None)
    values: dict[str, Any] = {
        "team": team,
        "cell": found,
        "subject": f"team:{team.id}" if team else EVERYONE,
        "may_allow": may_allow,
        "may_deny": may_deny,
        "may_explain": desk.may(explain.explain) and team is not None,
        "endpoints": list(Endpoint),
        "given": dict.fromkeys(GRANT_FIELDS, ""),
        "may_end": ending(desk),
    }
    return Shown(template="cell.html", values=values)


async def _teams(desk: Desk) -> list[Branch]:
    if not desk.may(teams.list_all):
        return []
    found, _ = await desk.all(teams.list_all, most=MOST_TEAMS)
    return ordered(found)


def _page(visit: Visit, name: str, count: int, size: int) -> int:
    """Return the number of a page as the address says, within what there is."""
    said = visit.query.get(name, "0")
    last = max(0, (count - 1) // size)
    return min(int(said), last) if said.isascii() and said.isdigit() and len(said) < 6 else 0


def _around(kept: dict[str, Any], name: str, at: int, *, count: int, size: int) -> dict[str, Any]:
    """Return the addresses before and after a page, and what it shows."""

    def address(page: int) -> str:
        return "?" + urlencode({**kept, name: page})

    return {
        "before": address(at - 1) if at else None,
        "after": address(at + 1) if (at + 1) * size < count else None,
        "first": at * size + 1,
        "last": min(count, (at + 1) * size),
        "count": count,
    }


PAGES: Final = (
    Page(method="GET", path="/permissions", handler=show),
    Page(method="GET", path="/permissions/cells/{team}/{credential}", handler=cell),
)
