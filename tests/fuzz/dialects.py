"""The readers and writers of every dialect, as the gateway calls them."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec

from keystead.dialects.asked import asked_output
from keystead.dialects.body import read_json
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.nesting import TooDeepError
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Answer, ChatRequest, Event, Failed, Finished, Refusal, Text, ToolCall
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.domain.traffic import Dialect
from keystead.gateway.ask import Ask
from keystead.gateway.translate import CHATS, splitter_of, translated
from keystead.gateway.translation import Translation, Wire
from keystead.providers.profiles import PROFILES
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from tests.fuzz import seeds
from tests.fuzz.mutation import Shape
from tests.fuzz.target import Target, chopped

_SLACK: Final = 64 * 1024
_MOST_GROWN: Final = 24
"""Bytes that go out for one that came in: JSON escapes, base64 of base64, an event's frame around one letter."""
PROVIDER_OF: Final = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "anthropic-messages": "anthropic",
    "gemini-generate": "google",
    "bedrock-converse": "bedrock",
}
_ASKED: Final = {
    "openai-chat": b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,"tools":[{"type":"function",'
    b'"function":{"name":"weather"}},{"type":"custom","custom":{"name":"note"}}],"stream_options":{"include_usage":true}}',
    "openai-responses": b'{"model":"m","input":"Hi","stream":true,"tools":[{"type":"function","name":"weather"},'
    b'{"type":"custom","name":"note"}]}',
    "anthropic-messages": b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}',
    "gemini-generate": b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}',
    "bedrock-converse": b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}',
}


def name_of(wire: Wire) -> str:
    """Return what a dialect's targets are called by."""
    return f"{wire[0]}-{wire[1]}"


def targets() -> list[Target]:
    """Return a target for each reader of each dialect."""
    found = []
    for wire in CHATS:
        name, shape = name_of(wire), Shape.FRAMES if wire[0] is Dialect.BEDROCK else Shape.SSE
        found += [
            Target(f"request {name}", Shape.JSON, partial(seeds.requests, wire), partial(check_request, wire)),
            Target(f"answer {name}", Shape.JSON, partial(seeds.answers, wire), partial(check_answer, wire)),
            Target(f"stream {name}", shape, partial(seeds.streams, wire), partial(check_stream, wire)),
        ]
    return found


# -- requests ---------------------------------------------------------------------------------------------------------


def check_request(wire: Wire, body: bytes) -> None:
    """A body is refused in our words, or every provider is sent something that says the same."""
    try:
        read = read_json(body)
    except InvalidRequestError:
        return
    asked_output(read, wire[0])
    without_foreign_seals(read, *wire)
    try:
        request = CHATS[wire].read_request(body, model="m-1", stream=False)
    except InvalidRequestError:
        return
    for other in CHATS:
        profile = PROFILES[PROVIDER_OF[name_of(other)]]
        written = CHATS[other].write_request(request, profile)
        msgspec.json.decode(written.body)
        assert len(written.body) <= _MOST_GROWN * len(body) + _SLACK, "a request that grows"
        _says_the_same(other, request, written.body)


def _says_the_same(wire: Wire, request: ChatRequest, body: bytes) -> None:
    """What was written is read again, and says the same when it is written again."""
    chat, profile = CHATS[wire], PROFILES[PROVIDER_OF[name_of(wire)]]
    nothing = b'"messages":[]' in body or b'"contents":[]' in body
    if nothing or len({tool.name for tool in request.tools}) < len(request.tools):
        return  # the provider will refuse it
    try:
        again = chat.read_request(body, model=request.model, stream=request.stream)
    except InvalidRequestError as error:
        if isinstance(error.__cause__, TooDeepError):
            return  # what a body may just hold stands a few levels deeper in another dialect's words
        raise AssertionError(f"what is written for {name_of(wire)} is refused when it is read: {error}") from error
    twice = chat.write_request(again, profile).body
    third = chat.read_request(twice, model=request.model, stream=request.stream)
    assert _meaning(third) == _meaning(again), f"another meaning in {name_of(wire)}"


def _meaning(request: ChatRequest) -> dict[str, Any]:
    """What is asked, apart from how turns are cut and in which order their parts stand."""
    parts = [(turn.role, part) for turn in request.turns for part in turn.parts]
    texts = [(role, part.text) for role, part in parts if isinstance(part, Text | Refusal)]
    return {
        "said": {role: "".join("".join(text for who, text in texts if who == role).split()) for role, _ in texts},
        "calls": sorted((part.name, part.arguments) for _, part in parts if isinstance(part, ToolCall)),
        "tools": [(tool.name, tool.description) for tool in request.tools],
        "choice": request.tool_choice,
        "most": request.max_output_tokens,
        "sampling": (request.temperature, request.top_p, request.stop),
    }


# -- whole answers ----------------------------------------------------------------------------------------------------


def check_answer(wire: Wire, body: bytes) -> None:
    """An answer is unreadable, or every caller can read it."""
    try:
        answer = CHATS[wire].read_answer(body)
    except UnreadableError:
        return
    for other in CHATS:
        written = CHATS[other].write_answer(answer, usage=seeds.USAGE, created_s=1)
        assert len(written) <= _MOST_GROWN * len(body) + _SLACK, "an answer that grows"
        try:
            again = CHATS[other].read_answer(written)
        except UnreadableError as error:
            raise AssertionError(f"what is written for {name_of(other)} cannot be read: {error}") from error
        twice = CHATS[other].write_answer(again, usage=seeds.USAGE, created_s=1)
        assert _finishes(CHATS[other].read_answer(twice)) == _finishes(again)


def _finishes(answer: Answer) -> list[str]:
    return [choice.finish for choice in answer.choices]


# -- streams ----------------------------------------------------------------------------------------------------------


def check_stream(wire: Wire, data: bytes) -> None:
    """A stream says the same however it is cut, and its translation is one that a caller can read to one end."""
    whole, chunks = _events(wire, [data]), chopped(data)
    assert _events(wire, chunks) == whole, "cut elsewhere, it says something else"
    assert len(whole) <= len(data), "events without bytes"
    for caller in CHATS:
        _check_translation(caller, wire, data, chunks)


def _events(wire: Wire, chunks: Iterable[bytes]) -> list[Event | str]:
    """Return what is read, up to where it becomes unreadable."""
    splitter, reader = splitter_of(wire[0]), CHATS[wire].stream_reader()
    events: list[Event | str] = []
    try:
        for chunk in chunks:
            for event in splitter.feed(chunk):
                events += reader.feed(event)
        if (tail := splitter.tail()).strip():
            events += reader.feed(tail)
        events += reader.end()
    except UnreadableError:
        return [*events, "unreadable"]
    return events


def _check_translation(caller: Wire, wire: Wire, data: bytes, chunks: Iterable[bytes]) -> None:
    out, ended = _translation_of(caller, wire, [data])
    if ended:
        assert _translation_of(caller, wire, chunks) == (out, ended), "cut elsewhere, it is translated otherwise"
    assert len(out) <= len(data) * 200 + _SLACK, "a stream that grows"
    heard = _events(caller, [out])
    assert "unreadable" not in heard, f"what is written for {name_of(caller)} cannot be read"
    failed = [number for number, event in enumerate(heard) if isinstance(event, Failed)]
    finishes = [event.choice for event in heard if isinstance(event, Finished)]
    assert len(finishes) == len(set(finishes)), "two ends"
    assert not (failed and finishes), "an end, and a failure"
    assert failed in ([], [len(heard) - 1]), "something behind a failure"


def _translation_of(caller: Wire, wire: Wire, chunks: Iterable[bytes]) -> tuple[bytes, bool]:
    """Return what a caller is sent, and whether it came to its end."""
    way, out = translation(caller, wire), b""
    try:
        for chunk in chunks:
            out += way.feed(chunk)
        return out + way.end(seeds.USAGE), True
    except KeysteadError:
        return out, False


def translation(caller: Wire, wire: Wire) -> Translation:
    """Return what translates a stream of `wire` for a caller."""
    body = _ASKED[name_of(caller)]
    ask = Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=caller[0],
        endpoint=caller[1],
        tail="",
        query=b"",
        headers={},
        model="m",
        stream=True,
        body=body,
        json=read_json(body),
    )
    provider: Provider = PROVIDERS[PROVIDER_OF[name_of(wire)]]
    return translated(ask, provider, wire, model="m-1", drop=True)
