"""What a caller asks for, read and bounded by the web floor, and not changed on the way."""

from typing import Final, Protocol

import msgspec

from keystead.dialects.asked import Asked, asked_output
from keystead.dialects.body import JsonBody
from keystead.domain.stored import Action, ObjectKind, Reference, Workload
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.upload import Upload

FORBID_FALLBACK: Final = b"x-keystead-fallback"
"""The header by which a caller forbids platform credentials to step in (`none`); nothing can allow them so."""

CREDENTIAL: Final = b"x-keystead-credential"
"""The header by which a caller names where a file, a batch or a vector store is kept."""


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
    """The stored object that a call follows up or continues."""
    object_kind: ObjectKind = ObjectKind.RESPONSE
    """What that is, or what a call makes."""
    action: Action = ""
    """What is done to stored objects, if that is what it is about."""
    references: tuple[Reference, ...] = ()
    """The stored objects that its body names."""
    upload: Upload | None = None
    """A form that is too large to be `body`."""
    workload: Workload | None = None
    """What its lines are to do, once they have been read: of a batch, or of a file for one."""
    template: str = ""
    """For a pass-through whose body names its model: the path's template, which must be allowed like a model."""
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
    def words(self) -> Dialect:
        """Whose words the body is in: a message in Bedrock's envelope is one of Anthropic's."""
        return Dialect.ANTHROPIC if self.endpoint is Endpoint.MESSAGES else self.dialect

    @property
    def spoken_characters(self) -> int:
        """How long the text is that shall be spoken; 0 if none shall."""
        if self.endpoint is not Endpoint.SPEECH or self.json is None or "input" not in self.json.members:
            return 0
        try:
            return len(msgspec.json.decode(self.json.members["input"], type=str))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 0  # the provider will refuse it

    @property
    def own_only(self) -> bool:
        """The caller forbids platform credentials to step in for own ones."""
        return self.headers.get(FORBID_FALLBACK, b"").strip().lower() == b"none"

    @property
    def body_bytes(self) -> int:
        """The length of the body."""
        return len(self.body) if self.upload is None else self.upload.size

    @property
    def only_looks(self) -> bool:
        """It is about what was billed when it was made."""
        return self.action not in {"", "create"}

    @property
    def in_background(self) -> bool:
        """It asks for a response whose work goes on after the answer."""
        if self.endpoint is not Endpoint.RESPONSES or self.json is None or self.dialect is not Dialect.OPENAI:
            return False
        return bytes(self.json.members.get("background", b"")) == b"true"

    @property
    def stored(self) -> tuple[Reference, ...]:
        """Every stored object that it concerns."""
        if self.object_id is None:
            return self.references
        return (Reference(self.object_kind, self.object_id), *self.references)

    @property
    def named_credential(self) -> str:
        """The credential that the caller names for what it has kept; empty for none."""
        return self.headers.get(CREDENTIAL, b"").decode("latin-1").strip()

    @property
    def wanted(self) -> Asked:
        """What the body asks for."""
        return self.asked or asked_output(self.json, self.words)
