"""Each credential's own list of models, fetched from its provider beside the traffic and kept.

It is asked for when a key is put to use, then every few hours, and whenever somebody wants it now. Of several processes
one asks. A list that cannot be had leaves the one before in place.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from zlib import crc32

import structlog

from keystead.catalogue import store
from keystead.catalogue.offers import Change
from keystead.catalogue.store import Due
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import ConflictError, KeysteadError, ProviderError
from keystead.domain.models import ListedModel
from keystead.domain.traffic import ErrorClass
from keystead.gateway.snapshot import Snapshot
from keystead.providers.authorization import Authorizers
from keystead.providers.listing import can_list, list_models
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import Transport
from keystead.storage import revision
from keystead.storage.database import Database
from keystead.vault.lease import LeaseDoor

ROUND_S: Final = 5.0
_AT_ONCE: Final = 4
_PATIENCE_S: Final = 60.0
_AFTER_FAILURE_US: Final = 900_000_000
_HOUR_US: Final = 3_600_000_000
_MOST_A_ROUND: Final = 50

log = structlog.get_logger(__name__)


class Discovery:
    """Fetches lists of models."""

    def __init__(
        self,
        *,
        database: Database,
        snapshot: Callable[[], Snapshot],
        lease_door: LeaseDoor,
        authorizers: Authorizers,
        transport_for: Callable[[str], Transport],
        clock: Clock,
        every_hours: int,
    ) -> None:
        """Ask again every `every_hours`, never by itself if that is 0."""
        self._database = database
        self._snapshot = snapshot
        self._lease_door = lease_door
        self._authorizers = authorizers
        self._transport_for = transport_for
        self._clock = clock
        self._every_us = every_hours * _HOUR_US

    async def round(self) -> None:
        """Ask for the lists that are due."""
        if not self._every_us:
            return
        credentials = [c for c in self._snapshot().credentials if c.active is not None and _can_list(c)]
        async with self._database.read() as conn:
            known = await store.dues(conn)
        now = self._clock.now_us()
        due = [c for c in credentials if _is_due(c, known.get(c.id), now)][:_MOST_A_ROUND]
        turns = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for credential in due:
                group.create_task(self._guarded(turns, credential, known.get(credential.id)))

    async def fetch(self, credential: Credential) -> tuple[ListedModel, ...]:
        """Ask a credential's provider for its list.

        Raises:
            ConflictError: the credential has no active key, or its provider has no list of what can be asked for.
            ProviderError: there is no list to be had.
        """
        provider = PROVIDERS[credential.provider]
        if credential.active is None:
            raise ConflictError("The credential has no active key.", code="credential_inactive")
        if not can_list(provider):
            raise ConflictError(
                f"{provider.title} does not list what can be asked for.",
                code="no_model_list",
                next_step="Say which models it serves: `keystead credential change --model …`.",
            )
        secret = await self._lease_door.lease(credential, credential.active)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                transport = self._transport_for(provider.name)
                return await list_models(transport, self._authorizers, provider, credential, secret)
        except TimeoutError as error:
            raise ProviderError(
                f"{provider.title} did not give its list of models in time.",
                error_class=ErrorClass.TIMEOUT,
                sent=True,
            ) from error

    def due_again_at(self, credential: Credential) -> int:
        """Return when to ask again: each credential at a time of its own, so that no provider sees them all at once."""
        spread = (crc32(credential.id.encode()) % 1000 - 500) / 5000  # a tenth earlier or later
        return self._clock.now_us() + int((self._every_us or 24 * _HOUR_US) * (1 + spread))

    async def _guarded(self, turns: asyncio.Semaphore, credential: Credential, seen: Due | None) -> None:
        try:
            await self._take_turn(turns, credential, seen)
        except Exception:  # one provider's list must not keep the others' from being fetched
            log.exception("models_not_listed", credential=credential.id, provider=credential.provider)

    async def _take_turn(self, turns: asyncio.Semaphore, credential: Credential, seen: Due | None) -> None:
        async with turns:
            async with self._database.write() as conn:
                if not await store.claim(conn, credential, seen, now_us=self._clock.now_us()):
                    return
            try:
                listed = await self.fetch(credential)
            except KeysteadError as error:
                await self._failed(credential, error)
                return
            async with self._database.write() as conn:
                now = self._clock.now_us()
                change = await store.keep(conn, credential, listed, now_us=now, due_at=self.due_again_at(credential))
                if change.new or change.gone:
                    await revision.touch(conn)
            tell(credential, change)

    async def _failed(self, credential: Credential, error: KeysteadError) -> None:
        log.info("models_not_listed", credential=credential.id, provider=credential.provider, code=error.code)
        async with self._database.write() as conn:
            now = self._clock.now_us()
            due_at = min(now + _AFTER_FAILURE_US, self.due_again_at(credential))
            await store.keep_failure(conn, credential, error.message, now_us=now, due_at=due_at)


def tell(credential: Credential, change: Change) -> None:
    """Log what a list brought, if anything; how many, not which: names may be a customer's own."""
    if change.new or change.gone:
        log.info(
            "models_changed",
            credential=credential.id,
            provider=credential.provider,
            new=len(change.new),
            gone=len(change.gone),
        )


def _can_list(credential: Credential) -> bool:
    return can_list(PROVIDERS[credential.provider])


def _is_due(credential: Credential, known: Due | None, now_us: int) -> bool:
    """Say whether a list is wanted: it was never asked for, or with another key, or is old."""
    assert credential.active is not None, "only what can be used has a list"
    return known is None or known.version != credential.active.version or known.due_at <= now_us
