"""Who may use which credential for which models, for which data, and with whose consent on whose money."""

from enum import StrEnum
from typing import Literal

import msgspec

from keystead.domain.ids import CredentialId, OrganizationId, TeamId
from keystead.domain.traffic import Endpoint

SubjectKind = Literal["organization", "team", "member", "service_account"]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: who may (or may not) use which credentials, models and endpoints, under which condition.

    Without a grant nothing is allowed, and a deny wins over every allow. A team's grants hold for the teams below it.
    None means all; for the credentials of an allow, all of the organization's own (platform credentials are always
    named), for those of a deny truly all.
    """

    id: str
    organization_id: OrganizationId
    effect: Literal["allow", "deny"]
    subject_kind: SubjectKind
    subject_id: str
    credential_ids: tuple[CredentialId, ...] | None
    models: tuple[str, ...] | None
    """Shell-style patterns, as in `VirtualKey.models`."""
    endpoints: tuple[Endpoint, ...] | None
    condition: str
    """CEL over `request`, `team`, `principal`, `data_class`, `time`, `tags`; empty for always."""
    note: str = ""
    """For people: why it is there."""
    expires_at: int | None


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the contract behind a credential promises. What is not known is not promised."""

    regions: tuple[str, ...] = ()
    """Where data is processed and kept, such as `eu`, `de`, `us`."""
    retention_days: int | None = None
    """For how long the provider keeps prompts and answers; 0 is zero data retention."""
    no_training: bool = False
    """The provider does not train on the data."""
    baa_reference: str = ""
    """The business associate agreement (HIPAA)."""
    dpa_reference: str = ""
    """The data processing agreement (GDPR)."""
    ends_at: int | None = None
    """When the contract ends; from then on it promises nothing."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a data class asks of a credential's terms."""

    regions: tuple[str, ...] = ()
    """The terms must promise regions, all of them among these; empty for any."""
    most_retention_days: int | None = None
    no_training: bool = False
    baa: bool = False
    dpa: bool = False
    own_key_only: bool = False
    """Never on a platform credential, whatever is granted or consented to."""


class DataClass(msgspec.Struct, frozen=True, kw_only=True):
    """How sensitive a request is. A higher rank is more sensitive."""

    name: str
    rank: int
    requirement: Requirement


class Reason(StrEnum):
    """Why an attempt follows another."""

    THROTTLED = "throttled"
    DOWN = "down"
    OUT_OF_FUNDS = "out_of_funds"
    AUTH_FAILED = "auth_failed"
    MODEL_MISSING = "model_missing"
    CONTEXT_TOO_LONG = "context_too_long"


CONSENTABLE = frozenset({Reason.THROTTLED, Reason.DOWN, Reason.OUT_OF_FUNDS})
"""Reasons for which a consent can let platform credentials step in. A failing own key is never papered over."""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded permission to fall back from own keys to platform credentials. Amounts are pico credits."""

    id: str
    organization_id: OrganizationId
    team_ids: tuple[TeamId, ...] | None
    """None for every team; a team's consent holds for the teams below it."""
    models: tuple[str, ...] | None
    data_classes: tuple[str, ...]
    reasons: tuple[Reason, ...]
    daily_cap_pico: int
    monthly_cap_pico: int
    created_by: str
    expires_at: int
