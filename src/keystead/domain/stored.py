"""What lies at a provider, in the account of one credential, and whose it is here.

A file, a batch, a stored response, a conversation, a cached content, a vector or file search store, a container or a skill exists
where it was made and nowhere else. The provider would show it to everybody who holds the key. So what is made through the gateway is bound to its credential and
to the principal that made it, and nobody else's id resolves.
"""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from keystead.domain.errors import NotFoundError
from keystead.domain.traffic import Dialect, Endpoint


class ObjectKind(StrEnum):
    """What can lie at a provider."""

    RESPONSE = "response"
    FILE = "file"  # OpenAI's
    ANTHROPIC_FILE = "anthropic_file"
    GEMINI_FILE = "gemini_file"
    GEMINI_UPLOAD = "gemini_upload"  # a file on its way, by the digest of the address that its pieces go to
    BATCH = "batch"  # OpenAI's
    MESSAGE_BATCH = "message_batch"  # Anthropic's
    CACHED_CONTENT = "cached_content"
    VECTOR_STORE = "vector_store"
    CONVERSATION = "conversation"
    CONTAINER = "container"  # where a provider runs the tools of an answer
    FILE_SEARCH_STORE = "search_store"  # Gemini's
    SKILL = "skill"  # Anthropic's custom ones, and OpenAI's
    PROMPT = "prompt"  # stored in OpenAI's dashboard, and made nowhere else


Action = Literal["", "create", "get", "list", "update", "cancel", "delete", "content", "begin", "upload"]
"""What is done to stored objects; empty for a request that is none of it. `begin` and `upload`: a file that comes in
pieces."""

WORKS: Final = frozenset({ObjectKind.RESPONSE, ObjectKind.BATCH, ObjectKind.MESSAGE_BATCH})
"""Kinds that go on working, and costing, after the call that made them has been answered."""

MORTAL: Final = frozenset({ObjectKind.ANTHROPIC_FILE, ObjectKind.GEMINI_FILE, ObjectKind.GEMINI_UPLOAD})
"""Kinds whose end is known when they are made, and never moved: they do not resolve any more from then on."""

BROUGHT: Final = frozenset({ObjectKind.SKILL, ObjectKind.PROMPT})
"""Kinds that an account's owner makes without the gateway. An id that nobody here is bound to is theirs to name whose
account it is: it goes to the organization's own credentials, and never to the platform's."""

PLACES: Final = {
    ObjectKind.RESPONSE: (Dialect.OPENAI, Endpoint.RESPONSE_STATE, "/responses"),
    ObjectKind.FILE: (Dialect.OPENAI, Endpoint.FILES, "/files"),
    ObjectKind.ANTHROPIC_FILE: (Dialect.ANTHROPIC, Endpoint.FILES, "/files"),
    ObjectKind.GEMINI_FILE: (Dialect.GEMINI, Endpoint.FILES, "/files"),
    ObjectKind.BATCH: (Dialect.OPENAI, Endpoint.BATCHES, "/batches"),
    ObjectKind.MESSAGE_BATCH: (Dialect.ANTHROPIC, Endpoint.BATCHES, "/messages/batches"),
    ObjectKind.CACHED_CONTENT: (Dialect.GEMINI, Endpoint.CACHED_CONTENTS, "/cachedContents"),
    ObjectKind.VECTOR_STORE: (Dialect.OPENAI, Endpoint.VECTOR_STORES, "/vector_stores"),
    ObjectKind.CONVERSATION: (Dialect.OPENAI, Endpoint.CONVERSATIONS, "/conversations"),
}
"""Where a provider keeps them: the dialect, the endpoint, and the path below the dialect's prefix."""

_CALLED: Final = {
    ObjectKind.ANTHROPIC_FILE: "file",
    ObjectKind.GEMINI_FILE: "file",
    ObjectKind.GEMINI_UPLOAD: "upload",
    ObjectKind.FILE_SEARCH_STORE: "file_search_store",
}


class Reference(msgspec.Struct, frozen=True):
    """A stored object by the name that its provider gave it."""

    kind: ObjectKind
    upstream_id: str

    def not_found(self) -> NotFoundError:
        """Return the one answer to an id that is somebody else's and to one that never was."""
        name = _CALLED.get(self.kind, self.kind.value)
        return NotFoundError(f"There is no such {name.replace('_', ' ')}.", code=f"{name}_not_found")


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is to do, read from its lines before anything is sent."""

    dialect: Dialect
    endpoint: Endpoint
    model: str
    """Of every line."""
    lines: int
    most_pico: int | None
    """The most it can cost; None if nobody knows."""
    currency: str


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A stored object: where it lies, and whose it is. Instants are Unix microseconds."""

    id: str
    organization_id: str
    team_id: str
    principal_kind: str
    principal_id: str
    virtual_key_id: str
    credential_id: str
    provider: str
    kind: ObjectKind
    upstream_id: str
    created_at: int
    expires_at: int | None = None
    shown: str = "{}"
    """JSON: the object as the provider last told it."""
    workload: Workload | None = None
    """Of a batch, and of a file that can become one."""
    request_id: str = ""
    """The request whose end waits for it; empty if none does."""
    request_started_at: int = 0
    work: Literal["", "open", "done"] = ""
    poll_at: int | None = None
    """When the provider is next asked how far the work is."""
