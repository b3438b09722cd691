"""A credential as the data plane knows it: bound to its provider and destination, its key still sealed."""

from enum import StrEnum

import msgspec

from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import OnDisconnect, Owner


class VersionState(StrEnum):
    """The life of a credential version.

    staged → active → draining → retired, and revoked from any of them. Exactly one version is active (or none);
    draining versions serve only the requests that began on them.
    """

    STAGED = "staged"
    ACTIVE = "active"
    DRAINING = "draining"
    RETIRED = "retired"
    REVOKED = "revoked"


class SealedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a credential's key, as it lies in the database."""

    version: int
    state: VersionState
    sealed: bytes
    """The envelope's bytes (see vault.envelope); only vault.lease opens it."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A provider key the organization brought, with everything but the key."""

    id: CredentialId
    organization_id: OrganizationId
    name: str
    provider: str
    """A name in providers.table."""
    origin: str
    """Scheme, host and port the key is bound to (`https://api.openai.com`); part of the envelope's AAD."""
    settings: dict[str, str]
    """Non-secret provider settings, such as `api_version` for Azure."""
    owner: Owner
    region: str
    """Price region of the endpoint, empty for the provider's default."""
    models: tuple[str, ...] | None
    """Shell-style patterns of the models it serves; None for all."""
    on_disconnect: OnDisconnect
    terms: Terms = Terms()
    """What the contract behind it promises."""
    margin_ppm: int | None = None
    """Of a platform credential: parts per million added to the provider's cost."""
    active: SealedVersion | None
    """The version new requests use; None when none is active or the credential is revoked."""
