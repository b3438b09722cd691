"""A translated answer, beyond what its dialects say of it."""

import json
from typing import Any

import msgspec
import pytest

from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import Translation, translated
from keystead.providers.table import PROVIDERS
from tests.unit.gateway.test_outgoing import ask

CHAT = (Dialect.OPENAI, Endpoint.CHAT)
CALL = {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def translation(request_id: str, *, stream: bool = False) -> Translation:
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
