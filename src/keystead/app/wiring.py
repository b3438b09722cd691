"""The rooms of one worker, wired to each other: what decides, what sends, and what the admin API works with."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from keystead.alerts.store import Alerts
from keystead.app.access import cloud_ways
from keystead.app.catalogue_keys import load_catalogue_keys
from keystead.app.passthrough_file import load_passthrough
from keystead.app.private_file import read_private, refusal
from keystead.app.webhook_secrets import load_webhook_secrets
from keystead.coordination import Counters
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.ids import InstanceId
from keystead.domain.money import to_pico
from keystead.gateway.afterwork import Afterwork
from keystead.gateway.digest import Digests
from keystead.gateway.discovery import Discovery
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.explain import Explainer
from keystead.gateway.holdings import Holdings
from keystead.gateway.keeping import Keeping
from keystead.gateway.pace import Pace
from keystead.gateway.pipeline import Pipeline
from keystead.gateway.snapshots import Snapshots
from keystead.gateway.walk import Walk
from keystead.identity.directory import Directory
from keystead.identity.identity_providers import IdentityProviders
from keystead.identity.issuer import Issuer
from keystead.identity.members import Members
from keystead.identity.organizations import Organizations
from keystead.identity.passwords import Passwords
from keystead.identity.roles import Roles
from keystead.identity.saved_prompts import SavedPrompts
from keystead.identity.second_factor import SecondFactors
from keystead.identity.service_accounts import ServiceAccounts
from keystead.identity.sessions import Sessions
from keystead.identity.sign_in import SignIn
from keystead.identity.teams import Teams
from keystead.ledger.store import Ledger
from keystead.limits.rates import Rates
from keystead.limits.store import Budgets, RateLimits
from keystead.metering.prices import Overrides
from keystead.policy.class_store import DataClassStore, RecognizerStore
from keystead.policy.store import Consents, Grants
from keystead.providers.authorization import Authorizer, Authorizers
from keystead.providers.egress import EgressGuard
from keystead.providers.row import Scheme
from keystead.providers.sandbox import SandboxTransport
from keystead.providers.sockets import AiohttpSockets
from keystead.providers.table import PROVIDERS
from keystead.providers.tokens import Tokens, TokenSource
from keystead.providers.transport import AiohttpTransport, Transport
from keystead.routing.breaker import Breakers
from keystead.routing.figures import Figures
from keystead.routing.retry_budget import RetryBudget
from keystead.routing.store import ModelRoutes
from keystead.settings import Settings
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from keystead.vault.credentials import Credentials
from keystead.vault.keyring import Keyring
from keystead.vault.lease import LeaseDoor
from keystead.vault.sealer import OrganizationSealer
from keystead.web.admin.application import AdminApplication
from keystead.web.admin.places import for_simulations
from keystead.web.admin.rooms import AdminRooms, Health
from keystead.web.console.application import Console
from keystead.web.console.door import Door
from keystead.web.console.entering import DoorRooms
from keystead.web.console.relying_party import RelyingParty
from keystead.web.console.trial import Trial
from keystead.web.entrance import Entrance
from keystead.web.failures import WRONG_PASSWORDS, Failures
from keystead.web.inference import Inference, Limits
from keystead.web.models import ModelList
from keystead.web.payments import Payments
from keystead.web.realtime import Limits as SessionLimits
from keystead.web.realtime import Realtime
from keystead.web.relay import Relay


class Foundation(msgspec.Struct, frozen=True, kw_only=True):
    """What everything stands on, open and running."""

    settings: Settings
    clock: Clock
    database: Database
    keyring: Keyring
    credentials: Credentials
    snapshots: Snapshots
    metrics: Metrics
    rates: Rates
    instance_id: InstanceId
    network: AiohttpTransport
    sockets: AiohttpSockets
    guard: EgressGuard


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What answers from the outside, and what works beside it."""

    inference: Inference
    realtime: Realtime
    admin: AdminApplication
    console: Console
    payments: Payments
    afterwork: Afterwork
    discovery: Discovery


def shared_counters(settings: Settings, clock: Clock) -> Counters | None:
    """Return the counters that all processes share; None where no Redis is configured.

    Raises:
        KeysteadError: its URL cannot be read, or its password's file is refused.
    """
    if not settings.redis_url:
        return None
    from keystead.coordination.redis import RedisCounters  # noqa: PLC0415 - its client takes 8 MB, for who has a Redis

    password = None
    if settings.redis_password_file:
        path = Path(settings.redis_password_file).expanduser()
        content = read_private(path, variable="KEYSTEAD_REDIS_PASSWORD_FILE", code="redis_password_refused")
        password = _password(content)
    return RedisCounters(settings.redis_url, password=password, clock=clock)


def wire(base: Foundation, *, health: Callable[[], Awaitable[Health]]) -> Outside:
    """Wire the rooms; must be called in the event loop that they serve."""
    lease_door = LeaseDoor(base.keyring)
    sandbox = SandboxTransport()

    def transport_for(provider: str) -> Transport:
        return sandbox if provider == "sandbox" else base.network

    holdings = _holdings(base)
    tokens = Tokens(base.clock)
    base.snapshots.swapped.append(lambda snapshot: tokens.retain(snapshot.credentials))
    authorizers = Authorizers(_ways(base, tokens), forget=tokens.forget)
    dispatch = Dispatch(
        lease_door=lease_door,
        authorizers=authorizers,
        transport_for=transport_for,
        sockets=base.sockets,
        total_timeout_s=base.settings.total_timeout_s,
    )
    walk = _walk(base, dispatch, holdings)
    explainer = Explainer(snapshot=lambda: base.snapshots.current, walk=walk, clock=base.clock)
    ledger = Ledger(base.clock)
    inference, realtime = _data_plane(base, walk, holdings)
    discovery = Discovery(
        database=base.database,
        snapshot=lambda: base.snapshots.current,
        lease_door=lease_door,
        authorizers=authorizers,
        transport_for=transport_for,
        clock=base.clock,
        every_hours=base.settings.models_refresh_h,
    )
    relying_party = RelyingParty(transport=base.network, guard=base.guard, clock=base.clock)
    admin_rooms = _admin_rooms(
        base,
        lease_door=lease_door,
        transport_for=transport_for,
        explainer=explainer,
        ledger=ledger,
        discovery=discovery,
        health=health,
        relying_party=relying_party,
    )
    return Outside(
        inference=inference,
        realtime=realtime,
        discovery=discovery,
        admin=AdminApplication(admin_rooms),
        console=_console(base, admin_rooms, inference, relying_party),
        payments=_payments(base, ledger),
        afterwork=Afterwork(
            database=base.database,
            dispatch=dispatch,
            snapshot=lambda: base.snapshots.current,
            clock=base.clock,
            metrics=base.metrics,
            poll_s=base.settings.work_poll_s,
        ),
    )


def _holdings(base: Foundation) -> Holdings:
    return Holdings(
        database=base.database,
        clock=base.clock,
        revision=lambda: base.snapshots.current.revision,
        poll_s=base.settings.work_poll_s,
    )


def _walk(base: Foundation, dispatch: Dispatch, holdings: Holdings) -> Walk:
    return Walk(
        journal=base.database.journal,
        holdings=holdings,
        dispatch=dispatch,
        breakers=Breakers(),
        retry_budget=RetryBudget(),
        figures=Figures(),
        clock=base.clock,
        metrics=base.metrics,
        drain_s=base.settings.disconnect_drain_s,
    )


def _console(base: Foundation, admin_rooms: AdminRooms, inference: Inference, relying_party: RelyingParty) -> Console:
    door = Door(
        DoorRooms(
            database=base.database,
            clock=base.clock,
            admin=admin_rooms,
            relying_party=relying_party,
        )
    )

    def in_force(key_id: str) -> VirtualKey | None:
        return base.snapshots.current.in_force(key_id, base.clock.now_us())

    return Console(door, Trial(door, in_force=in_force, serve=inference.serve, clock=base.clock))


def _payments(base: Foundation, ledger: Ledger) -> Payments:
    return Payments(
        database=base.database,
        ledger=ledger,
        secrets=load_webhook_secrets(
            base.settings.topup_webhook_secret_file, variable="KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE"
        ),
        clock=base.clock,
    )


def _password(content: bytes) -> str:
    try:
        password = content.decode().strip()
    except UnicodeDecodeError:
        password = ""
    if not password:
        raise refusal(
            "holds no password",
            "Write the password into it as UTF-8 text, or unset the setting.",
            variable="KEYSTEAD_REDIS_PASSWORD_FILE",
            code="redis_password_refused",
        )
    return password


def _data_plane(base: Foundation, walk: Walk, holdings: Holdings) -> tuple[Inference, Realtime]:
    settings = base.settings
    entrance = Entrance(snapshots=base.snapshots, clock=base.clock)
    relay = Relay(total_timeout_s=settings.total_timeout_s)
    pipeline = Pipeline(
        snapshot=lambda: base.snapshots.current,
        database=base.database,
        keeping=Keeping(holdings),
        walk=walk,
        pace=Pace(base.rates, base.clock),
        clock=base.clock,
        instance_id=base.instance_id,
        metrics=base.metrics,
    )
    inference = Inference(
        pipeline=pipeline,
        entrance=entrance,
        relay=relay,
        models=ModelList(pipeline=pipeline, clock=base.clock),
        passthrough=load_passthrough(settings.passthrough_file),
        metrics=base.metrics,
        clock=base.clock,
        limits=Limits(
            max_body_bytes=settings.max_body_bytes,
            max_file_bytes=settings.max_file_bytes,
            body_timeout_s=settings.body_timeout_s,
            max_in_flight=settings.max_in_flight,
        ),
    )
    realtime = Realtime(
        pipeline=pipeline,
        entrance=entrance,
        relay=relay,
        metrics=base.metrics,
        clock=base.clock,
        limits=SessionLimits(
            longest_s=settings.total_timeout_s, idle_s=settings.idle_timeout_s, most_sessions=settings.max_in_flight
        ),
    )
    return inference, realtime


def _ways(base: Foundation, tokens: TokenSource) -> dict[Scheme, Authorizer]:
    """Return how callers are proved where the key alone is no proof; `tokens` keeps what was got for it."""
    return cloud_ways(base.settings, transport=base.network, tokens=tokens, clock=base.clock)


def _admin_rooms(
    base: Foundation,
    *,
    lease_door: LeaseDoor,
    transport_for: Callable[[str], Transport],
    explainer: Explainer,
    ledger: Ledger,
    discovery: Discovery,
    health: Callable[[], Awaitable[Health]],
    relying_party: RelyingParty,
) -> AdminRooms:
    clock, directory = base.clock, Directory()
    return AdminRooms(
        database=base.database,
        administrators=base.snapshots,
        directory=directory,
        organizations=Organizations(clock),
        teams=Teams(clock, directory),
        members=Members(clock, directory),
        roles=Roles(clock, directory),
        service_accounts=ServiceAccounts(clock),
        sign_in=SignIn(clock),
        sessions=Sessions(clock, directory),
        passwords=Passwords(),
        wrong_passwords=Failures(clock, limit=WRONG_PASSWORDS),
        second_factors=SecondFactors(clock, OrganizationSealer(base.keyring)),
        identity_providers=IdentityProviders(clock, OrganizationSealer(base.keyring)),
        saved_prompts=SavedPrompts(clock, OrganizationSealer(base.keyring)),
        issuer=Issuer(clock),
        pepper=base.keyring.pepper,
        ensure_root_key=base.keyring.ensure,
        credentials=base.credentials,
        overrides=Overrides(clock),
        grants=Grants(clock),
        data_classes=DataClassStore(clock),
        recognizers=RecognizerStore(clock),
        consents=Consents(clock),
        budgets=Budgets(clock),
        rate_limits=RateLimits(clock),
        model_routes=ModelRoutes(clock, providers=PROVIDERS),
        ledger=ledger,
        alerts=Alerts(clock),
        digests=Digests(clock),
        credit_value_pico=to_pico(base.settings.credit_value),
        explainer=explainer,
        virtual_key=base.snapshots.key,
        lease_door=lease_door,
        authorizers=Authorizers(_ways(base, TokenSource())),  # a probe asks anew
        transport_for=transport_for,
        egress_guard=base.guard,
        look_at_issuer=relying_party.look_at,
        catalogue_keys=load_catalogue_keys(base.settings.catalogue_keys_file),
        price_book=lambda: base.snapshots.current.price_book,
        credentials_of=base.snapshots.credentials_of,
        known_models=lambda: base.snapshots.current.known,
        discovery=discovery,
        clock=clock,
        refresh_snapshot=base.snapshots.refresh,
        health=health,
        body_timeout_s=base.settings.body_timeout_s,
        simulations=for_simulations(),
    )
