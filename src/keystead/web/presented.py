"""How a caller shows its virtual key. Pure."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from keystead.domain.errors import AuthenticationError, InvalidRequestError
from keystead.domain.traffic import Dialect
from keystead.providers.passthrough import dialect_of
from keystead.providers.table import PROVIDERS
from keystead.web.paths import split_passed

_BEARER: Final = re.compile(rb"[Bb]earer +([\x21-\x7e]+)")


def presented_key(headers: dict[bytes, bytes], query: bytes) -> tuple[str, bytes]:
    """Return the one key a request shows, and the query without it.

    Accepted are `Authorization: Bearer` (OpenAI, Anthropic and AWS SDKs), `x-api-key` (Anthropic), `x-goog-api-key`
    (Google) and `?key=` (Google's REST examples). All lead to the same decision. Two at once is an error: which one
    counts must never be a question (CVE-2026-45339: one carrier obeyed a restriction that another bypassed). So is
    one beside Azure's `api-key`, which is not accepted.

    Raises:
        AuthenticationError: none.
        InvalidRequestError: more than one.
    """
    found: list[bytes] = []
    authorization = headers.get(b"authorization")
    if authorization is not None:
        bearer = _BEARER.fullmatch(authorization)
        found.append(bearer[1] if bearer else b"")
    found.extend(value for name in (b"x-api-key", b"x-goog-api-key") if (value := headers.get(name)) is not None)
    if query:
        in_query, query = _take_key(query)
        found.extend(in_query)
    if len(found) + (b"api-key" in headers) > 1:
        raise InvalidRequestError(
            "The request shows more than one key.",
            code="several_keys",
            next_step="Send the virtual key once: as Authorization: Bearer, x-api-key, x-goog-api-key or ?key=.",
        )
    if not found or not found[0]:
        raise AuthenticationError("No virtual key was sent.", code="missing_key")
    return found[0].decode("latin-1"), query


def models_dialect(headers: dict[bytes, bytes]) -> Dialect:
    """Tell whose `/v1/models` or `/v1/files` is meant: paths that all three dialects share."""
    if b"x-goog-api-key" in headers:
        return Dialect.GEMINI
    if b"anthropic-version" in headers:
        return Dialect.ANTHROPIC
    return Dialect.OPENAI


def error_dialect(raw_path: str, headers: dict[bytes, bytes]) -> Dialect:
    """Guess the dialect of a caller whose path or head is refused, so that its SDK can read the error.

    What is passed through is in its provider's; behind a credential's name, which nobody has looked up, its path tells.
    """
    if (passed := split_passed(raw_path)) is not None:
        name, path = passed
        return dialect_of(PROVIDERS[name], path) if name in PROVIDERS else error_dialect(path, headers)
    if raw_path.startswith(("/anthropic/", "/v1/messages")):
        return Dialect.ANTHROPIC
    if raw_path.startswith(("/gemini/", "/v1beta/", "/upload/")) or (
        raw_path.startswith("/v1/models/") and ":" in raw_path
    ):
        return Dialect.GEMINI
    if raw_path.startswith(("/bedrock/", "/model/")):
        return Dialect.BEDROCK
    return models_dialect(headers)


def _take_key(query: bytes) -> tuple[list[bytes], bytes]:
    keys: list[bytes] = []
    kept: list[bytes] = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if unquote_to_bytes(name) == b"key":
            keys.append(unquote_to_bytes(value))
        else:
            kept.append(pair)
    return keys, b"&".join(kept)
