"""Which rules concern a request, by what they are about. Pure."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import Generic, Protocol, TypeVar

import msgspec

from keystead.domain.access import PrincipalKind
from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.means import ScopeKind


class Spender(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks."""

    organization_id: OrganizationId
    team_ids: tuple[TeamId, ...]
    """The own team first, then the teams above it: a team's limit covers the teams below it."""
    principal_kind: PrincipalKind
    principal_id: str
    virtual_key_id: VirtualKeyId


class Scoped(Protocol):
    """A rule about an organization, a team, a principal, a virtual key, a credential or models."""

    @property
    def organization_id(self) -> OrganizationId:
        """Whose rule it is."""

    @property
    def scope_kind(self) -> ScopeKind:
        """What it is about."""

    @property
    def scope_id(self) -> str:
        """The id of that, or a pattern of models."""


Rule = TypeVar("Rule", bound=Scoped)


class Scopes(Generic[Rule]):
    """Rules, found by what they are about."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Sort `rules` by scope; they may be of several organizations."""
        self._found: dict[tuple[str, str, str], tuple[Rule, ...]] = {}
        self._models: dict[str, tuple[tuple[re.Pattern[str], Rule], ...]] = {}
        for rule in rules:
            owner = rule.organization_id
            if rule.scope_kind == "model":
                pattern = re.compile(translate(rule.scope_id.lower()))
                self._models[owner] = (*self._models.get(owner, ()), (pattern, rule))
            else:
                key = (owner, rule.scope_kind, rule.scope_id)
                self._found[key] = (*self._found.get(key, ()), rule)

    def concerning(self, spender: Spender, credential_id: CredentialId, model: str) -> Iterator[Rule]:
        """Yield every rule about the spender, the credential or the model, the widest scope first.

        Patterns of models are matched without case against the model as its provider calls it.
        """
        owner = spender.organization_id
        if self._found:
            yield from self._found.get((owner, "organization", owner), ())
            for team_id in reversed(spender.team_ids):
                yield from self._found.get((owner, "team", team_id), ())
            yield from self._found.get((owner, spender.principal_kind, spender.principal_id), ())
            yield from self._found.get((owner, "virtual_key", spender.virtual_key_id), ())
            yield from self._found.get((owner, "credential", credential_id), ())
        if owner in self._models:
            name = model.lower()
            yield from (rule for pattern, rule in self._models[owner] if pattern.match(name))
