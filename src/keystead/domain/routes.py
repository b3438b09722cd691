"""An organization's own model names, and what is tried behind them."""

from typing import Literal

import msgspec

from keystead.domain.ids import CredentialId, OrganizationId

Strategy = Literal["ordered", "weighted", "cheapest", "fastest"]
Unsupported = Literal["refuse", "drop"]
"""What becomes of what would change the answer and the provider's dialect has no word for."""


class RouteAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try: a model on a credential, or on whatever credential of a provider may be used."""

    model: str
    """As the provider calls it."""
    credential_id: CredentialId | None = None
    provider: str | None = None
    """Exactly one of `credential_id` and `provider` is given."""
    weight: int = 1
    """With the strategy `weighted`: its share of the requests that begin here."""
    first_byte_timeout_s: float | None = None
    """Less patience than the gateway's own; None for that."""


class ModelRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A name that callers use as a model, and the attempts behind it."""

    id: str
    organization_id: OrganizationId
    name: str
    strategy: Strategy
    sticky: bool
    """Keep a virtual key's requests on the same first attempt, so that the provider's prompt cache is of use."""
    unsupported: Unsupported = "refuse"
    """Where a request is translated: refuse what the provider cannot be told, or drop it and name it in a header."""
    attempts: tuple[RouteAttempt, ...]
