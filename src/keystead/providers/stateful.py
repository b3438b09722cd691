"""Who keeps what in an account: the endpoints of stored objects, by provider, and the paths they have. Pure data.

Sources: the vendors' API references as of November 2026. Where a provider has other words for the same (Mistral's
`/v1/batch/jobs`), it is not listed.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from keystead.domain.traffic import Dialect, Endpoint

_OPENAI_FILES: Final = frozenset({(Dialect.OPENAI, Endpoint.FILES), (Dialect.OPENAI, Endpoint.BATCHES)})
_OPENAI_ALONE: Final = frozenset({(Dialect.OPENAI, Endpoint.VECTOR_STORES), (Dialect.OPENAI, Endpoint.CONVERSATIONS)})

STATEFUL: Final[Mapping[str, frozenset[tuple[Dialect, Endpoint]]]] = defaultdict(
    frozenset,
    {
        "openai": _OPENAI_FILES | _OPENAI_ALONE,
        "azure": _OPENAI_FILES | _OPENAI_ALONE,
        "groq": _OPENAI_FILES,
        "anthropic": frozenset({(Dialect.ANTHROPIC, Endpoint.BATCHES), (Dialect.ANTHROPIC, Endpoint.FILES)}),
        "google": frozenset({(Dialect.GEMINI, Endpoint.CACHED_CONTENTS), (Dialect.GEMINI, Endpoint.FILES)}),
    },
)

UPLOAD: Final = "/upload/files"
"""Where Gemini takes files that come in pieces: not below the dialect's prefix, but with `/upload` before it."""

_ID: Final = r"[A-Za-z0-9_-]{1,255}"
_PATHS: Final = {
    (Dialect.OPENAI, Endpoint.FILES): re.compile(rf"/files(?:/{_ID}(?:/content)?)?"),
    (Dialect.OPENAI, Endpoint.BATCHES): re.compile(rf"/batches(?:/{_ID}(?:/cancel)?)?"),
    (Dialect.OPENAI, Endpoint.VECTOR_STORES): re.compile(rf"/vector_stores(?:/{_ID}(?:/search)?)?"),
    (Dialect.OPENAI, Endpoint.CONVERSATIONS): re.compile(rf"/conversations(?:/{_ID}(?:/items(?:/{_ID})?)?)?"),
    (Dialect.ANTHROPIC, Endpoint.FILES): re.compile(rf"/files(?:/{_ID}(?:/content)?)?"),
    (Dialect.ANTHROPIC, Endpoint.BATCHES): re.compile(rf"/messages/batches(?:/{_ID}(?:/cancel|/results)?)?"),
    (Dialect.GEMINI, Endpoint.FILES): re.compile(rf"/files/{_ID}|{UPLOAD}"),
    (Dialect.GEMINI, Endpoint.CACHED_CONTENTS): re.compile(rf"/cachedContents(?:/{_ID})?"),
}


def is_path(dialect: Dialect, endpoint: Endpoint, tail: str) -> bool:
    """Say whether `tail`, below the dialect's prefix, is a path of stored objects."""
    pattern = _PATHS.get((dialect, endpoint))
    return pattern is not None and pattern.fullmatch(tail) is not None
