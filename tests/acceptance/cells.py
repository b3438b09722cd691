"""Which SDK reaches which upstream with what: the cells that the tests go through and that the docs show."""

from collections.abc import Mapping
from typing import Final

from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translation import Wire

CALLERS: Final[Mapping[str, Wire]] = {
    "openai chat": (Dialect.OPENAI, Endpoint.CHAT),
    "openai responses": (Dialect.OPENAI, Endpoint.RESPONSES),
    "anthropic": (Dialect.ANTHROPIC, Endpoint.MESSAGES),
    "google-genai": (Dialect.GEMINI, Endpoint.GENERATE),
    "boto3": (Dialect.BEDROCK, Endpoint.CONVERSE),
}
"""Each SDK, and what it speaks."""

ON_VERTEX: Final[Mapping[str, str]] = {"vertex": "gemini-m-1", "vertex-claude": "claude-m-1"}
"""Credentials of Vertex AI, and a model of each: its maker decides what is spoken."""

UPSTREAMS: Final = ("openai", "anthropic", "google", "mistral", "perplexity", "bedrock", *ON_VERTEX)
"""Providers, each for those that speak what it speaks; Mistral's is a look-alike with rules of its own."""

_FOR_ANTHROPICS: Final = "bedrock-claude"
"""Claude at Bedrock is spoken to like any model there, but by those who speak its maker's words."""

CELLS: Final = tuple(
    (caller, upstream)
    for caller in CALLERS
    for upstream in (*UPSTREAMS, _FOR_ANTHROPICS)
    if upstream != _FOR_ANTHROPICS or caller == "anthropic"
)
"""Who reaches whom."""

MODELS: Final[Mapping[str, str]] = {**ON_VERTEX, _FOR_ANTHROPICS: "anthropic.claude-m-1"}
"""The model that an upstream is asked for, where its name decides what is spoken."""

EMBEDDING_CALLERS: Final[Mapping[str, Wire]] = {
    "openai": (Dialect.OPENAI, Endpoint.EMBEDDINGS),
    "google-genai": (Dialect.GEMINI, Endpoint.EMBEDDINGS),
}
CLOUD_EMBEDDINGS: Final[Mapping[str, str]] = {
    "amazon.titan-embed-text-v2:0": "bedrock",
    "us.cohere.embed-v4:0": "bedrock",
    "cohere.embed-multilingual-v3": "bedrock",
    "gemini-embedding-001": "vertex",
    "text-embedding-005": "vertex",
}
"""Models that are asked for vectors in a form of their own, and where. Each SDK asks each."""

JAVASCRIPT_UPSTREAMS: Final = ("openai", "anthropic", "google")

CASES: Final[Mapping[str, str]] = {
    "text": "plain and streamed, with exact usage",
    "tools": "two calls at once, plain and streamed, and the turn with their results",
    "picture": "a picture in",
    "JSON Schema": "an answer that must fit a schema",
    "thoughts": "what the model thought, plain and streamed",
    "seals": "a maker's seal on its thoughts returns to it with the next turn",
    "errors": "400, 401, 404, 429, 500 and 529 raised as the SDK raises its own",
    "cut": "a stream that breaks off is never taken for a whole answer",
}

JAVASCRIPT_CASES: Final = ("text", "tools", "errors")


def why_not(case: str, caller: str, upstream: str) -> str:
    """Say why a cell has nothing to show; empty: it is tested."""
    if case != "seals":
        return ""
    if upstream == "mistral" or (upstream == "openai" and caller != "openai responses"):
        return "chat completions have no seals"
    if caller == "openai chat" and upstream in {"google", "vertex"}:
        return "Google's own OpenAI surface answers, whose words the fake does not have"
    return ""
