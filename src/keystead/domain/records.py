"""The record of a request and of each attempt: what is written, when, and in which words.

A request is written as an intent before a provider sees a key, and ends exactly once. These values are what the
gateway hands to `storage`; the columns of the tables `requests` and `attempts` have the same names.
All instants are Unix microseconds, all durations microseconds, all amounts pico units of `currency`.
"""

import msgspec

from keystead.domain.means import Hold
from keystead.domain.money import USD
from keystead.domain.traffic import CostState, Fault, State
from keystead.domain.usage import NOTHING, Reading


class RequestIntent(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what. `id` carries `started_at` to the millisecond."""

    id: str
    organization_id: str
    started_at: int
    instance_id: str
    """The gateway process that answers for it; recovery ends the intents of dead processes."""
    team_id: str
    principal_kind: str
    principal_id: str
    virtual_key_id: str
    dialect: str
    endpoint: str
    model_asked: str
    stream: bool
    decision: str
    """JSON: which rule chose the credential, so that "why this key" has an answer afterwards."""
    client: str = ""
    """The caller's User-Agent, at most 120 characters."""
    data_class: str = ""
    """How sensitive it was taken to be."""
    cost_center: str = ""
    """The team's cost centre at that time."""
    outline: str = ""
    """JSON: what else a decision about it looks at, so that it can be decided about again (`metering.outline`)."""


class AttemptIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one provider with one version of one credential. Numbered from 1 within its request."""

    number: int
    started_at: int
    credential_id: str
    credential_version: int
    owner: str
    provider: str
    model_sent: str
    destination: str
    """The origin the credential is bound to, such as `https://api.openai.com`."""
    region: str = ""
    """The region of the endpoint called, where the provider has regions (a price dimension)."""
    reason: str = ""
    """Why it follows another attempt (`domain.grants.Reason`); empty for the first."""
    consent_id: str = ""
    """The consent by which a platform credential stepped in; empty for none."""
    holds: tuple[Hold, ...] = ()
    """What is held for it; let go when it ends."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider bills for one attempt, and how that is known."""

    state: CostState
    pico: int | None = None
    """The booked amount; None unless `state` says it is known."""
    currency: str = USD
    computed_pico: int | None = None
    """Usage × price, kept beside a provider-reported cost as a check."""
    price_version: str = ""
    """The price book and row(s) used."""
    lines: tuple[tuple[str, str, str], ...] = ()
    """The arithmetic, recomputable: (unit, count, price per unit in currency units), as exact decimal text."""


FREE = Cost(state=CostState.FREE, pico=0)


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, and with it (when `ends_request`) the request."""

    request: RequestIntent
    attempt: AttemptIntent | None
    """None when the request was refused before any attempt."""
    state: State
    finished_at: int
    duration_us: int
    first_byte_us: int | None = None
    first_token_us: int | None = None
    """Until the first content of a stream; None where none was seen to come."""
    status_code: int
    """The status sent to the client (499 when the client left before one was sent)."""
    upstream_status: int | None = None
    error_class: str = ""
    error_code: str = ""
    fault: Fault | None = None
    was_intended: bool = False
    """Without an attempt: the request has made some before, so that its row waits for this end."""
    refused_by: str = ""
    """The counter that had no room for the request (`Hold.counter_id`), when that is what it ended with."""
    upstream_request_id: str = ""
    reading: Reading = NOTHING
    cost: Cost
    charge_pico: int | None = None
    """Credits that the platform bills for an attempt on its credential; None on any other."""
    posts: tuple[int, ...] = ()
    """What is posted for each of the attempt's holds, in their order; empty posts nothing."""
    on_disconnect: str = ""
    """`drained` or `cancelled` when the client left early, else empty."""
    bytes_received: int = 0
    bytes_sent: int = 0
    ends_request: bool = True
