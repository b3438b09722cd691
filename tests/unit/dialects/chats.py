"""Chats in the canonical form, for the suite that every dialect must pass."""

import base64
from collections.abc import Iterable

import msgspec
from hypothesis import strategies as st

from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Event,
    Finish,
    Finished,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    RefusalDelta,
    Sealed,
    Started,
    Text,
    TextDelta,
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

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
"""Not blank: Anthropic refuses blank texts, so they are left out."""
names = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
PNG = base64.b64encode(b"\x89PNG picture").decode()
SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}'
)

texts = st.builds(Text, text=words)
pictures = st.sampled_from(
    [Media(kind="image", media_type="image/png", data=PNG), Media(kind="image", url="https://pictures.example/1.png")]
)
documents = st.just(Media(kind="document", media_type="application/pdf", data=PNG, name="a.pdf"))
arguments = st.dictionaries(names, st.one_of(words, st.integers(-9, 9), st.booleans()), max_size=3).map(
    lambda value: msgspec.json.encode(value).decode()
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    """A few turns: what the user says, what is answered, tools that are called and what they say."""
    turns = []
    if draw(st.booleans()):
        turns.append(Turn(role="system", parts=(draw(texts),)))
    called = 0
    for _ in range(draw(st.integers(1, 3))):
        asked: tuple[Part, ...] = (draw(texts), *draw(st.lists(st.one_of(pictures, documents), max_size=1)))
        turns.append(Turn(role="user", parts=asked))
        calls = []
        for name in draw(st.lists(names, max_size=3)):
            called += 1
            calls.append(ToolCall(id=f"call_{called}_{name}", name=name, arguments=draw(arguments)))
        if calls:
            turns.append(Turn(role="assistant", parts=tuple(calls)))
            results = tuple(ToolResult(call_id=call.id, name=call.name, parts=(draw(texts),)) for call in calls)
            turns.append(Turn(role="user", parts=results))
        turns.append(Turn(role="assistant", parts=(draw(texts),)))
    turns.append(Turn(role="user", parts=(draw(texts),)))
    return tuple(turns)


tools = st.lists(
    st.builds(Tool, name=names, description=words, parameters=st.just(SCHEMA)), max_size=2, unique_by=lambda t: t.name
).map(tuple)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """What every dialect has words for."""
    offered = draw(tools)
    return ChatRequest(
        model="m-1",
        turns=draw(conversations()),
        stream=draw(st.booleans()),
        tools=offered,
        tool_choice=draw(st.sampled_from([None, *map(_choice, ("auto", "none", "required"))])) if offered else None,
        max_output_tokens=draw(st.integers(1, 9999)),
        temperature=draw(st.sampled_from([None, 0, 0.5, 1])),
        top_p=draw(st.sampled_from([None, 0.25, 1])),
        output=draw(st.sampled_from([None, OutputFormat(json_schema=SCHEMA, name="answer")])),
        reasoning=draw(st.sampled_from([None, Reasoning(effort="low"), Reasoning(effort="high")])),
    )


def _choice(mode: str) -> ToolChoice:
    return msgspec.convert({"mode": mode}, ToolChoice)


@st.composite
def answers(draw: st.DrawFn, sealed: Sealed) -> Answer:
    """A whole answer, with thoughts that `sealed` seals."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Thinking(text=draw(words), sealed=sealed))
    if draw(st.booleans()):
        parts.append(draw(texts))
    calls = draw(st.lists(names, max_size=3))
    parts += [ToolCall(id=f"call_{n}", name=name, arguments=draw(arguments)) for n, name in enumerate(calls)]
    if not parts:
        parts.append(draw(texts))
    finish = Finish.TOOL_CALLS if calls else draw(st.sampled_from([Finish.STOP, Finish.LENGTH]))
    return Answer(id="id_1", model="m-1", choices=(Choice(parts=tuple(parts), finish=finish),))


def events_of(answer: Answer, *, pieces: int = 3) -> list[Event]:
    """The answer as it would stream: each text and each call's arguments in a few pieces."""
    events: list[Event] = [Started(id=answer.id, model=answer.model)]
    calls = 0
    [choice] = answer.choices
    for part in choice.parts:
        match part:
            case Text():
                events += [TextDelta(text=piece) for piece in _pieces(part.text, pieces)]
            case Thinking():
                events += [ThinkingDelta(text=piece) for piece in _pieces(part.text, pieces)]
                assert part.sealed is not None
                events.append(ThinkingSealed(sealed=part.sealed))
            case ToolCall():
                events.append(ToolCallStarted(call=calls, id=part.id, name=part.name))
                events += [ToolArgumentsDelta(call=calls, json=piece) for piece in _pieces(part.arguments, pieces)]
                calls += 1
    events.append(Finished(finish=choice.finish))
    return events


def _pieces(text: str, count: int) -> Iterable[str]:
    size = max(1, len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)]


def told(events: Iterable[Event]) -> dict[str, object]:
    """What a stream says, however it is cut into events."""
    said: dict[str, object] = {"text": "", "thought": "", "refusal": "", "calls": {}, "seals": [], "finish": None}
    calls: dict[int, list[str]] = {}
    for event in events:
        match event:
            case TextDelta():
                said["text"] = f"{said['text']}{event.text}"
            case ThinkingDelta():
                said["thought"] = f"{said['thought']}{event.text}"
            case RefusalDelta():
                said["refusal"] = f"{said['refusal']}{event.text}"
            case ThinkingSealed():
                said["seals"] = [*said["seals"], event.sealed]  # type: ignore[misc]
            case ToolCallStarted():
                calls[event.call] = [event.id, event.name, ""]
            case ToolArgumentsDelta():
                calls[event.call][2] += event.json
            case Finished():
                said["finish"] = event.finish
    said["calls"] = {
        number: (identifier, name, msgspec.json.decode(text or "{}"))
        for number, (identifier, name, text) in calls.items()
    }
    return said


def told_whole(answer: Answer) -> dict[str, object]:
    """What a whole answer says."""
    return told(events_of(answer))
