"""Calls told in the way that the caller declared its tools."""

import msgspec
import pytest

from keystead.domain.chat import (
    Answer,
    Choice,
    Event,
    Finish,
    Finished,
    Namespaced,
    Text,
    Tool,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
)
from keystead.gateway.own_tools import OwnTools

FORECAST = Namespaced(namespace="mcp__weather", name="forecast")
TOOLS = (
    Tool(name="plain"),
    Tool(name="exec", custom=True),
    Tool(name="mcp__weather__forecast", namespaced=FORECAST),
)


def whole(*calls: ToolCall) -> list[ToolCall]:
    answer = Answer(id="a", model="m", choices=(Choice(parts=(Text(text="So."), *calls), finish=Finish.TOOL_CALLS),))
    [choice] = OwnTools(TOOLS).whole(answer).choices
    assert choice.parts[0] == Text(text="So.")
    return [part for part in choice.parts if isinstance(part, ToolCall)]


def streamed(*events: Event) -> list[Event]:
    tools = OwnTools(TOOLS)
    return [told for event in events for told in tools.events(event)]


def test_a_call_of_a_tool_in_a_namespace_says_it_again() -> None:
    call = ToolCall(id="1", name="mcp__weather__forecast", arguments="{}")
    assert whole(call) == [msgspec.structs.replace(call, namespaced=FORECAST)]
    begun = ToolCallStarted(call=0, id="1", name="mcp__weather__forecast")
    assert streamed(begun) == [msgspec.structs.replace(begun, namespaced=FORECAST)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"ls -l\\n"}', "ls -l\n"),
        ('{ "input" : "" }', ""),
        ('{"input":"ls","why":"to see"}', "ls"),
        ('{"input":["ls"]}', '{"input":["ls"]}'),
        ('{"command":"ls"}', '{"command":"ls"}'),
        ("ls -l", "ls -l"),
        ("", ""),
    ],
)
def test_free_text_is_taken_out_of_its_wrapping(arguments: str, text: str) -> None:
    [call] = whole(ToolCall(id="1", name="exec", arguments=arguments))
    assert (call.custom, call.arguments) == (True, text)


def test_free_text_that_streams_is_told_when_it_is_whole() -> None:
    begun, other = ToolCallStarted(call=0, id="1", name="exec"), ToolCallStarted(call=1, id="2", name="plain")
    pieces = [ToolArgumentsDelta(call=0, json='{"inp'), ToolArgumentsDelta(call=0, json='ut":"ls"}')]
    plain, end = ToolArgumentsDelta(call=1, json="{}"), Finished(finish=Finish.TOOL_CALLS)
    assert streamed(begun, *pieces, other, plain, end) == [
        msgspec.structs.replace(begun, custom=True),
        other,
        plain,
        ToolArgumentsDelta(call=0, json="ls"),
        end,
    ]


def test_what_a_provider_told_as_free_text_is_left_alone() -> None:
    call = ToolCall(id="1", name="exec", arguments='{"input":"ls"}', custom=True)
    assert whole(call) == [call]
    begun, piece = ToolCallStarted(call=0, id="1", name="exec", custom=True), ToolArgumentsDelta(call=0, json="{")
    assert streamed(begun, piece) == [begun, piece]


def test_other_calls_are_left_alone() -> None:
    call = ToolCall(id="1", name="plain", arguments='{"input":"ls"}')
    assert whole(call, msgspec.structs.replace(call, name="unknown")) == [
        call,
        msgspec.structs.replace(call, name="unknown"),
    ]
