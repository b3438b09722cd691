"""What mutation begins with: recorded and made-up traffic of every provider, and the same things said in each dialect."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from keystead.dialects.translating import Profile
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Citation,
    Cited,
    Event,
    Finish,
    Finished,
    Maker,
    Media,
    OutputFormat,
    Reasoning,
    Refusal,
    RefusalDelta,
    Sealed,
    Started,
    Text,
    TextDelta,
    TextSealed,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    Tool,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
    ToolChoice,
    ToolResult,
    Turn,
)
from keystead.domain.traffic import Dialect
from keystead.domain.usage import Usage
from keystead.gateway.translate import CHATS
from keystead.gateway.translation import Wire

_FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
USAGE: Final = Usage(input_tokens=11, cache_read_tokens=5, output_tokens=7, reasoning_tokens=3)
_PIXEL: Final = "iVBORw0KGgo="
_SCHEMA: Final = msgspec.Raw(
    b'{"type":"object","properties":{"city":{"type":["string","null"],"enum":["Bern","Basel"]},"days":{"$ref":"#/$defs/d"}},'
    b'"required":["city"],"additionalProperties":false,"$defs":{"d":{"type":"array","items":{"type":"integer"}}}}'
)
_GOOGLES_WORDS: Final = (
    b'{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT",'
    b'"properties":{"a":{"type":"STRING","nullable":true,"max_length":"5"},"b":{"any_of":[{"type":"INTEGER"}]}},'
    b'"property_ordering":["a"]}}]}],"generationConfig":{"responseSchema":{"type":"ARRAY","items":{"type":"STRING"},'
    b'"minItems":"1"}}}'
)
_SEALS: Final = [Sealed(maker=maker, data="c2VhbCBvZiB0aGUgbWFrZXI=") for maker in Maker]


def _request(seal: Sealed) -> ChatRequest:
    return ChatRequest(
        model="m-1",
        turns=(
            Turn(role="system", parts=(Text(text="Be brief.", cache="1h"),)),
            Turn(
                role="user",
                name="ada",
                parts=(
                    Text(text="What is this, and the weather? ✓"),
                    Media(kind="image", media_type="image/png", data=_PIXEL, detail="high"),
                    Media(kind="document", media_type="application/pdf", data=_PIXEL, name="a.pdf", cache="5m"),
                ),
            ),
            Turn(
                role="assistant",
                parts=(
                    Thinking(text="I should look.", sealed=seal, id="rs_1"),
                    Text(text="Let me look."),
                    ToolCall(id="call_1", name="weather", arguments='{"city":"Bern"}', sealed=seal),
                    ToolCall(id="call_2", name="weather", arguments="{}"),
                ),
            ),
            Turn(
                role="user",
                parts=(
                    ToolResult(call_id="call_1", name="weather", parts=(Text(text="sunny"),)),
                    ToolResult(call_id="call_2", name="weather", parts=(Text(text="no"),), is_error=True),
                ),
            ),
            Turn(role="assistant", parts=(Refusal(text="I will not."),)),
            Turn(role="user", parts=(Text(text="Go on."),)),
        ),
        tools=(Tool(name="weather", description="Tells it.", parameters=_SCHEMA, strict=True),),
        tool_choice=ToolChoice(mode="named", names=("weather",)),
        parallel_tool_calls=False,
        max_output_tokens=4096,
        temperature=0.5,
        top_p=0.9,
        stop=("END",),
        output=OutputFormat(json_schema=_SCHEMA, name="answer"),
        reasoning=Reasoning(effort="high", visible=True),
        end_user="u-1",
    )


def _answer(seal: Sealed) -> Answer:
    parts = (
        Thinking(text="I should look.", sealed=seal, id="rs_1"),
        Text(text="Sunny ✓", citations=(Citation(start=0, end=5, url="https://a.example/", title="A", quoted="q"),)),
        ToolCall(id="call_1", name="weather", arguments='{"city":"Bern"}', sealed=seal),
        ToolCall(id="call_2", name="weather", arguments=""),
    )
    return Answer(id="id_1", model="m-1", choices=(Choice(parts=parts, finish=Finish.TOOL_CALLS),))


def _events(seal: Sealed) -> list[Event]:
    return [
        Started(id="id_1", model="m-1"),
        ThinkingDelta(text="I should "),
        ThinkingDelta(text="look."),
        ThinkingSealed(sealed=seal, id="rs_1"),
        ThinkingSealed(sealed=seal, redacted=True),
        TextDelta(text="Sun"),
        TextDelta(text="ny ✓"),
        Cited(citation=Citation(start=0, end=5, url="https://a.example/", title="A", quoted="q")),
        TextSealed(sealed=seal),
        ToolCallStarted(call=0, id="call_1", name="weather", sealed=seal),
        ToolArgumentsDelta(call=0, json='{"city":'),
        ToolCallStarted(call=1, id="call_2", name="weather"),
        ToolArgumentsDelta(call=1, json="{}"),
        ToolArgumentsDelta(call=0, json='"Bern"}'),
        RefusalDelta(text="I will not."),
        Finished(finish=Finish.TOOL_CALLS),
    ]


@cache
def exchanges() -> tuple[Mapping[str, Any], ...]:
    """Return the exchanges of the metering suite."""
    return tuple(json.loads(path.read_bytes()) for path in sorted((_FIXTURES / "exchanges").glob("*.json")))


def requests(wire: Wire) -> list[bytes]:
    """Return bodies that callers send."""
    chat = CHATS[wire]
    found = [chat.write_request(_request(seal), Profile()).body for seal in _SEALS]
    found += [json.dumps(each["request_body"]).encode() for each in _exchanges(wire) if each["request_body"]]
    found += [path.read_bytes() for path in _files(wire, "*.json") if not path.name.startswith("answer")]
    if wire[0] is Dialect.GEMINI:
        found.insert(0, _GOOGLES_WORDS)
    return found


def answers(wire: Wire) -> list[bytes]:
    """Return whole answers of providers."""
    chat = CHATS[wire]
    found = [chat.write_answer(_answer(seal), usage=USAGE, created_s=1) for seal in _SEALS]
    found += [each["response_body"].encode() for each in _exchanges(wire) if not each["stream"]]
    return found + [path.read_bytes() for path in _files(wire, "answer*.json")]


def streams(wire: Wire) -> list[bytes]:
    """Return streams of providers."""
    chat, asked = CHATS[wire], ChatRequest(model="m-1", turns=(), stream=True)
    found = []
    for seal in _SEALS:
        writer = chat.stream_writer(asked, request_id="req_1", created_s=1)
        found.append(b"".join([*(writer.feed(event) for event in _events(seal)), writer.end(USAGE)]))
    found += [each["response_body"].encode() for each in _exchanges(wire) if _is_sse(each)]
    return found + [path.read_bytes() for path in _files(wire, "*.sse")]


def errors() -> list[bytes]:
    """Return refusals of providers."""
    return [
        b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded","details":{"error_code":"x"}}}',
        (
            b'[{"error":{"code":429,"message":"Please retry in 3.5s","status":"RESOURCE_EXHAUSTED","details":[{"@type":'
            b'"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"},{"reason":"RATE_LIMIT_EXCEEDED"}]}}]'
        ),
        b'{"error":{"message":"no","code":402,"metadata":{"raw":"{}","headers":{"X-RateLimit-Reset":"1790000000000"}}}}',
        b'{"message":"Too many tokens","__type":"ThrottlingException"}',
        b"upstream connect error or disconnect/reset before headers",
    ]


def lists() -> list[bytes]:
    """Return providers' lists of models."""
    return [
        (
            b'{"data":[{"id":"gpt-5","created":1790000000,"context_length":400000},{"id":"ft:x","created_at":"2026-01-02T03:04:05Z"}],'
            b'"has_more":true,"last_id":"ft:x"}'
        ),
        b'{"models":[{"name":"models/gemini-2.5-pro","inputTokenLimit":1048576,"outputTokenLimit":65536}],"nextPageToken":"abc"}',
        b'[{"id":"meta/llama","created":0,"context_length":131072}]',
    ]


def documents() -> list[bytes]:
    """Return documents of configuration, ours and LiteLLM's."""
    ours = b"""keystead: 1
organization: {name: Example}
credentials:
  openai: {provider: openai, key: "${OPENAI_API_KEY}", owner: organization}
routes:
  fast: {attempts: [{model: openai/gpt-5-mini}, {model: openai/gpt-5}]}
budgets:
  all: {scope: organization, amount: "100.00", period: month}
"""
    return [ours, *(path.read_bytes() for path in sorted((_FIXTURES / "litellm").glob("*.yaml")))]


def _exchanges(wire: Wire) -> list[Mapping[str, Any]]:
    return [each for each in exchanges() if (each["dialect"], each["endpoint"]) == wire]


def _is_sse(exchange: Mapping[str, Any]) -> bool:
    return bool(exchange["stream"]) and "event-stream" in exchange["response_headers"]["content-type"]


def _files(wire: Wire, pattern: str) -> list[Path]:
    names = {"chat": "openai_chat", "responses": "openai_responses", "messages": "anthropic_messages"}
    folder = names.get(wire[1], f"{wire[0]}_{wire[1]}")
    return sorted((_FIXTURES / "translation" / folder).glob(pattern))
