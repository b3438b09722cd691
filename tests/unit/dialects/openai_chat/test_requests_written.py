"""What OpenAI and its look-alikes are sent. Each body is held against the types of OpenAI's SDK."""

import base64
from typing import Any

import msgspec
import pytest

from keystead.dialects.translating import Profile
from keystead.domain.chat import (
    Citation,
    Maker,
    Media,
    OutputFormat,
    Refusal,
    Sealed,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
)
from keystead.providers.profiles import PROFILES
from tests.unit.dialects.openai_chat import goldens
from tests.unit.dialects.openai_chat.asking import HI, ask, assistant, call, fields, result, user
from tests.unit.dialects.openai_chat.goldens import written

SCHEMA = msgspec.Raw(b'{"type":"object"}')
TOOLS = (Tool(name="f"), Tool(name="g"), Tool(name="h"))
LOOK_ALIKE = PROFILES["vllm"]
MISTRAL = PROFILES["mistral"]
PNG = Media(kind="image", media_type="image/png", data="iVBORw0KGgo=")


def messages(*turns: Turn, profile: Profile = goldens.OPENAI) -> list[dict[str, Any]]:
    body, _ = written(ask(*turns), profile)
    found: list[dict[str, Any]] = body["messages"]
    return found


@pytest.mark.parametrize("name", goldens.REQUESTS)
def test_a_body_that_is_read_and_written_says_the_same(name: str) -> None:
    body = goldens.request(name)
    first = goldens.read(body, model=body["model"])
    again, _ = written(first)
    second, same = written(goldens.read(again, model=body["model"]))
    assert second == again
    assert not [loss for loss in same.losses if loss.grave]


def test_a_whole_conversation_stays_what_it_was() -> None:
    body = goldens.request("conversation")
    again, found = written(goldens.read(body))
    told = body["messages"]
    assert [message["role"] for message in again["messages"]] == [message["role"] for message in told]
    assert again["messages"][1]["content"][1:] == told[1]["content"][1:]
    assert again["messages"][4] == told[4]
    assert again["messages"][7]["content"] == "Rain, open until 18."
    assert again["response_format"] == body["response_format"]
    assert [tool["function"] for tool in again["tools"][:1]] == [body["tools"][0]["function"]]
    same = ("temperature", "top_p", "stop", "n", "seed", "presence_penalty", "frequency_penalty", "top_logprobs")
    for name in (*same, "logprobs", "reasoning_effort", "parallel_tool_calls", "max_completion_tokens"):
        assert again[name] == body[name]
    assert fields(found.losses, grave=False) == ["messages[1].content[0].cache_control"]


# -- messages -----------------------------------------------------------------------------------------------------------


def test_calls_of_one_side_become_one_message_and_their_results_follow_at_once() -> None:
    turns = (
        *(HI, assistant(Text(text="Let me see.")), assistant(call("a")), assistant(call("b", "g"))),
        *(Turn(role="system", parts=(Text(text="Hurry."),)), user(result("b")), user(Text(text="And?"), result("a"))),
    )
    _, spoken, first, second, system, asked = messages(*turns)
    assert spoken["content"] == "Let me see."
    assert [each["id"] for each in spoken["tool_calls"]] == ["a", "b"]
    assert (first["tool_call_id"], second["tool_call_id"]) == ("b", "a")
    assert (system["role"], system["content"]) == ("developer", "Hurry.")
    assert (asked["role"], asked["content"]) == ("user", "And?")


def test_pictures_that_tools_show_follow_their_results_in_a_message_of_the_users() -> None:
    turns = (HI, assistant(call("a"), call("b")), user(result("a", Text(text="see"), PNG)), user(result("b")))
    body, found = written(ask(*turns))
    assert [message["role"] for message in body["messages"][2:]] == ["tool", "tool", "user"]
    assert body["messages"][2]["content"] == "see"
    assert body["messages"][4]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert fields(found.losses, grave=False) == ["messages[2].content[0].content[1]"]
    assert not fields(found.losses, grave=True)


def test_a_tool_that_failed_says_so_in_words() -> None:
    said = messages(HI, assistant(call("a"), call("b")), user(result("a", is_error=True)))
    assert said[-1]["content"] == "Error: 1"
    told = messages(HI, assistant(call("a")), user(result("a", Text(text="error: no such file"), is_error=True)))
    assert told[-1]["content"] == "error: no such file"


def test_results_without_ids_answer_the_calls_of_their_names_in_order() -> None:
    turns = (
        HI,
        assistant(call(""), call("", "g"), call("")),
        user(*(result("", name=name) for name in ("f", "g", "f"))),
    )
    spoken, *results = messages(*turns)[1:]
    assert [each["tool_call_id"] for each in results] == [each["id"] for each in spoken["tool_calls"]]


def test_an_id_that_is_too_long_is_another_in_the_call_and_in_its_result() -> None:
    long = "call_0_" + "x" * 60
    spoken, told = messages(HI, assistant(call(long)), user(result(long)))[1:]
    assert len(told["tool_call_id"]) <= 40
    assert spoken["tool_calls"][0]["id"] == told["tool_call_id"]


def test_thoughts_of_other_makers_are_left_out_and_named() -> None:
    thought = Thinking(text="Hm.", sealed=Sealed(maker=Maker.ANTHROPIC, data="x"))
    body, found = written(ask(HI, assistant(thought, Text(text="Yes.")), HI), LOOK_ALIKE)
    assert body["messages"][1] == {"role": "assistant", "content": "Yes."}
    assert fields(found.losses, grave=False) == ["thinking"]


def test_thoughts_of_an_open_model_go_back_to_it_where_it_takes_them() -> None:
    turns = (HI, assistant(Thinking(text="Hm."), call("a")), user(result("a")))
    assert messages(*turns, profile=LOOK_ALIKE)[1]["reasoning"] == "Hm."
    body, found = written(ask(*turns))
    assert "reasoning" not in body["messages"][1]
    assert fields(found.losses, grave=False) == ["thinking"]


def test_a_turn_of_nothing_but_thoughts_is_left_out() -> None:
    assert len(messages(HI, assistant(Thinking(text="Hm.")), HI)) == 2


def test_a_refusal_is_told_in_words_that_every_look_alike_takes() -> None:
    assert messages(HI, assistant(Refusal(text="No.")), HI)[1]["content"] == "No."


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            Media(kind="image", url="https://x.example/1.png"),
            {"type": "image_url", "image_url": {"url": "https://x.example/1.png"}},
        ),
        (
            Media(kind="document", media_type="application/pdf", data="JVBERi0="),
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        ),
        (Media(kind="document", file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (
            Media(kind="document", media_type="text/plain", data=base64.b64encode(b"Hello").decode(), name="a.txt"),
            {"type": "text", "text": "a.txt:\nHello"},
        ),
        (
            Media(kind="audio", media_type="audio/mpeg", data="SUQz"),
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
    ],
)
def test_media_are_told_in_openais_words(part: Media, told: dict[str, Any]) -> None:
    assert messages(user(Text(text="See"), part))[0]["content"][1] == told


@pytest.mark.parametrize(
    "part",
    [
        Media(kind="image", file_id="file_1"),
        Media(kind="document", file_id="file_1"),
        Media(kind="document", url="https://x.example/a.pdf"),
        Media(kind="document", media_type="text/plain", data="/w=="),
        Media(kind="audio", media_type="audio/ogg", data="T2dnUw=="),
        Media(kind="audio", url="https://x.example/a.mp3"),
        Media(kind="video", media_type="video/mp4", data="AAAA"),
    ],
)
def test_media_that_openai_does_not_take_are_named(part: Media) -> None:
    body, found = written(ask(user(Text(text="See"), part)))
    assert fields(found.losses, grave=True) == ["messages[0].content[1]"]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "See"}]


def test_pictures_elsewhere_than_with_the_user_are_named() -> None:
    _, found = written(ask(Turn(role="system", parts=(Text(text="x"), PNG)), HI, assistant(Text(text="y"), PNG), HI))
    assert sorted(fields(found.losses, grave=True)) == ["messages[0].content[1]", "messages[2].content[1]"]


def test_what_stands_beside_the_words_is_named() -> None:
    marked = Text(text="x", cache="5m", citations=(Citation(url="https://x.example"),))
    _, found = written(
        ask(user(marked), assistant(call("a", cache="5m")), user(result("a", Text(text="1", cache="1h"))))
    )
    assert fields(found.losses, grave=False) == [
        "messages[0].content[0].cache_control",
        "messages[0].content[0].citations",
        "messages[1].content[0].cache_control",
        "messages[2].content[0].cache_control",
    ]


# -- tools --------------------------------------------------------------------------------------------------------------


def test_a_choice_among_some_tools_offers_no_others() -> None:
    body, found = written(ask(tools=TOOLS, tool_choice=ToolChoice(mode="required", names=("f", "h"))))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "h"]
    assert body["tool_choice"] == "required"
    assert not found.losses


def test_a_tool_is_chosen_by_its_name() -> None:
    body, _ = written(ask(tools=TOOLS, tool_choice=ToolChoice(mode="named", names=("g",)), parallel_tool_calls=False))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "g"}}
    assert body["parallel_tool_calls"] is False


def test_nothing_is_said_of_a_choice_where_there_are_no_tools() -> None:
    body, _ = written(ask(tool_choice=ToolChoice(mode="none"), parallel_tool_calls=True))
    assert body.keys() == {"model", "messages"}


def test_a_free_text_tool_is_one_of_openais_and_a_function_of_one_text_elsewhere() -> None:
    tools = (Tool(name="sh", custom=True, description="Runs."),)
    choice = ToolChoice(mode="named", names=("sh",))
    spoken = ToolCall(id="a", name="sh", arguments="ls", custom=True)
    asked = ask(HI, assistant(spoken), user(result("a", custom=True)), tools=tools, tool_choice=choice)
    own, _ = written(asked)
    assert own["tools"] == [{"type": "custom", "custom": {"name": "sh", "description": "Runs."}}]
    assert own["messages"][1]["tool_calls"] == [{"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]
    assert own["tool_choice"] == {"type": "custom", "custom": {"name": "sh"}}
    other, _ = written(asked, LOOK_ALIKE)
    assert other["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert other["messages"][1]["tool_calls"][0]["function"] == {"name": "sh", "arguments": '{"input":"ls"}'}
    assert other["tool_choice"] == {"type": "function", "function": {"name": "sh"}}


def test_strictness_is_told_to_those_who_know_it() -> None:
    tools = (Tool(name="f", parameters=SCHEMA, strict=True),)
    assert written(ask(tools=tools))[0]["tools"][0]["function"]["strict"] is True
    body, found = written(ask(tools=tools), PROFILES["deepseek"])
    assert "strict" not in body["tools"][0]["function"]
    assert fields(found.losses, grave=False) == ["tools.f.strict"]


# -- settings -----------------------------------------------------------------------------------------------------------


def test_the_limit_and_the_instructions_are_named_as_the_provider_wants() -> None:
    asked = ask(Turn(role="system", parts=(Text(text="a"), Text(text="b"))), HI, max_output_tokens=9)
    own, _ = written(asked)
    assert own["max_completion_tokens"] == 9
    assert own["messages"][0] == {"role": "developer", "content": "a\n\nb"}
    other, _ = written(asked, LOOK_ALIKE)
    assert other["max_tokens"] == 9
    assert other["messages"][0]["role"] == "system"


def test_usage_is_always_asked_for_in_a_stream_where_that_is_known() -> None:
    body, _ = written(ask(stream=True, include_usage=False))
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in written(ask(stream=True), MISTRAL)[0]
    assert "stream" not in written(ask())[0]


def test_a_schema_is_asked_for_or_named_where_only_json_is_known() -> None:
    output = OutputFormat(json_schema=SCHEMA, description="d")
    body, _ = written(ask(output=output))
    assert body["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": {"type": "object"},
        "description": "d",
    }
    body, found = written(ask(output=output), PROFILES["deepseek"])
    assert body["response_format"] == {"type": "json_object"}
    assert fields(found.losses, grave=True) == ["response_format.json_schema"]


def test_any_json_is_asked_for_in_words_too_because_openai_wants_the_word() -> None:
    body, _ = written(ask(output=OutputFormat()))
    assert "JSON" in body["messages"][0]["content"]
    body, _ = written(ask(user(Text(text="As json, please.")), output=OutputFormat()))
    assert len(body["messages"]) == 1


def test_the_person_is_told_by_a_pseudonym_that_is_short_enough() -> None:
    assert written(ask(end_user="ada"))[0]["user"] == "ada"
    long, same = (written(ask(end_user="user_" + "x" * 130))[0]["user"] for _ in range(2))
    assert len(long) == 64
    assert long == same


def test_top_k_has_no_word() -> None:
    body, found = written(ask(top_k=40))
    assert body.keys() == {"model", "messages"}
    assert fields(found.losses, grave=False) == ["top_k"]
