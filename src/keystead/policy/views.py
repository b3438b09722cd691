"""The rules as they are kept: what the room returns and others show. Instants are Unix microseconds. Pure."""

from keystead.domain.grants import Consent, DataClass, Grant
from keystead.domain.ids import OrganizationId
from keystead.policy.recognize import Recognizer


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
