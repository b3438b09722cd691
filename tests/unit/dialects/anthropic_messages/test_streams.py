"""Streams, read and written; written ones are put together by Anthropic's own SDK."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from keystead.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from keystead.dialects.sse import SseSplitter, data_of, event_name
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Citation,
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    Maker,
    Part,
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
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
)
from keystead.domain.usage import Usage
from tests.unit.dialects.anthropic_messages import goldens
from tests.unit.dialects.anthropic_messages.test_answers import answers

OWN = Sealed(maker=Maker.ANTHROPIC, data="EuYBCkQYAiJA")
GEMINI = Sealed(maker=Maker.GEMINI, data="c2lnbmF0dXJl")
STARTED = Started(id="msg_1", model="a-model")
USAGE = Usage(input_tokens=10, cache_read_tokens=100, cache_write_5m_tokens=7, output_tokens=4, reasoning_tokens=6)
_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def write(*events: Event, usage: Usage | None = USAGE) -> bytes:
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = ANTHROPIC_MESSAGES.stream_writer(request, request_id="req_1", created_s=1)
    return b"".join([*(writer.feed(event) for event in events), writer.end(usage)])


def wire(sent: bytes) -> list[dict[str, Any]]:
    """The events on the wire, whose names are their types."""
    found = []
    for event in SseSplitter().feed(sent):
        data = json.loads(data_of(event))
        assert event_name(event).decode() == data["type"]
        found.append(data)
    return found


def assembled(sent: bytes) -> Any:
    """The message as Anthropic's SDK puts it together, with blocks that open and close one after another."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    opened: int | None = None
    count = 0
    for data in wire(sent):
        match data["type"]:
            case "content_block_start":
                assert opened is None
                assert data["index"] == count
                opened, count = count, count + 1
            case "content_block_delta" | "content_block_stop":
                assert data["index"] == opened
                opened = None if data["type"] == "content_block_stop" else opened
            case "message_delta" | "message_stop":
                assert opened is None
        event = _EVENTS.validate_python(data)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return snapshot


def joined(events: Sequence[Event]) -> Answer:
    """A stream's events as a whole answer, in the order in which its parts began."""
    parts: list[Part] = []
    calls: dict[int, int] = {}
    refusal, end = "", Finished(finish=Finish.OTHER)
    started = events[0]
    assert isinstance(started, Started)
    for event in events[1:]:
        last = parts[-1] if parts else None
        match event:
            case TextDelta():
                if isinstance(last, Text) and last.sealed is None:
                    parts[-1] = Text(text=last.text + event.text, citations=last.citations)
                else:
                    parts.append(Text(text=event.text))
            case Cited():
                assert isinstance(last, Text)
                parts[-1] = Text(text=last.text, citations=(*last.citations, event.citation))
            case TextSealed():
                assert isinstance(last, Text)
                parts[-1] = Text(text=last.text, citations=last.citations, sealed=event.sealed)
            case ThinkingDelta():
                if isinstance(last, Thinking) and last.sealed is None:
                    parts[-1] = Thinking(text=last.text + event.text)
                else:
                    parts.append(Thinking(text=event.text))
            case ThinkingSealed():
                text = ""
                if isinstance(last, Thinking) and last.sealed is None and not event.redacted:
                    text = last.text
                    parts.pop()
                parts.append(Thinking(text=text, sealed=event.sealed, redacted=event.redacted, id=event.id))
            case ToolCallStarted():
                calls[event.call] = len(parts)
                parts.append(ToolCall(id=event.id, name=event.name, arguments="", sealed=event.sealed))
            case ToolArgumentsDelta():
                call = parts[calls[event.call]]
                assert isinstance(call, ToolCall)
                parts[calls[event.call]] = ToolCall(
                    id=call.id, name=call.name, arguments=call.arguments + event.json, sealed=call.sealed
                )
            case RefusalDelta():
                refusal += event.text
            case Finished():
                end = event
    if refusal:
        parts.append(Refusal(text=refusal))
    choice = Choice(parts=tuple(parts), finish=end.finish, stop_sequence=end.stop_sequence)
    return Answer(id=started.id, model=started.model, choices=(choice,))


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """An answer as events; the arguments of calls may come late, and between each other."""
    answer = draw(answers())
    [choice] = answer.choices
    events: list[Event] = [Started(id=answer.id, model=answer.model)]
    late: list[Event] = []
    calls = 0
    for part in choice.parts:
        match part:
            case Text():
                cut = draw(st.integers(0, len(part.text)))
                events += [TextDelta(text=piece) for piece in (part.text[:cut], part.text[cut:]) if piece]
                events += [Cited(citation=each) for each in part.citations]
                events += [TextSealed(sealed=part.sealed)] if part.sealed else []
            case Thinking():
                events += [ThinkingDelta(text=part.text)] if part.text else []
                if part.sealed is not None:
                    events.append(ThinkingSealed(sealed=part.sealed, redacted=part.redacted, id=part.id))
            case ToolCall():
                events.append(ToolCallStarted(call=calls, id=part.id, name=part.name, sealed=part.sealed))
                deltas = [ToolArgumentsDelta(call=calls, json=piece) for piece in part.arguments]
                here = draw(st.integers(0, len(deltas)))
                events += deltas[:here]
                late = _between(draw, late, list(deltas[here:]))
                calls += 1
            case Refusal():
                events.append(RefusalDelta(text=part.text))
    return [*events, *late, Finished(finish=choice.finish)]


def _between(draw: st.DrawFn, first: list[Event], second: list[Event]) -> list[Event]:
    """Both lists as one, each in its own order."""
    mixed: list[Event] = []
    while first and second:
        mixed.append((first if draw(st.booleans()) else second).pop(0))
    return [*mixed, *first, *second]


@given(events=streams(), size=st.integers(1, 400))
def test_a_written_stream_says_what_was_said_however_it_is_chopped(events: list[Event], size: int) -> None:
    assert joined(goldens.events(write(*events), size=size)) == joined(events)


@given(events=streams())
def test_the_sdk_makes_of_a_stream_what_it_makes_of_the_whole_answer(events: list[Event]) -> None:
    message = assembled(write(*events))
    whole = json.loads(ANTHROPIC_MESSAGES.write_answer(joined(events), usage=USAGE, created_s=1))
    whole["usage"].pop("cache_creation")  # only whole answers have it
    found = message.to_dict()
    assert _merged(found["content"]) == _merged(whole["content"])
    assert {**found, "content": []} == {**whole, "content": []}


def _merged(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Texts that follow each other as one: a stream does not say where one ends."""
    merged: list[dict[str, Any]] = []
    for block in content:
        if block["type"] == "text" and merged and merged[-1]["type"] == "text":
            merged[-1] = {**merged[-1], "text": merged[-1]["text"] + block["text"]}
            cited = [*(merged[-1].pop("citations", None) or ()), *(block.get("citations") or ())]
            merged[-1] |= {"citations": cited} if cited else {}
        else:
            merged.append(dict(block))
    return merged


def test_interleaved_calls_come_out_one_after_another() -> None:
    sent = write(
        STARTED,
        ToolCallStarted(call=0, id="a", name="f"),
        ToolCallStarted(call=1, id="b", name="g"),
        ToolArgumentsDelta(call=0, json='{"x":'),
        ToolArgumentsDelta(call=1, json='{"y":'),
        ToolArgumentsDelta(call=0, json="1}"),
        ToolArgumentsDelta(call=1, json="2}"),
        Finished(finish=Finish.TOOL_CALLS),
    )
    message = assembled(sent)
    assert [(block.id, block.input) for block in message.content] == [("a", {"x": 1}), ("b", {"y": 2})]
    assert message.stop_reason == "tool_use"


def test_the_next_call_goes_out_at_once_when_the_one_before_is_whole() -> None:
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = ANTHROPIC_MESSAGES.stream_writer(request, request_id="req_1", created_s=1)
    for event in (STARTED, ToolCallStarted(call=0, id="a", name="f"), ToolArgumentsDelta(call=0, json='{"x":1}')):
        assert writer.feed(event)
    assert [data["type"] for data in wire(writer.feed(ToolCallStarted(call=1, id="b", name="g")))] == [
        "content_block_stop",
        "content_block_start",
    ]
    assert wire(writer.feed(ToolArgumentsDelta(call=1, json='{"y":')))[0]["index"] == 1


def test_usage_is_nothing_at_first_and_whole_at_the_end() -> None:
    first, *_, last, stop = wire(write(STARTED, TextDelta(text="a"), Finished(finish=Finish.STOP)))
    assert set(first["message"]["usage"].values()) == {0}
    assert last["usage"]["input_tokens"] == 10
    assert last["usage"]["cache_read_input_tokens"] == 100
    assert last["usage"]["cache_creation_input_tokens"] == 7
    assert last["usage"]["output_tokens"] == 10
    assert stop == {"type": "message_stop"}
    *_, last, _ = wire(write(STARTED, Finished(finish=Finish.STOP), usage=None))
    assert last["usage"]["output_tokens"] == 0


def test_every_thought_is_signed_before_its_block_ends() -> None:
    sent = write(
        STARTED,
        ThinkingDelta(text="nobody's"),
        TextDelta(text="a"),
        ThinkingDelta(text="mine"),
        ThinkingSealed(sealed=OWN),
        ToolCallStarted(call=0, id="c", name="f", sealed=GEMINI),
        Finished(finish=Finish.TOOL_CALLS),
    )
    thoughts = [block for block in assembled(sent).content if block.type == "thinking"]
    assert [bool(block.signature) for block in thoughts] == [True, True, True]
    assert thoughts[1].signature == OWN.data


def test_a_seal_of_gemini_comes_back_with_the_call_it_belongs_to() -> None:
    sent = write(
        STARTED,
        TextDelta(text="Let me see."),
        TextSealed(sealed=GEMINI),
        ToolCallStarted(call=0, id="c", name="f", sealed=GEMINI),
        ToolArgumentsDelta(call=0, json="{}"),
        Finished(finish=Finish.TOOL_CALLS),
    )
    content = [block.to_dict() for block in assembled(sent).content]
    body = {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}],
    }
    assert goldens.read(body).turns[1].parts == (
        Text(text="Let me see.", sealed=GEMINI),
        ToolCall(id="c", name="f", arguments="{}", sealed=GEMINI),
    )


def test_a_stream_without_an_id_takes_the_requests() -> None:
    first, start, *_ = wire(write(Started(id="", model="m"), ToolCallStarted(call=0, id="", name="f")))
    assert first["message"]["id"] == "msg_req_1"
    assert start["content_block"]["id"] == "toolu_req_1_0"


def test_other_choices_are_not_anthropics() -> None:
    sent = write(STARTED, TextDelta(text="a"), TextDelta(text="b", choice=1), Finished(finish=Finish.STOP))
    assert [block.text for block in assembled(sent).content] == ["a"]


@pytest.mark.parametrize(("overloaded", "kind"), [(True, "overloaded_error"), (False, "api_error")])
def test_an_error_is_told_in_the_stream(overloaded: bool, kind: str) -> None:
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = ANTHROPIC_MESSAGES.stream_writer(request, request_id="req_1", created_s=1)
    [event] = wire(writer.feed(Failed(message="No room", overloaded=overloaded)))
    assert event == {"type": "error", "error": {"type": kind, "message": "No room"}}


def test_thinking_text_and_calls_are_read_from_a_stream() -> None:
    assert joined(goldens.events(goldens.stream("stream_tools"))) == Answer(
        id="msg_01Stream",
        model="claude-sonnet-4-5-20250929",
        choices=(
            Choice(
                parts=(
                    Thinking(text="Both at once.", sealed=OWN),
                    Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="EmwKAhgBEgy3va3pzix"), redacted=True),
                    Text(text="I ask for both – 🌧️."),
                    ToolCall(id="toolu_oslo", name="weather", arguments='{"city": "Oslo"}'),
                    ToolCall(id="toolu_now", name="now", arguments="{}"),
                ),
                finish=Finish.TOOL_CALLS,
            ),
        ),
    )


def test_what_nobody_knows_in_a_stream_is_passed_over() -> None:
    assert goldens.events(goldens.stream("stream_searched")) == [
        Started(id="msg_01Searched", model="claude-opus-5-5"),
        Cited(citation=Citation(url="https://example.com/oslo", title="Oslo", quoted="717,710")),
        TextDelta(text="717,710 people"),
        TextDelta(text="."),
        Finished(finish=Finish.STOP, stop_sequence="END"),
    ]


def test_a_refusal_and_an_error_are_read_from_a_stream() -> None:
    assert goldens.events(goldens.stream("stream_refused"))[1:] == [
        RefusalDelta(text="This could help to break into systems."),
        Finished(finish=Finish.REFUSED),
    ]
    assert goldens.events(goldens.stream("stream_overloaded"))[-1] == Failed(message="Overloaded", overloaded=True)


@pytest.mark.parametrize("name", goldens.STREAMS)
def test_a_stream_is_read_alike_however_it_is_chopped(name: str) -> None:
    sent = goldens.stream(name)
    whole = goldens.events(sent)
    assert all(goldens.events(sent, size=size) == whole for size in (1, 2, 3, 7, 64, 1000))


def test_a_call_that_comes_whole_at_its_start_is_read() -> None:
    block = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    reader = ANTHROPIC_MESSAGES.stream_reader()
    found: list[Event] = []
    for data in (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
    ):
        found += reader.feed(b"data: " + json.dumps(data).encode() + b"\n\n")
    assert found == [ToolCallStarted(call=0, id="a", name="f"), ToolArgumentsDelta(call=0, json='{"x": 1}')]


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{",
        b'{"type":"content_block_start","index":0}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":7}}',
        b'{"type":"message_delta","delta":[]}',
    ],
)
def test_what_is_no_event_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        ANTHROPIC_MESSAGES.stream_reader().feed(b"data: " + data + b"\n\n")


@pytest.mark.parametrize("event", [b": ping\n\n", b"event: ping\n\n", b"data: [DONE]\n\n", b"\n\n"])
def test_events_that_say_nothing_give_nothing(event: bytes) -> None:
    assert list(ANTHROPIC_MESSAGES.stream_reader().feed(event)) == []


@pytest.mark.parametrize("name", goldens.STREAMS)
@given(data=st.data())
def test_a_spoilt_stream_is_unreadable_and_nothing_worse(name: str, data: st.DataObject) -> None:
    sent = bytearray(goldens.stream(name))
    for _ in range(data.draw(st.integers(1, 3))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.sampled_from(b'"{}[],:x0\xff\n\\'))
    try:
        found = goldens.events(bytes(sent))
    except UnreadableError:
        return
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = ANTHROPIC_MESSAGES.stream_writer(request, request_id="req_1", created_s=1)
    for event in found:
        writer.feed(event)
    writer.end(None)
