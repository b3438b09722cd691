"""The rules as they are asked for and as they are kept and shown. Instants are Unix microseconds. Pure."""

from collections.abc import Collection

import msgspec

from keystead.domain.grants import Consent, DataClass, Grant, Reason, SubjectKind
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.traffic import Endpoint
from keystead.policy.recognize import Recognizer


class NewGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant is to be like. None means all; see `domain.grants.Grant`."""

    effect: str
    subject_kind: SubjectKind
    subject_id: str
    """Who may, or may not. Whoever asks has looked it up."""
    credentials: Collection[str] | None = None
    """Ids or names of the organization's own credentials or the platform's."""
    models: Collection[str] | None = None
    endpoints: Collection[Endpoint] | None = None
    condition: str = ""
    note: str = ""
    expires_at: int | None = None


class NewRecognizer(msgspec.Struct, frozen=True, kw_only=True):
    """What a recogniser is to be like."""

    name: str
    """What refusals and redactions call it."""
    kind: str
    """A built-in kind (`patterns.BUILT_IN`), or `pattern`."""
    pattern: str = ""
    """RE2, for the kind `pattern` only."""
    action: str
    """`block`, `raise` or `redact`."""
    data_class: str = ""
    """What to raise to, for the action `raise` only."""


class NewConsent(msgspec.Struct, frozen=True, kw_only=True):
    """What a consent is to cover. Caps are pico credits; see `domain.grants.Consent`."""

    team_ids: Collection[TeamId] | None
    """Whose requests; None for all. Whoever asks has looked them up."""
    models: Collection[str] | None
    """Shell-style patterns of the platform's models; None for all."""
    data_classes: Collection[str]
    reasons: Collection[Reason]
    """Why an own key could not serve; see `domain.grants.CONSENTABLE`."""
    daily_cap_pico: int
    monthly_cap_pico: int
    expires_at: int
    """At most a year ahead."""
    note: str = ""
    """For people, such as who decided it."""


class GrantView(Grant, frozen=True, kw_only=True):
    """A grant, with who gave it."""

    created_at: int
    created_by: str
    revoked_at: int | None


class DataClassView(DataClass, frozen=True, kw_only=True):
    """A data class of an organization's own, or its own requirement for a built-in one."""

    id: str
    organization_id: OrganizationId
    created_at: int
    created_by: str


class RecognizerView(Recognizer, frozen=True, kw_only=True):
    """A recogniser, with who switched it on."""

    id: str
    created_at: int
    created_by: str


class ConsentView(Consent, frozen=True, kw_only=True):
    """A consent, with why it was given. `created_by` is who gave it."""

    note: str
    created_at: int
    revoked_at: int | None
