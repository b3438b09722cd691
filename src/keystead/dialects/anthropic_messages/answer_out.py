"""Answers of Anthropic's Messages API, written. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.anthropic_messages.turns_out import tool_input
from keystead.domain.chat import Answer, Choice, Citation, Finish, Part, Refusal, Text, Thinking, ToolCall
from keystead.domain.usage import Usage

_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.REFUSED: "refusal",
    Finish.PAUSED: "pause_turn",
    Finish.OTHER: "end_turn",
}
_PREFIX: Final = "msg_"


def write_answer(answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:  # noqa: ARG001
    """Write a whole answer (see `Translator.write_answer`); Anthropic gives one choice and no time."""
    choice = answer.choices[0] if answer.choices else Choice(parts=(), finish=Finish.OTHER)
    identifier = message_id(answer.id)
    content = [block for number, part in enumerate(choice.parts) for block in blocks(part, call_id(identifier, number))]
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    return msgspec.json.encode(
        {
            "id": identifier,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            **stop(choice.finish, choice.stop_sequence, refusal, called=called),
            "usage": usage_object(usage or Usage()),
        }
    )


def message_id(given: str) -> str:
    """Return an id in Anthropic's habit."""
    return given if given.startswith(_PREFIX) else f"{_PREFIX}{given}"


def call_id(message: str, number: int) -> str:
    """Return an id for a call whose provider gives none; no other call of the conversation has it."""
    return f"toolu_{message.removeprefix(_PREFIX)}_{number}"


def stop(finish: Finish, sequence: str, refusal: str, *, called: bool) -> dict[str, Any]:
    """Return why an answer ended. A client runs tools only if it is told that they are why."""
    if refusal:
        finish = Finish.REFUSED
    elif called and finish in {Finish.STOP, Finish.OTHER}:
        finish = Finish.TOOL_CALLS
    stopped = finish is Finish.STOP and sequence
    return {
        "stop_reason": "stop_sequence" if stopped else _REASONS[finish],
        "stop_sequence": sequence or None,
        "stop_details": {"type": "refusal", "category": None, "explanation": refusal} if refusal else None,
    }


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return usage by Anthropic's rules: what was read from caches or written to them stands beside the input.

    Writes that live longer than five minutes are told as those of an hour, the other lifetime Anthropic knows.
    """
    long_lived = usage.cache_write_30m_tokens + usage.cache_write_1h_tokens + usage.cache_write_12h_tokens
    read = usage.cache_read_tokens + usage.cache_read_audio_tokens
    written = usage.cache_write_5m_tokens + long_lived
    found: dict[str, Any] = {
        "input_tokens": usage.input_total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": long_lived,
        },
        "output_tokens": usage.output_total,
    }
    if usage.reasoning_tokens:
        found["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if (searches := usage.units.get("web_searches", "")).isdecimal():
        found["server_tool_use"] = {"web_search_requests": int(searches), "web_fetch_requests": 0}
    return found


def citation(cited: Citation) -> dict[str, Any]:
    """Return a citation. Where in which document a passage stood is not known: the numbers say the beginning."""
    if cited.url:
        found = {"type": "web_search_result_location", "url": cited.url, "title": cited.title or None}
        return {**found, "cited_text": cited.quoted, "encrypted_index": ""}
    return {
        "type": "char_location",
        "cited_text": cited.quoted,
        "document_index": 0,
        "document_title": cited.title or None,
        "start_char_index": 0,
        "end_char_index": 0,
    }


def thinking_block(thought: Thinking) -> dict[str, Any]:
    """Return a block of thinking."""
    signed = seals.signature(thought.sealed, identifier=thought.id)
    if thought.redacted:
        return {"type": "redacted_thinking", "data": signed}
    return {"type": "thinking", "thinking": thought.text, "signature": signed}


def blocks(part: Part, made_id: str) -> Iterator[dict[str, Any]]:
    """Yield what becomes of a part; `made_id` is for a call without an id."""
    match part:
        case Text():
            if part.text:
                cited = {"citations": [citation(each) for each in part.citations]} if part.citations else {}
                yield {"type": "text", "text": part.text} | cited
            if part.sealed is not None:
                yield {"type": "thinking", "thinking": "", "signature": seals.signature(part.sealed, of="text")}
        case Thinking():
            yield thinking_block(part)
        case ToolCall():
            if part.sealed is not None:
                yield {"type": "thinking", "thinking": "", "signature": seals.signature(part.sealed, of="call")}
            yield {"type": "tool_use", "id": part.id or made_id, "name": part.name, "input": tool_input(part)}
        case _:
            return  # a refusal stands in `stop_details`; Anthropic's answers hold no media
