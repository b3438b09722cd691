"""A conversation that others answered goes on with a provider of the caller's own dialect."""

import base64
import json
from typing import Any

import pytest

from keystead.dialects.body import read_json
from keystead.dialects.foreign_seals import UNSIGNED_CALL, without_foreign_seals
from keystead.domain.traffic import Dialect, Endpoint

CHAT, RESPONSES = (Dialect.OPENAI, Endpoint.CHAT), (Dialect.OPENAI, Endpoint.RESPONSES)
CONVERSE = (Dialect.BEDROCK, Endpoint.CONVERSE)
MESSAGES, GENERATE = (Dialect.ANTHROPIC, Endpoint.MESSAGES), (Dialect.GEMINI, Endpoint.GENERATE)
FOREIGN = "ks1.gemini.c2VhbA=="
IN_BASE64 = base64.b64encode(b'ks1.thoughts.[["anthropic","s","I see.",false,""]]').decode()
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
CALL = {"functionCall": {"name": "f", "args": {}}}


def cleaned(wire: tuple[Dialect, Endpoint], body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(without_foreign_seals(read_json(json.dumps(body).encode()), *wire).raw)
    return found


def test_codexs_reasoning_of_another_model_is_left_out_and_all_else_stays() -> None:
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "namespace": "n", "arguments": "{}"}
    search = {"type": "tool_search", "of_tomorrow": [1.50]}
    body = {"input": [{"type": "reasoning", "encrypted_content": FOREIGN}, own, call], "tools": [search]}
    assert cleaned(RESPONSES, body) == {"input": [own, call], "tools": [search]}


def test_members_that_hold_no_conversation_keep_their_bytes() -> None:
    raw = b'{"x": 1.50, "input": [{"encrypted_content":"%s"}]}' % FOREIGN.encode()
    assert without_foreign_seals(read_json(raw), *RESPONSES).raw == b'{"x":1.50,"input":[]}'


def test_anthropic_is_not_sent_thinking_of_others() -> None:
    own = {"type": "thinking", "thinking": "Mine.", "signature": "EuYB"}
    thinking = {"type": "thinking", "thinking": "", "signature": FOREIGN}
    redacted = {"type": "redacted_thinking", "data": FOREIGN}
    text = {"type": "text", "text": '"ks1.gemini." is how a seal begins'}
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [own, thinking, redacted, text]}]
    body = {"thinking": {"type": "adaptive"}, "messages": [*said, {"role": "assistant", "content": [thinking]}]}
    assert cleaned(MESSAGES, body) == {
        "thinking": {"type": "adaptive"},
        "messages": [said[0], {"role": "assistant", "content": [own, text]}],
    }


@pytest.mark.parametrize(
    ("thinking", "kept"),
    [({"type": "enabled", "budget_tokens": 2000}, False), ({"type": "adaptive"}, True), ({"type": "disabled"}, True)],
)
def test_a_loop_that_another_model_began_thinks_to_no_budget(thinking: dict[str, Any], kept: bool) -> None:
    sealed = {"type": "thinking", "thinking": "", "signature": FOREIGN}
    body = {
        "thinking": thinking,
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "messages": [
            {"role": "assistant", "content": [sealed, USE]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
        ],
    }
    found = cleaned(MESSAGES, body)
    assert found["messages"][0]["content"] == [USE]
    assert ("thinking" in found, "context_management" in found) == (kept, kept)


def test_gemini_is_sent_its_stand_in_for_what_others_signed() -> None:
    model = {"role": "model", "parts": [{"text": "So.", "thoughtSignature": IN_BASE64}, CALL]}
    signed = {"role": "model", "parts": [{**CALL, "thoughtSignature": "b3du"}]}
    unsigned = {"role": "model", "parts": [CALL]}
    empty = {"role": "model", "parts": [{"text": "", "thoughtSignature": IN_BASE64}]}
    assert cleaned(GENERATE, {"contents": [model, signed, unsigned, empty]})["contents"] == [
        {"role": "model", "parts": [{"text": "So."}, {**CALL, "thoughtSignature": UNSIGNED_CALL}]},
        signed,
        unsigned,
    ]


def test_a_look_alike_is_sent_its_own_details_alone() -> None:
    own = {"type": "reasoning.encrypted", "data": "gAAAA"}
    foreign = {"type": "reasoning.text", "text": "So.", "signature": FOREIGN}
    said = {"role": "assistant", "content": "So."}
    messages = [{**said, "reasoning_details": [foreign, own]}, {**said, "reasoning_details": [foreign]}]
    assert cleaned(CHAT, {"messages": messages})["messages"] == [{**said, "reasoning_details": [own]}, said]


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES, GENERATE])
@pytest.mark.parametrize(
    "value",
    [None, 1, "ks1.", [], [None, 1, "a", [], {}], [{"content": 1, "parts": "a", "reasoning_details": {}}]],
)
def test_what_is_no_conversation_is_for_the_provider_to_judge(wire: tuple[Dialect, Endpoint], value: object) -> None:
    body = {"messages": value, "input": value, "contents": value, "mark": FOREIGN}
    assert cleaned(wire, body) == body


def test_a_body_without_a_seal_of_ours_is_the_same_one() -> None:
    body = read_json(b'{"messages": [{"role": "user", "content": "Hi"}]}')
    assert without_foreign_seals(body, *MESSAGES) is body


def test_bedrock_is_not_sent_thoughts_of_others_nor_asked_to_think_to_a_budget_after_them() -> None:
    own = {"reasoningContent": {"reasoningText": {"text": "Mine.", "signature": "EuYB"}}}
    foreign = {"reasoningContent": {"reasoningText": {"text": "Theirs.", "signature": FOREIGN}}}
    redacted = {"reasoningContent": {"redactedContent": base64.b64encode(FOREIGN.encode()).decode()}}
    use = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    extra = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5}

    def after(*content: Any) -> dict[str, Any]:
        messages = [{"role": "assistant", "content": list(content)}, {"role": "assistant", "content": [foreign]}]
        return cleaned(CONVERSE, {"messages": messages, "additionalModelRequestFields": extra})

    assert after(foreign, redacted, use) == {
        "messages": [{"role": "assistant", "content": [use]}],
        "additionalModelRequestFields": {"top_k": 5},
    }
    assert after(own, foreign, use) == {
        "messages": [{"role": "assistant", "content": [own, use]}],
        "additionalModelRequestFields": extra,
    }
