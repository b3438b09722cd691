"""Others' thoughts in Gemini's dialect: they travel with the part behind them, because clients leave thoughts away."""

import json
from typing import Any

import msgspec
import pytest
from google.genai import types

from keystead.dialects.gemini_generate import GEMINI_GENERATE
from keystead.dialects.gemini_generate import signature as signatures
from keystead.dialects.sse import SseSplitter, data_of
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Event,
    Finish,
    Finished,
    Maker,
    Part,
    Sealed,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
)

SEAL = Sealed(maker=Maker.ANTHROPIC, data="EuYB+/=")
THOUGHT = Thinking(text="I should look – now.", sealed=SEAL)
REDACTED = Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="Zm9v"), redacted=True)
OPENAIS = Thinking(sealed=Sealed(maker=Maker.OPENAI, data="gAAAA"), id="rs_1")
CALL = ToolCall(id="toolu_1", name="f", arguments="{}")
SO = Text(text="So it is.")
ANSWERS: list[tuple[Part, ...]] = [
    (THOUGHT, SO),
    (THOUGHT, CALL),
    (THOUGHT, SO, CALL),
    (THOUGHT, REDACTED, CALL),
    (OPENAIS, SO, OPENAIS, CALL),
    (SO, THOUGHT),
    (REDACTED,),
]


def whole(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    answer = Answer(id="a", model="m", choices=(Choice(parts=parts, finish=Finish.STOP),))
    body = json.loads(GEMINI_GENERATE.write_answer(answer, usage=None, created_s=1))
    types.GenerateContentResponse.model_validate(body)
    found: list[dict[str, Any]] = body["candidates"][0]["content"]["parts"]
    return found


def streamed(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = GEMINI_GENERATE.stream_writer(request, request_id="req_1", created_s=1)
    sent = b"".join([*(writer.feed(event) for event in _events(parts)), writer.end(None)])
    found = [json.loads(data_of(event)) for event in SseSplitter().feed(sent)]
    return [part for each in found for part in each["candidates"][0]["content"]["parts"]]


def _events(parts: tuple[Part, ...]) -> list[Event]:
    events: list[Event] = [Started(id="a", model="m")]
    for part in parts:
        match part:
            case Thinking(sealed=Sealed() as sealed):
                events += [ThinkingDelta(text=word) for word in (part.text[:5], part.text[5:]) if word]
                events.append(ThinkingSealed(sealed=sealed, redacted=part.redacted, id=part.id))
            case Text():
                events += [TextDelta(text=part.text[:3]), TextDelta(text=part.text[3:])]
            case ToolCall():
                events += [ToolCallStarted(call=0, id=part.id, name=part.name), ToolArgumentsDelta(call=0, json="{}")]
    return [*events, Finished(finish=Finish.STOP)]


def sent_back(parts: list[dict[str, Any]], *, thoughts: bool) -> tuple[Part, ...]:
    """Return what is read when a client sends an answer back, with or without the parts that are thoughts."""
    kept = [part for part in parts if thoughts or not part.get("thought")]
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": kept}]}
    request = GEMINI_GENERATE.read_request(json.dumps(body).encode(), model="m", stream=False)
    assert request.losses == ()
    return _joined(request.turns[1].parts)


def _joined(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, Text) and joined and isinstance(last := joined[-1], Text):
            joined[-1] = msgspec.structs.replace(last, text=last.text + part.text)
        else:
            joined.append(part)
    return tuple(joined)


@pytest.mark.parametrize("parts", ANSWERS)
@pytest.mark.parametrize("thoughts", [True, False], ids=["with thoughts", "without thoughts"])
@pytest.mark.parametrize("way", [whole, streamed])
def test_others_thoughts_come_back_where_they_stood(parts: tuple[Part, ...], thoughts: bool, way: Any) -> None:
    assert sent_back(way(parts), thoughts=thoughts) == parts


def test_words_are_shown_as_thoughts() -> None:
    assert [part["text"] for part in whole((THOUGHT, SO)) if part.get("thought")] == [THOUGHT.text]
    assert "".join(part["text"] for part in streamed((THOUGHT, SO)) if part.get("thought")) == THOUGHT.text


def test_the_url_safe_alphabet_is_read_too() -> None:
    signature = signatures.of_thoughts((THOUGHT,))
    assert signatures.read(signature.replace("+", "-").replace("/", "_")) == (THOUGHT,)


@pytest.mark.parametrize("text", ["", "b3du", "!", "a3MxLnRob3VnaHRzLg==", "a3MxLnRob3VnaHRzLnt9"])
def test_what_is_not_ours_is_geminis(text: str) -> None:
    assert signatures.read(text) == Sealed(maker=Maker.GEMINI, data=text)
