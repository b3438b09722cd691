"""Telling the operator's webhook what is put down for it: signed, over the guarded network, until it is taken.

    POST <the operator's URL>
    keystead-signature: t=1767225600,v1=<hex of HMAC-SHA256 over "1767225600." and the body>

The signature is the one that payment notices come in with (`ledger.webhook`). While the secret changes, both are known
and each signs. What counts as taken is an answer of 200 to 299; where it redirects to is nobody's concern.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from keystead import __version__
from keystead.alerts import notices
from keystead.alerts.notices import Notice
from keystead.domain.clock import Clock
from keystead.domain.errors import ProviderError
from keystead.domain.secret import Secret
from keystead.ledger.webhook import HEADER, signature_of
from keystead.providers.authorization import with_key
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.transport import Transport
from keystead.storage.database import Database
from keystead.telemetry import Metrics

log = structlog.get_logger(__name__)

AT_ONCE: Final = 20
"""Notices told in one round, one after another."""
TIMEOUT_S: Final = 10.0


class Teller:
    """Tells what waits."""

    def __init__(
        self,
        *,
        database: Database,
        transport: Transport,
        origin: str,
        target: str,
        secrets: Sequence[Secret],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Tell `origin` + `target`, and sign with each of `secrets`."""
        self._database = database
        self._transport = transport
        self._origin = origin
        self._target = target
        self._secrets = tuple(secrets)
        self._clock = clock
        self._metrics = metrics

    async def tell(self) -> None:
        """Tell what may be told now; after the first that is not taken, the others wait for the next round."""
        async with self._database.read() as conn:
            waiting = await notices.due(conn, now=self._clock.now_us(), limit=AT_ONCE)
        for notice in waiting:
            if not await self._is_told(notice):
                return

    async def _is_told(self, notice: Notice) -> bool:
        is_taken = await self._is_taken(notice)
        given_up = False
        async with self._database.write() as conn:
            if is_taken:
                await notices.taken(conn, notice, now=self._clock.now_us())
            else:
                given_up = await notices.refused(conn, notice, now=self._clock.now_us())
        if given_up:
            log.error("notice_given_up", notice=notice.id, tries=notice.tries + 1)
        self._metrics.notices.labels("taken" if is_taken else "given_up" if given_up else "refused").inc()
        return is_taken

    async def _is_taken(self, notice: Notice) -> bool:
        body = notice.body.encode()
        stamp = str(self._clock.now_us() // 1_000_000)
        signatures = ",".join(f"v1={signature_of(body, stamp=stamp, secret=secret)}" for secret in self._secrets)
        request = UpstreamRequest(
            method="POST",
            origin=self._origin,
            target=self._target,
            headers=(
                ("content-type", "application/json"),
                ("user-agent", f"keystead/{__version__}"),
                ("accept-encoding", "identity"),
            ),
            body=body,
            auth=Auth(header=HEADER, prefix=f"t={stamp},"),
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._transport.open(request, with_key(request, Secret(signatures)))
        except (ProviderError, TimeoutError) as error:
            log.warning("notice_not_taken", notice=notice.id, error=type(error).__name__)
            return False
        response.close()
        if response.status >= 300:
            log.warning("notice_not_taken", notice=notice.id, status=response.status)
            return False
        return True
