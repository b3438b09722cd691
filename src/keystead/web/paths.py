"""The data plane's paths: which dialect and endpoint a request asks for. Pure.

Default deny: a method and path that is not in these tables is not found, whatever it looks like. Matching is on
the raw path as it came on the wire, so that an encoded `%2e%2e` or `%2f` is a plain mismatch and not a traversal.
"""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from keystead.domain.stored import Action, ObjectKind
from keystead.domain.traffic import Dialect, Endpoint
from keystead.providers.bedrock import embeds
from keystead.web import state_paths

_ID = r"[A-Za-z0-9_-]{1,128}"
_GEMINI_MODEL = r"[A-Za-z0-9._@:/-]{1,256}"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one method and path mean."""

    dialect: Dialect
    endpoint: Endpoint
    tail: str
    """The upstream path below the provider's prefix for the dialect. `{model}` stands for the provider's model name."""
    model: str | None = None
    """The model, when the path carries it."""
    object_id: str | None = None
    """The stored object that a follow-up call is about."""
    stream: bool = False
    """The path itself asks for a stream (Gemini, Bedrock)."""
    body: str = "json"
    """`json`, `multipart`, `upload`, `pieces`, `none`, or `passed` for any of them."""
    kind: ObjectKind = ObjectKind.RESPONSE
    """Of the stored object."""
    action: Action = ""
    """What is done to stored objects other than responses."""
    named: str = ""
    """For a pass-through: the credential or provider that the path names."""
    template: str = ""
    """For a pass-through: the path's template."""


def _op(dialect: Dialect, endpoint: Endpoint, tail: str, body: str = "json") -> Operation:
    return Operation(dialect=dialect, endpoint=endpoint, tail=tail, body=body)


_FIXED: Final = {
    ("POST", "/v1/chat/completions"): _op(Dialect.OPENAI, Endpoint.CHAT, "/chat/completions"),
    ("POST", "/v1/completions"): _op(Dialect.OPENAI, Endpoint.COMPLETIONS, "/completions"),
    ("POST", "/v1/responses"): _op(Dialect.OPENAI, Endpoint.RESPONSES, "/responses"),
    ("POST", "/v1/responses/compact"): _op(Dialect.OPENAI, Endpoint.RESPONSES, "/responses/compact"),
    ("POST", "/v1/responses/input_tokens"): _op(Dialect.OPENAI, Endpoint.COUNT_TOKENS, "/responses/input_tokens"),
    ("POST", "/v1/embeddings"): _op(Dialect.OPENAI, Endpoint.EMBEDDINGS, "/embeddings"),
    ("POST", "/v1/rerank"): _op(Dialect.OPENAI, Endpoint.RERANK, "/rerank"),
    ("POST", "/v2/rerank"): _op(Dialect.OPENAI, Endpoint.RERANK, "/rerank"),
    ("POST", "/v1/moderations"): _op(Dialect.OPENAI, Endpoint.MODERATIONS, "/moderations"),
    ("POST", "/v1/images/generations"): _op(Dialect.OPENAI, Endpoint.IMAGES, "/images/generations"),
    ("POST", "/v1/images/edits"): _op(Dialect.OPENAI, Endpoint.IMAGES, "/images/edits", "multipart"),
    ("POST", "/v1/images/variations"): _op(Dialect.OPENAI, Endpoint.IMAGES, "/images/variations", "multipart"),
    ("POST", "/v1/audio/speech"): _op(Dialect.OPENAI, Endpoint.SPEECH, "/audio/speech"),
    ("POST", "/v1/audio/transcriptions"): _op(
        Dialect.OPENAI, Endpoint.TRANSCRIPTION, "/audio/transcriptions", "multipart"
    ),
    ("POST", "/v1/audio/translations"): _op(Dialect.OPENAI, Endpoint.TRANSCRIPTION, "/audio/translations", "multipart"),
    ("POST", "/v1/messages"): _op(Dialect.ANTHROPIC, Endpoint.MESSAGES, "/messages"),
    ("POST", "/v1/messages/count_tokens"): _op(Dialect.ANTHROPIC, Endpoint.COUNT_TOKENS, "/messages/count_tokens"),
}

_GEMINI_VERBS: Final = {
    "generateContent": (Endpoint.GENERATE, False),
    "streamGenerateContent": (Endpoint.GENERATE, True),
    "countTokens": (Endpoint.COUNT_TOKENS, False),
    "embedContent": (Endpoint.EMBEDDINGS, False),
    "batchEmbedContents": (Endpoint.EMBEDDINGS, False),
}

_PASSED: Final = re.compile(r"/passthrough/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(/.+)")
_GEMINI_CALL: Final = re.compile(rf"/v1(?:beta)?/models/({_GEMINI_MODEL}):({'|'.join(_GEMINI_VERBS)})")
_BEDROCK_VERBS: Final = {
    "converse": (Endpoint.CONVERSE, False),
    "converse-stream": (Endpoint.CONVERSE, True),
    "invoke": (Endpoint.MESSAGES, False),
    "invoke-with-response-stream": (Endpoint.MESSAGES, True),
}
# AWS's SDKs encode the colons and slashes of ids and ARNs; nothing else in them needs it.
_BEDROCK_CALL: Final = re.compile(rf"/model/((?:[A-Za-z0-9._:/-]|%3[Aa]|%2[Ff]){{1,512}})/({'|'.join(_BEDROCK_VERBS)})")
_RESPONSE: Final = re.compile(rf"/v1/responses/({_ID})(/cancel|/input_items)?")
_MODEL: Final = re.compile(r"/v1(beta)?/models(?:/((?:[A-Za-z0-9._@:/-]|%2[Ff]){1,256}))?")
"""OpenAI's and Anthropic's SDKs write the slash of `openrouter/auto` as `%2F`: one part of the path, as it is sent on."""
_SLASH: Final = re.compile("%2[Ff]")
_RESPONSE_METHODS: Final = {("GET", None), ("DELETE", None), ("POST", "/cancel"), ("GET", "/input_items")}

REALTIME_PATHS: Final = frozenset({b"/v1/realtime", b"/openai/v1/realtime"})
"""The only paths of WebSockets."""

ROOTS: Final = {
    "/openai": Dialect.OPENAI,
    "/anthropic": Dialect.ANTHROPIC,
    "/gemini": Dialect.GEMINI,
    "/bedrock": Dialect.BEDROCK,
}
"""Prefixes under which one dialect alone answers, for clients that share a base URL."""


def match(method: str, raw_path: str, *, models_dialect: Dialect) -> Operation | None:
    """Return what `method` and `raw_path` ask for, or None.

    `models_dialect` settles the clashes: `/v1/models` and `/v1/files` are paths of all three dialects, and the headers tell
    (`x-goog-api-key` is Gemini, `anthropic-version` Anthropic).
    """
    fixed = _FIXED.get((method, raw_path))
    if fixed is not None:
        return fixed
    if method == "POST" and (called := _call(raw_path)) is not None:
        return called
    if found := _RESPONSE.fullmatch(raw_path):
        if (method, found[2]) not in _RESPONSE_METHODS:
            return None
        return Operation(
            dialect=Dialect.OPENAI,
            endpoint=Endpoint.RESPONSE_STATE,
            tail=f"/responses/{found[1]}{found[2] or ''}",
            object_id=found[1],
            body="none",
            action="delete" if method == "DELETE" else "",
        )
    if method == "GET" and (found := _MODEL.fullmatch(raw_path)):
        dialect = Dialect.GEMINI if found[1] else models_dialect
        tail = "/models/{model}" if found[2] else "/models"
        model = _SLASH.sub("/", found[2]) if found[2] else None
        return Operation(dialect=dialect, endpoint=Endpoint.MODELS, tail=tail, model=model, body="none")
    return _stored(method, raw_path, models_dialect)


def _call(raw_path: str) -> Operation | None:
    """Return what a path asks for that holds the model and a verb."""
    if found := _GEMINI_CALL.fullmatch(raw_path):
        endpoint, stream = _GEMINI_VERBS[found[2]]
        tail = f"/models/{{model}}:{found[2]}"
        return Operation(dialect=Dialect.GEMINI, endpoint=endpoint, tail=tail, model=found[1], stream=stream)
    if found := _BEDROCK_CALL.fullmatch(raw_path):
        endpoint, stream = _BEDROCK_VERBS[found[2]]
        tail, model = f"/model/{{model}}/{found[2]}", unquote(found[1])
        if found[2] == "invoke" and embeds(model):
            endpoint = Endpoint.EMBEDDINGS
        return Operation(dialect=Dialect.BEDROCK, endpoint=endpoint, tail=tail, model=model, stream=stream)
    return None


def _stored(method: str, raw_path: str, headers_dialect: Dialect) -> Operation | None:
    found = state_paths.match(method, raw_path, headers_dialect)
    if found is None:
        return None
    template, tail, identifier = found
    return Operation(
        dialect=template.dialect,
        endpoint=template.endpoint,
        tail=tail,
        object_id=identifier,
        body=template.body,
        kind=template.kind,
        action=template.action,
    )


def split_passed(raw_path: str) -> tuple[str, str] | None:
    """Split `/passthrough/openai/v1/batches` into the name and the provider's path; None for any other path."""
    found = _PASSED.fullmatch(raw_path)
    return None if found is None else (found[1], found[2])


def split_root(raw_path: str) -> tuple[Dialect | None, str]:
    """Split `/anthropic/v1/messages` into the dialect its root names and the path below; (None, path) otherwise."""
    for root, dialect in ROOTS.items():
        if raw_path.startswith(root) and raw_path[len(root) : len(root) + 1] == "/":
            return dialect, raw_path[len(root) :]
    return None, raw_path
