"""The admin API with everything real behind it but the providers, which answer as scripted."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from argon2 import PasswordHasher
from sqlalchemy import Table, insert, select

from keystead.alerts.store import Alerts
from keystead.domain.access import Role, VirtualKey
from keystead.domain.clock import utc
from keystead.domain.ids import OrganizationId, TeamId, new_id
from keystead.domain.money import PICO_PER_UNIT
from keystead.gateway.digest import Digests
from keystead.gateway.discovery import Discovery
from keystead.gateway.dispatch import Dispatch
from keystead.gateway.explain import Explainer
from keystead.gateway.holdings import Holdings
from keystead.gateway.snapshots import Snapshots
from keystead.gateway.walk import Walk
from keystead.identity.authority import Assigned
from keystead.identity.bootstrap import Bootstrap, bootstrap
from keystead.identity.directory import Directory
from keystead.identity.identity_providers import IdentityProviders
from keystead.identity.issuer import Issuer, insert_admin_token
from keystead.identity.members import Members, insert_assignment, insert_member
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
from keystead.limits.store import Budgets, RateLimits
from keystead.metering.prices import Overrides
from keystead.policy.class_store import DataClassStore, RecognizerStore
from keystead.policy.store import Consents, Grants
from keystead.providers.authorization import Authorized, Authorizers
from keystead.providers.egress import EgressGuard
from keystead.providers.request import UpstreamRequest
from keystead.providers.sockets import Sockets
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import UpstreamResponse
from keystead.routing.breaker import Breakers
from keystead.routing.figures import Figures
from keystead.routing.retry_budget import RetryBudget
from keystead.routing.store import ModelRoutes
from keystead.storage import schema
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from keystead.vault.credentials import Credentials
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import DEPLOYMENT, Keyring
from keystead.vault.lease import LeaseDoor
from keystead.vault.sealer import OrganizationSealer
from keystead.vault.signatures import TrustedKeys
from keystead.web.admin.application import AdminApplication
from keystead.web.admin.places import for_simulations
from keystead.web.admin.rooms import AdminRooms, Check, Health
from keystead.web.failures import WRONG_PASSWORDS, Failures
from tests.fakes.clock import FakeClock
from tests.fakes.signer import SIGNER
from tests.integration.admin.asgi import Answer, call

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CREDIT_VALUE_PICO = PICO_PER_UNIT // 100


class ScriptedAnswer:
    """A provider's whole answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: list[tuple[str, str]] = []
        self.content_type = "application/json"
        self.upstream_request_id = "up_1"
        self.upload_url = ""
        self._body = body

    async def chunks(self) -> AsyncGenerator[bytes]:
        yield self._body

    async def body(self, limit: int) -> bytes:
        return self._body[:limit]

    def close(self) -> None:
        """Nothing is open."""


class ScriptedTransport:
    """Answers by the key it is shown, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes] | Exception] = {}
        self.asked: list[tuple[str, str]] = []
        """(URL, key) of each call."""
        self.while_asked: Callable[[], Awaitable[None]] | None = None
        """What happens meanwhile."""

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        key = authorized.hidden[0]
        self.asked.append((request.url, key))
        if self.while_asked is not None:
            await self.while_asked()
        answer = self.answers.get(key, (200, b'{"object":"list","data":[]}'))
        if isinstance(answer, Exception):
            raise answer
        return ScriptedAnswer(*answer)

    async def close(self) -> None:
        """Nothing is open."""


class World:
    """One deployment, just started."""

    def __init__(self, database: Database, clock: FakeClock, keyring: Keyring) -> None:
        self.database = database
        self.clock = clock
        self.keyring = keyring
        self.transport = ScriptedTransport()
        self.directory = Directory()
        self.credentials = Credentials(keyring, clock)
        self.ledger = Ledger(clock)
        self.catalogue_keys = TrustedKeys.from_pem(SIGNER.public_pem)
        self.snapshots: Snapshots
        self.app: AdminApplication
        self.token = ""
        self.key = ""
        self.organization_id = OrganizationId("")
        self.team_id = TeamId("")
        self.member_id = ""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one call below /admin/v1 as the first administrator, or with `token` ("" for none)."""
        shown = self.token if token is None else token
        sent = dict(headers or {})
        if shown:
            sent["Authorization"] = f"Bearer {shown}"
        chunks: list[bytes] = []
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            chunks = [body if isinstance(body, bytes) else msgspec.json.encode(body)]
        return await call(self.app, method, f"/admin/v1{path}", headers=list(sent.items()), chunks=chunks)

    def virtual_key(self, key_id: str) -> VirtualKey | None:
        """Return a virtual key as the data plane knows it now."""
        return self.snapshots.current.keys.get(key_id)

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    async def post(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        answer = await self.call("POST", path, body)
        assert answer.status == expect, answer.body
        return answer.json()

    async def add_credential(self, name: str = "main", **changes: Any) -> Any:
        body = {"name": name, "provider": "openai", "key": provider_key(name)} | changes
        return (await self.post("/credentials", body, expect=201))["credential"]

    async def signed_in_as(
        self,
        role: Role | None,
        organization_id: str | None = None,
        *,
        team_id: TeamId | None = None,
        scoped: bool = True,
        operator: bool = False,
    ) -> str:
        """Return an admin token of a new member of a team with `role`, in that team alone if `scoped` and one is given."""
        organization_id = organization_id or self.organization_id
        pepper = await self.keyring.pepper()
        now = self.clock.now_us()
        async with self.database.write() as conn:
            team = (await self.directory.teams(conn, organization_id, before=None, limit=1))[-1]
            member = await insert_member(
                conn,
                organization_id,
                team_id=team_id or team.id,
                name=f"{role.value if role else 'nobody'} {new_id('n', now)}",
                operator=operator,
                now=now,
            )
            if role is not None:
                assigned = Assigned(role=role.value, team_id=team_id if scoped else None)
                await insert_assignment(
                    conn, organization_id, member_id=member.id, assigned=assigned, actor_id=member.id, now=now
                )
            _, token = await insert_admin_token(
                conn,
                organization_id,
                pepper=pepper,
                member_id=member.id,
                name="token",
                expires_at=None,
                now=now,
            )
        await self.snapshots.refresh()
        return token.reveal()

    async def other_organization(self) -> str:
        """Make another organization and return its owner's admin token."""
        return str((await self.post("/organizations", {"name": "Other"}, expect=201))["token"])


def provider_key(name: str) -> str:
    """Return a provider key of OpenAI's shape."""
    return f"sk-proj-{name.replace(' ', '-')}-{'k' * 40}"


class FirstStart(msgspec.Struct, frozen=True):
    """What the first start of a deployment leaves. Made once: to write its rows again takes a fifth of the time."""

    kek: LocalKek
    made: Bootstrap
    rows: tuple[tuple[Table, list[dict[str, Any]]], ...]


async def first_start(database: Database, clock: FakeClock, home: Path) -> FirstStart:
    """Start a deployment on an empty database for the first time."""
    kek = LocalKek.create(home / "root.key")
    keyring = Keyring(database, kek, clock)
    await keyring.ensure(DEPLOYMENT)
    pepper = await keyring.pepper()
    async with database.write() as conn:
        made = await bootstrap(conn, clock=clock, pepper=pepper)
        await Ledger(clock).ensure_accounts(conn)
    assert isinstance(made, Bootstrap)
    await keyring.ensure(made.organization.id)
    async with database.read() as conn:
        rows = [(table, (await conn.execute(select(table))).mappings().all()) for table in metadata.sorted_tables]
    # The one row of the revision is a part of every migrated database.
    left = tuple(
        (table, [dict(row) for row in found])
        for table, found in rows
        if found and table is not schema.snapshot_revision
    )
    return FirstStart(kek, made, left)


async def started(database: Database, clock: FakeClock, first: FirstStart) -> World:
    """Start a deployment on an empty database, as it stands after its first start."""
    async with database.write() as conn:
        for table, rows in first.rows:
            await conn.execute(insert(table), rows)
    return await opened(database, clock, first)


async def opened(database: Database, clock: FakeClock, first: FirstStart) -> World:
    """Start a deployment on the database of its first start."""
    world = World(database, clock, Keyring(database, first.kek, clock))
    world.organization_id = first.made.organization.id
    world.team_id = first.made.team.id
    world.member_id = first.made.member.id
    world.token = first.made.admin_token.reveal()
    world.key = first.made.virtual_key.reveal()
    world.snapshots = Snapshots(
        database=database,
        credentials=world.credentials,
        pepper=await world.keyring.pepper(),
        credit_value_pico=CREDIT_VALUE_PICO,
        clock=clock,
    )
    await world.snapshots.refresh()
    world.app = AdminApplication(_rooms(world))
    return world


def _rooms(world: World) -> AdminRooms:
    async def health() -> Health:
        return Health(
            version="1",
            python="3",
            started_at=utc(world.clock.now_us()),
            now=utc(world.clock.now_us()),
            processes=1,
            checks=(Check(name="database", state="ok", message="It answers."),),
            jobs=(),
        )

    async def look_at_issuer(_issuer: str) -> tuple[Check, ...]:
        return (Check(name="discovery", state="ok", message="It answers."),)

    return AdminRooms(
        database=world.database,
        administrators=world.snapshots,
        directory=world.directory,
        organizations=Organizations(world.clock),
        teams=Teams(world.clock, world.directory),
        members=Members(world.clock, world.directory),
        roles=Roles(world.clock, world.directory),
        service_accounts=ServiceAccounts(world.clock),
        sign_in=SignIn(world.clock),
        sessions=Sessions(world.clock, world.directory),
        passwords=Passwords(CHEAP),
        wrong_passwords=Failures(world.clock, limit=WRONG_PASSWORDS),
        second_factors=SecondFactors(world.clock, OrganizationSealer(world.keyring)),
        identity_providers=IdentityProviders(world.clock, OrganizationSealer(world.keyring)),
        saved_prompts=SavedPrompts(world.clock, OrganizationSealer(world.keyring)),
        issuer=Issuer(world.clock),
        pepper=world.keyring.pepper,
        ensure_root_key=world.keyring.ensure,
        credentials=world.credentials,
        explainer=_explainer(world),
        virtual_key=world.virtual_key,
        grants=Grants(world.clock),
        data_classes=DataClassStore(world.clock),
        recognizers=RecognizerStore(world.clock),
        consents=Consents(world.clock),
        budgets=Budgets(world.clock),
        rate_limits=RateLimits(world.clock),
        lease_door=LeaseDoor(world.keyring),
        authorizers=Authorizers({}),
        transport_for=lambda _provider: world.transport,
        egress_guard=EgressGuard(()),
        look_at_issuer=look_at_issuer,
        catalogue_keys=world.catalogue_keys,
        overrides=Overrides(world.clock),
        model_routes=ModelRoutes(world.clock, providers=PROVIDERS),
        ledger=world.ledger,
        alerts=Alerts(world.clock),
        digests=Digests(world.clock),
        credit_value_pico=CREDIT_VALUE_PICO,
        price_book=lambda: world.snapshots.current.price_book,
        credentials_of=world.snapshots.credentials_of,
        known_models=lambda: world.snapshots.current.known,
        discovery=Discovery(
            database=world.database,
            snapshot=lambda: world.snapshots.current,
            lease_door=LeaseDoor(world.keyring),
            authorizers=Authorizers({}),
            transport_for=lambda _provider: world.transport,
            clock=world.clock,
            every_hours=6,
        ),
        clock=world.clock,
        refresh_snapshot=world.snapshots.refresh,
        health=health,
        body_timeout_s=60.0,
        simulations=for_simulations(),
    )


def _explainer(world: World) -> Explainer:
    dispatch = Dispatch(
        lease_door=LeaseDoor(world.keyring),
        authorizers=Authorizers({}),
        transport_for=lambda _provider: world.transport,
        sockets=cast("Sockets", world.transport),  # nobody asks for a session here
        total_timeout_s=60,
    )
    holdings = Holdings(
        database=world.database, clock=world.clock, revision=lambda: world.snapshots.current.revision, poll_s=1
    )
    walk = Walk(
        journal=world.database.journal,
        holdings=holdings,
        dispatch=dispatch,
        breakers=Breakers(),
        retry_budget=RetryBudget(),
        figures=Figures(),
        clock=world.clock,
        metrics=Metrics(),
        drain_s=1,
    )
    return Explainer(snapshot=lambda: world.snapshots.current, walk=walk, clock=world.clock)
