"""How the tables `credentials` and `credential_versions` are read: as views, and as what the data plane needs.

A view's query does not fetch sealed bytes or fingerprints at all, so no slip further up can show them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.storage import schema
from keystead.vault.view import CredentialView, VersionView

_credentials = schema.credentials
_versions = schema.credential_versions
_shown = [column for column in _versions.c if column.name not in {"sealed", "fingerprint"}]
_with_key = select(_credentials, _versions.c.version, _versions.c.state, _versions.c.sealed)
_of_credential = _versions.c.credential_id == _credentials.c.id


async def read_one(
    conn: AsyncConnection, organization_id: OrganizationId, id_or_name: str, *, lock: bool = False
) -> CredentialView:
    """Return one credential.

    With `lock` its row stays locked until the transaction ends, so that changes to its versions happen one after
    another. SQLite has no row locks and needs none: there a writing transaction is alone.

    Raises:
        NotFoundError: the organization has none with this id or name.
    """
    query = select(_credentials).where(
        _credentials.c.organization_id == organization_id,
        or_(_credentials.c.id == id_or_name, _credentials.c.name == id_or_name),
    )
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such credential.", code="credential_not_found")
    return _credential_view(row, await _version_rows(conn, _versions.c.credential_id == row.id))


async def read_all(conn: AsyncConnection, organization_id: OrganizationId) -> tuple[CredentialView, ...]:
    """Return the organization's credentials, revoked ones included, oldest first."""
    of_organization = _credentials.c.organization_id == organization_id
    rows = (await conn.execute(select(_credentials).where(of_organization).order_by(_credentials.c.id))).all()
    versions: dict[str, list[Row[Any]]] = {row.id: [] for row in rows}
    for version in await _version_rows(conn, _versions.c.organization_id == organization_id):
        versions[version.credential_id].append(version)
    return tuple(_credential_view(row, versions[row.id]) for row in rows)


async def read_platform(conn: AsyncConnection) -> tuple[CredentialView, ...]:
    """Return the platform's credentials that are not revoked, whichever organization keeps them, oldest first.

    Without their versions, which are that organization's alone.
    """
    of_platform = and_(_credentials.c.owner == Owner.PLATFORM.value, _credentials.c.revoked_at.is_(None))
    rows = (await conn.execute(select(_credentials).where(of_platform).order_by(_credentials.c.id))).all()
    return tuple(_credential_view(row, ()) for row in rows)


async def read_sealed(conn: AsyncConnection) -> tuple[Credential, ...]:
    """Return every organization's credentials, each with its active version or None, as a revoked one has none.

    Revoked ones are among them, so that their names are known not to be models.
    """
    is_active = and_(
        _of_credential, _versions.c.state == VersionState.ACTIVE.value, _credentials.c.revoked_at.is_(None)
    )
    query = _with_key.join_from(_credentials, _versions, is_active, isouter=True).order_by(_credentials.c.id)
    return tuple(_credential(row, _sealed_version(row)) for row in await conn.execute(query))


async def read_sealed_version(
    conn: AsyncConnection, credential_id: CredentialId, number: int
) -> tuple[Credential, SealedVersion] | None:
    """Return one version, in whatever state, with its credential; None if its key is destroyed."""
    query = _with_key.join_from(_credentials, _versions, _of_credential).where(
        _versions.c.credential_id == credential_id, _versions.c.version == number
    )
    row = (await conn.execute(query)).one()
    chosen = _sealed_version(row)
    if chosen is None:
        return None
    return _credential(row, chosen if chosen.state is VersionState.ACTIVE else None), chosen


async def refuse_duplicate(
    conn: AsyncConnection, organization_id: OrganizationId, fingerprints: Sequence[bytes]
) -> None:
    """Refuse a key that the organization holds already. One that was revoked may come back.

    Raises:
        ConflictError: it does.
    """
    holder = await _holder_of(conn, organization_id, fingerprints)
    if holder is not None:
        name, version = holder
        raise ConflictError(
            f"This key is version {version} of the credential {name!r} already.",
            code="duplicate_key",
            next_step="Use that credential, or allow the duplicate explicitly.",
            param="key",
        )


async def _holder_of(
    conn: AsyncConnection, organization_id: OrganizationId, fingerprints: Sequence[bytes]
) -> tuple[str, int] | None:
    """Return the credential name and version number under which the organization holds a key, revoked ones aside."""
    query = (
        select(_credentials.c.name, _versions.c.version)
        .join_from(_versions, _credentials, _of_credential)
        .where(
            _versions.c.organization_id == organization_id,
            _versions.c.fingerprint.in_(fingerprints),
            _versions.c.state != VersionState.REVOKED.value,
        )
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else (row.name, row.version)


async def is_active(conn: AsyncConnection, credential_id: CredentialId, fingerprints: Sequence[bytes]) -> bool:
    """Say whether the credential's active version holds a key with one of these fingerprints."""
    held = select(_versions.c.version).where(
        _versions.c.credential_id == credential_id,
        _versions.c.state == VersionState.ACTIVE.value,
        _versions.c.fingerprint.in_(fingerprints),
    )
    return (await conn.execute(held)).first() is not None


async def _version_rows(conn: AsyncConnection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    query = select(*_shown).where(condition).order_by(_versions.c.credential_id, _versions.c.version)
    return (await conn.execute(query)).all()


def _credential_view(row: Row[Any], versions: Iterable[Row[Any]]) -> CredentialView:
    return CredentialView(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        provider=row.provider,
        origin=row.origin,
        settings=_settings(row),
        owner=Owner(row.owner),
        region=row.region,
        models=_models(row),
        on_disconnect=OnDisconnect(row.on_disconnect),
        terms=_terms(row),
        margin_ppm=row.margin_ppm,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        versions=tuple(map(_version_view, versions)),
    )


def _version_view(row: Row[Any]) -> VersionView:
    return VersionView(
        version=row.version,
        state=VersionState(row.state),
        mask=row.mask,
        created_at=row.created_at,
        created_by=row.created_by,
        activated_at=row.activated_at,
        draining_at=row.draining_at,
        retired_at=row.retired_at,
        revoked_at=row.revoked_at,
        probed_at=row.probed_at,
        probe_result=None if row.probe_result is None else msgspec.json.decode(row.probe_result, type=dict[str, Any]),
    )


def _credential(row: Row[Any], active: SealedVersion | None) -> Credential:
    return Credential(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        provider=row.provider,
        origin=row.origin,
        settings=_settings(row),
        owner=Owner(row.owner),
        region=row.region,
        models=_models(row),
        on_disconnect=OnDisconnect(row.on_disconnect),
        terms=_terms(row),
        margin_ppm=row.margin_ppm,
        active=active,
    )


def _sealed_version(row: Row[Any]) -> SealedVersion | None:
    if row.sealed is None:
        return None
    return SealedVersion(version=row.version, state=VersionState(row.state), sealed=row.sealed)


def _settings(row: Row[Any]) -> dict[str, str]:
    return msgspec.json.decode(row.settings, type=dict[str, str])


def _terms(row: Row[Any]) -> Terms:
    return msgspec.json.decode(row.terms, type=Terms)


def _models(row: Row[Any]) -> tuple[str, ...] | None:
    return None if row.models is None else msgspec.json.decode(row.models, type=tuple[str, ...])


def models_text(models: tuple[str, ...] | None) -> str | None:
    """Return a credential's models as they are kept."""
    return None if models is None else msgspec.json.encode(models).decode()
