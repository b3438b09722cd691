"""What an organization has decided, compiled for the hot path, and who a caller is to it. Immutable."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import Consent
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.routes import ModelRoute
from keystead.gateway.known import KnownModels
from keystead.identity.views import TeamFacts
from keystead.limits.holds import BudgetRules, Spender
from keystead.limits.rates import RateRules
from keystead.policy.access import AccessRules, Subject
from keystead.policy.classes import DataClasses
from keystead.policy.recognize import Recognizers

_DEEPEST_TREE: Final = 32
"""Teams above a team; a deeper tree is refused when it is made, this only ends the walk."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """One organization's decisions."""

    organization_id: OrganizationId
    time_zone: str
    credentials: tuple[Credential, ...]
    """Its own, then the platform's."""
    teams: Mapping[TeamId, TeamFacts]
    access: AccessRules
    classes: DataClasses
    recognizers: Recognizers | None
    """None when none is switched on: bodies are then not looked into."""
    routes: Mapping[str, ModelRoute]
    consents: tuple[Consent, ...]
    budgets: BudgetRules
    rates: RateRules
    prepaid_account: str | None
    """Where its credits are; None before it has an account."""
    known: KnownModels = msgspec.field(default_factory=KnownModels)
    """The models behind its credentials."""

    def chain(self, team_id: TeamId) -> tuple[TeamId, ...]:
        """Return the team and the teams above it."""
        found: list[TeamId] = []
        at: TeamId | None = team_id
        while at is not None and at not in found and len(found) < _DEEPEST_TREE:
            found.append(at)
            facts = self.teams.get(at)
            at = facts.parent_id if facts else None
        return tuple(found)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key and what follows from it, worked out once per snapshot."""

    key: VirtualKey
    rules: Rules
    subject: Subject
    spender: Spender
    team: str
    """The team's name is not needed on the way; conditions see its id."""
    data_classes: tuple[str, ...]
    """What its requests are at least: the classes of the team and of those above it, nearest first, then the key's."""
    networks: tuple[IPv4Network | IPv6Network, ...] | None
    cost_centers: tuple[tuple[int, str], ...]
    """(from when, which), oldest first."""

    def cost_center(self, at: int) -> str:
        """Return where its cost goes at the instant `at`."""
        return next((name for start, name in reversed(self.cost_centers) if start <= at), "")

    def check_network(self, address: str) -> None:
        """Refuse a key that is used from elsewhere than it may be.

        Raises:
            PolicyDenied: `network_not_allowed`.
        """
        if self.networks is None:
            return
        try:
            source = ip_address(address)
        except ValueError:
            source = None
        if isinstance(source, IPv6Address) and source.ipv4_mapped is not None:
            source = source.ipv4_mapped  # how a socket for both families tells an IPv4 caller
        if source is None or not any(source in network for network in self.networks):
            raise PolicyDenied("This virtual key may not be used from this network.", code="network_not_allowed")


def caller_of(key: VirtualKey, rules: Rules) -> Caller:
    """Work out what follows from a key."""
    chain = rules.chain(key.team_id)
    classes = [facts.data_class for team_id in chain if (facts := rules.teams.get(team_id)) and facts.data_class]
    facts = rules.teams.get(key.team_id)
    return Caller(
        key=key,
        rules=rules,
        subject=Subject(
            organization_id=key.organization_id,
            team_ids=chain,
            principal_kind=key.principal_kind,
            principal_id=key.principal_id,
        ),
        spender=Spender(
            organization_id=key.organization_id,
            team_ids=chain,
            principal_kind=key.principal_kind,
            principal_id=key.principal_id,
            virtual_key_id=key.id,
        ),
        team=key.team_id,
        data_classes=(*classes, *([key.data_class] if key.data_class else [])),
        networks=None if key.networks is None else tuple(ip_network(network) for network in key.networks),
        cost_centers=tuple(sorted(facts.cost_centers)) if facts else (),
    )
