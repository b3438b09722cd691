"""What callers who speak OpenAI's chat completions say."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Finish,
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
    ToolCall,
    ToolChoice,
    ToolResult,
)
from keystead.domain.errors import InvalidRequestError
from tests.unit.dialects.openai_chat import goldens

HI = {"role": "user", "content": "Hi"}


def read(**members: Any) -> ChatRequest:
    return goldens.read({"model": "m", "messages": [HI]} | members)


def said(*messages: dict[str, Any]) -> list[tuple[Part, ...]]:
    return [turn.parts for turn in read(messages=list(messages)).turns]


def fields(losses: Iterable[Loss], *, grave: bool) -> list[str]:
    return [loss.field for loss in losses if loss.grave is grave]


def test_a_conversation_is_read_part_by_part() -> None:
    turns = goldens.read(goldens.request("conversation")).turns
    assert [turn.role for turn in turns] == [
        *("system", "user", "assistant", "user", "assistant", "user", "user", "assistant", "user", "assistant", "user")
    ]
    assert turns[1].name == "ada"
    assert turns[1].parts == (
        Text(text="What are these? And what does the paper say?", cache="1h"),
        Media(kind="image", media_type="image/png", data="iVBORw0KGgo=", detail="high"),
        Media(kind="image", url="https://pictures.example/castle.jpg"),
        Media(kind="document", media_type="application/pdf", data="JVBERi0=", name="guide.pdf"),
        Media(kind="document", file_id="file-abc123"),
        Media(kind="audio", media_type="audio/wav", data="UklGRg=="),
    )
    assert turns[4].parts == (
        ToolCall(id="call_w1", name="weather", arguments='{"city":"Füssen"}'),
        ToolCall(id="call_h1", name="hours", arguments="{}"),
    )
    assert turns[6].parts == (ToolResult(call_id="call_h1", name="hours", parts=(Text(text="9 to 18"),)),)
    assert turns[9].parts == (Refusal(text="I would rather not."),)


def test_settings_are_read_and_hints_are_named() -> None:
    request = goldens.read(goldens.request("conversation"))
    assert request.tool_choice == ToolChoice(mode="required", names=("weather", "shell"))
    assert [(tool.name, tool.strict, tool.custom) for tool in request.tools] == [
        ("weather", True, False),
        ("hours", None, False),
        ("shell", None, True),
    ]
    assert (request.parallel_tool_calls, request.max_output_tokens, request.n, request.seed) == (True, 900, 2, 7)
    assert (request.temperature, request.top_p, request.stop) == (0.5, 0.9, ("END", "STOP"))
    assert (request.presence_penalty, request.frequency_penalty, request.logprobs) == (0.1, -0.2, 3)
    assert request.reasoning == Reasoning(effort="high")
    assert request.output is not None
    assert (request.output.name, request.output.description, request.output.strict) == ("plan", "A day.", True)
    assert (request.end_user, request.include_usage) == ("person-1", True)
    assert not fields(request.losses, grave=True)
    assert sorted(fields(request.losses, grave=False)) == [
        "metadata",
        "prediction",
        "prompt_cache_key",
        "service_tier",
        "store",
        "stream_options.include_obfuscation",
        "verbosity",
    ]


def test_what_clients_of_look_alikes_say_is_read() -> None:
    request = goldens.read(goldens.request("look_alike"))
    system, user, looked, result, answered, _ = (turn.parts for turn in request.turns)
    assert system == (Text(text="You write code.", cache="1h"),)
    assert user == (Text(text="Fix the test.", cache="5m"),)
    assert looked == (
        Thinking(text="I should read it first.", sealed=Sealed(maker=Maker.ANTHROPIC, data="c2lnbmF0dXJl")),
        Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="cmVkYWN0ZWQ="), redacted=True),
        Text(text="Let me look."),
        ToolCall(
            id="toolu_1",
            name="read",
            arguments='{"path":"a.py"}',
            sealed=Sealed(maker=Maker.GEMINI, data="Z2VtaW5p"),
        ),
    )
    pictured = Media(kind="image", url="https://pictures.example/trace.png")
    assert result == (ToolResult(call_id="toolu_1", name="read", parts=(Text(text="assert 1 == 2"), pictured)),)
    assert answered == (Thinking(text="Easy."), Thinking(text="Two is not one."), Text(text="It is 1."))
    assert request.tool_choice == ToolChoice(mode="required")
    assert request.tools[0].cache == "5m"
    assert request.reasoning == Reasoning(budget_tokens=2000, visible=False)
    assert (request.max_output_tokens, request.top_k, request.end_user) == (4096, 40, "person-2")
    assert fields(request.losses, grave=True) == ["min_p"]
    assert fields(request.losses, grave=False) == ["usage"]


def test_functions_from_before_tools_are_read_and_named_because_their_answer_cannot_be_told() -> None:
    request = goldens.read(goldens.request("functions"))
    assert [tool.name for tool in request.tools] == ["weather"]
    assert request.tool_choice == ToolChoice(mode="named", names=("weather",))
    call, result = request.turns[1].parts[0], request.turns[2].parts[0]
    assert isinstance(call, ToolCall)
    assert result == ToolResult(call_id=call.id, name="weather", parts=(Text(text="snow"),))
    assert fields(request.losses, grave=True) == ["functions"]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "x", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format",
        ),
        ({"tools": [{"function": {"name": "f", "of_tomorrow": 1}}]}, "tools[0].function.of_tomorrow"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_object", "schema": {}}}, "response_format.schema"),
        ({"messages": [HI | {"of_tomorrow": 1}]}, "messages[0].of_tomorrow"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"type": "of_tomorrow"}]}]},
            "messages[0].tool_calls[0].type",
        ),
    ],
)
def test_what_changes_the_answer_and_has_no_word_is_named(members: dict[str, Any], field: str) -> None:
    assert fields(read(**members).losses, grave=True) == [field]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "narrator", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x.png"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file.file_data",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].input_audio"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": [{"type": "refusal", "refusal": "x"}]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages[0].tool_calls[0].function"),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 1}}]}
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "assistant", "reasoning_details": [1]}]}, "messages[0].reasoning_details"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "maybe", "tools": []}}},
            "tool_choice.allowed_tools.mode",
        ),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"top_logprobs": 2}, "logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [1]}, "stop"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_is_not_valid_is_refused_by_its_place(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(**members)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[", b'{"messages": "\xff"}', b"[" * 100_000, b"1", b'"\\ud800"'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        OPENAI_CHAT.read_request(body, model="m", stream=False)


def test_only_the_allowed_tools_are_offered_where_none_has_to_be_called() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b", "c")]
    allowed = {"mode": "auto", "tools": [tools[0], tools[2]]}
    request = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool.name for tool in request.tools] == ["a", "c"]
    assert request.tool_choice == ToolChoice(mode="auto")


@pytest.mark.parametrize(
    ("members", "reasoning"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, Reasoning(effort="none")),
        ({"reasoning": {"effort": "low"}}, Reasoning(effort="low")),
        ({"reasoning": {"enabled": False}}, Reasoning(budget_tokens=0)),
        ({"reasoning": {"enabled": True, "summary": "auto"}}, Reasoning(visible=True)),
        ({"thinking": {"type": "disabled"}}, Reasoning(budget_tokens=0)),
        ({"thinking": {"type": "enabled"}}, Reasoning(budget_tokens=-1)),
        ({"thinking": {"type": "enabled", "budget_tokens": 512}}, Reasoning(budget_tokens=512)),
        ({"include_reasoning": True}, Reasoning(visible=True)),
    ],
)
def test_how_much_to_think_is_read_in_the_words_of_each_client(members: dict[str, Any], reasoning: object) -> None:
    request = read(**members)
    assert request.reasoning == reasoning
    assert not request.losses


def test_usage_in_a_stream_is_told_to_those_who_ask() -> None:
    assert read(stream_options={"include_usage": True}).include_usage
    assert not read(stream_options={"include_usage": False}).include_usage
    assert not read().include_usage


def test_any_json_object_is_asked_for_without_a_schema() -> None:
    assert read(response_format={"type": "json_object"}).output == OutputFormat()
    assert read(response_format={"type": "text"}).output is None


def test_the_older_name_of_the_limit_is_understood_and_the_newer_one_goes_before() -> None:
    assert read(max_tokens=5).max_output_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=6).max_output_tokens == 6


def test_a_file_in_bare_base64_is_what_its_name_says() -> None:
    def kind(name: str) -> str:
        file = {"type": "file", "file": {"filename": name, "file_data": "aGk="}}
        [[part]] = said({"role": "user", "content": [file]})
        assert isinstance(part, Media)
        return part.media_type

    assert kind("notes.md") == "text/markdown"
    assert kind("paper") == "application/pdf"


def test_a_message_that_says_nothing_is_a_message() -> None:
    assert said({"role": "assistant", "content": None}, {"role": "user", "content": ""}) == [
        (Text(text=""),),
        (Text(text=""),),
    ]


@pytest.mark.parametrize("maker", Maker)
def test_a_seal_that_this_gateway_carried_comes_back_whoever_made_it(maker: Maker) -> None:
    parts = (Thinking(text="Hm.", sealed=Sealed(maker=maker, data="c2VhbA==")), Text(text="Yes."))
    answer = Answer(id="a", model="m", choices=(Choice(parts=parts, finish=Finish.STOP),))
    body = msgspec.json.decode(OPENAI_CHAT.write_answer(answer, usage=None, created_s=1))
    assert said(body["choices"][0]["message"]) == [parts]
