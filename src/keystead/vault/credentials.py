"""Provider keys the organizations brought: kept, versioned and never shown.

This module owns the tables `credentials` and `credential_versions`. Every method works on the connection it is
given, so that the caller decides what is one transaction (the change and its audit event, say). Another
organization's credential is as absent as one that never was.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, exc, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ConflictError
from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId, new_id
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.storage import revision, schema
from keystead.vault import lifecycle
from keystead.vault.envelope import fingerprint, provider_key_binding, seal
from keystead.vault.keyring import Keyring
from keystead.vault.names import ID_PREFIX, require_name
from keystead.vault.reading import (
    is_active,
    models_text,
    read_all,
    read_one,
    read_platform,
    read_sealed,
    read_sealed_version,
    refuse_duplicate,
)
from keystead.vault.recognise import mask, require_inference_key
from keystead.vault.view import CredentialView, VersionView

_credentials = schema.credentials
_versions = schema.credential_versions

_NO_TERMS: Final = msgspec.json.encode(Terms()).decode()

_ENTERED_AT: Final = {
    VersionState.ACTIVE: "activated_at",
    VersionState.DRAINING: "draining_at",
    VersionState.RETIRED: "retired_at",
    VersionState.REVOKED: "revoked_at",
}


class Credentials:
    """The organizations' credentials. `credential` arguments are an id or a name."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        """Seal under the root keys of `keyring`; an organization's must be there already (`Keyring.ensure`)."""
        self._keyring = keyring
        self._clock = clock

    async def add(
        self,
        conn: AsyncConnection,
        *,
        candidate: Credential,
        actor_id: str,
        key: Secret,
        activate: bool,
        allow_duplicate: bool = False,
    ) -> CredentialView:
        """Keep `candidate` as a new credential, under an id of its own and with no terms yet.

        `key` is its version 1, staged, or active if `activate`. The candidate's origin must be in normal form: the key
        is bound to exactly this text. A margin belongs to a credential whose owner is the platform, and to no other.

        Raises:
            InvalidRequestError: the name or the key cannot be one (see `recognise`).
            ConflictError: the name is taken, or the organization holds this key already.
        """
        require_name(candidate.name)
        now = self._clock.now_us()
        identifier = CredentialId(new_id(ID_PREFIX, now))
        row = {
            "id": identifier,
            "organization_id": candidate.organization_id,
            "name": candidate.name,
            "provider": candidate.provider,
            "origin": candidate.origin,
            "settings": msgspec.json.encode(candidate.settings).decode(),
            "owner": candidate.owner.value,
            "region": candidate.region,
            "models": models_text(candidate.models),
            "on_disconnect": candidate.on_disconnect.value,
            "terms": _NO_TERMS,
            "margin_ppm": candidate.margin_ppm,
            "created_at": now,
            "created_by": actor_id,
        }
        try:
            await conn.execute(insert(_credentials).values(row))
        except exc.IntegrityError as error:
            raise ConflictError(
                f"A credential named {candidate.name!r} exists already.",
                code="name_taken",
                next_step="Choose another name, or stage the key as a new version of that credential.",
                param="name",
            ) from error
        view = await self.get(conn, candidate.organization_id, identifier)
        await self._keep(conn, view, key, actor_id=actor_id, activate=activate, allow_duplicate=allow_duplicate)
        await revision.touch(conn)
        return await self.get(conn, candidate.organization_id, identifier)

    async def list(self, conn: AsyncConnection, organization_id: OrganizationId) -> tuple[CredentialView, ...]:
        """Return the organization's credentials, revoked ones included, oldest first."""
        return await read_all(conn, organization_id)

    async def platform(self, conn: AsyncConnection) -> tuple[CredentialView, ...]:
        """Return the platform's credentials, which any organization may be granted; no revoked ones, and no versions."""
        return await read_platform(conn)

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, id_or_name: str) -> CredentialView:
        """Return one credential.

        Raises:
            NotFoundError: the organization has none with this id or name.
        """
        return await read_one(conn, organization_id, id_or_name)

    async def stage(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        actor_id: str,
        credential: str,
        key: Secret,
        allow_duplicate: bool = False,
    ) -> VersionView:
        """Keep `key` as the credential's next version, staged: sealed, and used by nothing but a probe.

        Raises:
            InvalidRequestError: the key cannot be one (see `recognise`).
            ConflictError: the credential is revoked, or the organization holds this key already.
        """
        view = await self._changing(conn, organization_id, credential)
        number = await self._keep(conn, view, key, actor_id=actor_id, activate=False, allow_duplicate=allow_duplicate)
        return (await self.get(conn, organization_id, view.id)).at_version(number)

    async def activate(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, version: int
    ) -> CredentialView:
        """Make a staged, draining or retired version the one new requests use; the active one drains.

        Raises:
            ConflictError: the version is active already or revoked.
        """
        view = await self._changing(conn, organization_id, credential)
        return await self._apply(conn, view, lifecycle.activate(view.versions, view.at_version(version)))

    async def rollback(self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str) -> int:
        """Bring back the version that served before the active one, which drains; return its number.

        Raises:
            ConflictError: there is no earlier version whose key is kept.
        """
        view = await self._changing(conn, organization_id, credential)
        earlier = lifecycle.previous(view.versions)
        await self._apply(conn, view, lifecycle.activate(view.versions, earlier))
        return earlier.version

    async def retire(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, version: int
    ) -> CredentialView:
        """End the draining of a version. Its key is kept, sealed, for a rollback.

        Raises:
            ConflictError: the version is not draining.
        """
        view = await self._changing(conn, organization_id, credential)
        return await self._apply(conn, view, lifecycle.retire(view.at_version(version)))

    async def retire_drained(self, conn: AsyncConnection, *, older_than_at: int) -> int:
        """Retire every version of every organization that drains since before `older_than_at` (Unix µs).

        Returns how many. The longest request must have ended by then.
        """
        drained = and_(_versions.c.state == VersionState.DRAINING.value, _versions.c.draining_at < older_than_at)
        values = {"state": VersionState.RETIRED.value, "retired_at": self._clock.now_us()}
        return (await conn.execute(update(_versions).where(drained).values(values))).rowcount

    async def revoke(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, version: int | None
    ) -> CredentialView:
        """Revoke one version, or with None the credential and all its versions, and destroy the sealed keys.

        Revoking what is revoked already changes nothing and is no error.
        """
        view = await read_one(conn, organization_id, credential, lock=True)
        chosen = view.versions if version is None else (view.at_version(version),)
        if version is None and view.revoked_at is None:
            await conn.execute(
                update(_credentials).where(_credentials.c.id == view.id).values(revoked_at=self._clock.now_us())
            )
        return await self._apply(conn, view, lifecycle.revoke(chosen))

    async def change_destination(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, origin: str
    ) -> CredentialView:
        """Point the credential to another origin, which voids every key it has.

        A key goes only where the person who entered it said it would: whoever may edit an address must not thereby
        be able to have the key sent there (LiteLLM CVE-2024-6587, Langfuse CVE-2026-41487). A new key must be
        staged and activated. The same origin again changes nothing. The terms go as well: what is promised for one
        place is not promised for another.

        Raises:
            ConflictError: the credential is revoked.
        """
        view = await self._changing(conn, organization_id, credential)
        if origin == view.origin:
            return view
        await conn.execute(
            update(_credentials).where(_credentials.c.id == view.id).values(origin=origin, terms=_NO_TERMS)
        )
        return await self._apply(conn, view, lifecycle.revoke(view.versions))

    async def change_margin(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, margin_ppm: int
    ) -> CredentialView:
        """Sell the work of a platform credential at another margin, from the next attempt on.

        Raises:
            ConflictError: the credential is revoked, or it is not the platform's.
        """
        view = await self._changing(conn, organization_id, credential)
        if view.owner is not Owner.PLATFORM:
            raise ConflictError(
                "Only a platform credential has a margin.",
                code="not_a_platform_credential",
                next_step="What an own credential costs is between you and the provider.",
            )
        return await self._set(conn, view, {"margin_ppm": margin_ppm})

    async def change(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        credential: str,
        settings: dict[str, str] | None = None,
        region: str | None = None,
        models: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET,
        on_disconnect: OnDisconnect | None = None,
    ) -> CredentialView:
        """Change what no key is bound to; what is None (of `models`, unset: None is all) stays as it is.

        Raises:
            ConflictError: the credential is revoked.
        """
        view = await self._changing(conn, organization_id, credential)
        values = {
            "settings": msgspec.json.encode(view.settings if settings is None else settings).decode(),
            "region": view.region if region is None else region,
            "models": models_text(view.models if isinstance(models, msgspec.UnsetType) else models),
            "on_disconnect": (on_disconnect or view.on_disconnect).value,
        }
        return await self._set(conn, view, values)

    async def set_terms(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, terms: Terms
    ) -> CredentialView:
        """Say what the contract behind a credential promises, in place of all that was said before.

        Raises:
            ConflictError: the credential is revoked.
        """
        view = await self._changing(conn, organization_id, credential)
        return await self._set(conn, view, {"terms": msgspec.json.encode(terms).decode()})

    async def record_probe(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        credential: str,
        version: int,
        result: dict[str, object],
    ) -> None:
        """Keep what a probe of `version` found. `result` must hold no secret: it is shown."""
        view = await self.get(conn, organization_id, credential)
        values = {"probed_at": self._clock.now_us(), "probe_result": msgspec.json.encode(result).decode()}
        await conn.execute(update(_versions).where(_is_version(view, view.at_version(version).version)).values(values))

    async def sealed(self, conn: AsyncConnection) -> tuple[Credential, ...]:
        """Return every organization's credentials, each with its active version, or None, as a revoked one has none."""
        return await read_sealed(conn)

    async def is_active_key(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, key: Secret
    ) -> bool:
        """Say whether `key` is the one that the credential uses now."""
        view = await self.get(conn, organization_id, credential)
        root_keys = await self._keyring.root_keys(organization_id, conn)
        plaintext = key.reveal().encode()
        return await is_active(conn, view.id, [fingerprint(root_key, plaintext) for root_key in root_keys.values()])

    async def open_for_probe(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, credential: str, version: int
    ) -> tuple[Credential, SealedVersion]:
        """Return what a probe of `version` needs, whatever state it is in, for `LeaseDoor.lease`.

        Raises:
            ConflictError: the version is revoked: its key is destroyed.
        """
        view = await self.get(conn, organization_id, credential)
        found = await read_sealed_version(conn, view.id, view.at_version(version).version)
        if found is None:
            raise ConflictError(f"Version {version} is revoked; its key is destroyed.", code="version_state")
        return found

    async def _keep(
        self,
        conn: AsyncConnection,
        view: CredentialView,
        key: Secret,
        *,
        actor_id: str,
        activate: bool,
        allow_duplicate: bool,
    ) -> int:
        """Seal `key` as the next version of the credential and return its number."""
        text = key.reveal()
        require_inference_key(view.provider, text)
        plaintext = text.encode("ascii")
        root_keys = await self._keyring.root_keys(view.organization_id, conn)
        newest = max(root_keys)
        if not allow_duplicate:
            fingerprints = [fingerprint(root_key, plaintext) for root_key in root_keys.values()]
            await refuse_duplicate(conn, view.organization_id, fingerprints)
        number = max((version.version for version in view.versions), default=0) + 1
        binding = provider_key_binding(
            organization_id=view.organization_id,
            credential_id=view.id,
            version=number,
            provider=view.provider,
            origin=view.origin,
        )
        now = self._clock.now_us()
        row = {
            "credential_id": view.id,
            "version": number,
            "organization_id": view.organization_id,
            "state": (VersionState.ACTIVE if activate else VersionState.STAGED).value,
            "sealed": seal(root_keys[newest], newest, binding, plaintext),
            "fingerprint": fingerprint(root_keys[newest], plaintext),
            "mask": mask(view.provider, text),
            "created_at": now,
            "created_by": actor_id,
            "activated_at": now if activate else None,
        }
        await conn.execute(insert(_versions).values(row))
        return number

    async def _changing(
        self, conn: AsyncConnection, organization_id: OrganizationId, id_or_name: str
    ) -> CredentialView:
        view = await read_one(conn, organization_id, id_or_name, lock=True)
        if view.revoked_at is not None:
            raise ConflictError(
                "The credential is revoked.", code="credential_revoked", next_step="Add a new credential."
            )
        return view

    async def _set(self, conn: AsyncConnection, view: CredentialView, values: Mapping[str, object]) -> CredentialView:
        await conn.execute(update(_credentials).where(_credentials.c.id == view.id).values(dict(values)))
        await revision.touch(conn)
        return await self.get(conn, view.organization_id, view.id)

    async def _apply(self, conn: AsyncConnection, view: CredentialView, changes: lifecycle.Changes) -> CredentialView:
        now = self._clock.now_us()
        for number, state in changes.items():
            values: dict[str, object] = {"state": state.value, _ENTERED_AT[state]: now}
            if state is VersionState.REVOKED:
                values["sealed"] = None
            await conn.execute(update(_versions).where(_is_version(view, number)).values(values))
        await revision.touch(conn)
        return await self.get(conn, view.organization_id, view.id)


def _is_version(view: CredentialView, number: int) -> ColumnElement[bool]:
    return and_(_versions.c.credential_id == view.id, _versions.c.version == number)
