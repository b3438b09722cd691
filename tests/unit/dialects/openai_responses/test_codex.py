"""What Codex and OpenAI insist on in the responses' items."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseInputParam, ResponseStreamEvent
from openai.types.responses.response import Response
from pydantic import TypeAdapter

from keystead.dialects.openai_responses import OPENAI_RESPONSES, seals
from keystead.dialects.openai_responses.names import flat
from keystead.dialects.sse import SseSplitter, data_of
from keystead.dialects.translating import Profile
from keystead.domain.chat import (
    Answer,
    ChatRequest,
    Choice,
    Event,
    Finish,
    Finished,
    Maker,
    Namespaced,
    Part,
    Refusal,
    Sealed,
    Started,
    Text,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
    Turn,
)

INPUT: TypeAdapter[Any] = TypeAdapter(ResponseInputParam)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SEAL = Sealed(maker=Maker.ANTHROPIC, data="EuYB+/=")


def output(*parts: Part) -> list[dict[str, Any]]:
    answer = Answer(id="req_1", model="m", choices=(Choice(parts=parts, finish=Finish.TOOL_CALLS),))
    body = json.loads(OPENAI_RESPONSES.write_answer(answer, usage=None, created_s=1))
    Response.model_validate(body)
    found: list[dict[str, Any]] = body["output"]
    return found


def streamed(*events: Event) -> list[dict[str, Any]]:
    request = ChatRequest(model="m", turns=(), stream=True)
    writer = OPENAI_RESPONSES.stream_writer(request, request_id="req_1", created_s=1)
    sent = b"".join([*(writer.feed(event) for event in events), writer.end(None)])
    told = [json.loads(data_of(event)) for event in SseSplitter().feed(sent)]
    for event in told:
        EVENT.validate_python(event)
    found: list[dict[str, Any]] = told[-1]["response"]["output"]
    assert [event["item"] for event in told if event["type"] == "response.output_item.done"] == found
    return found


def read(items: list[dict[str, Any]], **members: Any) -> ChatRequest:
    body = json.dumps({"input": items, **members}).encode()
    return OPENAI_RESPONSES.read_request(body, model="m", stream=False)


@given(st.text("ab_-", min_size=1, max_size=90), st.text("ab_-", min_size=1, max_size=90))
def test_the_name_of_a_tool_in_a_namespace_is_one_that_every_provider_takes(namespace: str, name: str) -> None:
    assert len(flat(namespace, name)) <= 64
    assert flat(namespace, name).startswith(f"{namespace}__"[:55])


def test_two_long_names_stay_two() -> None:
    assert flat("n" * 80, "a") != flat("n" * 80, "b")


def test_a_call_says_its_namespace_and_comes_back_under_its_one_name() -> None:
    named = Namespaced(namespace="mcp__weather", name="forecast")
    [item] = output(ToolCall(id="c", name="mcp__weather__forecast", arguments="{}", namespaced=named))
    assert (item["namespace"], item["name"]) == ("mcp__weather", "forecast")
    [turn] = read([item]).turns
    assert turn.parts == (ToolCall(id="c", name="mcp__weather__forecast", arguments="{}"),)


def test_a_choice_of_tools_in_a_namespace_names_them_as_they_are_offered() -> None:
    one = {"type": "function", "name": "forecast", "namespace": "mcp__weather"}
    choice = read([], tool_choice={"type": "allowed_tools", "mode": "required", "tools": [one]}).tool_choice
    assert choice is not None
    assert choice.names == ("mcp__weather__forecast",)


@pytest.mark.parametrize(("custom", "prefix"), [(False, "fc_"), (True, "ctc_")])
def test_a_call_without_an_id_gets_that_of_its_item(custom: bool, prefix: str) -> None:
    [item] = output(ToolCall(id="", name="f", arguments="{}", custom=custom))
    assert item["id"].startswith(prefix)
    assert item["call_id"] == item["id"]


@pytest.mark.parametrize(
    "thought", [Thinking(text="So.", sealed=SEAL), Thinking(sealed=SEAL, redacted=True), Thinking(sealed=SEAL)]
)
def test_anthropics_thoughts_come_back_as_they_were(thought: Thinking) -> None:
    [turn] = read(output(thought)).turns
    assert turn.parts == (thought,)


def test_a_stream_tells_the_same() -> None:
    named = Namespaced(namespace="mcp__weather", name="forecast")
    items = streamed(
        Started(id="req_1", model="m"),
        ThinkingDelta(text="So."),
        ThinkingSealed(sealed=SEAL),
        ThinkingSealed(sealed=SEAL, redacted=True),
        ToolCallStarted(call=0, id="c", name="mcp__weather__forecast", namespaced=named),
        ToolArgumentsDelta(call=0, json="{}"),
        ToolCallStarted(call=1, id="", name="exec", custom=True),
        ToolArgumentsDelta(call=1, json="ls"),
        Finished(finish=Finish.TOOL_CALLS),
    )
    assert items == output(
        Thinking(text="So.", sealed=SEAL),
        Thinking(sealed=SEAL, redacted=True),
        ToolCall(id="c", name="mcp__weather__forecast", arguments="{}", namespaced=named),
        ToolCall(id="", name="exec", arguments="ls", custom=True),
    )


def test_openais_own_seal_is_nobodys_business() -> None:
    own = Sealed(maker=Maker.OPENAI, data="gAAAA.redacted")
    assert seals.read(seals.written(own, redacted=True)) == (own, False)


def test_what_the_model_said_is_written_as_openais_own_items() -> None:
    parts: tuple[Part, ...] = (Text(text="So."), ToolCall(id="c", name="f", arguments="{}"), Refusal(text="No."))
    turns = (Turn(role="user", parts=(Text(text="Hi"),)), Turn(role="assistant", parts=parts))
    request = ChatRequest(model="m", turns=turns)
    items = json.loads(OPENAI_RESPONSES.write_request(request, Profile()).body)["input"]
    INPUT.validate_python(items)
    spoken = [item for item in items if item.get("role") == "assistant"]
    assert [item["status"] for item in spoken] == ["completed"] * 2
    assert len({item["id"] for item in spoken}) == 2


def test_what_codex_sends_back_of_an_answer_loses_nothing() -> None:
    items = output(Text(text="So."))
    assert read(items).losses == ()
