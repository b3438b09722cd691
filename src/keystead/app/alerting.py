"""Alerts and digests of a worker: who looks for them, and whom they are told."""

from collections.abc import Awaitable, Callable
from typing import Final

from keystead.alerts import notices, store
from keystead.app.alert_webhook import alert_webhook
from keystead.app.wiring import Foundation
from keystead.gateway.digest import Digests
from keystead.gateway.teller import Teller
from keystead.gateway.watch import Watch
from keystead.gateway.weekly import put_down_digests
from keystead.storage.database import Database

DIGESTS_S: Final = 15.0
"""How often it is looked whether somebody's week is over."""


class Alerting:
    """Looks, makes digests and tells, in turns: of the living processes, the eldest."""

    def __init__(self, base: Foundation, *, is_my_turn: Callable[[], Awaitable[bool]]) -> None:
        """Wire the rooms.

        Raises:
            GatewayError: see `alert_webhook`.
        """
        self._base = base
        self._is_my_turn = is_my_turn
        webhook = alert_webhook(base.settings, base.guard)
        self._watch = Watch(database=base.database, clock=base.clock, metrics=base.metrics, notify=webhook is not None)
        self._digests = Digests(base.clock)
        self.notices_to = webhook.origin if webhook is not None else ""
        """Where alerts and digests are sent; empty: nowhere."""
        self._teller: Teller | None = None
        if webhook is not None:
            self._teller = Teller(
                database=base.database,
                transport=base.network,
                origin=webhook.origin,
                target=webhook.target,
                secrets=webhook.secrets,
                clock=base.clock,
                metrics=base.metrics,
            )

    async def look(self) -> None:
        """Look for what somebody should know."""
        if await self._is_my_turn():
            await self._watch.look()

    async def tell(self) -> None:
        """Tell what waits, if it is to be told."""
        if self._teller is not None and await self._is_my_turn():
            await self._teller.tell()

    async def make_digests(self) -> None:
        """Put the digests of the last week down, if they are to be told."""
        if self._teller is not None and await self._is_my_turn():
            await put_down_digests(self._base.database, self._digests, self._base.clock)


async def forget_alerts(database: Database, now_us: int) -> None:
    """Delete what was resolved, or told, long ago."""
    async with database.write() as conn:
        await store.forget(conn, now=now_us)
        await notices.forget(conn, now=now_us)
