"""Credentials as they may be shown: never a key, never its sealed bytes."""

from typing import Any

import msgspec

from keystead.domain.credential import VersionState
from keystead.domain.errors import NotFoundError
from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import OnDisconnect, Owner


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a credential. `…_at` says when it last entered that state (Unix microseconds)."""

    version: int
    state: VersionState
    mask: str
    created_at: int
    created_by: str
    activated_at: int | None = None
    draining_at: int | None = None
    retired_at: int | None = None
    revoked_at: int | None = None
    probed_at: int | None = None
    probe_result: dict[str, Any] | None = None


class CredentialView(msgspec.Struct, frozen=True, kw_only=True):
    """A credential with its versions, oldest first."""

    id: CredentialId
    organization_id: OrganizationId
    name: str
    provider: str
    origin: str
    settings: dict[str, str]
    owner: Owner
    region: str
    models: tuple[str, ...] | None
    on_disconnect: OnDisconnect
    terms: Terms
    """What the contract behind it promises."""
    margin_ppm: int | None
    """Of a platform credential: parts per million added to the provider's cost."""
    created_at: int
    created_by: str
    revoked_at: int | None
    versions: tuple[VersionView, ...]

    def at_version(self, number: int) -> VersionView:
        """Return one version.

        Raises:
            NotFoundError: the credential has no such version.
        """
        for version in self.versions:
            if version.version == number:
                return version
        raise NotFoundError(f"The credential has no version {number}.", code="version_not_found")


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The contract behind a credential, as far as its end is known."""

    organization_id: str
    credential_id: str
    credential: str
    ends_at: int
    """Unix microseconds."""
