"""What the traffic of the demonstration is made with: the organization as it was written, by name. Pure."""

import msgspec

from keystead.domain.ids import OrganizationId, TeamId, VirtualKeyId
from keystead.limits.scopes import Spender
from keystead.limits.views import BudgetView
from keystead.policy.views import ConsentView


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, and from when on which of its versions was in use."""

    id: str
    name: str
    provider: str
    origin: str
    region: str
    owner: str
    versions: tuple[tuple[int, int], ...]
    """(from when, which), oldest first."""

    def version(self, at: int) -> int:
        """Return the version that was active at an instant; the first one before there was any."""
        begun = [number for since, number in self.versions if since <= at]
        return begun[-1] if begun else self.versions[0][1]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key as requests carry it."""

    virtual_key_id: VirtualKeyId
    name: str
    team: str
    spender: Spender
    cost_center: str
    data_class: str

    @property
    def team_id(self) -> TeamId:
        """The key's team."""
        return self.spender.team_ids[0]


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody and everything."""

    organization_id: OrganizationId
    owner_id: str
    time_zone: str
    begins_at: int
    instance_id: str
    sources: dict[str, Source]
    """By the key's name."""
    credentials: dict[str, Placed]
    """By name."""
    grants: dict[str, str]
    """The id of each team's grant, by the team's name."""
    routes: dict[str, str]
    budgets: tuple[BudgetView, ...]
    account_id: str
    """Of prepaid credits."""
    consent: ConsentView
