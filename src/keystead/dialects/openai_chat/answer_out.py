"""Answers of OpenAI's chat completions, written. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from keystead.dialects.openai_chat import thoughts
from keystead.dialects.openai_chat.content import image
from keystead.dialects.translating import carry
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Media,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)
from keystead.domain.usage import Usage

_PREFIX: Final = "chatcmpl-"
_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.REFUSED: "content_filter",
    Finish.PAUSED: "stop",
    Finish.OTHER: "stop",
}


def write_answer(answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:
    """Write a whole answer (see `Translator.write_answer`)."""
    identifier = own_id(answer.id)
    body: dict[str, Any] = {
        "id": identifier,
        "object": "chat.completion",
        "created": created_s,
        "model": answer.model,
        "choices": [_choice(choice, index, identifier) for index, choice in enumerate(answer.choices)],
    }
    if usage is not None:
        body["usage"] = usage_object(usage)
    return msgspec.json.encode(body)


def own_id(identifier: str) -> str:
    """Return an id in OpenAI's habit: what another provider calls the answer, behind the prefix."""
    return identifier if identifier.startswith(_PREFIX) else f"{_PREFIX}{identifier}"


def call_id(given: str, answer_id: str, choice: int, number: int) -> str:
    """Return a call's id; where the provider gives none, one that no other call of a conversation has."""
    return given or f"call_{answer_id.removeprefix(_PREFIX)}_{choice}_{number}"


def finish_reason(finish: Finish, *, called: bool, refused: bool) -> str:
    """Return why an answer ended. Clients run tools if they are told so; a refusal in words is an ordinary end."""
    if called and finish in {Finish.STOP, Finish.OTHER}:
        return _REASONS[Finish.TOOL_CALLS]
    if refused and finish is Finish.REFUSED:
        return _REASONS[Finish.STOP]
    return _REASONS[finish]


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return counts in OpenAI's words: cached tokens inside the prompt's, reasoning inside the completion's."""
    written = (
        usage.cache_write_5m_tokens
        + usage.cache_write_30m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_write_12h_tokens
    )
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.input_total + usage.output_total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens + usage.cache_read_audio_tokens,
            "cache_write_tokens": written,
            "audio_tokens": usage.input_audio_tokens + usage.cache_read_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }


def annotation(cited: Citation, start: int, end: int) -> dict[str, Any]:
    """Return a citation of what stands in the message from `start` to `end`."""
    described = {"url": cited.url, "title": cited.title, "start_index": start, "end_index": end}
    return {
        "type": "url_citation",
        "url_citation": {**described, "content": cited.quoted} if cited.quoted else described,
    }


def extra_content(sealed: Sealed) -> dict[str, Any]:
    """Return the member in which Google's own chat completions show a thought signature."""
    return {"google": {"thought_signature": carry(sealed, Maker.GEMINI)}}


def call_object(identifier: str, name: str, arguments: str, *, custom: bool, sealed: Sealed | None) -> dict[str, Any]:
    """Return a tool call."""
    kind: Literal["custom", "function"] = "custom" if custom else "function"
    described = {"name": name, "input" if custom else "arguments": arguments}
    signed = {"extra_content": extra_content(sealed)} if sealed is not None else {}
    return {"id": identifier, "type": kind, kind: described, **signed}


def _choice(choice: Choice, index: int, answer_id: str) -> dict[str, Any]:
    texts = [part for part in choice.parts if isinstance(part, Text)]
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    text = "".join(part.text for part in texts)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if not text and (calls or refusal) else text,
        "refusal": refusal or None,
        **thoughts.written([part for part in choice.parts if isinstance(part, Thinking)]),
        **_beside(texts, [part for part in choice.parts if isinstance(part, Media)]),
    }
    if calls:
        message["tool_calls"] = [
            call_object(
                call_id(call.id, answer_id, index, number),
                call.name,
                call.arguments if call.custom else call.arguments or "{}",
                custom=call.custom,
                sealed=call.sealed,
            )
            for number, call in enumerate(calls)
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": None if choice.logprobs is None else {"content": choice.logprobs, "refusal": None},
        "finish_reason": finish_reason(choice.finish, called=bool(calls), refused=bool(refusal)),
    }


def _beside(texts: Sequence[Text], media: Iterable[Media]) -> dict[str, Any]:
    """Return the members of a message that stand beside its content."""
    annotations, before = [], 0
    for text in texts:
        for cited in text.citations:
            start, end = cited.start or 0, len(text.text) if cited.end is None else cited.end
            annotations.append(annotation(cited, before + start, before + end))
        before += len(text.text)
    images = [image(part) for part in media if part.kind == "image" and not part.file_id]
    sealed = next((text.sealed for text in reversed(texts) if text.sealed is not None), None)
    members: dict[str, Any] = {}
    if annotations:
        members["annotations"] = annotations
    if images:
        members["images"] = images
    if sealed is not None:
        members["extra_content"] = extra_content(sealed)
    return members
