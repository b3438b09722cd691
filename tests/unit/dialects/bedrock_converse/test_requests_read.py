"""Requests of Converse's callers, read: all that AWS's shapes allow is understood or named."""

import base64
import json
from typing import Any

import pytest

from keystead.dialects.bedrock_converse import BEDROCK_CONVERSE
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Maker,
    Media,
    Reasoning,
    Sealed,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from keystead.domain.errors import InvalidRequestError

MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]
PNG = base64.b64encode(b"\x89PNG").decode()


def read(**members: Any) -> ChatRequest:
    body = json.dumps({"messages": MESSAGES, **members}).encode()
    return BEDROCK_CONVERSE.read_request(body, model="m", stream=True)


def lost(request: ChatRequest) -> dict[str, bool]:
    return {loss.field: loss.grave for loss in request.losses}


def parts(*content: Any, role: str = "user") -> tuple[Any, ...]:
    return read(messages=[{"role": role, "content": list(content)}]).turns[0].parts


def test_an_agents_request() -> None:
    request = read(
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        messages=[
            {"role": "user", "content": [{"text": "Weather?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                    {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"city": "Bern"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "tooluse_1",
                            "status": "error",
                            "content": [{"json": {"sun": True}}, {"text": "so"}],
                        }
                    }
                ],
            },
        ],
        inferenceConfig={"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        toolConfig={
            "tools": [
                {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ],
            "toolChoice": {"tool": {"name": "look"}},
        },
        requestMetadata={"team": "a"},
        additionalModelResponseFieldPaths=["/stop_sequence"],
    )
    system, asked, called, told = request.turns
    assert system.parts == (Text(text="Be brief.", cache="5m"),)
    assert asked.parts == (Text(text="Weather?"), Media(kind="image", media_type="image/png", data=PNG))
    assert called.parts == (
        Thinking(text="Hm.", sealed=Sealed(maker=Maker.ANTHROPIC, data="c2ln")),
        ToolCall(id="tooluse_1", name="look", arguments='{"city":"Bern"}'),
    )
    [result] = told.parts
    assert isinstance(result, ToolResult)
    assert (result.name, result.is_error) == ("look", True)
    assert result.parts == (Text(text='{"sun":true}'), Text(text="so"))
    assert (request.max_output_tokens, request.temperature, request.top_p, request.stop) == (9, 0.5, 0.9, ("END",))
    assert (request.tools[0].name, request.tools[0].cache) == ("look", "1h")
    assert request.tool_choice == ToolChoice(mode="named", names=("look",))
    assert lost(request) == {"additionalModelResponseFieldPaths": False, "requestMetadata": False}


@pytest.mark.parametrize(
    ("members", "reasoning"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning(budget_tokens=2000, visible=True)),
        ({"thinking": {"type": "adaptive"}}, Reasoning(budget_tokens=-1)),
        ({"thinking": {"type": "disabled"}}, Reasoning(budget_tokens=0)),
        ({"reasoning_effort": "low"}, Reasoning(effort="low")),
        ({"output_config": {"effort": "high"}}, Reasoning(effort="high")),
        ({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, Reasoning(effort="medium")),
        ({"top_k": 5}, None),
    ],
)
def test_how_much_to_think_in_any_makers_words(members: Any, reasoning: Reasoning | None) -> None:
    request = read(additionalModelRequestFields=members)
    assert (request.reasoning, lost(request)) == (reasoning, {})


def test_what_changes_the_answer_and_is_not_understood_is_named() -> None:
    request = read(
        guardrailConfig={"guardrailIdentifier": "g", "guardrailVersion": "1"},
        promptVariables={"a": {"text": "b"}},
        additionalModelRequestFields={"of_tomorrow": 1},
        toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        performanceConfig={"latency": "optimized"},
        serviceTier={"type": "flex"},
    )
    assert lost(request) == {
        "guardrailConfig": True,
        "promptVariables": True,
        "additionalModelRequestFields.of_tomorrow": True,
        "toolConfig.tools[0].systemTool": True,
        "performanceConfig": False,
        "serviceTier": False,
    }


def test_other_kinds_of_blocks() -> None:
    found = parts(
        {"guardContent": {"text": {"text": "guarded"}}},
        {"document": {"name": "a", "format": "txt", "source": {"text": "plain"}, "context": "about"}},
        {"searchResult": {"source": "https://a.example", "title": "A", "content": [{"text": "found"}]}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
    )
    assert found == (
        Text(text="guarded"),
        Text(text="about"),
        Media(kind="document", media_type="text/plain", data=base64.b64encode(b"plain").decode(), name="a"),
        Text(text="A\nhttps://a.example"),
        Text(text="found"),
        Media(kind="video", media_type="video/mp4", url="s3://b/v.mp4"),
    )


def test_redacted_thoughts_foreign_seals_and_citations_of_earlier_answers() -> None:
    redacted = base64.b64encode(b"c2VhbA==").decode()
    found = parts(
        {"reasoningContent": {"redactedContent": redacted}},
        {"reasoningContent": {"reasoningText": {"text": "G", "signature": "ks1.gemini.c2ln"}}},
        {
            "citationsContent": {
                "content": [{"text": "said"}],
                "citations": [
                    {"title": "T", "sourceContent": [{"text": "q"}], "location": {"web": {"url": "https://a.example"}}}
                ],
            }
        },
        role="assistant",
    )
    assert found == (
        Thinking(sealed=Sealed(maker=Maker.ANTHROPIC, data="c2VhbA=="), redacted=True),
        Thinking(text="G", sealed=Sealed(maker=Maker.GEMINI, data="sig")),
        Text(text="said", citations=(Citation(url="https://a.example", title="T", quoted="q"),)),
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": 1}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "bmp"}}]}]},
            "messages[0].content[0].image.format",
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]},
            "messages[0].content[0].image.source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"reasoningContent": {"redactedContent": "?"}}]}]},
            "messages[0].content[0].reasoningContent.redactedContent",
        ),
        ({"toolConfig": {"tools": [], "toolChoice": {"none": {}}}}, "toolConfig.toolChoice"),
        ({"inferenceConfig": {"maxTokens": "9"}}, "inferenceConfig.maxTokens"),
        (
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(members: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        read(**members)
    assert raised.value.param == param
