"""What Vertex AI asks of a request beyond the dialect it is written in. Pure.

A model belongs to a publisher, which decides the dialect: Google's models speak Gemini's and OpenAI's, Anthropic's
Anthropic's, Mistral's OpenAI's. Project and location stand in the path, from the credential's settings, and so does
the model. (cloud.google.com/vertex-ai/generative-ai/docs, November 2026.)
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from keystead.dialects.body import JsonBody, read_json, with_members
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint

PROJECT: Final = r"(?:[a-z0-9.-]{1,100}:)?[a-z0-9][a-z0-9-]{0,62}"
"""An id or a number; an old project's id has its domain before it."""
LOCATION: Final = r"[a-z][a-z0-9-]{0,31}"

_PROJECT: Final = re.compile(PROJECT)
_LOCATION: Final = re.compile(LOCATION)
_CLAUDE_DATE: Final = re.compile(r"^(claude-.+)-(20[0-9]{6})$")
_MODEL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,255}")

_WHOLE_REQUEST: Final = ("generateContentRequest", "generate_content_request")
_COUNTED: Final = frozenset(
    {"contents", "generationConfig", "generation_config", "systemInstruction", "system_instruction", "tools"}
)
_ANTHROPIC_VERSION: Final = msgspec.Raw(b'"vertex-2023-10-16"')

_GOOGLE: Final = "google"
_ANTHROPIC: Final = "anthropic"
_MISTRAL: Final = "mistralai"
_PUBLISHERS: Final = (
    ("claude-*", _ANTHROPIC),
    ("mistral-*", _MISTRAL),
    ("ministral-*", _MISTRAL),
    ("codestral-*", _MISTRAL),
)

CLAUDE: Final = "claude-*"
MISTRAL: Final = tuple(pattern for pattern, publisher in _PUBLISHERS if publisher == _MISTRAL)
EMBEDDERS: Final = ("gemini-embedding-001", "text-embedding-*", "text-multilingual-embedding-*")
"""Models that `predict` embeds with."""

_BETAS: Final[Mapping[str, str]] = {
    name: name
    for name in (
        "compact-2026-01-12",
        "compact-2026-09-04",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "interleaved-thinking-2025-05-14",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    )
} | {"advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19"}
"""Betas of Claude that Vertex AI takes, and what it calls them. It refuses a request that names any other."""


def place(settings: Mapping[str, str]) -> str:
    """Return the beginning of every path: project and location, from a credential's settings.

    Raises:
        InvalidRequestError: they are missing or cannot stand in a path.
    """
    project, location = settings.get("project", ""), settings.get("location", "")
    if _PROJECT.fullmatch(project) is None or _LOCATION.fullmatch(location) is None:
        raise InvalidRequestError(
            "The credential's project or location is missing or not valid.",
            code="invalid_setting",
            next_step="Set both: `project=…` and `location=…`, such as `europe-west4` or `global`.",
        )
    return f"/v1/projects/{project}/locations/{location}"


def path(settings: Mapping[str, str], dialect: Dialect, endpoint: Endpoint, *, verb: str, model: str) -> str:
    """Return the path of a call.

    Args:
        settings: the credential's, checked when they were given.
        dialect: what is spoken,
        endpoint: and asked.
        verb: Gemini's, as the caller's path ends, or whether to stream (`stream`), or empty.
        model: the provider's name of the model.

    Raises:
        InvalidRequestError: the model or a setting cannot stand in a path.
    """
    below = place(settings)
    publisher = _publisher(model)
    if dialect is Dialect.OPENAI and publisher == _GOOGLE:
        return f"{below}/endpoints/openapi/chat/completions"
    model = _dated(model.removeprefix("models/"))
    if _MODEL.fullmatch(model) is None or ".." in model:
        raise InvalidRequestError("The model cannot be used in a URL path.", code="invalid_value", param="model")
    if dialect is Dialect.GEMINI:
        return f"{below}/publishers/{publisher}/models/{model}:{verb}"
    if endpoint is Endpoint.COUNT_TOKENS:  # the model is in the body
        model, verb = "count-tokens", ""
    return f"{below}/publishers/{publisher}/models/{model}:{'streamRawPredict' if verb else 'rawPredict'}"


def members(dialect: Dialect, endpoint: Endpoint, *, model: str) -> dict[str, msgspec.Raw | None]:
    """Return the members of a body that are Vertex AI's own; None for what it does not take."""
    if dialect is Dialect.ANTHROPIC:
        named = _encoded(_dated(model)) if endpoint is Endpoint.COUNT_TOKENS else None
        return {"model": named, "anthropic_version": _ANTHROPIC_VERSION}
    # Its OpenAI-compatible endpoint has the maker's name in every model's: `google/gemini-…`.
    name = model if "/" in model or _publisher(model) != _GOOGLE else f"{_GOOGLE}/{model}"
    return {"model": _encoded(name)}


def counting(body: JsonBody) -> bytes:
    """Return a body of Gemini's counter as Vertex AI takes it: the request's members themselves, without a model.

    The Gemini API wraps a whole request into `generateContentRequest`, which Vertex AI does not know; nor does it know
    there what does not count. (cloud.google.com/vertex-ai/docs/reference/rest, publishers.models.countTokens.)
    """
    wrapped = next((body.members[name] for name in _WHOLE_REQUEST if name in body.members), None)
    if wrapped is None:
        return with_members(body, {"model": None}).raw if "model" in body.members else body.raw
    members = read_json(bytes(wrapped)).members
    return msgspec.json.encode({name: value for name, value in members.items() if name in _COUNTED})


def betas(header: str) -> str:
    """Return the betas of an `anthropic-beta` header that Vertex AI knows, by its names; empty if it knows none."""
    known = [_BETAS[name] for name in map(str.strip, header.split(",")) if name in _BETAS]
    return ",".join(dict.fromkeys(known))


def _dated(model: str) -> str:
    """Return a model's name with its date as Vertex AI writes it, so that one name means the model there and at its maker."""
    return _CLAUDE_DATE.sub(r"\1@\2", model)


def _encoded(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


def _publisher(model: str) -> str:
    return next((publisher for pattern, publisher in _PUBLISHERS if fnmatchcase(model, pattern)), _GOOGLE)
