"""Credentials as the admin API takes and shows them."""

from typing import Annotated

import msgspec

from keystead.domain.credential import VersionState
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.ledger.credits import MAX_MARGIN_PPM
from keystead.policy.checks import MAX_REGIONS, MAX_RETENTION_DAYS
from keystead.providers.probe import ProbeResult
from keystead.vault.view import CredentialView, VersionView
from keystead.web.admin.values import Instant, ModelPatterns, Name, instant, optional_instant, whole, with_instants

Origin = Annotated[
    str, msgspec.Meta(min_length=1, max_length=300, description="`https://host` or `https://host:port`.")
]
Setting = Annotated[str, msgspec.Meta(max_length=200, pattern=whole(r"[!-~]*"))]
SettingName = Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=whole(r"[a-z0-9_]+"))]
PriceRegion = Annotated[str, msgspec.Meta(max_length=50, pattern=whole(r"[a-z0-9-]*"))]
MarginPpm = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=MAX_MARGIN_PPM, description="Parts per million added to the provider's cost: 200000 is 20 %."
    ),
]
Region = Annotated[
    str,
    msgspec.Meta(
        max_length=32,
        pattern=whole(r"[a-z0-9][a-z0-9-]*"),
        description="A place as contracts name it, always written in the same way: `eu`, `de`, `us`.",
    ),
]
RetentionDays = Annotated[int, msgspec.Meta(ge=0, le=MAX_RETENTION_DAYS)]
ContractReference = Annotated[
    str,
    msgspec.Meta(max_length=200, pattern=whole(r"[^\x00-\x1f\x7f-\x9f]*"), description="Where the contract is kept."),
]
VersionNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class AddCredential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to keep. It is probed first; one that the provider calls wrong is refused."""

    name: Name
    provider: str
    key: Secret
    origin: Origin | None = None
    """Null: the provider's own, where it has one."""
    settings: Annotated[dict[SettingName, Setting], msgspec.Meta(max_length=20)] = {}
    region: PriceRegion | None = None
    """Price region; null: what the origin tells."""
    models: ModelPatterns | None = None
    on_disconnect: OnDisconnect = OnDisconnect.DRAIN
    activate: bool = True
    force: bool = False
    """Activate although the probe proved nothing. A key proved wrong is not activated by force either."""
    keep: bool = False
    """Keep the key staged although the probe says that it is wrong."""
    allow_duplicate: bool = False
    """Keep the key although another credential of the organization holds the same."""
    platform: bool = False
    """The operator's: other organizations may be granted it, and pay for its work with credits."""
    margin_ppm: MarginPpm | None = None
    """Of a platform credential, and to be said of each."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next version's key. It is probed first; one that the provider calls wrong is refused."""

    key: Secret
    activate: bool = True
    """False: leave it staged."""
    force: bool = False
    keep: bool = False
    allow_duplicate: bool = False


class OneVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version."""

    version: VersionNumber


class Activation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version to activate. It is probed first."""

    version: VersionNumber
    force: bool = False


class SomeVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version; null means what the route says."""

    version: VersionNumber | None = None


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the credential points from now on. Its keys are destroyed: they were bound to where it pointed before."""

    origin: Origin


class SetTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the contract behind the key promises, in place of all that was said before. What is left out is not promised."""

    regions: Annotated[tuple[Region, ...], msgspec.Meta(max_length=MAX_REGIONS)] = ()
    """Where data is processed and kept."""
    retention_days: RetentionDays | None = None
    """For how long prompts and answers are kept; 0 is zero data retention, null is unknown."""
    no_training: bool = False
    """The provider does not train on the data."""
    baa_reference: ContractReference = ""
    """The business associate agreement (HIPAA)."""
    dpa_reference: ContractReference = ""
    """The data processing agreement (GDPR)."""
    ends_at: Instant | None = None
    """When the contract ends; from then on it promises nothing."""


class TermsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the contract behind a credential promises."""

    regions: tuple[str, ...]
    retention_days: int | None
    no_training: bool
    baa_reference: str
    dpa_reference: str
    ends_at: Instant | None


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider said about a key."""

    outcome: str
    """`valid`, `invalid`, `no_rights`, `unreachable` or `unknown`."""
    status: int | None
    message: str
    latency_us: int


class VersionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a credential."""

    version: int
    state: VersionState
    mask: str
    created_at: Instant
    created_by: str
    activated_at: Instant | None
    draining_at: Instant | None
    retired_at: Instant | None
    revoked_at: Instant | None
    probed_at: Instant | None
    probe: ProbeReport | None


class CredentialShown(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, without its keys."""

    id: str
    name: str
    provider: str
    origin: str
    settings: dict[str, str]
    owner: Owner
    region: str
    models: tuple[str, ...] | None
    on_disconnect: OnDisconnect
    terms: TermsShown
    margin_ppm: int | None
    """Of a platform credential."""
    created_at: Instant
    created_by: str
    revoked_at: Instant | None
    active_version: int | None
    versions: tuple[VersionShown, ...]


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """A credential after a probe of one of its versions."""

    credential: CredentialShown
    version: int
    probe: ProbeReport


def report(result: ProbeResult) -> ProbeReport:
    """Return what is shown of a probe."""
    return ProbeReport(
        outcome=result.outcome, status=result.status, message=result.message, latency_us=result.latency_us
    )


def shown(view: CredentialView) -> CredentialShown:
    """Return a credential as it is shown."""
    return CredentialShown(
        id=view.id,
        name=view.name,
        provider=view.provider,
        origin=view.origin,
        settings=view.settings,
        owner=view.owner,
        region=view.region,
        models=view.models,
        on_disconnect=view.on_disconnect,
        terms=TermsShown(**with_instants(view.terms)),
        margin_ppm=view.margin_ppm,
        created_at=instant(view.created_at),
        created_by=view.created_by,
        revoked_at=optional_instant(view.revoked_at),
        active_version=active_version(view),
        versions=tuple(_version(version) for version in view.versions),
    )


def active_version(view: CredentialView) -> int | None:
    """Return the number of the version that new requests use."""
    return next((version.version for version in view.versions if version.state is VersionState.ACTIVE), None)


def _version(view: VersionView) -> VersionShown:
    return VersionShown(
        version=view.version,
        state=view.state,
        mask=view.mask,
        created_at=instant(view.created_at),
        created_by=view.created_by,
        activated_at=optional_instant(view.activated_at),
        draining_at=optional_instant(view.draining_at),
        retired_at=optional_instant(view.retired_at),
        revoked_at=optional_instant(view.revoked_at),
        probed_at=optional_instant(view.probed_at),
        probe=None if view.probe_result is None else msgspec.convert(view.probe_result, ProbeReport),
    )
