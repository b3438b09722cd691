"""What a row of the provider table is made of."""

import re
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from keystead.domain.embedding import EmbeddingForm
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass


class Scheme(StrEnum):
    """How a provider is shown who calls (see `authorization`)."""

    KEY = "key"
    """The key itself, in a header."""
    GOOGLE = "google"
    """An access token, got for a service account's key."""
    ENTRA = "entra"
    """An access token, got for an application's secret, or the resource's own key."""
    AWS = "aws"
    """A signature of the whole request, or a bearer key."""


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """The header that carries the key. A key never goes into a URL: URLs end up in logs."""

    header: str
    prefix: str = ""
    """What stands before the key, such as `Bearer `."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest call that tells a good key from a bad one without being billed."""

    path: str
    """Path and query under the origin, version prefix included."""
    dialect: Dialect = Dialect.OPENAI
    """Whose auth header is used."""
    method: str = "GET"
    body: bytes = b""
    conclusive: bool = True
    """Whether an answer other than a refusal proves the key. False where no free call is known to need it."""
    passed: frozenset[ErrorClass] = frozenset()
    """Refusals that only a key gets that was taken before."""


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider differs from the dialect it speaks."""

    stream_usage_option: bool = True
    """Accepts `stream_options.include_usage`. False: it refuses the field, and sends usage without being asked."""
    region_hosts: dict[str, str] = {}
    """Host → region name, where the region is chosen by host and is a price dimension."""
    region_in_host: str = ""
    """The same, where hosts follow a pattern: a regular expression whose first group is the region."""
    request_headers: frozenset[str] = frozenset()
    """Caller headers (lower case) that mean something to this provider beyond the dialect's own."""
    deployment_paths: bool = False
    """With the credential setting `api_version`: Azure's deployment paths, the model in the path."""
    publisher_paths: bool = False
    """Vertex AI's paths: project, location, and the model under its publisher's name (see `vertex`)."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Models of one maker at a provider that hosts several makers'."""

    models: tuple[str, ...]
    """Shell-style patterns."""
    endpoints: frozenset[tuple[Dialect, Endpoint]]
    """What is spoken to them."""
    stream_usage_option: bool = True
    profile: str = ""
    """The provider whose profile counts in a translated request; empty for the host's own."""
    embedding_form: EmbeddingForm | None = None
    """How its embeddings are asked for, if not as the dialect has it."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that a credential is given with."""

    pattern: str
    """What it may be, as a regular expression."""
    needed: bool = False
    beside: tuple[str, ...] = ()
    """Settings that it means nothing without."""
    bound: bool = False
    """It says where a key or a token goes, or as whom: like the origin, it does not change under a key that is kept."""
    help: str
    """What it is, and an example."""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's own origins, of which a setting chooses one."""

    setting: str
    template: str
    """With the setting's name in braces."""
    special: dict[str, str] = {}
    """Values whose origin is not made like the others'."""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    title: str
    dialects: dict[Dialect, str]
    """Dialect → path prefix under the origin (`/v1`)."""
    endpoints: frozenset[tuple[Dialect, Endpoint]]
    """What it serves; anything else is refused before it is sent."""
    origin: str | None
    """The default origin. None: the credential must name it. Loopback ones need KEYSTEAD_EGRESS_ALLOW."""
    probe: Probe
    auth: Auth = Auth(header="Authorization", prefix="Bearer ")
    dialect_auth: dict[Dialect, Auth] = {}
    """Dialects that carry the key in another header than `auth`."""
    scheme: Scheme = Scheme.KEY
    quirks: Quirks = Quirks()
    prefixes: dict[Endpoint, str] = {}
    """Endpoints that lie under another prefix than their dialect's."""
    native_models: tuple[str, ...] = ()
    """Shell-style patterns of the model families it makes: what a bare model name resolves to."""

    profile: str = ""
    """The provider whose profile counts in a translated request; empty for its own."""
    embedding_form: EmbeddingForm | None = None
    families: tuple[Family, ...] = ()
    """Models that are spoken to in another way than `endpoints` says; the first that matches counts."""
    settings: dict[str, Given] = {}
    """What a credential's settings mean to it. A setting that is not here means nothing."""
    places: Places | None = None

    def serving(self, model: str) -> "Provider":
        """Return the row as it is for one model."""
        name = model.removeprefix("models/")
        for family in self.families:
            if any(fnmatchcase(name, pattern) for pattern in family.models):
                return msgspec.structs.replace(
                    self,
                    endpoints=family.endpoints,
                    profile=family.profile,
                    embedding_form=family.embedding_form,
                    quirks=msgspec.structs.replace(self.quirks, stream_usage_option=family.stream_usage_option),
                )
        return self

    def origin_for(self, settings: Mapping[str, str]) -> str | None:
        """Return where a credential with these settings points to, unless it says otherwise."""
        chosen = settings.get(self.places.setting) if self.places is not None else None
        if self.places is None or chosen is None:
            return self.origin
        return self.places.special.get(chosen) or self.places.template.format_map({self.places.setting: chosen})

    def auth_for(self, dialect: Dialect) -> Auth:
        """Return the header that carries the key for `dialect`."""
        return self.dialect_auth.get(dialect, self.auth)

    def region_for(self, origin: str, settings: Mapping[str, str]) -> str:
        """Return the price region of a credential: what its origin tells, else what the setting says that chose one."""
        return self.region_of(origin) or (settings.get(self.places.setting, "") if self.places is not None else "")

    def region_of(self, origin: str) -> str:
        """Return the price region of `origin`, empty for the provider's default."""
        host = origin.partition("://")[2].partition(":")[0]
        found = re.search(self.quirks.region_in_host, host) if self.quirks.region_in_host else None
        return found[1] if found is not None else self.quirks.region_hosts.get(host, "")


def served(dialect: Dialect, *endpoints: Endpoint) -> frozenset[tuple[Dialect, Endpoint]]:
    """Return what is served in one dialect."""
    return frozenset((dialect, endpoint) for endpoint in endpoints)
