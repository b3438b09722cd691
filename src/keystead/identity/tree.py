"""The tree of an organization's teams. Pure."""

from collections.abc import Mapping
from typing import Final

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import TeamId

DEEPEST: Final = 32
"""Teams on the way from the topmost to the lowest. Deeper trees are refused, so that every walk up them is short."""


class TeamTree:
    """Which team stands below which."""

    def __init__(self, parents: Mapping[TeamId, TeamId | None]) -> None:
        """Take each team's parent; None for a team at the top."""
        self._parents = parents
        self._children: dict[TeamId, list[TeamId]] = {}
        for team_id, parent_id in parents.items():
            if parent_id is not None:
                self._children.setdefault(parent_id, []).append(team_id)

    def chain(self, team_id: TeamId) -> tuple[TeamId, ...]:
        """Return the team and the teams above it, nearest first."""
        found: list[TeamId] = []
        at: TeamId | None = team_id
        while at is not None and at not in found:
            found.append(at)
            at = self._parents.get(at)
        return tuple(found)

    def below(self, team_id: TeamId) -> frozenset[TeamId]:
        """Return the team and all the teams below it."""
        found: set[TeamId] = set()
        waiting = [team_id]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting.extend(self._children.get(at, ()))
        return frozenset(found)

    def check_place(self, parent_id: TeamId, team_id: TeamId | None = None) -> None:
        """Make sure that a team (a new one, without `team_id`) may stand below `parent_id`.

        Raises:
            InvalidRequestError: it would be its own ancestor (`team_cycle`), or too deep (`tree_too_deep`).
        """
        above = self.chain(parent_id)
        if team_id in above:
            raise InvalidRequestError(
                "A team cannot stand below itself.",
                code="team_cycle",
                param="parent",
                next_step="Choose a parent that is not below the team.",
            )
        height = 1 if team_id is None else self._height(team_id)
        if len(above) + height > DEEPEST:
            raise InvalidRequestError(
                f"Teams would stand more than {DEEPEST} deep.", code="tree_too_deep", param="parent"
            )

    def _height(self, team_id: TeamId) -> int:
        return max(len(self.chain(lower)) for lower in self.below(team_id)) - len(self.chain(team_id)) + 1
