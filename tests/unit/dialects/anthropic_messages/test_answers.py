"""Whole answers, read and written; written ones are held against the types of Anthropic's SDK."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)
from keystead.domain.usage import Usage
from tests.unit.dialects.anthropic_messages import goldens

RECORDED = sorted((Path(__file__).parents[3] / "fixtures" / "exchanges").glob("anthropic-messages-*.json"))
SEALS = [Sealed(maker=maker, data=data) for maker in Maker for data in ("EuYB+/==", "sig_nature-1", "")]
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
seals = st.none() | st.sampled_from(SEALS[:2] + SEALS[3:5] + SEALS[6:8])
gemini = st.none() | st.just(Sealed(maker=Maker.GEMINI, data="c2ln"))
citations = st.builds(Citation, url=words, title=words, quoted=words) | st.builds(Citation, title=words, quoted=words)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Answers of all makers, with all that Anthropic's answers have room for."""
    parts: list[Part] = []
    for number in range(draw(st.integers(0, 5))):
        cited = st.lists(citations, max_size=2).map(tuple)
        parts.append(
            draw(
                st.builds(Text, text=words, citations=cited, sealed=gemini)
                | st.builds(Thinking, text=words, sealed=seals)
                | st.builds(Thinking, text=st.just(""), sealed=st.just(SEALS[0]), id=st.just("rs_1"))
                | st.builds(Thinking, sealed=st.sampled_from(SEALS[:2]), redacted=st.just(True))
                | st.builds(ToolCall, id=st.just(f"c{number}"), name=words, arguments=st.just('{"a":1}'), sealed=gemini)
            )
        )
    if draw(st.booleans()):
        return _answer([*parts, Refusal(text=draw(words))], Finish.REFUSED)
    called = any(isinstance(part, ToolCall) for part in parts)
    finish = Finish.TOOL_CALLS if called else draw(st.sampled_from([Finish.STOP, Finish.LENGTH, Finish.PAUSED]))
    return _answer(parts, finish)


def _answer(parts: list[Part], finish: Finish, **members: Any) -> Answer:
    return Answer(id="msg_1", model="a-model", choices=(Choice(parts=tuple(parts), finish=finish, **members),))


def _written(answer: Answer, usage: Usage | None = None) -> dict[str, Any]:
    sent = ANTHROPIC_MESSAGES.write_answer(answer, usage=usage, created_s=1)
    Message.model_validate_json(sent)
    body: dict[str, Any] = json.loads(sent)
    return body


@given(answer=answers())
def test_a_written_answer_is_read_as_it_was(answer: Answer) -> None:
    _written(answer)
    sent = ANTHROPIC_MESSAGES.write_answer(answer, usage=None, created_s=1)
    assert ANTHROPIC_MESSAGES.read_answer(sent) == answer


def test_thinking_text_and_calls_are_read() -> None:
    answer = ANTHROPIC_MESSAGES.read_answer(goldens.answer("answer_tools"))
    assert answer == Answer(
        id="msg_01Tools",
        model="claude-sonnet-4-5-20250929",
        choices=(
            Choice(
                parts=(
                    Thinking(text="Both at once.", sealed=Sealed(maker=Maker.ANTHROPIC, data="EuYBCkQYAiJA")),
                    Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="EmwKAhgBEgy3va3pzix"), redacted=True),
                    Text(text="I ask for both."),
                    ToolCall(id="toolu_oslo", name="weather", arguments='{"city": "Oslo", "exact": 1.50}'),
                    ToolCall(id="toolu_rome", name="weather", arguments="{}"),
                ),
                finish=Finish.TOOL_CALLS,
            ),
        ),
    )


def test_what_anthropics_own_tools_did_is_passed_over_and_citations_are_read() -> None:
    [choice] = ANTHROPIC_MESSAGES.read_answer(goldens.answer("answer_searched")).choices
    assert choice.finish is Finish.PAUSED
    assert choice.parts == (
        Text(
            text="717,710 people live there",
            citations=(
                Citation(url="https://example.com/oslo", title="Oslo", quoted="717,710"),
                Citation(title="atlas.pdf", quoted="about 700,000"),
                Citation(),
            ),
        ),
        Text(text="."),
    )


def test_a_refusal_is_read_with_its_reason() -> None:
    [choice] = ANTHROPIC_MESSAGES.read_answer(goldens.answer("answer_refused")).choices
    assert choice == Choice(parts=(Refusal(text="This could help to break into systems."),), finish=Finish.REFUSED)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("stop_sequence", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("pause_turn", Finish.PAUSED),
        ("compaction", Finish.OTHER),
        ("of_tomorrow", Finish.OTHER),
        (None, Finish.OTHER),
    ],
)
def test_reasons_to_stop_are_read(reason: str | None, finish: Finish) -> None:
    body = json.loads(goldens.answer("answer_refused")) | {"stop_reason": reason, "stop_details": None}
    [choice] = ANTHROPIC_MESSAGES.read_answer(json.dumps(body).encode()).choices
    assert choice.finish is finish


@pytest.mark.parametrize(
    ("finish", "members", "reason", "sequence"),
    [
        (Finish.STOP, {}, "end_turn", None),
        (Finish.STOP, {"stop_sequence": "END"}, "stop_sequence", "END"),
        (Finish.LENGTH, {}, "max_tokens", None),
        (Finish.PAUSED, {}, "pause_turn", None),
        (Finish.REFUSED, {}, "refusal", None),
        (Finish.OTHER, {}, "end_turn", None),
    ],
)
def test_reasons_to_stop_are_written(
    finish: Finish, members: dict[str, Any], reason: str, sequence: str | None
) -> None:
    body = _written(_answer([Text(text="a")], finish, **members))
    assert (body["stop_reason"], body["stop_sequence"]) == (reason, sequence)


def test_a_client_is_told_to_run_tools_whatever_the_provider_calls_the_end() -> None:
    body = _written(_answer([ToolCall(id="", name="f", arguments="not json")], Finish.STOP))
    assert body["stop_reason"] == "tool_use"
    [block] = body["content"]
    assert block["id"].startswith("toolu_")
    assert block["input"] == {"input": "not json"}


def test_ids_are_in_anthropics_habit() -> None:
    answer = Answer(id="chatcmpl-9", model="gpt", choices=(Choice(parts=(), finish=Finish.STOP),))
    assert _written(answer)["id"] == "msg_chatcmpl-9"


def test_usage_stands_by_anthropics_rules() -> None:
    usage = Usage(
        input_tokens=10,
        input_image_tokens=5,
        cache_read_tokens=100,
        cache_write_5m_tokens=7,
        cache_write_30m_tokens=2,
        cache_write_1h_tokens=1,
        output_tokens=40,
        reasoning_tokens=60,
        units={"web_searches": "2"},
    )
    assert _written(_answer([], Finish.STOP), usage)["usage"] == {
        "input_tokens": 15,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 100,
        "output_tokens_details": {"thinking_tokens": 60},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }
    assert _written(_answer([], Finish.STOP))["usage"]["output_tokens"] == 0


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_answers_are_read(path: Path) -> None:
    exchange = json.loads(path.read_bytes())
    body = exchange["response_body"].encode()
    if exchange["stream"]:
        told = [type(event).__name__ for event in goldens.events(body)]
        assert told == ["Started", "TextDelta", "Failed" if "overloaded" in path.stem else "Finished"]
        return
    [choice] = ANTHROPIC_MESSAGES.read_answer(body).choices
    assert choice == Choice(parts=(Text(text="Hello."),), finish=Finish.STOP)


@pytest.mark.parametrize("name", goldens.ANSWERS)
@given(data=st.data())
def test_a_spoilt_answer_is_unreadable_and_nothing_worse(name: str, data: st.DataObject) -> None:
    body = bytearray(goldens.answer(name))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'"{}[],:x0\xff\\'))
    with suppress(UnreadableError):
        ANTHROPIC_MESSAGES.write_answer(ANTHROPIC_MESSAGES.read_answer(bytes(body)), usage=None, created_s=1)
