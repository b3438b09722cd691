"""Issues, lists and revokes virtual keys and admin tokens.

The text of a key exists in one answer of `create_…`; the tables keep the HMAC of its secret. The caller owns the
transaction, writes its audit event in it, and touches the snapshot's revision.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission, PrincipalKind
from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import TeamId, VirtualKeyId, new_id
from keystead.domain.secret import Secret
from keystead.identity.authority import Holding, require_covering, require_held, require_issuing
from keystead.identity.lookup import find, insert_row
from keystead.identity.narrowing import Narrowing
from keystead.identity.rows import credential_ids, endpoints, texts
from keystead.identity.tags import Tags, change_tags, first_tags
from keystead.identity.views import Member, Principal
from keystead.identity.virtual_keys import ID_PREFIXES, KeyKind, digest_of_key, mint
from keystead.storage import schema
from keystead.storage.lists import page

_LISTS: Final = ("models", "credential_ids", "endpoints", "networks")
"""Columns that hold JSON lists."""
_NO_TAGS: Final[Tags] = {}


class VirtualKeyView(Narrowing, frozen=True, kw_only=True):
    """A virtual key as administrators see it: neither secret nor digest. Instants are Unix microseconds."""

    id: VirtualKeyId
    team_id: TeamId
    principal_kind: PrincipalKind
    principal_id: str
    name: str
    created_at: int
    created_by: str
    revoked_at: int | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Which virtual keys somebody may see who may not see all: those of some teams, and a member's own."""

    team_ids: frozenset[TeamId]
    member_id: str

    def holds(self, virtual_key: VirtualKeyView) -> bool:
        """Say whether they may see this one."""
        mine = (virtual_key.principal_kind, virtual_key.principal_id) == ("member", self.member_id)
        return mine or virtual_key.team_id in self.team_ids


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
        self,
        conn: AsyncConnection,
        organization_id: str,
        *,
        team_id: TeamId | None = None,
        principal_id: str | None = None,
        seen: Seen | None = None,
        before: str | None,
        limit: int,
    ) -> list[VirtualKeyView]:
        """Return up to `limit` virtual keys, newest first, ended ones included; `before` is the last id seen.

        Of one team and one principal, or (None) of all; of those that are `seen`, or (None) of all.
        """
        columns = schema.virtual_keys.c
        narrowed: list[ColumnElement[bool]] = []
        if team_id is not None:
            narrowed.append(columns.team_id == team_id)
        if principal_id is not None:
            narrowed.append(columns.principal_id == principal_id)
        if seen is not None:
            mine = and_(columns.principal_kind == "member", columns.principal_id == seen.member_id)
            narrowed.append(or_(columns.team_id.in_(seen.team_ids), mine))
        rows = await page(conn, schema.virtual_keys, organization_id, *narrowed, before=before, limit=limit)
        return [_virtual_key(row) for row in rows]

    async def virtual_key(self, conn: AsyncConnection, organization_id: str, id_or_name: str) -> VirtualKeyView:
        """Return a virtual key.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        return _virtual_key(await find(conn, schema.virtual_keys, organization_id, id_or_name, noun="virtual key"))

    async def create_virtual_key(
        self,
        conn: AsyncConnection,
        who: Administrator,
        *,
        pepper: bytes,
        team_id: TeamId,
        principal: Principal,
        name: str,
        narrowing: Narrowing,
        tags: Tags,
    ) -> tuple[VirtualKeyView, Secret]:
        """Issue a virtual key and return it with its text.

        Raises:
            PolicyDenied: the actor may not, in that team or to that principal.
            ConflictError: the name is taken, or the principal disabled.
        """
        require_issuing(
            who,
            team_id,
            kind=principal.kind,
            principal_id=principal.id,
            principal_team_id=principal.team_id,
        )
        if principal.disabled:
            raise _disabled(principal.kind)
        return await insert_virtual_key(
            conn,
            who.organization_id,
            pepper=pepper,
            team_id=team_id,
            principal=principal,
            name=name,
            narrowing=narrowing,
            actor_id=who.member_id,
            now=self._clock.now_us(),
            tags=tags,
        )

    async def revoke_virtual_key(
        self, conn: AsyncConnection, who: Administrator, virtual_key: VirtualKeyView
    ) -> VirtualKeyView:
        """Revoke a virtual key for good. Twice is once: the first time stands.

        Raises:
            PolicyDenied: it is not the actor's, and they may not issue keys in its team.
        """
        _require_own_or_written(who, virtual_key)
        if virtual_key.revoked_at is not None:
            return virtual_key
        now = self._clock.now_us()
        table = schema.virtual_keys
        await conn.execute(update(table).where(table.c.id == virtual_key.id).values(revoked_at=now))
        return msgspec.structs.replace(virtual_key, revoked_at=now)

    async def change_tags(
        self, conn: AsyncConnection, who: Administrator, virtual_key: VirtualKeyView, tags: Tags
    ) -> Tags:
        """Give a virtual key these tags, and no others, from now on; return those it had.

        Raises:
            PolicyDenied: it is not the actor's, and they may not issue keys in its team.
        """
        _require_own_or_written(who, virtual_key)
        return await change_tags(conn, who.organization_id, virtual_key.id, tags, now=self._clock.now_us())

    async def admin_tokens(
        self, conn: AsyncConnection, organization_id: str, *, before: str | None, limit: int
    ) -> list[AdminTokenView]:
        """Return up to `limit` admin tokens, newest first, ended ones included; `before` is the last id seen."""
        rows = await page(conn, schema.admin_tokens, organization_id, before=before, limit=limit)
        return [_admin_token(row) for row in rows]

    async def admin_token(self, conn: AsyncConnection, organization_id: str, identifier: str) -> AdminTokenView:
        """Return an admin token.

        Raises:
            NotFoundError: the organization has none of that id.
        """
        table = schema.admin_tokens
        mine = and_(table.c.organization_id == organization_id, table.c.id == identifier)
        row = (await conn.execute(select(table).where(mine))).mappings().first()
        if row is None:
            raise NotFoundError(f"There is no admin token {identifier!r}.")
        return _admin_token(row)

    async def create_admin_token(
        self,
        conn: AsyncConnection,
        who: Administrator,
        *,
        pepper: bytes,
        member: Member,
        held: Holding,
        name: str,
        expires_at: int | None,
    ) -> tuple[AdminTokenView, Secret]:
        """Issue an admin token to a member, who holds `held`, and return it with its text.

        A token signs in as its member, so whoever has it made must hold as much.

        Raises:
            PolicyDenied: the actor may not, or the member holds more.
            ConflictError: the member is disabled.
        """
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, held)
        if member.disabled_at is not None:
            raise _disabled("member")
        return await insert_admin_token(
            conn,
            who.organization_id,
            pepper=pepper,
            member_id=member.id,
            name=name,
            expires_at=expires_at,
            now=self._clock.now_us(),
        )

    async def revoke_admin_token(
        self, conn: AsyncConnection, who: Administrator, admin_token: AdminTokenView, *, member: Member, held: Holding
    ) -> AdminTokenView:
        """Revoke a token of `member`, who holds `held`, for good. Twice is once: the first time stands.

        Raises:
            PolicyDenied: the actor may not, or the member holds more.
        """
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, held)
        if admin_token.revoked_at is not None:
            return admin_token
        now = self._clock.now_us()
        table = schema.admin_tokens
        await conn.execute(update(table).where(table.c.id == admin_token.id).values(revoked_at=now))
        return msgspec.structs.replace(admin_token, revoked_at=now)


async def insert_virtual_key(
    conn: AsyncConnection,
    organization_id: str,
    *,
    pepper: bytes,
    team_id: TeamId,
    principal: Principal,
    name: str,
    narrowing: Narrowing,
    actor_id: str,
    now: int,
    tags: Tags = _NO_TAGS,
) -> tuple[VirtualKeyView, Secret]:
    """Write a new virtual key, unasked whether anybody may: for the room itself.

    Raises:
        ConflictError: the name is taken.
    """
    identifier, key, stored = _mint("virtual_key", now, pepper)
    view = VirtualKeyView(
        id=VirtualKeyId(identifier),
        team_id=team_id,
        principal_kind=principal.kind,
        principal_id=principal.id,
        name=name,
        created_at=now,
        created_by=actor_id,
        revoked_at=None,
        **msgspec.structs.asdict(narrowing),
    )
    lists = {column: _json(getattr(view, column)) for column in _LISTS}
    values = msgspec.structs.asdict(view) | lists | {"digest": stored}
    await insert_row(conn, schema.virtual_keys, organization_id, values, noun="virtual key")
    await first_tags(conn, organization_id, view.id, tags)
    return view, key


async def insert_admin_token(
    conn: AsyncConnection,
    organization_id: str,
    *,
    pepper: bytes,
    member_id: str,
    name: str,
    expires_at: int | None,
    now: int,
) -> tuple[AdminTokenView, Secret]:
    """Write a new admin token, unasked whether anybody may: for the room itself."""
    identifier, token, stored = _mint("admin_token", now, pepper)
    view = AdminTokenView(
        id=identifier, member_id=member_id, name=name, created_at=now, expires_at=expires_at, revoked_at=None
    )
    values = msgspec.structs.asdict(view) | {"digest": stored}
    await insert_row(conn, schema.admin_tokens, organization_id, values, noun="admin token")
    return view, token


def _require_own_or_written(who: Administrator, virtual_key: VirtualKeyView) -> None:
    if (virtual_key.principal_kind, virtual_key.principal_id) != ("member", who.member_id):
        require_held(who, Permission.KEY_WRITE, virtual_key.team_id)


def _disabled(kind: PrincipalKind) -> ConflictError:
    return ConflictError(f"The {kind.replace('_', ' ')} is disabled.", code=f"{kind}_disabled", param=kind)


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
        models=texts(row["models"]),
        credential_ids=credential_ids(row["credential_ids"]),
        endpoints=endpoints(row["endpoints"]),
        networks=texts(row["networks"]),
        data_class=row["data_class"],
        max_output_tokens=row["max_output_tokens"],
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
