"""A translated answer, beyond what its dialects say of it."""

import json
from typing import Any

import msgspec
import pytest

from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import ChatTranslation, translated
from keystead.providers.table import PROVIDERS
from tests.acceptance.valid import valid_body
from tests.unit.gateway.test_outgoing import ask

CHAT = (Dialect.OPENAI, Endpoint.CHAT)
CALL = {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def translation(request_id: str, *, stream: bool = False) -> ChatTranslation:
    """Return what answers Claude Code from a server whose ids repeat."""
    body = {"model": "big", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    asked = ask(body, dialect=Dialect.ANTHROPIC, endpoint=Endpoint.MESSAGES)
    asked = msgspec.structs.replace(asked, request_id=request_id)
    return translated(asked, PROVIDERS["ollama"], CHAT, model="qwen")


def answered(request_id: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    answer = {"id": "chatcmpl-7", "model": "qwen", "choices": [choice]}
    found: dict[str, Any] = json.loads(translation(request_id).whole(json.dumps(answer).encode(), None))
    return found


def streamed(request_id: str) -> list[dict[str, Any]]:
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"tool_calls": [{"index": 0, **CALL}]}, None),
        ({}, "tool_calls"),
    ]
    choices = [{"index": 0, "delta": delta, "finish_reason": finish} for delta, finish in deltas]
    chunks = [{"id": "chatcmpl-7", "model": "qwen", "choices": [choice]} for choice in choices]
    way = translation(request_id, stream=True)
    out = b"".join([*(way.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n") for chunk in chunks), way.end(None)])
    return [json.loads(line.removeprefix(b"data: ")) for line in out.splitlines() if line.startswith(b"data: ")]


@pytest.mark.parametrize("request_id", ["req_1", "req_2"])
def test_an_answer_has_the_name_that_was_asked_for_and_an_id_like_no_other(request_id: str) -> None:
    answer = answered(request_id)
    assert (answer["id"], answer["model"]) == (f"msg_{request_id}", "big")
    assert answer["content"][0]["id"] == f"toolu_{request_id}_0"
    start, call = streamed(request_id)[:2]
    assert (start["message"]["id"], start["message"]["model"]) == (f"msg_{request_id}", "big")
    assert call["content_block"]["id"] == f"toolu_{request_id}_0"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
BIASED = {
    "model": "big",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "hologram", "hologram": {}}]},
        {"role": "user", "content": [{"type": "hologram", "hologram": {}}]},
    ],
    "logit_bias": {"50256": -100},
    "metadata": {"run": "7"},
    "n": 2,
    "tools": [TOOL, {"type": "web_search"}],
    "a, very % odd\nname": 1,
}
"""What changes the answer and no other dialect has a word for, and one hint."""
WIRES = {
    "anthropic": (Dialect.ANTHROPIC, Endpoint.MESSAGES, "/v1/messages"),
    "google": (Dialect.GEMINI, Endpoint.GENERATE, "/v1beta/models/m:generateContent"),
}


@pytest.mark.parametrize("provider", WIRES)
def test_what_cannot_be_said_is_refused_by_its_first_name(provider: str) -> None:
    dialect, endpoint, _ = WIRES[provider]
    with pytest.raises(InvalidRequestError) as refused:
        translated(ask(BIASED), PROVIDERS[provider], (dialect, endpoint), model="m")
    assert refused.value.code == "not_translatable"
    assert "`logit_bias`" in refused.value.message
    assert "`metadata`" not in refused.value.message


@pytest.mark.parametrize("provider", WIRES)
def test_or_else_it_is_dropped_and_named_and_the_rest_is_valid(provider: str) -> None:
    dialect, endpoint, path = WIRES[provider]
    way = translated(ask(BIASED), PROVIDERS[provider], (dialect, endpoint), model="m", drop=True)
    sent = json.dumps(valid_body(path, way.body))
    assert "Hi" in sent
    assert '"f"' in sent
    assert not any(word in sent for word in ("hologram", "logit", "web_search", "odd"))
    told = way.dropped_header.decode("ascii")
    names = told.split(", ")
    assert {"logit_bias", "messages[0].content[1].type", "messages[1].content[0].type", "tools[1].type"} <= {*names}
    assert "a%2C very %25 odd%0Aname" in names
    assert names[-1] == "metadata", "what changes the answer is named first"


def test_a_tool_that_must_be_chosen_is_not_asked_for_once_it_is_dropped() -> None:
    body = {**BIASED, "tools": [{"type": "web_search"}], "tool_choice": "required"}
    for provider, (dialect, endpoint, path) in WIRES.items():
        way = translated(ask(body), PROVIDERS[provider], (dialect, endpoint), model="m", drop=True)
        sent = valid_body(path, way.body)
        assert not {"tools", "tool_choice", "toolConfig"} & sent.keys()


def test_what_is_not_valid_is_refused_also_where_dropping_is_allowed() -> None:
    body = {**BIASED, "temperature": "hot"}
    with pytest.raises(InvalidRequestError) as refused:
        translated(ask(body), PROVIDERS["anthropic"], WIRES["anthropic"][:2], model="m", drop=True)
    assert refused.value.param == "temperature"


def test_of_many_names_a_header_has_twenty_and_how_many_more_there_are() -> None:
    body = {**BIASED, **{f"unknown_{number}": 1 for number in range(30)}}
    way = translated(ask(body), PROVIDERS["anthropic"], WIRES["anthropic"][:2], model="m", drop=True)
    names = way.dropped_header.decode("ascii").split(", ")
    assert len(names) == 21
    assert names[-1] == f"and {len(way.dropped) - 20} more"
