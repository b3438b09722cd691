"""What callers of Anthropic's Messages API say."""

import base64
from typing import Any

import msgspec
import pytest

from keystead.domain.chat import (
    Citation,
    Loss,
    Maker,
    Media,
    Reasoning,
    Sealed,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from keystead.domain.errors import InvalidRequestError
from tests.unit.dialects.anthropic_messages import goldens


def _ask(**members: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **members}


def _said(*blocks: object, role: str = "user") -> dict[str, Any]:
    return _ask(messages=[{"role": role, "content": list(blocks)}])


def _graves(losses: tuple[Loss, ...]) -> list[str]:
    return [loss.field for loss in losses if loss.grave]


def test_claude_code_is_understood_without_a_grave_loss() -> None:
    request = goldens.read(goldens.request("claude_code"))
    assert [(loss.field, loss.grave) for loss in request.losses] == [
        ("system[1].cache_control.scope", False),
        ("system[0]", False),
        ("messages[5].content[0].content[0].type", False),
        ("tools[0].eager_input_streaming", False),
        ("tools[3].defer_loading", False),
        ("context_management", False),
    ]
    assert [turn.role for turn in request.turns] == [
        "system",
        "user",
        "system",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert request.turns[0].parts == (
        Text(text="You are a coding agent.", cache="1h"),
        Text(text="\nAnswer briefly.", cache="5m"),
    )
    assert request.turns[3].parts == (
        Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="EqQBCkYICxgCKkBmYWtlIHNpZ25hdHVyZQ==")),
        Text(text="I look at the log and the picture."),
        ToolCall(
            id="toolu_01AaBbCc",
            name="Bash",
            arguments='{"command":"make 2>&1 | tail -n 3","description":"Build"}',
        ),
        ToolCall(id="toolu_02DdEeFf", name="Read", arguments='{"file_path":"/project/shot.png"}'),
    )
    assert request.turns[4].parts == (
        ToolResult(
            call_id="toolu_02DdEeFf",
            name="Read",
            parts=(Media(kind="image", media_type="image/png", data="iVBORw0KGgo="),),
        ),
        ToolResult(
            call_id="toolu_01AaBbCc",
            name="Bash",
            is_error=True,
            parts=(Text(text="make: *** No rule to make target 'all'.  Stop."),),
        ),
    )
    assert request.turns[6].parts[1] == Text(text="Carry on.", cache="5m")
    assert [tool.name for tool in request.tools] == ["Bash", "Read", "ToolSearch", "WebFetch"]
    assert request.reasoning == Reasoning(effort="high", budget_tokens=-1, visible=False)
    assert request.max_output_tokens == 64000
    assert "4ee58476" in request.end_user


def test_instructions_are_never_taken_for_a_billing_line() -> None:
    [turn, _] = goldens.read(_ask(system="x-anthropic-billing-header: a=1;\nYou are a pirate.")).turns
    assert "pirate" in turn.parts[0].text  # type: ignore[union-attr]


def test_tools_their_calls_and_results_are_read() -> None:
    request = goldens.read(goldens.request("tools"))
    assert request.losses == ()
    assert request.turns[0] == Turn(role="system", parts=(Text(text="You know the weather."),))
    results = request.turns[3].parts
    assert [(part.call_id, part.name, part.is_error) for part in results if isinstance(part, ToolResult)] == [
        ("toolu_oslo", "weather", False),
        ("toolu_rome", "weather", True),
    ]
    assert results[2] == Text(text="Take yesterday's for Rome.")
    [weather, now] = request.tools
    assert (weather.cache, weather.strict, now.strict, now.description) == ("1h", None, True, "")
    assert request.tool_choice == ToolChoice(mode="required")
    assert request.parallel_tool_calls is False
    assert (request.temperature, request.top_k, request.top_p) == (0.2, 40, None)
    assert request.stop == ("END", "\n\nHuman:")


def test_documents_of_every_source_are_read() -> None:
    request = goldens.read(goldens.request("documents"))
    assert request.losses == ()
    assert request.turns[0].parts == (
        Media(kind="document", media_type="application/pdf", data="JVBERi0xLjQK", name="report.pdf", cache="5m"),
        Media(kind="document", url="https://example.com/terms.pdf"),
        Media(kind="document", file_id="file_011CNha8iCJcU1wXNR6q4V8w"),
        Text(text="Written in May."),
        Media(
            kind="document",
            media_type="text/plain",
            data=base64.b64encode("Grüße aus Oslo".encode()).decode(),
            name="letter",
        ),
        Text(text="Two blocks"),
        Text(text="First."),
        Text(text="Second."),
        Text(text="A page\nhttps://example.com/a"),
        Text(text="What the page says."),
        Media(kind="image", media_type="image/png", data="iVBORw0KGgo="),
        Media(kind="image", url="https://example.com/cat.webp"),
        Media(kind="image", file_id="file_01Image"),
        Text(text="What do they have in common?"),
    )


def test_thinking_is_read_with_its_seals() -> None:
    request = goldens.read(goldens.request("reasoning"))
    assert request.reasoning == Reasoning(budget_tokens=6000, visible=True)
    assert request.turns[1].parts[:2] == (
        Thinking(text="I count them with a sieve.", sealed=Sealed(maker=Maker.ANTHROPIC, data="EuYBCkQYAiJA")),
        Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="EmwKAhgBEgy3va3pzix"), redacted=True),
    )


def test_structured_output_and_effort_are_read() -> None:
    request = goldens.read(goldens.request("structured"))
    assert request.losses == ()
    assert request.reasoning == Reasoning(effort="xhigh", budget_tokens=0)
    assert request.output is not None
    assert request.output.json_schema is not None
    assert msgspec.json.decode(request.output.json_schema)["required"] == ["city", "population"]


def test_the_older_name_of_structured_output_is_understood() -> None:
    request = goldens.read(_ask(output_format={"type": "json_schema", "schema": {"type": "object"}}))
    assert request.output is not None
    assert request.losses == ()


def test_tools_that_come_and_go_in_the_conversation_are_as_they_are_at_its_end() -> None:
    request = goldens.read(goldens.request("tool_changes"))
    assert [tool.name for tool in request.tools] == ["write", "deploy"]
    assert _graves(request.losses) == []
    # What was said until the user spoke again is over; what only changes tools says nothing.
    assert [turn.role for turn in request.turns] == ["user", "system", "assistant", "user", "assistant", "user"]
    assert request.reasoning == Reasoning(effort="low", budget_tokens=-1)


def test_an_effort_for_one_turn_ends_when_the_user_speaks_again() -> None:
    body = goldens.request("tool_changes")
    del body["messages"][-1]
    assert goldens.read(body).reasoning == Reasoning(budget_tokens=-1)
    del body["messages"][2:]
    assert goldens.read(body).reasoning == Reasoning(effort="max", budget_tokens=-1)


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        ({"type": "adaptive"}, Reasoning(budget_tokens=-1)),
        ({"type": "adaptive", "display": "summarized"}, Reasoning(budget_tokens=-1, visible=True)),
        ({"type": "between_tools"}, Reasoning(budget_tokens=-1)),
        (
            {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
            Reasoning(budget_tokens=2000, visible=False),
        ),
        ({"type": "disabled"}, Reasoning(budget_tokens=0)),
        (None, None),
    ],
)
def test_every_way_to_ask_for_thinking_is_read(thinking: object, expected: Reasoning | None) -> None:
    request = goldens.read(_ask(thinking=thinking))
    assert request.reasoning == expected
    assert _graves(request.losses) == []


@pytest.mark.parametrize(
    "members",
    [
        {"betas": ["a"]},
        {"cache_control": {"type": "ephemeral"}},
        {"context_management": {}},
        {"diagnostics": {"previous_message_id": None}},
        {"service_tier": "auto"},
        {"speed": "fast"},
        {"metadata": {"user_id": "u", "color": "red"}},
        {"output_config": {"task_budget": {"type": "tokens", "total": 9000}}},
    ],
)
def test_hints_are_named_and_change_nothing(members: dict[str, Any]) -> None:
    losses = goldens.read(_ask(**members)).losses
    assert [loss.grave for loss in losses] == [False]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"inference_geo": "us"}, "inference_geo"),
        ({"container": "c1"}, "container"),
        ({"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]}, "mcp_servers"),
        ({"of_tomorrow": 1}, "of_tomorrow"),
        ({"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "a", "input_schema": {}, "of_tomorrow": 1}]}, "tools[0].of_tomorrow"),
        (
            {"tools": [{"name": "a", "input_schema": {}, "allowed_callers": ["code_execution_20260120"]}]},
            "tools[0].allowed_callers",
        ),
        ({"thinking": {"type": "adaptive", "of_tomorrow": 1}}, "thinking.of_tomorrow"),
        ({"output_config": {"of_tomorrow": 1}}, "output_config.of_tomorrow"),
        ({"messages": [{"role": "user", "content": "a", "of_tomorrow": 1}]}, "messages[0].of_tomorrow"),
    ],
)
def test_what_changes_the_answer_and_has_no_word_is_grave(members: dict[str, Any], place: str) -> None:
    assert _graves(goldens.read(_ask(**members)).losses) == [place]


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, "type"),
        ({"type": "hologram"}, "type"),
        ({"type": "text", "text": "a", "of_tomorrow": 1}, "of_tomorrow"),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a"},
                "citations": {"enabled": True},
            },
            "citations.enabled",
        ),
        ({"type": "tool_addition", "tool": {"type": "mcp_toolset_reference"}}, "tool.type"),
    ],
)
def test_blocks_that_have_no_word_are_grave(block: object, place: str) -> None:
    assert _graves(goldens.read(_said(block)).losses) == [f"messages[0].content[0].{place}"]


def test_citations_of_an_earlier_answer_are_read() -> None:
    citations = [
        {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "a"},
        {"type": "char_location", "document_title": "B", "cited_text": "b", "document_index": 0},
    ]
    request = goldens.read(_said({"type": "text", "text": "ab", "citations": citations}, role="assistant"))
    assert request.turns[0].parts == (
        Text(
            text="ab",
            citations=(
                Citation(url="https://a.example", title="A", quoted="a"),
                Citation(title="B", quoted="b"),
            ),
        ),
    )
    assert request.losses == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({"model": "m"}, "messages"),
        (_ask(messages=[]), "messages"),
        (_ask(messages=[{"role": "robot", "content": "a"}]), "messages[0].role"),
        (_ask(messages=[{"role": "user"}]), "messages[0].content"),
        (_ask(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
        (_said({"text": "a"}), "messages[0].content[0].type"),
        (_said({"type": "text"}), "messages[0].content[0].text"),
        (_said({"type": "image", "source": {"type": "moon"}}), "messages[0].content[0].source.type"),
        (_said({"type": "image"}), "messages[0].content[0].source"),
        (_said({"type": "tool_use", "id": "a", "name": "b", "input": []}), "messages[0].content[0].input"),
        (
            _said(
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_use", "id": "b", "name": "c"}]}
            ),
            "messages[0].content[0].content",
        ),
        (_ask(system=[{"type": "image", "source": {"type": "url", "url": "https://u.example"}}]), "system[0].type"),
        (_ask(tools=[{"input_schema": {}}]), "tools[0].name"),
        (_ask(tools=[{"name": "a"}, {"name": "a"}]), "tools[1].name"),
        (_ask(tool_choice={"type": "tool"}), "tool_choice.name"),
        (_ask(tool_choice={"type": "perhaps"}), "tool_choice.type"),
        (_ask(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (_ask(output_config={"format": {"type": "xml"}}), "output_config.format.type"),
        (_ask(max_tokens="many"), "max_tokens"),
        (_ask(stop_sequences=[1]), "stop_sequences"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(body: object, param: str | None) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        goldens.read(body)
    assert refused.value.param == param


def test_results_in_results_without_end_are_refused() -> None:
    block: object = "deep"
    for _ in range(300):
        block = [{"type": "tool_result", "tool_use_id": "a", "content": block}]
    with pytest.raises(InvalidRequestError):
        goldens.read(_ask(messages=[{"role": "user", "content": block}]))
