"""What the admin API's handlers work with, wired once by the composition root."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from keystead.alerts.store import Alerts
from keystead.domain.access import Administrator, VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.gateway.digest import Digests
from keystead.gateway.discovery import Discovery
from keystead.gateway.explain import Explainer
from keystead.gateway.known import KnownModels
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
from keystead.limits.store import Budgets, RateLimits
from keystead.metering.price_book import PriceBook
from keystead.metering.prices import Overrides
from keystead.policy.class_store import DataClassStore, RecognizerStore
from keystead.policy.store import Consents, Grants
from keystead.providers.authorization import Authorizers
from keystead.providers.egress import EgressGuard
from keystead.providers.transport import Transport
from keystead.routing.store import ModelRoutes
from keystead.storage.database import Lender
from keystead.vault.credentials import Credentials
from keystead.vault.lease import LeaseDoor
from keystead.vault.signatures import TrustedKeys
from keystead.web.admin.places import Places
from keystead.web.admin.values import Instant
from keystead.web.failures import Failures


class AdminDirectory(Protocol):
    """Who an admin token signs in, decided in memory."""

    def administrator(self, presented_token: str, /) -> Administrator | None:
        """Return the member that `presented_token` signs in, or None whatever is wrong with it."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, and how it is."""

    name: str
    state: Literal["ok", "warning", "failure"]
    message: str
    next_step: str = ""


JobState = Literal["ok", "waiting", "late", "failing"]
"""The last round went well; none was due yet; none went well for too long; the last one failed."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work that a process does again and again beside its requests."""

    name: str
    state: JobState
    every_s: float
    done_at: Instant | None
    """When a round last went well, in this process."""
    took_us: int | None
    """The last round."""
    failures: int
    """Rounds in a row that failed, up to the last one."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the deployment is, check by check, as the process that answers knows it. It holds nothing of any organization."""

    version: str
    python: str
    started_at: Instant
    """When this process was."""
    now: Instant
    """By this process's clock."""
    processes: int
    """That live now."""
    checks: tuple[Check, ...]
    jobs: tuple[Job, ...]


class AdminRooms(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators."""

    database: Lender
    """In a handler's hands, narrowed to what its route sees."""
    administrators: AdminDirectory
    directory: Directory
    organizations: Organizations
    teams: Teams
    members: Members
    roles: Roles
    service_accounts: ServiceAccounts
    sign_in: SignIn
    sessions: Sessions
    passwords: Passwords
    wrong_passwords: Failures
    """Of people who prove anew who they are, by member."""
    second_factors: SecondFactors
    identity_providers: IdentityProviders
    saved_prompts: SavedPrompts
    issuer: Issuer
    pepper: Callable[[], Awaitable[bytes]]
    """Vault's `Keyring.pepper`: what digests of issued keys are made with."""
    ensure_root_key: Callable[[str], Awaitable[None]]
    """Vault's `Keyring.ensure`, for the root key of a new organization."""
    credentials: Credentials
    explainer: Explainer
    virtual_key: Callable[[str], VirtualKey | None]
    """A virtual key as the data plane knows it now, by its id."""
    lease_door: LeaseDoor
    authorizers: Authorizers
    """What proves a key to its provider, made anew for each probe."""
    transport_for: Callable[[str], Transport]
    """The transport that reaches a provider, by the provider's name."""
    egress_guard: EgressGuard
    look_at_issuer: Callable[[str], Awaitable[tuple[Check, ...]]]
    """What is right and wrong with what an identity provider says of itself."""
    overrides: Overrides
    grants: Grants
    data_classes: DataClassStore
    recognizers: RecognizerStore
    consents: Consents
    budgets: Budgets
    rate_limits: RateLimits
    model_routes: ModelRoutes
    ledger: Ledger
    alerts: Alerts
    digests: Digests
    credit_value_pico: int
    """What a credit is worth, in pico USD."""
    price_book: Callable[[], PriceBook]
    """The current price book, overrides included."""
    catalogue_keys: TrustedKeys
    """Whose updates of the catalogue are taken."""
    credentials_of: Callable[[str], Sequence[Credential]]
    """An organization's credentials and the platform's, as the data plane knows them now."""
    known_models: Callable[[], KnownModels]
    """The catalogue, and what each credential's provider offers."""
    discovery: Discovery
    clock: Clock
    refresh_snapshot: Callable[[], Awaitable[None]]
    """Compile the tables anew, so that a change counts at once in this process."""
    health: Callable[[], Awaitable[Health]]
    body_timeout_s: float
    simulations: Places
    """How long a caller may take to send a body."""
