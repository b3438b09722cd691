"""Realistic bodies of the Messages API, and Anthropic's own types to hold bodies against."""

import json
from pathlib import Path
from typing import Any, Final

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import TypeAdapter

from keystead.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from keystead.dialects.sse import SseSplitter
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import ChatRequest, Event

FOLDER: Final = Path(__file__).parents[3] / "fixtures" / "translation" / "anthropic_messages"
REQUESTS: Final = ("claude_code", "documents", "reasoning", "structured", "tool_changes", "tools")
ANSWERS: Final = ("answer_refused", "answer_searched", "answer_tools")
STREAMS: Final = ("stream_overloaded", "stream_refused", "stream_searched", "stream_tools")

_PARAMS: Final[TypeAdapter[Any]] = TypeAdapter(MessageCreateParamsNonStreaming)
_NOT_IN_TYPES: Final = ("temperature", "top_p", "top_k", "stream")
"""The SDK has no arguments any more for what new models do not take; `stream` has a type of its own."""


def request(name: str) -> dict[str, Any]:
    """Return a request's body."""
    body: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return body


def answer(name: str) -> bytes:
    """Return a whole answer."""
    return (FOLDER / f"{name}.json").read_bytes()


def stream(name: str) -> bytes:
    """Return a stream."""
    return (FOLDER / f"{name}.sse").read_bytes()


def read(body: object, *, model: str = "a-model") -> ChatRequest:
    """Read a request."""
    return ANTHROPIC_MESSAGES.read_request(json.dumps(body).encode(), model=model, stream=False)


def written(request: ChatRequest, profile: Profile | None = None) -> tuple[dict[str, Any], Written]:
    """Write a request; return its body, which Anthropic's own types must know to the last member, and all of it."""
    found = ANTHROPIC_MESSAGES.write_request(request, profile or Profile())
    body: dict[str, Any] = json.loads(found.body)
    typed = {name: value for name, value in body.items() if name not in _NOT_IN_TYPES}
    assert _drained(_PARAMS.validate_python(typed)) == typed
    return body, found


def events(sent: bytes, *, size: int = 0) -> list[Event]:
    """Read a stream, in pieces of `size` bytes; 0: at once."""
    splitter, reader = SseSplitter(), ANTHROPIC_MESSAGES.stream_reader()
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)] if size else [sent]
    found = [event for piece in pieces for whole in splitter.feed(piece) for event in reader.feed(whole)]
    return [*found, *reader.end()]


def _drained(value: Any) -> Any:
    """Return a value with all that pydantic would check only when it is iterated."""
    if isinstance(value, dict):
        return {name: _drained(each) for name, each in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return [_drained(each) for each in value]
    return value
