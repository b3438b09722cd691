"""Alerts as they are made and as they are shown. Pure."""

from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from keystead.domain.clock import Instant, utc

At = TypeVar("At")
State = Literal["open", "acknowledged", "resolved"]


class AlertKind(StrEnum):
    """What an alert is about. Its subject is a credential, a budget, a consent, …, as the word begins."""

    CREDENTIAL_REFUSED = "credential_refused"
    """The provider refuses the key (401, 403)."""
    CREDENTIAL_OUT_OF_FUNDS = "credential_out_of_funds"
    """The account behind the key is out of funds (402 and the like)."""
    CREDENTIAL_CONTRACT_ENDS = "credential_contract_ends"
    """The contract behind the key ends soon, or has ended."""
    BUDGET_NEAR = "budget_near"
    """As much is spent as the budget alerts at."""
    BUDGET_REACHED = "budget_reached"
    """All of it is spent, or a hard one had no room for a request."""
    CONSENT_NEAR_CAP = "consent_near_cap"
    """Most of a day's or a month's cap is used."""
    CONSENT_ENDS = "consent_ends"
    """It expires soon, or has expired."""
    CREDITS_LOW = "credits_low"
    """Little is left of the last top-up. The subject is the organization's prepaid account."""
    VIRTUAL_KEY_EXPIRES = "virtual_key_expires"
    """A virtual key that was made to last expires soon, or has expired."""


OF_KEYS: Final = frozenset({AlertKind.CREDENTIAL_REFUSED, AlertKind.CREDENTIAL_OUT_OF_FUNDS})
"""Told by attempts that failed; they resolve with the key's next success. All others hold as long as they are so."""


class KeyRefused(msgspec.Struct, frozen=True, kw_only=True, tag="key"):
    """The last call that failed, in the record's own words and none of the provider's."""

    version: int
    """Of the credential."""
    error_class: str
    upstream_status: int | None
    model: str
    request: str


class Stands(msgspec.Struct, frozen=True, kw_only=True, tag="amount"):
    """How much of a budget or a cap was used when the alert opened. Amounts are exact decimal text."""

    period: str
    spent: str
    limit: str
    currency: str


class Left(msgspec.Struct, frozen=True, kw_only=True, tag="credits"):
    """How much was left when the alert opened. Credits, as exact decimal text."""

    left: str
    paid_in: str
    """With the last top-up, or the free credits."""


class Ends(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """When something ends."""

    ends_at: Instant


Detail = KeyRefused | Stands | Left | Ends


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is an alert. Instants are Unix microseconds."""

    organization_id: str
    kind: AlertKind
    subject_id: str
    subject: str
    """Its name; of a consent its id."""
    team_id: str = ""
    """Whose the subject is; empty for the whole organization's."""
    first_at: int
    last_at: int
    count: int = 0
    """Calls and requests that were refused for it."""
    detail: Detail

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one open alert for."""
        return self.organization_id, self.kind, self.subject_id


class Alert(msgspec.Struct, Generic[At], frozen=True, kw_only=True):
    """An alert."""

    id: str
    organization_id: str
    kind: AlertKind
    subject_id: str
    """The credential, budget, consent, account or virtual key."""
    subject: str
    """Its name when the alert opened; of a consent, its id."""
    team_id: str
    """Whose the subject is; empty for the whole organization's."""
    first_at: At
    last_at: At
    count: int
    """Calls and requests that were refused for it."""
    detail: Detail
    resolved_at: At | None
    acknowledged_at: At | None
    acknowledged_by: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one open alert for."""
        return self.organization_id, self.kind, self.subject_id


class AlertTold(Alert[Instant], frozen=True, kw_only=True):
    """An alert as it is shown."""

    state: State
    """`acknowledged`: somebody has seen it, and its cause is there still."""


def as_told(alert: Alert[int]) -> dict[str, Any]:
    """Return the fields of `AlertTold`."""
    values = msgspec.structs.asdict(alert)
    instants = {name: None if values[name] is None else utc(values[name]) for name in values if name.endswith("_at")}
    return values | instants | {"state": state_of(alert)}


def state_of(alert: Alert[int]) -> State:
    """Return how an alert stands."""
    if alert.resolved_at is not None:
        return "resolved"
    return "open" if alert.acknowledged_at is None else "acknowledged"
