"""What Anthropic is sent. Each body is held against the types of Anthropic's SDK."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from keystead.dialects.translating import Profile
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Loss,
    Maker,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Sealed,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.unit.dialects.anthropic_messages import goldens
from tests.unit.dialects.anthropic_messages.goldens import written

HI = Turn(role="user", parts=(Text(text="Hi"),))
OWN = Sealed(maker=Maker.ANTHROPIC, data="EuYBCkQYAiJA")
LOOP = (
    HI,
    Turn(role="assistant", parts=(ToolCall(id="a", name="f", arguments="{}"),)),
    Turn(role="user", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
)
TOOLS = (Tool(name="f"), Tool(name="g"))


def ask(*turns: Turn, model: str = "claude-sonnet-4-5", **members: Any) -> ChatRequest:
    return ChatRequest(model=model, turns=turns or (HI,), **members)


def user(*parts: Part) -> Turn:
    return Turn(role="user", parts=parts)


def fields(losses: Iterable[Loss], *, grave: bool) -> list[str]:
    return [loss.field for loss in losses if loss.grave is grave]


@pytest.mark.parametrize("name", goldens.REQUESTS)
def test_a_body_that_is_read_and_written_says_the_same(name: str) -> None:
    body = goldens.request(name)
    first = goldens.read(body, model=body["model"])
    again, found = written(first)
    second = goldens.read(again, model=body["model"])
    assert fields(found.losses, grave=True) == fields(second.losses, grave=True) == []
    plain = msgspec.structs.replace
    assert plain(second, turns=(), losses=(), stream=False) == plain(first, turns=(), losses=(), stream=False)
    # Systems in the middle have become the user's words; all else is the same.
    leading = next(number for number, turn in enumerate(first.turns) if turn.role != "system")
    assert second.turns[:leading] == first.turns[:leading]
    assert [part for turn in second.turns for part in turn.parts] == [p for turn in first.turns for p in turn.parts]


def test_turns_alternate_and_results_come_first() -> None:
    turns = (
        Turn(role="system", parts=(Text(text="Be brief.", cache="1h"),)),
        user(Text(text="Two things.")),
        user(Text(text="Well, three.")),
        Turn(role="assistant", parts=(Text(text="Yes?"), ToolCall(id="c1", name="f", arguments='{"a": 1.50}'))),
        Turn(role="assistant", parts=(ToolCall(id="c2", name="g", arguments=""),)),
        Turn(role="system", parts=(Text(text="It is noon."),)),
        user(ToolResult(call_id="c1", parts=(Text(text="one"),)), Text(text="Go on.")),
        user(ToolResult(call_id="c2", is_error=True)),
    )
    body, found = written(ask(*turns, tools=TOOLS))
    assert body["system"] == [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Two things."}, {"type": "text", "text": "Well, three."}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Yes?"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1.5}},
                {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
                {"type": "text", "text": "It is noon."},
                {"type": "text", "text": "Go on."},
            ],
        },
    ]
    assert b'"a": 1.50' in found.body  # as the model wrote it
    assert found.losses == (Loss(field="messages[5].role", grave=False),)


def test_instructions_alone_become_a_question() -> None:
    body, found = written(ask(Turn(role="system", parts=(Text(text="Greet me."),))))
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Greet me."}]}]
    assert fields(found.losses, grave=False) == ["messages[0].role"]


def test_blank_texts_and_empty_turns_are_left_out() -> None:
    body, found = written(ask(HI, Turn(role="assistant", parts=(Text(text=" \n"), Text(text=""))), HI))
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Hi"}]}
    ]
    assert fields(found.losses, grave=False) == ["messages[1].content[0]"]


def test_calls_without_ids_are_paired_by_name_and_order() -> None:
    turns = (
        HI,
        Turn(role="assistant", parts=tuple(ToolCall(id="", name=name, arguments="{}") for name in ("f", "g", "f"))),
        user(*(ToolResult(call_id="", name=name, parts=(Text(text=name),)) for name in ("g", "f", "f"))),
    )
    body, _ = written(ask(*turns, tools=TOOLS))
    calls, results = body["messages"][1]["content"], body["messages"][2]["content"]
    assert len({call["id"] for call in calls}) == 3
    assert [result["tool_use_id"] for result in results] == [calls[1]["id"], calls[0]["id"], calls[2]["id"]]


def test_ids_that_anthropic_refuses_are_made_fit_on_both_sides() -> None:
    call = ToolCall(id="functions.weather:0", name="f", arguments="[1]")
    body, _ = written(
        ask(HI, Turn(role="assistant", parts=(call,)), user(ToolResult(call_id="functions.weather:0")), tools=TOOLS)
    )
    [used] = body["messages"][1]["content"]
    assert used == {"type": "tool_use", "id": "functions_weather_0", "name": "f", "input": {"input": "[1]"}}
    assert body["messages"][2]["content"][0]["tool_use_id"] == "functions_weather_0"


def test_pictures_and_documents_are_written() -> None:
    csv = base64.b64encode(b"a,b\n1,2").decode()
    body, found = written(
        ask(
            user(
                Media(kind="image", media_type="image/png", data="iVBORw0KGgo=", detail="low"),
                Media(kind="image", url="https://example.com/a.png"),
                Media(kind="document", media_type="application/pdf", data="JVBERi0=", name="a.pdf", cache="5m"),
                Media(kind="document", media_type="text/csv", data=csv, name="a.csv"),
                Media(kind="document", file_id="file_01"),
            )
        )
    )
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
            "cache_control": {"type": "ephemeral"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b\n1,2"},
            "title": "a.csv",
        },
        {"type": "document", "source": {"type": "file", "file_id": "file_01"}},
    ]
    assert found.losses == (Loss(field="messages[0].content[0].detail", grave=False),)


@pytest.mark.parametrize(
    "media",
    [
        Media(kind="audio", media_type="audio/wav", data="AAAA"),
        Media(kind="video", url="https://example.com/a.mp4"),
        Media(kind="image", media_type="image/svg+xml", data="AAAA"),
        Media(kind="image", url="gs://bucket/a.png"),
        Media(kind="document", media_type="application/msword", data="AAAA"),
        Media(kind="document", media_type="text/plain", data="/w=="),
        Media(kind="document", file_id="file-of-openai"),
    ],
)
def test_media_that_anthropic_does_not_take_are_a_grave_loss(media: Media) -> None:
    body, found = written(ask(user(Text(text="See"), media)))
    assert len(body["messages"][0]["content"]) == 1
    assert found.losses == (Loss(field="messages[0].content[1]", grave=True),)


def test_an_assistant_shows_no_pictures() -> None:
    shown = Media(kind="image", media_type="image/png", data="AAAA")
    _, found = written(ask(HI, Turn(role="assistant", parts=(Text(text="Here"), shown)), HI))
    assert fields(found.losses, grave=True) == ["messages[1].content[1]"]


def test_only_its_own_thinking_is_sent_back_to_a_maker() -> None:
    foreign = Sealed(maker=Maker.GEMINI, data="sig")
    turn = Turn(
        role="assistant",
        parts=(
            Thinking(text="mine", sealed=OWN),
            Thinking(sealed=OWN, redacted=True),
            Thinking(text="Gemini's", sealed=foreign),
            Thinking(text="nobody's"),
            Text(text="So.", sealed=foreign, citations=(Citation(url="https://a.example"),)),
            Refusal(text="No."),
        ),
    )
    body, found = written(ask(HI, turn, HI))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "mine", "signature": OWN.data},
        {"type": "redacted_thinking", "data": OWN.data},
        {"type": "text", "text": "So."},
        {"type": "text", "text": "No."},
    ]
    assert fields(found.losses, grave=True) == []
    assert fields(found.losses, grave=False) == ["thinking", "messages[1].content[4].citations"]


def test_tools_are_written() -> None:
    schema = msgspec.Raw(b'{"properties":{"n":{"type":"integer","minimum":1}}}')
    tools = (
        Tool(name="f", description="Does f.", parameters=schema, cache="5m"),
        Tool(name="g", strict=True, parameters=msgspec.Raw(b'{"type":"object","properties":{"n":{"minimum":1}}}')),
        Tool(name="h"),
    )
    body, found = written(ask(tools=tools))
    assert body["tools"] == [
        {
            "name": "f",
            "description": "Does f.",
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
            "cache_control": {"type": "ephemeral"},
        },
        {
            "name": "g",
            "input_schema": {
                "type": "object",
                "properties": {"n": {"description": '{"minimum":1}'}},
                "additionalProperties": False,
            },
            "strict": True,
        },
        {"name": "h", "input_schema": {"type": "object"}},
    ]
    assert "tool_choice" not in body
    assert found.losses == ()
    body, found = written(ask(tools=tools), Profile(strict_tools=False))
    assert "strict" not in body["tools"][1]
    assert fields(found.losses, grave=False) == ["tools.g.strict"]


def test_a_tool_that_takes_free_text_is_offered_with_one_argument() -> None:
    called = ToolCall(id="c1", name="f", arguments="ls -l", custom=True)
    turns = (
        Turn(role="user", parts=(Text(text="Go."),)),
        Turn(role="assistant", parts=(called,)),
        Turn(role="user", parts=(ToolResult(call_id="c1", custom=True),)),
    )
    body, found = written(ask(*turns, tools=(Tool(name="f", custom=True),)))
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "ls -l"}
    assert fields(found.losses, grave=True) == []


@pytest.mark.parametrize(
    ("choice", "parallel", "expected", "offered"),
    [
        (None, None, None, ["f", "g"]),
        (None, True, None, ["f", "g"]),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}, ["f", "g"]),
        (ToolChoice(mode="none"), False, {"type": "none"}, ["f", "g"]),
        (ToolChoice(mode="required"), None, {"type": "any"}, ["f", "g"]),
        (ToolChoice(mode="required", names=("g",)), None, {"type": "any"}, ["g"]),
        (
            ToolChoice(mode="named", names=("f",)),
            False,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            ["f", "g"],
        ),
    ],
)
def test_which_tools_may_be_called_is_written(
    choice: ToolChoice | None, parallel: bool | None, expected: object, offered: list[str]
) -> None:
    body, _ = written(ask(tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel))
    assert body.get("tool_choice") == expected
    assert [tool["name"] for tool in body["tools"]] == offered


def test_at_most_four_cache_marks_are_kept_and_no_long_one_behind_a_short_one() -> None:
    texts = tuple(Text(text=f"{n}", cache="5m" if n == 3 else "1h") for n in range(5))
    body, found = written(ask(user(*texts), tools=(Tool(name="f", cache="1h"),)))
    assert "cache_control" not in body["tools"][0]
    marks = [block.get("cache_control", {}).get("ttl", "5m") for block in body["messages"][0]["content"][1:]]
    assert marks == ["1h", "1h", "5m", "5m"]
    assert "cache_control" not in body["messages"][0]["content"][0]
    assert found.losses == (Loss(field="cache_control", grave=False),)


@pytest.mark.parametrize(
    ("model", "asked", "sent", "lost"),
    [
        ("claude-haiku-4-5", {"temperature": 0.3, "top_k": 5}, {"temperature": 0.3, "top_k": 5}, []),
        ("claude-haiku-4-5", {"temperature": 1.7}, {"temperature": 1}, ["temperature"]),
        ("claude-haiku-4-5", {"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3}, ["top_p"]),
        ("claude-haiku-4-5", {"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}, []),
        ("claude-opus-5-5", {"temperature": 1, "top_p": 1}, {}, []),
        ("claude-opus-5-5", {"temperature": 0.3, "top_p": 0.9}, {}, ["temperature", "top_p"]),
        ("kimi-k3", {"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3, "top_p": 0.9}, []),
    ],
)
def test_answers_are_drawn_as_the_model_allows(
    model: str, asked: dict[str, Any], sent: dict[str, Any], lost: list[str]
) -> None:
    body, found = written(ask(model=model, **asked))
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == sent
    assert fields(found.losses, grave=False) == lost
    assert fields(found.losses, grave=True) == []


def test_what_anthropic_has_no_word_for_is_named() -> None:
    request = ask(
        n=2,
        logprobs=0,
        presence_penalty=0.5,
        frequency_penalty=0,
        seed=7,
        stop=("END", "\n"),
        end_user="u" * 300,
    )
    body, found = written(request)
    assert body["stop_sequences"] == ["END"]
    assert "metadata" not in body
    assert fields(found.losses, grave=True) == ["n", "logprobs", "presence_penalty", "stop"]
    assert fields(found.losses, grave=False) == ["seed", "user"]


def test_a_schema_is_closed_and_what_its_grammar_cannot_hold_is_told_in_words() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "How many"},
            "at": {"type": "string", "format": "date-time"},
            "code": {"type": "string", "format": "iban"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 3},
            "either": {"oneOf": [{"type": "string"}, {"type": ["object", "null"], "additionalProperties": True}]},
        },
        "$defs": {"tag": {"type": "string", "enum": ["a", "b"]}},
        "required": ["n"],
    }
    output = OutputFormat(json_schema=msgspec.Raw(msgspec.json.encode(schema)))
    body, found = written(ask(output=output))
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": 'How many\n\n{"minimum":1}'},
            "at": {"type": "string", "format": "date-time"},
            "code": {"type": "string", "description": '{"format":"iban"}'},
            "tags": {
                "type": "array",
                "items": {"$ref": "#/$defs/tag"},
                "minItems": 1,
                "description": '{"maxItems":3}',
            },
            "either": {
                "anyOf": [
                    {"type": "string"},
                    {"type": ["object", "null"], "properties": {}, "additionalProperties": False},
                ]
            },
        },
        "$defs": {"tag": {"type": "string", "enum": ["a", "b"]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert found.losses == ()
    _, found = written(ask(output=output), Profile(json_schema=False))
    assert fields(found.losses, grave=True) == ["response_format"]


def test_any_json_object_is_asked_for_in_words() -> None:
    body, found = written(ask(output=OutputFormat()))
    assert "JSON" in body["system"][0]["text"]
    assert found.losses == (Loss(field="response_format", grave=False),)


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "effort"),
    [
        ("claude-opus-5-5", Reasoning(effort="xhigh", visible=True), ("adaptive", "summarized"), "xhigh"),
        ("claude-opus-5-5", Reasoning(effort="minimal"), ("adaptive", None), "low"),
        ("claude-opus-5-5", Reasoning(budget_tokens=9000), ("adaptive", None), "medium"),
        ("claude-opus-5-5", Reasoning(budget_tokens=-1, visible=False), ("adaptive", "omitted"), None),
        ("claude-sonnet-4-6", Reasoning(effort="xhigh"), ("adaptive", None), "high"),
        ("claude-opus-4-8", Reasoning(effort="none"), ("disabled", None), None),
        ("claude-fable-5-1", Reasoning(effort="none"), None, "low"),
        ("claude-opus-5-5", Reasoning(effort="high", budget_tokens=0), ("disabled", None), "high"),
        ("claude-opus-4-5-20251101", Reasoning(effort="max"), (32000, None), "high"),
        ("claude-haiku-4-5", Reasoning(effort="low"), (2048, None), None),
        ("claude-haiku-4-5", Reasoning(budget_tokens=500), (1024, None), None),
        ("kimi-k3", Reasoning(effort="high"), (16384, None), None),
    ],
)
def test_thinking_is_asked_for_as_the_model_knows_it(
    model: str, asked: Reasoning, thinking: tuple[object, object] | None, effort: str | None
) -> None:
    body, _ = written(ask(model=model, reasoning=asked))
    found = body.get("thinking")
    assert (found and (found.get("budget_tokens", found["type"]), found.get("display"))) == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_limit_of_ours_grows_by_what_thinking_takes_and_a_callers_does_not() -> None:
    high = Reasoning(effort="high")
    body, _ = written(ask(reasoning=high))
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (32000 + 16384, 16384)
    body, _ = written(ask(reasoning=high, max_output_tokens=6000))
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (6000, 3000)
    body, found = written(ask(reasoning=high, max_output_tokens=2000))
    assert body["max_tokens"] == 2000
    assert "thinking" not in body
    assert fields(found.losses, grave=False) == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("model", "plain", "thinking"),
    [
        ("claude-3-haiku-20240307", 4096, 4096),
        ("claude-3-5-sonnet-20241022", 8192, 8192),
        ("claude-opus-4-1", 32000, 32000),
        ("claude-opus-5-5", 32000, 32000 + 16384),
        ("kimi-k3", 1000, 1000 + 16384),
    ],
)
def test_a_limit_of_ours_is_one_that_the_model_takes(model: str, plain: int, thinking: int) -> None:
    profile = Profile(default_max_tokens=1000)
    assert written(ask(model=model), profile)[0]["max_tokens"] == plain
    high = written(ask(model=model, reasoning=Reasoning(effort="high")), profile)[0]
    assert high["max_tokens"] == thinking


@pytest.mark.parametrize("choice", ["required", "named"])
def test_a_forced_tool_rules_out_thinking_to_a_budget(choice: str) -> None:
    forced = msgspec.convert({"mode": choice, "names": ["f"]}, ToolChoice)
    body, found = written(ask(tools=TOOLS, tool_choice=forced, reasoning=Reasoning(effort="low")))
    assert "thinking" not in body
    assert fields(found.losses, grave=False) == ["reasoning_effort"]
    body, _ = written(ask(tools=TOOLS, tool_choice=forced, reasoning=Reasoning(effort="low"), model="claude-opus-5-5"))
    assert body["thinking"] == {"type": "adaptive"}


def test_a_tool_loop_that_began_without_thinking_ends_without() -> None:
    low = Reasoning(effort="low")
    body, found = written(ask(*LOOP, tools=TOOLS, reasoning=low))
    assert "thinking" not in body
    assert fields(found.losses, grave=False) == ["reasoning_effort"]
    thought = Turn(role="assistant", parts=(Thinking(text="t", sealed=OWN), *LOOP[1].parts))
    body, _ = written(ask(HI, thought, LOOP[2], tools=TOOLS, reasoning=low))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert written(ask(*LOOP, tools=TOOLS, reasoning=low, model="claude-opus-5-5"))[0]["thinking"]


def test_temperature_gives_way_to_a_budget() -> None:
    body, found = written(ask(reasoning=Reasoning(effort="low"), temperature=0.2))
    assert "temperature" not in body
    assert fields(found.losses, grave=False) == ["temperature"]
