"""The matrix of grants: for each team and credential, the grants that concern both, and what they come to. Pure.

What is decided about a request is decided elsewhere; this only gathers grants by the rule that a team's hold for the teams
below it, that an allow of everything means the organization's own credentials, and that a deny wins.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from keystead.web.admin.credential_shapes import CredentialShown
from keystead.web.admin.grants import GrantShown
from keystead.web.admin.teams import TeamShown
from keystead.web.console.tree import chain

CellState = Literal["granted", "inherited", "denied", "none"]

EVERYONE: Final = "everyone"
ALL: Final = "all"
_SHOWN: Final = 3


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, or all own ones together."""

    id: str
    name: str
    provider: str = ""
    platform: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A grant where it takes part."""

    grant: GrantShown
    origin: str
    """The team above it comes from, or `everyone`; empty: it is the team's own."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What the grants of a team come to for one credential."""

    column: Column
    state: CellState
    models: tuple[str, ...]
    """Patterns that are allowed; empty with a grant: all."""
    excepted: tuple[str, ...]
    """Patterns that are denied."""
    conditional: bool
    """Some of it holds under a condition, at some endpoints or for a time only."""
    rulings: tuple[Ruling, ...]

    @property
    def words(self) -> str:
        """The cell on one line."""
        if self.state == "none":
            return "no grant"
        if self.state == "denied":
            return "denied"
        more = len(self.models) - _SHOWN
        said = ", ".join(self.models[:_SHOWN]) + (f" + {more}" if more > 0 else "") if self.models else "all models"
        return said + (f", not {', '.join(self.excepted[:_SHOWN])}" if self.excepted else "")


def columns_of(credentials: Sequence[CredentialShown] | None, grants: Iterable[GrantShown]) -> list[Column]:
    """Return the credentials there are; those that only a grant names are the platform's.

    None for credentials: the person sees none, but what grants name.
    """
    found = {
        one.id: Column(id=one.id, name=one.name, provider=one.provider, platform=one.owner == "platform")
        for one in sorted(credentials or (), key=lambda one: one.name.casefold())
        if one.revoked_at is None
    }
    gone = {one.id for one in credentials or () if one.revoked_at is not None}
    for grant in grants:
        for identifier, name in zip(grant.credential_ids or (), grant.credentials or (), strict=True):
            if identifier not in found and identifier not in gone:
                platform = credentials is not None or name == identifier
                found[identifier] = Column(id=identifier, name=name, platform=platform)
    every = [Column(id=ALL, name="all own keys")] if credentials is None else []
    return [*every, *found.values()]


def is_about(grant: GrantShown, column: Column) -> bool:
    """Say whether a grant is about a credential at all."""
    if grant.credential_ids is None:
        return grant.effect == "deny" or not column.platform
    return column.id in grant.credential_ids


class Matrix:
    """Grants by subject, ready to be looked up."""

    def __init__(self, grants: Iterable[GrantShown], teams: Mapping[str, TeamShown]) -> None:
        """Gather the grants that are for teams or for everyone."""
        self._teams = teams
        self._everyone: list[GrantShown] = []
        self._of: dict[str, list[GrantShown]] = {}
        for grant in grants:
            if grant.subject_kind == "organization":
                self._everyone.append(grant)
            elif grant.subject_kind == "team":
                self._of.setdefault(grant.subject_id, []).append(grant)

    def cell(self, team_id: str | None, column: Column) -> Cell:
        """Return what concerns a team, or (None) everyone, and a credential."""
        rulings: list[Ruling] = []
        for place, team in enumerate(chain(team_id, self._teams) if team_id else ()):
            origin = team.name if place else ""
            rulings += [Ruling(grant=one, origin=origin) for one in self._of.get(team.id, ()) if is_about(one, column)]
        origin = EVERYONE if team_id else ""
        rulings += [Ruling(grant=one, origin=origin) for one in self._everyone if is_about(one, column)]
        return _cell(column, rulings)


def _cell(column: Column, rulings: list[Ruling]) -> Cell:
    denies = [ruling for ruling in rulings if ruling.grant.effect == "deny"]
    allows = [ruling for ruling in rulings if ruling.grant.effect == "allow"]
    state: CellState = "none"
    if any(_whole(ruling.grant) for ruling in denies):
        state = "denied"
    elif allows:
        state = "granted" if any(not ruling.origin for ruling in allows) else "inherited"
    return Cell(
        column=column,
        state=state,
        models=_patterns(allows),
        excepted=_patterns(denies),
        conditional=any(_is_bounded(ruling.grant) for ruling in rulings),
        rulings=(*denies, *allows),
    )


def _patterns(rulings: list[Ruling]) -> tuple[str, ...]:
    """Return the models of grants, each once; empty where one of them is for all."""
    if any(ruling.grant.models is None for ruling in rulings):
        return ()
    return tuple(dict.fromkeys(pattern for ruling in rulings for pattern in ruling.grant.models or ()))


def _whole(grant: GrantShown) -> bool:
    return grant.models is None and not _is_bounded(grant)


def _is_bounded(grant: GrantShown) -> bool:
    return bool(grant.condition) or grant.endpoints is not None
