"""What a caller asks for, read and bounded by the web floor, and not changed on the way."""

from typing import Final, Protocol

import msgspec

from keystead.dialects.asked import Asked, asked_output
from keystead.dialects.body import JsonBody
from keystead.domain.traffic import Dialect, Endpoint

FORBID_FALLBACK: Final = b"x-keystead-fallback"
"""The header by which a caller forbids platform credentials to step in (`none`); nothing can allow them so."""


class Weighed(Protocol):
    """What a request's cost and pace depend on: as it comes in, or as it is in the record."""

    @property
    def dialect(self) -> Dialect:
        """Whose words it is in."""

    @property
    def endpoint(self) -> Endpoint:
        """What it asks for."""

    @property
    def started_at(self) -> int:
        """When it came, Unix microseconds."""

    @property
    def body_bytes(self) -> int:
        """The length of its body."""

    @property
    def wanted(self) -> Asked:
        """What its body asks for."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One inference request in a caller's own dialect."""

    request_id: str
    started_at: int
    """Unix microseconds."""
    started_us: int
    """Monotonic microseconds, for durations."""
    method: str
    dialect: Dialect
    endpoint: Endpoint
    tail: str
    """Upstream path below the provider's prefix; `{model}` stands for the model."""
    query: bytes
    """The query string, without any key."""
    headers: dict[bytes, bytes]
    """The caller's headers, lower-case names, each once."""
    model: str
    """As asked; empty for a list of models or a follow-up on a stored response."""
    stream: bool
    body: bytes
    json: JsonBody | None = None
    """The body one level deep, when it is JSON."""
    address: str = ""
    """Where the caller's connection comes from."""
    object_id: str | None = None
    """The stored response that a call follows up or continues."""
    asked: Asked | None = None
    """What the body asks for, once somebody has looked: that takes a scan of all of it (see `wanted`)."""
    raised_to: tuple[str, ...] | None = None
    """The data classes that recognisers raised it to, once they have looked."""
    redacted: bool = False
    """Recognisers took something out of the body."""

    @property
    def client(self) -> str:
        """The caller's User-Agent, bounded, printable."""
        text = self.headers.get(b"user-agent", b"").decode("latin-1")[:120]
        return text if text.isprintable() else ""

    @property
    def own_only(self) -> bool:
        """The caller forbids platform credentials to step in for own ones."""
        return self.headers.get(FORBID_FALLBACK, b"").strip().lower() == b"none"

    @property
    def body_bytes(self) -> int:
        """The length of the body."""
        return len(self.body)

    @property
    def wanted(self) -> Asked:
        """What the body asks for."""
        return self.asked or asked_output(self.json, self.dialect)
