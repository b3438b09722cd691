"""Counting a request's tokens before it is sent: the counters of Anthropic, Bedrock, Gemini and OpenAI, and an estimate. Pure.

A counter takes a chat's body, so a request is read and written by the chat's own dialect; what differs is which members
a counter takes, and its answer.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keystead.dialects import bedrock_invoke
from keystead.dialects.body import read_json
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import ChatRequest, Media, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from keystead.domain.traffic import Dialect

TAILS: Final = {
    Dialect.ANTHROPIC: "/messages/count_tokens",
    Dialect.GEMINI: "/models/{model}:countTokens",
    Dialect.OPENAI: "/responses/input_tokens",
    Dialect.BEDROCK: bedrock_invoke.COUNT_TAIL,
}

_OF_A_MESSAGE: Final = frozenset({"messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"})

_TAKEN: Final[Mapping[Dialect, frozenset[str]]] = {
    Dialect.ANTHROPIC: _OF_A_MESSAGE,
    Dialect.BEDROCK: _OF_A_MESSAGE,
    Dialect.OPENAI: frozenset(
        {"input", "instructions", "model", "parallel_tool_calls", "reasoning", "text", "tool_choice", "tools"}
    ),
}
"""What a counter takes of a chat's members; any other is refused by it (platform.claude.com/docs/en/api/messages-count-tokens,
platform.openai.com/docs/api-reference/responses/input-tokens)."""

_WHOLE_REQUEST: Final = ("generateContentRequest", "generate_content_request")

BYTES_PER_TOKEN: Final = 4
"""Of ASCII text; common tokenizers have 3 to 5."""
IMAGE_TOKENS: Final = 1_600
"""The most that Anthropic counts for an image (docs.claude.com, vision); most of the others' count less."""
DOCUMENT_BYTES_PER_TOKEN: Final = 24
"""Of a PDF: a page of some 50 KB counts about 2,000."""
DOCUMENT_TOKENS: Final = 2_000
"""Of a document that is not in the body."""
AUDIO_BYTES_PER_TOKEN: Final = 500
"""16 kB/s at Google's 32 tokens a second."""
TURN_TOKENS: Final = 4
"""Around each turn: its role and separators."""
TOOL_TOKENS: Final = 300
"""What providers put before the first tool."""


class _Counted(msgspec.Struct):
    input_tokens: int | None = None
    bedrock_tokens: int | None = msgspec.field(default=None, name="inputTokens")
    total_tokens: int | None = msgspec.field(default=None, name="totalTokens")


_COUNTED: Final = msgspec.json.Decoder(_Counted)


def chat_body(dialect: Dialect, body: bytes) -> bytes:
    """Return the chat's body out of a caller's counting body.

    Raises:
        InvalidRequestError: it is no JSON object.
    """
    if dialect is not Dialect.GEMINI:
        return body
    members = read_json(body).members
    return next((bytes(members[name]) for name in _WHOLE_REQUEST if name in members), body)


def counting_body(dialect: Dialect, body: bytes, *, model: str) -> bytes:
    """Return the counting body for a provider, out of a chat's body in its dialect."""
    members = read_json(body).members
    if dialect is Dialect.GEMINI:
        name = f"models/{model.removeprefix('models/')}"
        return msgspec.json.encode({"generateContentRequest": {"model": name, **members}})
    taken = msgspec.json.encode({name: value for name, value in members.items() if name in _TAKEN[dialect]})
    return bedrock_invoke.counting(read_json(taken), ()) if dialect is Dialect.BEDROCK else taken


def read_count(body: bytes) -> int:
    """Return what a provider counted.

    Raises:
        UnreadableError: it is no count.
    """
    try:
        counted = _COUNTED.decode(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("count") from error
    stated = (counted.input_tokens, counted.bedrock_tokens, counted.total_tokens)
    count = next((each for each in stated if each is not None), -1)
    if count < 0:
        raise UnreadableError("count")
    return count


def write_count(dialect: Dialect, tokens: int) -> bytes:
    """Return a count in the caller's dialect."""
    shapes: dict[Dialect, dict[str, Any]] = {
        Dialect.ANTHROPIC: {"input_tokens": tokens},
        Dialect.BEDROCK: {"inputTokens": tokens},
        Dialect.GEMINI: {"totalTokens": tokens},
        Dialect.OPENAI: {"object": "response.input_tokens", "input_tokens": tokens},
    }
    return msgspec.json.encode(shapes[dialect])


# -- the estimate -----------------------------------------------------------------------------------------------------


def estimated_tokens(request: ChatRequest) -> int:
    """Return about how many tokens a request has, where nobody counts them: at least 1, and no promise."""
    tokens = sum(TURN_TOKENS + sum(_part_tokens(part) for part in turn.parts) for turn in request.turns)
    if request.tools:
        tokens += TOOL_TOKENS
    for tool in request.tools:
        tokens += text_tokens(tool.name) + text_tokens(tool.description)
        tokens += len(bytes(tool.parameters)) // BYTES_PER_TOKEN if tool.parameters is not None else 0
    if request.output is not None and request.output.json_schema is not None:
        tokens += len(bytes(request.output.json_schema)) // BYTES_PER_TOKEN
    return max(tokens, 1)


def text_tokens(text: str) -> int:
    """Return about how many tokens a text has: four bytes of ASCII each, and each other character one."""
    if text.isascii():
        return -(-len(text) // BYTES_PER_TOKEN)
    ascii_count = sum(character.isascii() for character in text)
    return -(-ascii_count // BYTES_PER_TOKEN) + len(text) - ascii_count


def _part_tokens(part: Part) -> int:
    match part:
        case Text() | Refusal() | Thinking():
            return text_tokens(part.text)
        case ToolCall():
            return text_tokens(part.name) + text_tokens(part.arguments)
        case ToolResult():
            return sum(_part_tokens(inner) for inner in part.parts)
        case Media():
            return _media_tokens(part)


def _media_tokens(media: Media) -> int:
    size = len(media.data) * 3 // 4
    if media.kind == "image":
        return IMAGE_TOKENS
    if media.kind == "document":
        if media.media_type.startswith("text/"):
            return size // BYTES_PER_TOKEN
        return size // DOCUMENT_BYTES_PER_TOKEN if size else DOCUMENT_TOKENS
    return size // AUDIO_BYTES_PER_TOKEN if size else DOCUMENT_TOKENS
