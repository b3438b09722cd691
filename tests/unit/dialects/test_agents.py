"""What coding agents send, as they sent it in the middle of a session with another maker's model; texts are shortened.

Codex is there twice: with function tools, as it offers them to models that it does not know, and in code mode, as it
offers them to OpenAI's own.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keystead.dialects.translating import Profile
from keystead.domain.chat import ChatRequest, Thinking, ToolCall, ToolResult
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import CHATS
from keystead.gateway.translation import Wire

FOLDER = Path(__file__).parents[2] / "fixtures" / "translation"
RESPONSES, GENERATE = (Dialect.OPENAI, Endpoint.RESPONSES), (Dialect.GEMINI, Endpoint.GENERATE)
BODIES = {"codex": RESPONSES, "codex_code_mode": RESPONSES, "gemini_cli": GENERATE}
FOLDERS = {RESPONSES: "openai_responses", GENERATE: "gemini_generate"}
MODELS = {
    Dialect.ANTHROPIC: "claude-sonnet-4-5",
    Dialect.GEMINI: "gemini-3-pro-preview",
    Dialect.OPENAI: "gpt-5",
    Dialect.BEDROCK: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / FOLDERS[BODIES[name]] / f"{name}.json").read_bytes())
    return found


def read(name: str, **changed: Any) -> ChatRequest:
    raw = json.dumps({**body(name), **changed}).encode()
    return CHATS[BODIES[name]].read_request(raw, model="m", stream=True)


def sent(request: ChatRequest, wire: Wire) -> Any:
    request = msgspec.structs.replace(request, model=MODELS[wire[0]])
    written = CHATS[wire].write_request(request, Profile())
    assert [loss.field for loss in (*request.losses, *written.losses) if loss.grave] == []
    return json.loads(written.body)


@pytest.mark.parametrize("wire", CHATS, ids=lambda wire: f"{wire[0]}-{wire[1]}")
@pytest.mark.parametrize("name", BODIES)
def test_an_agents_request_reaches_every_provider_without_a_grave_loss(name: str, wire: Wire) -> None:
    assert "Do the ten steps" in json.dumps(sent(read(name), wire))


@pytest.mark.parametrize("name", BODIES)
def test_every_result_answers_a_call(name: str) -> None:
    parts = [part for turn in read(name).turns for part in turn.parts]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    assert calls
    assert [part.call_id for part in parts if isinstance(part, ToolResult)] == calls


@pytest.mark.parametrize("name", BODIES)
def test_anthropics_thoughts_come_back_to_it_before_what_they_led_to(name: str) -> None:
    messages = sent(read(name), (Dialect.ANTHROPIC, Endpoint.MESSAGES))["messages"]
    spoken = [message["content"] for message in messages if message["role"] == "assistant"]
    assert [[block["type"] for block in content][:2] for content in spoken] == [["thinking", "text"]] * len(spoken)
    assert [content[0]["signature"] for content in spoken][:3] == ["seal01AAAA", "seal02AAAA", "seal03AAAA"]
    assert spoken[0][0]["thinking"] == "I should do step 1."


def test_codexs_tools_in_namespaces_are_offered_and_called_under_one_name() -> None:
    request = read("codex")
    names = [tool.name for tool in request.tools]
    assert names == ["exec_command", "view_image", "multi_agent_v1__wait_agent", "mcp__weather__forecast"]
    called = next(part for turn in request.turns for part in turn.parts if isinstance(part, ToolCall))
    assert called.name == "mcp__weather__forecast"


def test_codexs_code_mode_brings_its_tools_in_the_input_and_tells_their_grammar_in_words() -> None:
    request = read("codex_code_mode")
    code = request.tools[0]
    assert (code.name, code.custom) == ("functions__exec", True)
    assert "PRAGMA_LINE" in code.description
    offered = sent(request, (Dialect.ANTHROPIC, Endpoint.MESSAGES))["tools"][0]
    assert offered["input_schema"]["required"] == ["input"]


def test_codexs_web_search_is_refused_by_name() -> None:
    tools = [*body("codex")["tools"], {"type": "web_search", "external_web_access": False}]
    losses = read("codex", tools=tools).losses
    assert [loss.field for loss in losses if loss.grave] == ["tools[4].type=web_search"]


def test_results_that_gemini_cli_repeats_when_it_resumes_are_told_once() -> None:
    contents = body("gemini_cli")["contents"]
    for content in contents:
        answers = [part for part in content["parts"] if "functionResponse" in part]
        content["parts"] += answers
    once, twice = read("gemini_cli"), read("gemini_cli", contents=contents)
    assert twice.turns == once.turns
    assert {loss.grave for loss in twice.losses if "functionResponse" in loss.field} == {False}


def test_gemini_cli_sends_a_thought_without_its_words() -> None:
    thoughts = [part for turn in read("gemini_cli").turns for part in turn.parts if isinstance(part, Thinking)]
    assert [thought.text for thought in thoughts][:2] == ["I should do step 1.", "I should do step 2."]
