"""Who acts, and what they may do."""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId

PrincipalKind = Literal["member", "service_account"]


class Permission(StrEnum):
    """One thing a person may do in the admin API. Roles are sets of these."""

    CREDENTIAL_READ = "credential:read"
    CREDENTIAL_WRITE = "credential:write"
    KEY_READ = "key:read"
    KEY_WRITE = "key:write"
    REQUEST_READ = "request:read"
    USAGE_READ = "usage:read"
    PRICE_READ = "price:read"
    PRICE_WRITE = "price:write"
    AUDIT_READ = "audit:read"
    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_WRITE = "organization:write"
    OPERATIONS_READ = "operations:read"


class Role(StrEnum):
    """The built-in roles of a member."""

    ADMINISTRATOR = "administrator"
    KEY_CUSTODIAN = "key_custodian"
    FINANCE = "finance"
    AUDITOR = "auditor"
    DEVELOPER = "developer"


_READ: Final = frozenset(permission for permission in Permission if permission.value.endswith(":read"))

PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.KEY_CUSTODIAN: frozenset(
        {Permission.CREDENTIAL_READ, Permission.CREDENTIAL_WRITE, Permission.REQUEST_READ, Permission.ORGANIZATION_READ}
    ),
    Role.FINANCE: frozenset(
        {
            Permission.USAGE_READ,
            Permission.PRICE_READ,
            Permission.PRICE_WRITE,
            Permission.REQUEST_READ,
            Permission.ORGANIZATION_READ,
        }
    ),
    Role.AUDITOR: _READ,
    Role.DEVELOPER: frozenset({Permission.PRICE_READ, Permission.ORGANIZATION_READ}),
}


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """A member, signed in to the admin API by an admin token. There is no default and no anonymous one (T13)."""

    organization_id: OrganizationId
    member_id: str
    token_id: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Say whether the member's role holds `permission`."""
        return permission in PERMISSIONS[self.role]


class VirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that Keystead issued, as the data plane knows it: never its secret, only the secret's HMAC."""

    id: VirtualKeyId
    organization_id: OrganizationId
    team_id: TeamId
    principal_kind: PrincipalKind
    principal_id: str
    name: str
    digest: bytes
    """HMAC-SHA256 of the secret part under the deployment's pepper, 32 bytes."""
    models: tuple[str, ...] | None
    """Shell-style patterns (`gpt-5*`, `anthropic/*`) this key is narrowed to; None means not narrowed."""
    credential_ids: tuple[CredentialId, ...] | None
    """Credentials this key is narrowed to, in order of preference; None means not narrowed."""
    expires_at: int | None
    """Unix microseconds, or None for no expiry."""
    revoked_at: int | None
