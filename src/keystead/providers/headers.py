"""Which of a provider's response headers reach the client: an allow-list. Pure.

Cookies, the provider account's organization and project ids, server names and proxies' traces stay here (T29).
What is left is what SDKs act on: the content type, request ids, rate limits and how long to wait.
"""

import re
from collections.abc import Iterable
from typing import Final

from keystead.providers.redact import AnyRedactor

_ALLOWED: Final = frozenset(
    {
        b"content-type",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"request-id",
        b"x-request-id",
        b"apim-request-id",
        b"mistral-correlation-id",
        b"openai-model",
        b"openai-processing-ms",
        b"openai-version",
        b"azureai-processed-tier",
        b"x-ms-region",
        b"x-gemini-service-tier",
        b"x-goog-upload-status",
        b"x-goog-upload-size-received",
        b"x-goog-upload-chunk-granularity",
        b"x-groq-region",
        b"x-generation-id",
        b"x-amzn-requestid",
        b"x-amzn-errortype",
    }
)
_ALLOWED_PREFIXES: Final = (
    b"x-ratelimit-",
    b"anthropic-ratelimit-",
    b"anthropic-priority-",
    b"fireworks-",
    b"x-amzn-bedrock-",
)
# Whose limits they are is nobody's business but the account's owner.
_DENIED: Final = frozenset({b"x-ratelimit-key", b"fireworks-deployment", b"fireworks-server-processing-host"})

_REQUEST_ID: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-amzn-requestid",
)
_MAX_REQUEST_ID_LENGTH: Final = 128

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
"""What no header may hold (RFC 9110 §5.5) and the library's parser lets through; LF it does not."""


def select(raw_headers: Iterable[tuple[bytes, bytes]], redactor: AnyRedactor) -> list[tuple[str, str]]:
    """Return the headers that may go to the client, names in lower case, values without the key.

    A value that no server could send on, because it holds a control character, is left out.
    """
    chosen = []
    values = []
    for raw_name, value in raw_headers:
        name = raw_name.lower()
        if (name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)) and name not in _DENIED:
            chosen.append((name.decode("latin-1"), value.decode("latin-1")))
            values.append(value)
    together = b"\n".join(values)  # one search for all: it almost never hits
    if _CONTROL.search(together):
        chosen = [(name, value) for name, value in chosen if not _CONTROL.search(value.encode("latin-1"))]
    if redactor.holds(together):
        return [(name, redactor.whole(value.encode("latin-1")).decode("latin-1")) for name, value in chosen]
    return chosen


def first(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the value of the first header called `name` (lower case), or an empty string."""
    for key, value in headers:
        if key == name:
            return value
    return ""


def request_id(headers: list[tuple[str, str]]) -> str:
    """Return the provider's own id of the exchange, for its support and for reconciliation; empty if it gave none."""
    for name in _REQUEST_ID:
        value = first(headers, name)
        if value:
            return value[:_MAX_REQUEST_ID_LENGTH]
    return ""
