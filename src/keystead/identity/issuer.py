"""Issues, lists and revokes virtual keys and admin tokens.

The text of a key exists in one answer of `create_…`; the tables keep the HMAC of its secret. The caller owns the
transaction, writes its audit event in it, and touches the snapshot's revision.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import PrincipalKind
from keystead.domain.clock import Clock
from keystead.domain.errors import NotFoundError
from keystead.domain.ids import CredentialId, TeamId, VirtualKeyId, new_id
from keystead.domain.secret import Secret
from keystead.identity.directory import credential_ids as read_credential_ids
from keystead.identity.directory import patterns
from keystead.identity.lookup import find, insert_row, page
from keystead.identity.virtual_keys import ID_PREFIXES, KeyKind, digest_of_key, mint
from keystead.storage import schema


class VirtualKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key as administrators see it: neither secret nor digest. Instants are Unix microseconds."""

    id: VirtualKeyId
    team_id: TeamId
    principal_kind: PrincipalKind
    principal_id: str
    name: str
    models: tuple[str, ...] | None
    credential_ids: tuple[CredentialId, ...] | None
    created_at: int
    created_by: str
    expires_at: int | None
    revoked_at: int | None


class AdminTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """An admin token as administrators see it: neither secret nor digest. Instants are Unix microseconds."""

    id: str
    member_id: str
    name: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None


class Issuer:
    """Gives keys and tokens out, and takes them back."""

    def __init__(self, clock: Clock) -> None:
        """Take the times of creation and revocation from `clock`."""
        self._clock = clock

    async def virtual_keys(
        self, conn: AsyncConnection, organization_id: str, *, team_id: TeamId | None, before: str | None, limit: int
    ) -> list[VirtualKeyView]:
        """Return up to `limit` virtual keys, newest first, ended ones included; `before` is the last id seen."""
        table = schema.virtual_keys
        narrowed = [] if team_id is None else [table.c.team_id == team_id]
        rows = await page(conn, table, organization_id, *narrowed, before=before, limit=limit)
        return [_virtual_key(row) for row in rows]

    async def virtual_key(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> VirtualKeyView:
        """Return a virtual key.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        return _virtual_key(await find(conn, schema.virtual_keys, organization_id, id_or_name, noun="virtual key"))

    async def check_service_account(self, conn: AsyncConnection, *, organization_id: str, principal_id: str) -> None:
        """Make sure that a virtual key was issued to this service account before.

        Raises:
            NotFoundError: the organization has no such service account.
        """
        columns = schema.virtual_keys.c
        found = await conn.execute(
            select(columns.id)
            .where(columns.organization_id == organization_id, columns.principal_id == principal_id)
            .where(columns.principal_kind == "service_account")
            .limit(1)
        )
        if found.first() is None:
            raise NotFoundError(f"There is no service account {principal_id!r}.")

    async def create_virtual_key(
        self,
        conn: AsyncConnection,
        *,
        pepper: bytes,
        organization_id: str,
        actor_id: str,
        team_id: TeamId,
        principal_kind: PrincipalKind,
        principal_id: str | None,
        name: str,
        models: Sequence[str] | None,
        credential_ids: Sequence[CredentialId] | None,
        expires_at: int | None,
    ) -> tuple[VirtualKeyView, Secret]:
        """Issue a virtual key and return it with its text. `principal_id` None makes a new service account.

        Raises:
            ConflictError: the name is taken.
        """
        now = self._clock.now_us()
        identifier, key, stored = _mint("virtual_key", now, pepper)
        view = VirtualKeyView(
            id=VirtualKeyId(identifier),
            team_id=team_id,
            principal_kind=principal_kind,
            principal_id=principal_id or new_id("sa", now),
            name=name,
            models=None if models is None else tuple(models),
            credential_ids=None if credential_ids is None else tuple(credential_ids),
            created_at=now,
            created_by=actor_id,
            expires_at=expires_at,
            revoked_at=None,
        )
        values = msgspec.structs.asdict(view) | {
            "digest": stored,
            "models": _json(view.models),
            "credential_ids": _json(view.credential_ids),
        }
        await insert_row(conn, schema.virtual_keys, organization_id, values, noun="virtual key")
        return view, key

    async def revoke_virtual_key(
        self, conn: AsyncConnection, *, organization_id: str, virtual_key: str
    ) -> VirtualKeyView:
        """Revoke a virtual key (id or name) for good. Twice is once: the first time stands.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        found = await self.virtual_key(conn, organization_id, virtual_key)
        if found.revoked_at is not None:
            return found
        now = self._clock.now_us()
        table = schema.virtual_keys
        await conn.execute(update(table).where(table.c.id == found.id).values(revoked_at=now))
        return msgspec.structs.replace(found, revoked_at=now)

    async def admin_tokens(
        self, conn: AsyncConnection, organization_id: str, *, before: str | None, limit: int
    ) -> list[AdminTokenView]:
        """Return up to `limit` admin tokens, newest first, ended ones included; `before` is the last id seen."""
        rows = await page(conn, schema.admin_tokens, organization_id, before=before, limit=limit)
        return [_admin_token(row) for row in rows]

    async def create_admin_token(
        self,
        conn: AsyncConnection,
        *,
        pepper: bytes,
        organization_id: str,
        member_id: str,
        name: str,
        expires_at: int | None,
    ) -> tuple[AdminTokenView, Secret]:
        """Issue an admin token to a member and return it with its text."""
        now = self._clock.now_us()
        identifier, token, stored = _mint("admin_token", now, pepper)
        view = AdminTokenView(
            id=identifier, member_id=member_id, name=name, created_at=now, expires_at=expires_at, revoked_at=None
        )
        values = msgspec.structs.asdict(view) | {"digest": stored}
        await insert_row(conn, schema.admin_tokens, organization_id, values, noun="admin token")
        return view, token

    async def revoke_admin_token(
        self, conn: AsyncConnection, *, organization_id: str, admin_token: str
    ) -> AdminTokenView:
        """Revoke an admin token (id) for good. Twice is once: the first time stands.

        Raises:
            NotFoundError: the organization has none of that id.
        """
        table = schema.admin_tokens
        mine = and_(table.c.organization_id == organization_id, table.c.id == admin_token)
        row = (await conn.execute(select(table).where(mine))).mappings().first()
        if row is None:
            raise NotFoundError(f"There is no admin token {admin_token!r}.")
        found = _admin_token(row)
        if found.revoked_at is not None:
            return found
        now = self._clock.now_us()
        await conn.execute(update(table).where(mine).values(revoked_at=now))
        return msgspec.structs.replace(found, revoked_at=now)


def _mint(kind: KeyKind, now_us: int, pepper: bytes) -> tuple[str, Secret, bytes]:
    """Return a fresh id, the key's text and the digest to store."""
    identifier = new_id(ID_PREFIXES[kind], now_us)
    key = mint(kind, identifier)
    return identifier, key, digest_of_key(pepper, key)


def _json(values: Sequence[str] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()


def _virtual_key(row: RowMapping) -> VirtualKeyView:
    return VirtualKeyView(
        id=VirtualKeyId(row["id"]),
        team_id=TeamId(row["team_id"]),
        principal_kind=row["principal_kind"],
        principal_id=row["principal_id"],
        name=row["name"],
        models=patterns(row["models"]),
        credential_ids=read_credential_ids(row["credential_ids"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _admin_token(row: RowMapping) -> AdminTokenView:
    return AdminTokenView(
        id=row["id"],
        member_id=row["member_id"],
        name=row["name"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
