"""How teams stand below each other, for pages. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from keystead.web.admin.teams import TeamShown

_DEEPEST = 32
"""Teams above a team; this only ends a walk."""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A team where it stands."""

    team: TeamShown
    depth: int
    """How many of the shown teams are above it."""


def ordered(teams: Iterable[TeamShown]) -> list[Branch]:
    """Return the teams in the order of a tree, by name; one whose parent is not among them stands at the top."""
    every = sorted(teams, key=lambda team: team.name.casefold())
    known = {team.id for team in every}
    below: dict[str | None, list[TeamShown]] = {}
    for team in every:
        below.setdefault(team.parent_id if team.parent_id in known else None, []).append(team)
    found: list[Branch] = []
    waiting = [Branch(team=team, depth=0) for team in reversed(below.get(None, []))]
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        children = below.get(branch.team.id, [])
        waiting.extend(Branch(team=team, depth=branch.depth + 1) for team in reversed(children))
    return found


def chain(team_id: str, teams: Mapping[str, TeamShown]) -> list[TeamShown]:
    """Return the team and those above it, as far as they are known."""
    found: list[TeamShown] = []
    at: str | None = team_id
    while at is not None and at in teams and len(found) < _DEEPEST:
        found.append(teams[at])
        at = teams[at].parent_id
    return found


def below(team_id: str, branches: Iterable[Branch]) -> list[TeamShown]:
    """Return the teams below a team, of a tree as `ordered` gives it."""
    found: list[TeamShown] = []
    depth: int | None = None
    for branch in branches:
        if branch.team.id == team_id:
            depth = branch.depth
        elif depth is not None:
            if branch.depth <= depth:
                break
            found.append(branch.team)
    return found
