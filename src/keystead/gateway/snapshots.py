"""Compiling the snapshot, and keeping it current.

It is compiled from the tables in one read transaction and swapped whole. A change made through this
process counts at once (the admin API calls `refresh`); a change made by another worker or replica is seen by
polling one row, `snapshot_revision`, four times a second, so a revoked key is unused everywhere within a second.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from keystead.catalogue import updates
from keystead.catalogue.facts import ModelCatalogue
from keystead.catalogue.store import offers
from keystead.domain.access import Administrator, VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import AuthenticationError
from keystead.gateway.compile import compile_rules
from keystead.gateway.editions import Editions
from keystead.gateway.known import KnownModels
from keystead.gateway.means import Means
from keystead.gateway.snapshot import Snapshot
from keystead.identity import directory, virtual_keys
from keystead.ledger import store as ledger
from keystead.metering import prices
from keystead.storage import revision
from keystead.storage.database import Database
from keystead.vault.credentials import Credentials

log = structlog.get_logger(__name__)

POLL_S: Final = 0.25
"""Four reads a second of one row: revocation reaches every process in well under its promised second."""


class Snapshots:
    """Holds the current snapshot and replaces it when the tables have changed."""

    def __init__(
        self, *, database: Database, credentials: Credentials, pepper: bytes, credit_value_pico: int, clock: Clock
    ) -> None:
        """Hold nothing yet; `refresh` compiles the first. A credit is worth `credit_value_pico` pico USD."""
        self._database = database
        self._credentials = credentials
        self._pepper = pepper
        self._credit_value_pico = credit_value_pico
        self._clock = clock
        self._editions = Editions(price_book=prices.load_snapshot(), models=ModelCatalogue())
        self._known = KnownModels(self._editions.models)
        self._current: Snapshot | None = None
        self.swapped: list[Callable[[Snapshot], None]] = []
        """Who is told of each new snapshot."""
        self._begun = 0
        self._swapped = 0
        """Compilations that began, and which of them the current snapshot is."""

    @property
    def current(self) -> Snapshot:
        """The snapshot to decide by."""
        if self._current is None:
            raise RuntimeError("the first snapshot has not been compiled")
        return self._current

    async def refresh(self) -> None:
        """Compile the tables as they are now and swap the snapshot.

        Compilations overlap. One that began later has seen all that an earlier one has, so an earlier one that is
        done later is thrown away: it could bring a revoked key back.
        """
        self._begun = turn = self._begun + 1
        async with self._database.vital.read() as conn:
            # The revision is read first: a change that lands between the reads is then compiled once more by the
            # next poll, and never missed.
            number = await revision.current(conn)
            keys = await directory.virtual_keys(conn)
            tokens = await directory.admin_tokens(conn)
            credentials = await self._credentials.sealed(conn)
            editions = self._editions.with_updates(await updates.unknown(conn, self._editions.updates))
            known = self._known.with_facts(editions.models).with_offers(await offers(conn, self._known.offers))
            rules = await compile_rules(conn, credentials, known)
            overrides = await prices.overrides(conn)
            revenue = await ledger.revenue_account(conn)
        if turn < self._swapped:
            return
        self._swapped = turn
        self._known, self._editions = known, editions
        self._current = Snapshot(
            revision=number,
            compiled_at=self._clock.now_us(),
            pepper=self._pepper,
            keys={key.id: key for key in keys},
            admin_tokens={token.id: token for token in tokens},
            rules=rules,
            credentials=credentials,
            known=known,
            means=Means(
                price_book=editions.price_book.with_overrides(overrides),
                credit_value_pico=self._credit_value_pico,
                revenue_account=revenue,
                clock=self._clock,
            ),
            callers={},
            plans={},
        )
        for told in self.swapped:
            told(self._current)

    async def poll(self) -> None:
        """Refresh if another process changed the tables."""
        async with self._database.vital.read() as conn:
            number = await revision.current(conn)
        if number != self.current.revision:
            await self.refresh()
            log.debug("snapshot_refreshed", revision=number)

    def key(self, key_id: str) -> VirtualKey | None:
        """Return the virtual key of that id as it counts now, or None."""
        return self.current.keys.get(key_id)

    def credentials_of(self, organization_id: str) -> Sequence[Credential]:
        """Return an organization's credentials as they count now, then the platform's."""
        rules = self.current.rules.get(organization_id)
        return rules.credentials if rules else ()

    def virtual_key(self, text: str) -> VirtualKey:
        """Return the virtual key that `text` is.

        Raises:
            AuthenticationError: not a key, unknown, wrong secret, revoked or expired: the same error for all, after
                the same work, so that an answer tells nothing about which.
        """
        snapshot = self.current
        presented = virtual_keys.parse(text)
        if presented is None or presented.kind != "virtual_key":
            raise AuthenticationError
        key = snapshot.keys.get(presented.id)
        genuine = virtual_keys.verify(snapshot.pepper, presented, key.digest if key else None)
        if key is None or not genuine or not self._in_force(key.expires_at, key.revoked_at):
            raise AuthenticationError
        return key

    def administrator(self, text: str) -> Administrator | None:
        """Return the member that an admin token stands for, or None."""
        snapshot = self.current
        presented = virtual_keys.parse(text)
        if presented is None or presented.kind != "admin_token":
            return None
        token = snapshot.admin_tokens.get(presented.id)
        genuine = virtual_keys.verify(snapshot.pepper, presented, token.digest if token else None)
        if token is None or not genuine or not self._in_force(token.expires_at, token.revoked_at):
            return None
        return token.administrator

    def _in_force(self, expires_at: int | None, revoked_at: int | None) -> bool:
        return revoked_at is None and (expires_at is None or self._clock.now_us() < expires_at)
