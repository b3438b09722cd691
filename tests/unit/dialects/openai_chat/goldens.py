"""Realistic bodies of the chat completions, and OpenAI's own types to hold bodies against."""

import json
from pathlib import Path
from typing import Any, Final

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.dialects.sse import SseSplitter
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import ChatRequest, Event

TESTS: Final = Path(__file__).parents[3]
FOLDER: Final = TESTS / "fixtures" / "translation" / "openai_chat"
REQUESTS: Final = ("conversation", "functions", "look_alike")
ANSWERS: Final = ("answer_mistral", "answer_openrouter", "answer_refused", "answer_searched", "answer_tools")
STREAMS: Final = (
    "stream_deepseek",
    "stream_google",
    "stream_mistral",
    "stream_openrouter",
    "stream_refused",
    "stream_tools",
    "stream_two_choices",
)
EXCHANGES: Final = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((TESTS / "fixtures" / "exchanges").glob("*-chat-*.json"))
}
OPENAI: Final = Profile(custom_tools=True)

_PARAMS: Final[TypeAdapter[Any]] = TypeAdapter(CompletionCreateParamsNonStreaming)
_STREAMING: Final[TypeAdapter[Any]] = TypeAdapter(CompletionCreateParamsStreaming)


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
    return OPENAI_CHAT.read_request(json.dumps(body).encode(), model=model, stream=False)


def written(request: ChatRequest, profile: Profile = OPENAI) -> tuple[dict[str, Any], Written]:
    """Write a request; return its body, which OpenAI's own types must know to the last member, and all of it."""
    found = OPENAI_CHAT.write_request(request, profile)
    body: dict[str, Any] = json.loads(found.body)
    known = _STREAMING if request.stream else _PARAMS
    beside = {profile.thoughts} - {""}
    typed = {**body, "messages": [_without(message, beside) for message in body["messages"]]}
    assert _drained(known.validate_python(typed)) == typed
    return body, found


def events(sent: bytes, *, size: int = 0) -> list[Event]:
    """Read a stream, in pieces of `size` bytes; 0: at once."""
    splitter, reader = SseSplitter(), OPENAI_CHAT.stream_reader()
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)] if size else [sent]
    found = [event for piece in pieces for whole in splitter.feed(piece) for event in reader.feed(whole)]
    return [*found, *reader.end()]


def _without(message: dict[str, Any], members: set[str]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in members}


def _drained(value: Any) -> Any:
    """Return a value with all that pydantic would check only when it is iterated."""
    if isinstance(value, dict):
        return {name: _drained(each) for name, each in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return [_drained(each) for each in value]
    return value
