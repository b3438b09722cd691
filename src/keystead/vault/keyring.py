"""Root keys: one per scope (an organization, or the deployment itself) and version, wrapped by the KEK.

This module owns the table `root_keys`. A root key leaves the database wrapped and is kept unwrapped in memory for
five minutes at most, so that a KEK taken away stops opening keys within that time.
"""

import contextlib
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import exc, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import VaultError
from keystead.storage import schema
from keystead.storage.database import Database
from keystead.vault.envelope import KEY_BYTES, RootKey, frame
from keystead.vault.kek import Kek

DEPLOYMENT: Final = "deployment"
"""The scope of what belongs to no organization, such as the pepper of virtual keys."""

CACHE_US: Final = 300_000_000


class _Held(msgspec.Struct, frozen=True):
    keys: Mapping[int, RootKey]
    until: int
    """Monotonic microseconds."""


class Keyring:
    """The root keys, unwrapped on demand."""

    def __init__(self, database: Database, kek: Kek, clock: Clock) -> None:
        """Read wrapped keys from `database` and unwrap them with `kek`."""
        self._database = database
        self._kek = kek
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def ensure(self, scope: str) -> None:
        """Give `scope` a root key if it has none, and prove that what it has opens.

        Safe when several processes do it at once: the table takes one version 1, and whoever comes second reads
        the first one's. It writes in a transaction of its own, so call it outside any other.

        Raises:
            VaultError: a root key is there and this KEK does not open it.
        """
        if await self._read(scope):
            return
        wrapped = self._kek.wrap(secrets.token_bytes(KEY_BYTES), _context(scope, 1))
        row = {
            "scope": scope,
            "version": 1,
            "kek_id": self._kek.id,
            "wrapped": wrapped,
            "created_at": self._clock.now_us(),
        }
        with contextlib.suppress(exc.IntegrityError):  # another process was first
            async with self._database.write() as conn:
                await conn.execute(insert(schema.root_keys).values(row))
        await self.root_keys(scope)

    async def root_keys(self, scope: str, conn: AsyncConnection | None = None) -> Mapping[int, RootKey]:
        """Return the root keys of `scope` by version; new secrets are sealed under the highest.

        Within five minutes of the last read this neither touches the database nor gives way to the event loop.
        Who is inside a transaction gives its connection, so as not to wait for a second one while holding the first.

        Raises:
            VaultError: there is none, or this KEK does not open it.
        """
        held = self._held.get(scope)
        if held is not None and self._clock.monotonic_us() < held.until:
            return held.keys
        keys = await self._read(scope) if conn is None else await self._read_on(conn, scope)
        if not keys:
            raise VaultError("There is no root key for this organization.", code="root_key_missing")
        self._hold(scope, keys)
        return keys

    async def pepper(self) -> bytes:
        """Return the key (32 bytes) that digests of virtual keys are made with.

        It comes from the deployment's first root key and no other: digests cannot be made anew without the
        virtual keys themselves, which nobody keeps.

        Raises:
            VaultError: the deployment has no root key, or this KEK does not open it.
        """
        keys = await self.root_keys(DEPLOYMENT)
        return keys[min(keys)].subkey(b"virtual-key")

    def _hold(self, scope: str, keys: Mapping[int, RootKey]) -> None:
        now = self._clock.monotonic_us()
        self._held = {other: held for other, held in self._held.items() if now < held.until}
        self._held[scope] = _Held(keys, now + CACHE_US)

    async def _read(self, scope: str) -> Mapping[int, RootKey]:
        async with self._database.read() as conn:
            return await self._read_on(conn, scope)

    async def _read_on(self, conn: AsyncConnection, scope: str) -> Mapping[int, RootKey]:
        table = schema.root_keys
        query = select(table.c.version, table.c.kek_id, table.c.wrapped).where(table.c.scope == scope)
        rows = (await conn.execute(query)).all()
        return {row.version: self._unwrap(scope, row.version, row.kek_id, row.wrapped) for row in rows}

    def _unwrap(self, scope: str, version: int, kek_id: str, wrapped: bytes) -> RootKey:
        if kek_id != self._kek.id:
            raise VaultError(
                f"A root key is wrapped by the KEK {kek_id}, and this process has {self._kek.id}.",
                code="wrong_kek",
                next_step=f"Start Keystead with the KEK {kek_id}: restore its file, or set KEYSTEAD_KEK_FILE.",
            )
        return RootKey(self._kek.unwrap(wrapped, _context(scope, version)))


def _context(scope: str, version: int) -> bytes:
    return frame("root_keys", scope, str(version))
