"""What the read side of usage returns: values that may be shown and serialised as they are.

Instants are Unix microseconds, durations microseconds, amounts plain decimal text of `currency`. What has `At` for an
instant is the same value to whoever tells instants in another way.
"""

from typing import Any, Generic, TypeVar

import msgspec

from keystead.metering.outline import Outline

At = TypeVar("At")


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests. What is None does not narrow; where a name is taken, so is an id."""

    from_at: int | None = None
    """Begun at this instant or later."""
    to_at: int | None = None
    """Begun before this instant."""
    state: str | None = None
    team: str | None = None
    team_ids: frozenset[str] | None = None
    """Of these teams only: those whose requests the reader may see."""
    or_of_member: str | None = None
    """And those that this member made, of whatever team."""
    virtual_key: str | None = None
    credential: str | None = None
    """Tried by any of the request's attempts; so are `provider` and `model`."""
    provider: str | None = None
    model: str | None = None
    """As asked, sent or served."""
    error_class: str | None = None
    cost_state: str | None = None
    request: str | None = None
    """This one only; an id."""
    principal: str | None = None
    """A member or a service account."""
    least_cost_pico: int | None = None
    """Costing at least so much, in whichever currency."""


class RequestRow(msgspec.Struct, Generic[At], frozen=True, kw_only=True):
    """One request in a list, with its last attempt's provider and credential (None if refused before any)."""

    id: str
    started_at: At
    finished_at: At | None
    duration_us: int | None
    state: str
    status_code: int | None
    error_class: str | None
    error_code: str | None
    fault: str | None
    team_id: str
    team: str | None
    principal_kind: str
    principal_id: str
    principal: str | None
    virtual_key_id: str
    virtual_key: str | None
    dialect: str
    endpoint: str
    model_asked: str
    model: str | None
    """The model served, else the one sent."""
    stream: bool
    provider: str | None
    credential_id: str | None
    credential: str | None
    credential_version: int | None
    owner: str | None
    attempts: int
    input_total: int | None
    output_total: int | None
    usage_source: str | None
    cost_state: str | None
    cost: str | None
    """Exact decimal text of `currency`; None where it is not known."""
    currency: str | None
    charge: str | None
    """Credits that the platform bills for all its attempts."""
    data_class: str | None
    cost_center: str | None
    """Of the team, at that time."""


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of requests, newest first."""

    requests: tuple[RequestRow[int], ...]
    next_cursor: str | None
    """For the page after; None on the last one. A page may be short, or empty, and have one."""
    previous_cursor: str | None
    """For the page before, of newer requests; None on the first one."""


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the arithmetic. `price` and `amount` are None where the unit has no price."""

    unit: str
    count: str
    price: str | None
    amount: str | None


class HeldView(msgspec.Struct, frozen=True, kw_only=True):
    """What was held for an attempt, and let go when it had ended."""

    kind: str
    """A budget, a consent's cap, or prepaid credits."""
    name: str
    """The budget's name, or the consent's id."""
    amount: str
    currency: str


class AttemptView(msgspec.Struct, Generic[At], frozen=True, kw_only=True):
    """One attempt, whole."""

    number: int
    started_at: At
    finished_at: At | None
    duration_us: int | None
    first_byte_us: int | None
    first_token_us: int | None
    """Until the first content of a stream; None where none was seen to come."""
    state: str
    credential_id: str
    credential: str | None
    credential_version: int
    owner: str
    provider: str
    destination: str
    region: str
    reason: str | None
    """Why it followed another attempt."""
    consent_id: str | None
    """The consent on which a platform credential stepped in."""
    model_sent: str
    model_served: str | None
    service_tier: str | None
    speed: str | None
    upstream_status: int | None
    upstream_request_id: str | None
    response_id: str | None
    error_class: str | None
    error_code: str | None
    fault: str | None
    usage_source: str | None
    usage: dict[str, int]
    """Token counts that are not zero, by name; disjoint."""
    units: dict[str, str]
    usage_raw: str | None
    """The provider's own usage object, verbatim."""
    anomalies: tuple[str, ...]
    cost_state: str | None
    cost: str | None
    computed_cost: str | None
    """Usage times price, beside a cost the provider itself reported."""
    currency: str | None
    charge: str | None
    """Credits that the platform bills for it."""
    price_version: str | None
    lines: tuple[CostLine, ...]
    held: tuple[HeldView, ...]
    on_disconnect: str | None
    bytes_received: int | None
    bytes_sent: int | None


class RequestDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One request with everything that is known of it."""

    request: RequestRow[int]
    instance_id: str
    client: str
    decision: Any
    """Which rule chose the credential, as the gateway wrote it."""
    outline: Outline | None
    """What else the decision looked at; None for what was recorded before that was kept."""
    attempts: tuple[AttemptView[int], ...]


class UsageKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of a report is about, in one dimension."""

    dimension: str
    id: str
    """An id, a name that is one (provider, model, …), or for hour and day the instant they begin (RFC 3339, in UTC)."""
    name: str
    """For people: the name behind an id, the date of an instant."""


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the requests and attempts of one combination of keys, in one currency."""

    keys: tuple[UsageKey, ...]
    currency: str
    requests: int
    attempts: int
    input_total: int
    output_total: int
    tokens: dict[str, int]
    """Token counts that are not zero, by name; disjoint."""
    cost: str
    """What is known. The attempts counted in `unpriced` and `unknown` are not in it."""
    charge: str
    """Credits that the platform bills: for its own credentials' work alone, and beside the cost."""
    priced: int
    """Attempts with an exact cost: priced, reported by the provider, or free."""
    estimated: int
    unpriced: int
    unknown: int
    duration_us: int


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Usage by dimensions over whole hours."""

    from_at: int
    to_at: int
    """The span asked for, widened to whole hours."""
    dimensions: tuple[str, ...]
    lines: tuple[UsageLine, ...]
    """By time where that is a dimension, then the dearest first."""
    totals: tuple[UsageLine, ...]
    """One line per currency, without keys."""
