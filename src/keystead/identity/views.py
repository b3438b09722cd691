"""Who is who, as values: what the room returns and others show. Instants are Unix microseconds."""

import msgspec

from keystead.domain.access import Permission, PrincipalKind
from keystead.domain.ids import OrganizationId, TeamId
from keystead.identity.authority import Assigned


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant."""

    id: OrganizationId
    name: str
    currency: str
    time_zone: str
    """IANA name: where its days, weeks and months begin."""
    created_at: int
    second_factor_required: bool = False
    """Of everybody who signs in to the console with a password."""
    keep_requests_days: int | None = None
    """None keeps them for ever."""


class CostCenter(msgspec.Struct, frozen=True, kw_only=True):
    """Where a team's cost goes from an instant on, until the next one."""

    valid_from: int
    cost_center: str


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A department."""

    id: TeamId
    name: str
    parent_id: TeamId | None
    data_class: str
    """Of its requests, unless they say more; empty for its parent's."""
    cost_centers: tuple[CostCenter, ...]
    """Oldest first: past ones, the one in force, and those planned."""
    created_at: int

    def cost_center(self, at: int) -> str:
        """Return where its cost goes at the instant `at`."""
        begun = [entry.cost_center for entry in self.cost_centers if entry.valid_from <= at]
        return begun[-1] if begun else ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person."""

    id: str
    team_id: TeamId
    name: str
    operator: bool
    created_at: int
    disabled_at: int | None


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A program."""

    id: str
    team_id: TeamId
    name: str
    created_at: int
    created_by: str
    disabled_at: int | None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts with a virtual key."""

    kind: PrincipalKind
    id: str
    team_id: TeamId
    disabled: bool


class OwnRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role that the organization made: a named set of permissions."""

    id: str
    name: str
    permissions: frozenset[Permission]
    created_at: int
    created_by: str


class Assignment(Assigned, frozen=True, kw_only=True):
    """That a member has a role."""

    member_id: str
    created_at: int
    created_by: str


class OrganizationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the data plane must know of an organization."""

    id: OrganizationId
    currency: str
    time_zone: str


class TeamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the data plane must know of a team."""

    id: TeamId
    organization_id: OrganizationId
    parent_id: TeamId | None
    data_class: str
    cost_centers: tuple[tuple[int, str], ...]
    """(from when, which), oldest first."""


class ExpiringKey(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key, and when it expires (Unix microseconds)."""

    id: str
    organization_id: str
    team_id: str
    name: str
    expires_at: int
