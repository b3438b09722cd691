"""What is sent to a provider: its path, query, headers and body. Pure, and on the hot path.

Nothing a caller sends can move a request: the origin is the credential's, the path is one of the templates below,
and the only caller-given parts of it (a model name in a Gemini or Azure path, the id of a stored response) must
match a narrow pattern. Queries and headers are allow-lists; the caller's own key, cookies, forwarding headers,
organization and project choices stay behind.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import quote

import msgspec

from keystead import __version__
from keystead.dialects.bedrock_invoke import foundation
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.domain.upload import Upload
from keystead.providers import vertex
from keystead.providers.row import Auth, Provider
from keystead.providers.stateful import UPLOAD, is_path


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, complete but for what proves the caller (see `authorization`)."""

    method: str
    origin: str
    """Scheme, host and port in normal form (see egress.parse_origin)."""
    target: str
    """Path and query, already encoded."""
    headers: tuple[tuple[str, str], ...]
    body: bytes
    auth: Auth
    """The header for the key itself, where that is the proof."""
    upload: Upload | None = None
    """Sent in place of `body`, piece by piece."""

    @property
    def url(self) -> str:
        """The whole URL; it never holds a key."""
        return self.origin + self.target


_TAILS: Final[dict[tuple[Dialect, Endpoint], frozenset[str]]] = {
    (Dialect.OPENAI, Endpoint.CHAT): frozenset({"/chat/completions"}),
    (Dialect.OPENAI, Endpoint.RESPONSES): frozenset({"/responses", "/responses/compact"}),
    (Dialect.OPENAI, Endpoint.COUNT_TOKENS): frozenset({"/responses/input_tokens"}),
    (Dialect.OPENAI, Endpoint.COMPLETIONS): frozenset({"/completions"}),
    (Dialect.OPENAI, Endpoint.EMBEDDINGS): frozenset({"/embeddings"}),
    (Dialect.OPENAI, Endpoint.RERANK): frozenset({"/rerank"}),
    (Dialect.OPENAI, Endpoint.MODERATIONS): frozenset({"/moderations"}),
    (Dialect.OPENAI, Endpoint.IMAGES): frozenset({"/images/generations", "/images/edits", "/images/variations"}),
    (Dialect.OPENAI, Endpoint.SPEECH): frozenset({"/audio/speech"}),
    (Dialect.OPENAI, Endpoint.TRANSCRIPTION): frozenset({"/audio/transcriptions", "/audio/translations"}),
    (Dialect.OPENAI, Endpoint.MODELS): frozenset({"/models"}),
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): frozenset({"/messages"}),
    (Dialect.ANTHROPIC, Endpoint.COUNT_TOKENS): frozenset({"/messages/count_tokens"}),
    (Dialect.ANTHROPIC, Endpoint.MODELS): frozenset({"/models"}),
    (Dialect.GEMINI, Endpoint.MODELS): frozenset({"/models"}),
}
"""Paths without a part of the caller's, below the dialect's prefix."""

_BEDROCK_VERBS: Final[dict[Endpoint, frozenset[str]]] = {
    Endpoint.CONVERSE: frozenset({"converse", "converse-stream"}),
    Endpoint.MESSAGES: frozenset({"invoke", "invoke-with-response-stream"}),
    Endpoint.COUNT_TOKENS: frozenset({"count-tokens"}),
    Endpoint.EMBEDDINGS: frozenset({"invoke"}),
}

_GEMINI_VERBS: Final[dict[Endpoint, frozenset[str]]] = {
    Endpoint.GENERATE: frozenset({"generateContent", "streamGenerateContent"}),
    Endpoint.COUNT_TOKENS: frozenset({"countTokens"}),
    Endpoint.EMBEDDINGS: frozenset({"embedContent", "batchEmbedContents", "predict"}),
}

# Azure's older surface puts these under /openai/deployments/{deployment}; the rest stays under /openai.
_DEPLOYED: Final = frozenset(
    {
        Endpoint.CHAT,
        Endpoint.COMPLETIONS,
        Endpoint.EMBEDDINGS,
        Endpoint.IMAGES,
        Endpoint.SPEECH,
        Endpoint.TRANSCRIPTION,
    }
)

# One path part: no slash, no percent sign (so no encoded one either), nothing that starts a query or a fragment.
_PATH_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+~-]{0,255}")
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+~/-]{0,255}")
_OBJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_RESPONSE_STATE: Final = re.compile(r"/responses/([^/]+)(|/cancel|/input_items)")
_QUERY_VALUE: Final = re.compile(r"[A-Za-z0-9_.~:,/+=%-]{0,512}")
_QUERY_NAME: Final = re.compile(r"[A-Za-z0-9_.$-]{1,64}")
_KEY_QUERIES: Final = frozenset({"key", "api_key", "api-key", "apikey", "access_token", "token"})
_PASSED: Final = re.compile(r"(?:/[A-Za-z0-9_.:@-]{1,256})+")
_API_VERSION: Final = re.compile(r"[A-Za-z0-9.-]{1,40}")

_QUERY: Final[dict[Dialect, frozenset[str]]] = {
    Dialect.OPENAI: frozenset(
        {"after", "before", "include", "include[]", "include%5B%5D", "limit", "order", "starting_after", "stream"}
    ),
    Dialect.ANTHROPIC: frozenset({"after_id", "before_id", "beta", "limit"}),
    Dialect.GEMINI: frozenset({"alt", "pageSize", "pageToken", "updateMask"}),  # never `key`
    Dialect.BEDROCK: frozenset(),
}
_UPLOAD_QUERY: Final = frozenset({"upload_id", "upload_protocol"})
"""Of the pieces of a file. The gateway writes it; a caller's does not come so far."""
_ALTS: Final = frozenset({"alt=json", "alt=sse"})
"""Forms of a Gemini answer. Google knows `alt=proto` too, in which nobody could see the usage."""

_COMMON_HEADERS: Final = ("accept", "content-type", "idempotency-key")
_HEADERS: Final[dict[Dialect, frozenset[str]]] = {
    # Codex tells its variant of the responses format by x-openai-internal-codex-responses-lite.
    Dialect.OPENAI: frozenset(
        {*_COMMON_HEADERS, "openai-beta", "x-client-request-id", "x-openai-internal-codex-responses-lite"}
    ),
    Dialect.ANTHROPIC: frozenset({*_COMMON_HEADERS, "anthropic-beta", "anthropic-version"}),
    # Without `accept`, which can ask for protobuf as well.
    Dialect.GEMINI: frozenset({"content-type", "idempotency-key", "x-goog-api-client", "x-server-timeout"}),
    Dialect.BEDROCK: frozenset({"content-type", "idempotency-key"}),
}
_UPLOAD_HEADERS: Final = frozenset(
    {
        "x-goog-upload-protocol",
        "x-goog-upload-command",
        "x-goog-upload-offset",
        "x-goog-upload-file-name",
        "x-goog-upload-header-content-length",
        "x-goog-upload-header-content-type",
    }
)
_MAX_HEADER_LENGTH: Final = 8192

# identity: the bytes pass untouched and are metered as they pass, and a compressed answer could be a bomb (T40).
OWN_HEADERS: Final = (("Accept-Encoding", "identity"), ("User-Agent", f"keystead/{__version__}"))
_ANTHROPIC_VERSION: Final = "2023-06-01"


def build(
    provider: Provider,
    credential: Credential,
    *,
    dialect: Dialect,
    endpoint: Endpoint,
    path_tail: str,
    method: str = "POST",
    model: str = "",
    query: str = "",
    stream: bool = False,
    client_headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    upload: Upload | None = None,
) -> UpstreamRequest:
    """Build the request that `credential` carries to `provider`.

    Args:
        provider: The row of the credential's provider.
        credential: Gives the origin and settings; its key is not touched here.
        dialect: The wire format of `body`.
        endpoint: What is asked; with `dialect` it selects the path.
        path_tail: The caller's path below the version prefix (`/chat/completions`,
            `/models/gemini-3-pro:generateContent`, `/responses/resp_1/cancel`), not decoded.
        method: The HTTP method.
        model: The model to send; it replaces the one in `path_tail` where the path holds one.
        query: The caller's query string, not decoded.
        stream: Whether a stream is asked for: some paths say so.
        client_headers: The caller's headers, names in lower case (as ASGI gives them).
        body: The body to send.
        upload: A form to send in its place.

    Raises:
        InvalidRequestError: the provider does not serve this, or a part of the path, query or headers is not
            acceptable.
    """
    if endpoint is Endpoint.PASSTHROUGH:
        target, kept = _passed(path_tail), _passed_query(query)
    else:
        target = _path(provider, credential, (dialect, endpoint), path_tail, model)
        if provider.quirks.publisher_paths:
            verb = path_tail.rpartition(":")[2] if dialect is Dialect.GEMINI else "stream" if stream else ""
            target = vertex.path(credential.settings, dialect, endpoint, verb=verb, model=model)
        allowed = _UPLOAD_QUERY if path_tail == UPLOAD else _QUERY[dialect]
        kept = _query(allowed, query) if _has_query(provider, dialect) else ""
    if kept:
        target = f"{target}&{kept}" if "?" in target else f"{target}?{kept}"
    extra = provider.quirks.request_headers | (_UPLOAD_HEADERS if path_tail == UPLOAD else frozenset())
    kept_headers = _kept_apart(credential, client_headers)
    headers = _headers(provider, dialect, kept_headers, extra=extra, has_body=bool(body))
    if upload is not None:
        headers = (*headers, ("Content-Length", str(upload.size)))
    return UpstreamRequest(
        method=method,
        origin=credential.origin,
        target=target,
        headers=headers,
        body=body,
        auth=provider.auth_for(dialect),
        upload=upload,
    )


def build_probe(provider: Provider, credential: Credential) -> UpstreamRequest:
    """Build the call that checks the credential's key."""
    probe = provider.probe
    target = probe.path
    if provider.quirks.deployment_paths and "api_version" in credential.settings:
        target = f"/openai/models{_api_version(credential)}"
    elif provider.quirks.publisher_paths:
        target = vertex.place(credential.settings) + probe.path
    return UpstreamRequest(
        method=probe.method,
        origin=credential.origin,
        target=target,
        headers=_headers(provider, probe.dialect, (), extra=frozenset(), has_body=bool(probe.body)),
        body=probe.body,
        auth=provider.auth_for(probe.dialect),
    )


def check_path_part(text: str, *, param: str) -> str:
    """Return `text` if it can stand as one part of a path.

    Raises:
        InvalidRequestError: it holds a slash, dots that climb, a percent sign, a query, a control or non-ASCII.
    """
    if _PATH_PART.fullmatch(text) is None or ".." in text:
        raise _refused(f"The {param} cannot be used in a URL path.", param)
    return text


def _path(provider: Provider, credential: Credential, served: tuple[Dialect, Endpoint], tail: str, model: str) -> str:
    dialect, endpoint = served
    if served not in provider.endpoints:
        raise InvalidRequestError(
            f"{provider.title} does not serve {endpoint.value} in the {dialect.value} format.",
            code="endpoint_not_served",
            next_step="Use a model of a provider that serves this endpoint.",
        )
    if endpoint is Endpoint.REALTIME:
        return _realtime(provider, credential, _model_id(model))
    if tail not in _TAILS.get(served, ()):
        tail = _tail_with_part(dialect, endpoint, tail=tail, model=model)
    if dialect is Dialect.OPENAI and provider.quirks.deployment_paths and "api_version" in credential.settings:
        if endpoint in _DEPLOYED:
            tail = f"/deployments/{check_path_part(model, param='model')}{tail}"
        return f"/openai{tail}{_api_version(credential)}"
    prefix = provider.prefixes.get(endpoint, provider.dialects[dialect])
    return f"/upload{prefix}{tail.removeprefix('/upload')}" if tail == UPLOAD else prefix + tail


def _tail_with_part(dialect: Dialect, endpoint: Endpoint, *, tail: str, model: str) -> str:
    """Return the path of a template that holds a model name or an id."""
    if is_path(dialect, endpoint, tail):
        return tail
    if endpoint is Endpoint.MODELS and tail.startswith("/models/"):
        name = model.removeprefix("models/") if dialect is Dialect.GEMINI else model
        return f"/models/{_model_id(name)}"
    if dialect is Dialect.GEMINI:
        verb = tail.rpartition(":")[2]
        if verb in _GEMINI_VERBS.get(endpoint, ()):
            return f"/models/{check_path_part(model.removeprefix('models/'), param='model')}:{verb}"
    elif dialect is Dialect.BEDROCK:
        verb = tail.rpartition("/")[2]
        if verb in _BEDROCK_VERBS.get(endpoint, ()):
            model = foundation(model) if endpoint is Endpoint.COUNT_TOKENS else model
            return f"/model/{quote(_model_id(model), safe='%')}/{verb}"  # ids have colons, ARNs slashes
    elif endpoint is Endpoint.RESPONSE_STATE and (match := _RESPONSE_STATE.fullmatch(tail)):
        if _OBJECT_ID.fullmatch(match[1]) is None:
            raise _refused("The response id cannot be used in a URL path.", "response_id")
        return tail
    raise InvalidRequestError("There is no such path.", code="unknown_path", status=404)


def _passed(path: str) -> str:
    """Return a path that a template has let through, looked at once more."""
    if _PASSED.fullmatch(path) is None or ".." in path:
        raise InvalidRequestError("There is no such path.", code="unknown_path", status=404)
    return path


def _passed_query(query: str) -> str:
    """Return the caller's query without what may be a key."""
    kept = []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name.lower() not in _KEY_QUERIES:
            if _QUERY_NAME.fullmatch(name) is None or _QUERY_VALUE.fullmatch(value) is None:
                raise _refused("A query parameter is not valid.", "query")
            kept.append(pair)
    return "&".join(kept)


def _realtime(provider: Provider, credential: Credential, model: str) -> str:
    """Return the path of a session: the model stands in its query."""
    model = model.replace("+", "%2B")
    if provider.quirks.deployment_paths and "api_version" in credential.settings:
        return f"/openai/realtime{_api_version(credential)}&deployment={model}"
    return f"{provider.dialects[Dialect.OPENAI]}/realtime?model={model}"


def _model_id(name: str) -> str:
    """Return a model's name as one part of a path or a value of a query.

    Raises:
        InvalidRequestError: it cannot be one.
    """
    if _MODEL_ID.fullmatch(name) is None or ".." in name or "//" in name:
        raise _refused("The model cannot be used in a URL path.", "model")
    return name.replace("/", "%2F")  # as the official SDKs write it: one part, not two


def _api_version(credential: Credential) -> str:
    version = credential.settings["api_version"]
    if _API_VERSION.fullmatch(version) is None:
        raise InvalidRequestError("The credential's api_version is not valid.", code="invalid_setting")
    return f"?api-version={version}"


def _query(allowed: AbstractSet[str], query: str) -> str:
    """Keep what the dialect knows. The rest is dropped: among it may be a key."""
    kept = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in allowed:
            if _QUERY_VALUE.fullmatch(value) is None or (name == "alt" and pair not in _ALTS):
                raise _refused(f"The query parameter {name} is not valid.", name)
            kept.append(pair)
    return "&".join(kept)


def _has_query(provider: Provider, dialect: Dialect) -> bool:
    return dialect is Dialect.GEMINI or not provider.quirks.publisher_paths


def _kept_apart(credential: Credential, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """Return the caller's headers without what could give it another organization's answer.

    Many organizations share the platform's account at a provider, and a provider may answer a repeated idempotency key
    with what it answered first.
    """
    if credential.owner is not Owner.PLATFORM:
        return headers
    return ((name, value) for name, value in headers if name != b"idempotency-key")


def _headers(
    provider: Provider,
    dialect: Dialect,
    client_headers: Iterable[tuple[bytes, bytes]],
    *,
    extra: AbstractSet[str],
    has_body: bool,
) -> tuple[tuple[str, str], ...]:
    allowed = _HEADERS[dialect]
    kept: dict[str, str] = {}
    for raw_name, raw_value in client_headers:
        name = raw_name.decode("latin-1")
        if name in allowed or name in extra:
            value = raw_value.decode("latin-1")
            if not (value.isascii() and value.isprintable()) or len(value) > _MAX_HEADER_LENGTH:
                raise _refused(f"The header {name} is not valid.", name)
            # A list header sent twice means both values; a second content-type would be a smuggling try.
            kept[name] = f"{kept[name]}, {value}" if name in kept and name.endswith("-beta") else value
    if has_body and "content-type" not in kept:
        kept["content-type"] = "application/json"
    if "accept" not in kept:
        kept["accept"] = "*/*"
    if provider.quirks.publisher_paths and (asked := kept.pop("anthropic-beta", "")) and (known := vertex.betas(asked)):
        kept["anthropic-beta"] = known
    if dialect is Dialect.ANTHROPIC and "anthropic-version" not in kept:
        kept["anthropic-version"] = _ANTHROPIC_VERSION
    return (*kept.items(), *OWN_HEADERS)


def _refused(message: str, param: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="invalid_value", param=param)
