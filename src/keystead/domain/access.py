"""Who acts, and what they may do."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec

from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.traffic import Endpoint

PrincipalKind = Literal["member", "service_account"]


class Permission(StrEnum):
    """One thing a person may do in the admin API. Roles are sets of these."""

    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_WRITE = "organization:write"
    TEAM_WRITE = "team:write"
    MEMBER_WRITE = "member:write"
    ROLE_WRITE = "role:write"
    CREDENTIAL_READ = "credential:read"
    CREDENTIAL_WRITE = "credential:write"
    GRANT_READ = "grant:read"
    GRANT_WRITE = "grant:write"
    DATA_CLASS_READ = "data_class:read"
    DATA_CLASS_WRITE = "data_class:write"
    ROUTE_READ = "route:read"
    ROUTE_WRITE = "route:write"
    CONSENT_READ = "consent:read"
    CONSENT_WRITE = "consent:write"
    BUDGET_READ = "budget:read"
    BUDGET_WRITE = "budget:write"
    CREDITS_READ = "credits:read"
    KEY_READ = "key:read"
    KEY_WRITE = "key:write"
    KEY_OWN = "key:own"  # virtual keys for oneself: make, list, revoke
    REQUEST_READ = "request:read"
    USAGE_READ = "usage:read"
    ALERT_READ = "alert:read"
    ALERT_WRITE = "alert:write"
    PRICE_READ = "price:read"
    PRICE_WRITE = "price:write"
    AUDIT_READ = "audit:read"
    # The operator's: what concerns the platform and not one organization. No role holds these.
    PLATFORM_ORGANIZATIONS = "platform:organizations"
    PLATFORM_CREDENTIALS = "platform:credentials"
    PLATFORM_CREDITS = "platform:credits"
    PLATFORM_OPERATIONS = "platform:operations"


class Role(StrEnum):
    """The built-in roles of a member."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    KEY_CUSTODIAN = "key_custodian"
    FINANCE = "finance"
    AUDITOR = "auditor"
    DEVELOPER = "developer"


PLATFORM: Final = frozenset(permission for permission in Permission if permission.value.startswith("platform:"))
"""What only the operator may do."""

_ALL: Final = frozenset(Permission) - PLATFORM
_READ: Final = frozenset(permission for permission in _ALL if permission.value.endswith(":read"))

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: _ALL,
    # Everything but the organization's own word: its settings, and that its work may run on platform credits.
    Role.ADMINISTRATOR: _ALL - {Permission.ORGANIZATION_WRITE, Permission.CONSENT_WRITE},
    # Who adds a key need not be who grants it.
    Role.KEY_CUSTODIAN: frozenset(
        {
            Permission.ORGANIZATION_READ,
            Permission.CREDENTIAL_READ,
            Permission.CREDENTIAL_WRITE,
            Permission.GRANT_READ,
            Permission.DATA_CLASS_READ,
            Permission.ROUTE_READ,
            Permission.REQUEST_READ,
            Permission.ALERT_READ,
            Permission.ALERT_WRITE,
        }
    ),
    Role.FINANCE: frozenset(
        {
            Permission.ORGANIZATION_READ,
            Permission.BUDGET_READ,
            Permission.BUDGET_WRITE,
            Permission.CONSENT_READ,
            Permission.CREDITS_READ,
            Permission.USAGE_READ,
            Permission.PRICE_READ,
            Permission.PRICE_WRITE,
            Permission.REQUEST_READ,
            Permission.ALERT_READ,
            Permission.ALERT_WRITE,
        }
    ),
    Role.AUDITOR: _READ,
    Role.DEVELOPER: frozenset(
        {Permission.ORGANIZATION_READ, Permission.KEY_OWN, Permission.PRICE_READ, Permission.ROUTE_READ}
    ),
}


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """A member, signed in to the admin API by an admin token. There is no default and no anonymous one (T13)."""

    organization_id: OrganizationId
    member_id: str
    token_id: str
    operator: bool
    """Runs the platform beside belonging to the organization."""
    everywhere: frozenset[Permission]
    """What the member may do in the whole organization."""
    in_teams: Mapping[TeamId, frozenset[Permission]]
    """What else the member may do in single teams, the teams below them included."""

    def may(self, permission: Permission, team_id: TeamId | None = None) -> bool:
        """Say whether the member holds `permission` in the whole organization, or in that team."""
        if permission in PLATFORM:
            return self.operator
        if permission in self.everywhere:
            return True
        return team_id is not None and permission in self.in_teams.get(team_id, frozenset())

    def may_somewhere(self, permission: Permission) -> bool:
        """Say whether the member holds `permission` in the organization or in any team of it."""
        return self.may(permission) or any(permission in held for held in self.in_teams.values())


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that Keystead issued, as the data plane knows it: never its secret, only the secret's HMAC.

    What it is narrowed to only ever takes away from what its owner is granted; None means not narrowed.
    """

    id: VirtualKeyId
    organization_id: OrganizationId
    team_id: TeamId
    principal_kind: PrincipalKind
    principal_id: str
    name: str
    digest: bytes
    """HMAC-SHA256 of the secret part under the deployment's pepper, 32 bytes."""
    models: tuple[str, ...] | None
    """Shell-style patterns (`gpt-5*`, `anthropic/*`)."""
    credential_ids: tuple[CredentialId, ...] | None
    """Credentials, in order of preference."""
    endpoints: tuple[Endpoint, ...] | None = None
    networks: tuple[str, ...] | None = None
    """Source networks (CIDR) it may be used from."""
    data_class: str = ""
    """The least sensitive class its requests may have; empty for the team's."""
    max_output_tokens: int | None = None
    """The most output tokens a request may ask for."""
    expires_at: int | None
    """Unix microseconds, or None for no expiry."""
    revoked_at: int | None
