"""Counters in each dialect, and the estimate where there is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects import counting
from keystead.dialects.translating import Profile, UnreadableError
from keystead.domain.chat import ChatRequest, Media, Text, Turn
from keystead.domain.traffic import Dialect
from keystead.gateway.translate import CHATS
from keystead.gateway.translate_call import COUNTED_AS

CLAUDE = {
    "model": "big",
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "thinking": {"type": "enabled", "budget_tokens": 2048},
}


def put(dialect: Dialect) -> dict[str, Any]:
    """Return Claude Code's question in the words of a provider's counter."""
    body = json.dumps(CLAUDE).encode()
    request = CHATS[COUNTED_AS[Dialect.ANTHROPIC]].read_request(body, model="m", stream=False)
    written = CHATS[COUNTED_AS[dialect]].write_request(request, Profile())
    found: dict[str, Any] = json.loads(counting.counting_body(dialect, written.body, model="m"))
    return found


def test_anthropics_counter_is_told_what_it_takes() -> None:
    body = put(Dialect.ANTHROPIC)
    assert body["messages"]
    assert body["tools"][0]["name"] == "look"
    assert body.keys() <= {"messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"}


def test_openais_counter_is_told_what_it_takes() -> None:
    body = put(Dialect.OPENAI)
    assert body["model"] == "m"
    assert body["input"]
    assert not body.keys() & {"stream", "store", "include", "max_output_tokens", "temperature"}


def test_geminis_counter_counts_the_whole_request() -> None:
    request = put(Dialect.GEMINI)["generateContentRequest"]
    assert request["model"] == "models/m"
    assert request["systemInstruction"]
    assert request["tools"]


def test_a_whole_gemini_request_is_taken_out_of_its_wrapping() -> None:
    inner = {"contents": [{"parts": [{"text": "Hello"}]}]}
    for name in ("generateContentRequest", "generate_content_request"):
        body = json.dumps({name: inner}).encode()
        assert json.loads(counting.chat_body(Dialect.GEMINI, body)) == inner
    assert json.loads(counting.chat_body(Dialect.GEMINI, json.dumps(inner).encode())) == inner


@pytest.mark.parametrize("dialect", counting.TAILS)
def test_a_count_that_is_written_can_be_read(dialect: Dialect) -> None:
    assert counting.read_count(counting.write_count(dialect, 42)) == 42


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input_tokens":-1}', b'{"input_tokens":"7"}', b"[" * 5000])
def test_what_is_no_count_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        counting.read_count(body)


def said(*parts: Text | Media) -> ChatRequest:
    return ChatRequest(model="m", turns=(Turn(role="user", parts=parts),))


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, more: str) -> None:
    short = counting.estimated_tokens(said(Text(text=one)))
    assert 1 <= short <= counting.estimated_tokens(said(Text(text=one + more)))


def test_ideographs_count_one_each() -> None:
    assert counting.text_tokens("東京 tokyo") == 2 + 2


def test_an_image_counts_whatever_its_bytes() -> None:
    small = said(Media(kind="image", media_type="image/png", data="aGk="))
    assert counting.estimated_tokens(small) == counting.IMAGE_TOKENS + counting.TURN_TOKENS


def test_tools_and_schemas_count() -> None:
    body = json.dumps(CLAUDE).encode()
    with_tools = CHATS[COUNTED_AS[Dialect.ANTHROPIC]].read_request(body, model="m", stream=False)
    bare = json.dumps({**CLAUDE, "tools": []}).encode()
    without = CHATS[COUNTED_AS[Dialect.ANTHROPIC]].read_request(bare, model="m", stream=False)
    more = counting.estimated_tokens(with_tools) - counting.estimated_tokens(without)
    assert more > counting.TOOL_TOKENS
