"""One worker: its rooms wired, its background work, and the ASGI application in front of them."""

import gc
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog

from keystead import __version__
from keystead.app.alerting import DIGESTS_S, Alerting, forget_alerts
from keystead.app.health import Deployment, check_health
from keystead.app.wiring import Foundation, shared_counters, wire
from keystead.domain.clock import DAY_US, SystemClock
from keystead.domain.errors import KeysteadError
from keystead.domain.ids import InstanceId, new_id
from keystead.domain.money import to_pico
from keystead.gateway.discovery import ROUND_S as DISCOVERY_ROUND_S
from keystead.gateway.snapshots import POLL_S, Snapshots
from keystead.gateway.tasks import Tasks
from keystead.gateway.watch import LOOK_S
from keystead.limits.rates import RENEW_S, Rates
from keystead.metering.days import gather
from keystead.metering.retention import forget
from keystead.providers.egress import EgressGuard
from keystead.providers.sockets import AiohttpSockets
from keystead.providers.transport import AiohttpTransport
from keystead.settings import Settings
from keystead.storage import stored_objects
from keystead.storage.counters import forget_counters
from keystead.storage.database import Database
from keystead.storage.engine import open_database
from keystead.telemetry import Metrics
from keystead.vault.credentials import Credentials
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import Keyring
from keystead.web.admin.rooms import Health
from keystead.web.console.application import ROOT as CONSOLE
from keystead.web.edge import read_head
from keystead.web.errors import error_body, error_headers
from keystead.web.operations import PATHS, Operations, Readiness
from keystead.web.payments import PATH as PAYMENTS_PATH
from keystead.web.presented import error_dialect
from keystead.web.realtime import as_handshake
from keystead.web.receive import Receive, Send
from keystead.web.relay import send_whole

log = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 2.0
DEAD_AFTER_US: Final = 15_000_000
"""Seven missed heartbeats: a worker starved of CPU for a few seconds is not taken for dead."""

RECOVERY_S: Final = 10.0
GAUGES_S: Final = 5.0
_YOUNG_OBJECTS: Final = 20_000
"""Objects that may be made before the collector looks for cycles: some hundred requests' worth, a few megabytes."""
HOUSEKEEPING_S: Final = 600.0
_DAYS_S: Final = 60.0
_RETENTION_S: Final = 60.0
_FORGOTTEN: Final = 20_000
"""Requests forgotten in one round: more than are made in one."""
_DAYS_GATHERED: Final = 40
"""Days of usage gathered in one round. There is one to gather a day, but after an update, or where the zone changed."""


class Process:
    """The ASGI application of one worker process."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; the lifespan's start opens everything."""
        self._settings = settings
        self._clock = SystemClock()
        self._metrics = Metrics(shared_metrics_folder(settings) if settings.workers > 1 else None)
        self._tasks = Tasks(self._clock)
        self._started_at = self._clock.now_us()
        self._instance_id = InstanceId(new_id("ins", self._clock.now_us()))
        self._hosts = _host_names(settings)
        self._processes = 1
        self._started = False
        self._draining = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one ASGI connection: check the head, then hand it to the room its path names."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await receive()  # the handshake: it is answered like a request, until it is accepted
            send = as_handshake(send)
        try:
            headers = read_head(scope, self._hosts)
        except KeysteadError as error:
            await self._refuse(scope, error, send)
            return
        # As it came on the wire: an encoded `/%61dmin/` is another path to every proxy's rules in front of this.
        path = scope["raw_path"].decode("ascii")
        if scope["type"] == "websocket":
            await self._realtime.serve(scope, headers, receive, send)
        elif path.startswith("/admin/") or path == "/openapi.json":
            await self._admin(scope, receive, send)
        elif path == CONSOLE or path.startswith(f"{CONSOLE}/"):
            await self._console(scope, receive, send)
        elif path == PAYMENTS_PATH:
            await self._payments.serve(scope, headers, receive, send)
        elif path in PATHS:
            await self._operations.serve(scope, headers, send)
        else:
            await self._inference.serve(scope, headers, receive, send)

    # -- start and stop -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the database, wire the rooms, compile the first snapshot, begin the background work."""
        settings, clock = self._settings, self._clock
        self._database: Database = await open_database(
            database_url=settings.database_url, home=settings.home, clock=clock, synchronous=settings.sqlite_synchronous
        )
        self._keyring = keyring = Keyring(self._database, LocalKek.load(settings.kek_file), clock)
        credentials = Credentials(keyring, clock)
        self._snapshots = Snapshots(
            database=self._database,
            credentials=credentials,
            pepper=await keyring.pepper(),
            credit_value_pico=to_pico(settings.credit_value),
            clock=clock,
        )
        await self._snapshots.refresh()
        await self._beat()
        self._wire(keyring, credentials)
        await self._recover()
        self._tasks.every("snapshot_poll", POLL_S, self._snapshots.poll)
        self._tasks.every("heartbeat", HEARTBEAT_S, self._beat)
        self._tasks.every("rates", RENEW_S, self._rates.renew)
        self._tasks.every("gauges", GAUGES_S, self._measure_soon)
        self._tasks.every("recovery", RECOVERY_S, self._recover)
        self._tasks.every("afterwork", settings.work_poll_s, self._afterwork.round)
        self._tasks.every("alerts", LOOK_S, self._alerting.look)
        self._tasks.every("notices", LOOK_S, self._alerting.tell)
        self._tasks.every("digests", DIGESTS_S, self._alerting.make_digests)
        self._tasks.every("models", DISCOVERY_ROUND_S, self._discovery.round)
        self._tasks.every("days", _DAYS_S, self._gather_days)
        self._tasks.every("retention", _RETENTION_S, self._forget_requests)
        self._tasks.every("housekeeping", HOUSEKEEPING_S, lambda: self._housekeep(credentials))
        _settle_heap()
        self._started = True

    async def stop(self) -> None:
        """Stop the background work, write what waits, close."""
        self._draining = True
        await self._tasks.stop()
        await self._network.close()
        await self._sockets.close()
        await self._rates.close()
        try:
            # Removed last: while it stands, nobody recovers what this process may still write.
            if self._database.journal.backlog() == 0:
                await self._database.remove_instance(self._instance_id)
        except KeysteadError:
            # The database is away: the missing heartbeats will tell the others the same.
            log.warning("instance_not_removed", instance=self._instance_id)
        finally:
            await self._database.close()

    def _wire(self, keyring: Keyring, credentials: Credentials) -> None:
        settings, clock = self._settings, self._clock
        self._rates = Rates(clock=clock, strict=shared_counters(settings, clock), processes=lambda: self._processes)
        guard = EgressGuard(settings.egress_allow)
        self._network = AiohttpTransport(settings=settings, guard=guard)
        self._sockets = AiohttpSockets(
            guard=guard,
            ca_file=settings.ca_file,
            connect_timeout_s=settings.connect_timeout_s,
            answer_timeout_s=settings.first_byte_timeout_s,
            most_bytes=settings.max_body_bytes,
        )
        base = Foundation(
            settings=settings,
            clock=clock,
            database=self._database,
            keyring=keyring,
            credentials=credentials,
            snapshots=self._snapshots,
            metrics=self._metrics,
            rates=self._rates,
            instance_id=self._instance_id,
            network=self._network,
            sockets=self._sockets,
            guard=guard,
        )
        outside = wire(base, health=self._health)
        self._alerting = Alerting(base, is_my_turn=self._is_eldest)
        self._inference, self._admin, self._payments = outside.inference, outside.admin, outside.payments
        self._afterwork = outside.afterwork
        self._realtime = outside.realtime
        self._console = outside.console
        self._discovery = outside.discovery
        self._operations = Operations(
            readiness=self._readiness,
            administrator=self._snapshots.administrator,
            metrics=self._metrics,
            measure=self._measure,
        )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except KeysteadError as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error.message} {error.next_step}"})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # -- background work ----------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Say that this process lives, and hear how many do: each takes its share of limits that nobody else counts."""
        await self._database.heartbeat(self._instance_id)
        self._processes = await self._database.living(self._clock.now_us() - DEAD_AFTER_US)

    async def _is_eldest(self) -> bool:
        return await self._database.eldest(self._clock.now_us() - DEAD_AFTER_US) == self._instance_id

    async def _recover(self) -> None:
        dead_before = self._clock.now_us() - DEAD_AFTER_US
        recovered = await self._database.recover(self._instance_id, dead_before)
        if recovered:
            self._metrics.recovered.inc(recovered)
            log.warning("requests_of_a_dead_process_ended_as_unknown", count=recovered)

    async def _housekeep(self, credentials: Credentials) -> None:
        now = self._clock.now_us()
        await self._database.ensure_partitions(now)
        # A draining version serves only requests that began on it, and none of those lives longer than this.
        older_than_at = now - int(self._settings.total_timeout_s * 1_000_000)
        async with self._database.write() as conn:
            await credentials.retire_drained(conn, older_than_at=older_than_at)
            await stored_objects.forget_expired(conn, before=now - DAY_US)
        await forget_counters(self._database, now)
        await forget_alerts(self._database, now)

    async def _gather_days(self) -> None:
        if await self._is_eldest():
            await gather(self._database, self._clock.now_us(), most=_DAYS_GATHERED)

    async def _forget_requests(self) -> None:
        if await self._is_eldest():
            forgotten = await forget(self._database, self._clock.now_us(), most=_FORGOTTEN)
            if forgotten:
                log.info("requests_forgotten", count=forgotten)

    # -- what the process says of itself ------------------------------------------------------------------------

    def _readiness(self) -> Readiness:
        if self._draining:
            return Readiness(ready=False, reason="draining")
        if not self._started:
            return Readiness(ready=False, reason="starting")
        if not self._database.journal.healthy():
            return Readiness(ready=False, reason="storage_unavailable")
        return Readiness(ready=True, reason="ready")

    async def _health(self) -> Health:
        return await check_health(
            Deployment(
                version=__version__,
                settings=self._settings,
                database=self._database,
                keyring=self._keyring,
                rates=self._rates,
                snapshot=self._snapshots.current,
                rounds=self._tasks.rounds,
                processes=self._processes,
                started_at=self._started_at,
                notices_to=self._alerting.notices_to,
                clock=self._clock,
            )
        )

    async def _measure_soon(self) -> None:
        self._measure()

    def _measure(self) -> None:
        self._metrics.in_flight.set(self._inference.in_flight + self._realtime.in_flight)
        self._metrics.journal_backlog.set(self._database.journal.backlog())
        age_us = self._clock.now_us() - self._snapshots.current.compiled_at
        self._metrics.snapshot_age.set(age_us / 1_000_000)

    async def _refuse(self, scope: MutableMapping[str, Any], error: KeysteadError, send: Send) -> None:
        self._metrics.refused.labels(error.code).inc()
        dialect = error_dialect(scope["path"], dict(scope["headers"]))
        request_id = new_id("req", self._clock.now_us())
        headers = [
            (b"content-type", b"application/json"),
            (b"connection", b"close"),
            (b"x-keystead-request-id", request_id.encode("ascii")),
            *error_headers(error),
        ]
        await send_whole(send, error.status, headers, error_body(error, dialect, request_id))


def _settle_heap() -> None:
    """Spare the collector what the start made, which lives as long as the process.

    With Python's own threshold of 700 objects a request under load pays for several collections, which find nothing:
    what a request leaves is freed by its counts. Measured, this saves 5 to 8 per cent of a request's CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)


def shared_metrics_folder(settings: Settings) -> Path:
    """Return where the workers of one gateway keep their metrics."""
    return settings.home / "metrics"


def _host_names(settings: Settings) -> frozenset[bytes]:
    names = {*settings.hosts, settings.host}
    return frozenset(name.lower().encode("idna" if not name.isascii() else "ascii") for name in names)
