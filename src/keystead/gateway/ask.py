"""What a caller asks for, read and bounded by the web floor, and not changed on the way."""

import msgspec

from keystead.dialects.body import JsonBody
from keystead.domain.traffic import Dialect, Endpoint


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

    @property
    def client(self) -> str:
        """The caller's User-Agent, bounded, printable."""
        text = self.headers.get(b"user-agent", b"").decode("latin-1")[:120]
        return text if text.isprintable() else ""
