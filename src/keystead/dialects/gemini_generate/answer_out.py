"""Google's generateContent answers, written. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.gemini_generate import signature
from keystead.dialects.nesting import decode
from keystead.domain.chat import (
    Answer,
    Choice,
    Citation,
    Finish,
    Maker,
    Media,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
)
from keystead.domain.usage import Usage

FINISHES: Final = {
    Finish.STOP: "STOP",
    Finish.TOOL_CALLS: "STOP",
    Finish.PAUSED: "STOP",
    Finish.OTHER: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.REFUSED: "SAFETY",
}


def write_answer(answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:  # noqa: ARG001 - Gemini tells no time
    """Write a whole answer (see `Translator.write_answer`)."""
    body: dict[str, Any] = {
        "candidates": [_candidate(choice, number) for number, choice in enumerate(answer.choices)],
        "modelVersion": answer.model,
        "responseId": answer.id,
    }
    if usage is not None:
        body["usageMetadata"] = usage_metadata(usage)
    return msgspec.json.encode(body)


def usage_metadata(usage: Usage) -> dict[str, int]:
    """Return counts in Gemini's words: cached tokens inside the prompt's, thoughts beside the candidates'."""
    written = usage.output_total - usage.reasoning_tokens
    cached = usage.cache_read_tokens + usage.cache_read_audio_tokens
    found = {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": written,
        "totalTokenCount": usage.input_total + usage.output_total,
    }
    if cached:
        found["cachedContentTokenCount"] = cached
    if usage.reasoning_tokens:
        found["thoughtsTokenCount"] = usage.reasoning_tokens
    return found


def signed(sealed: Sealed | None) -> dict[str, str]:
    """Return the member that carries a seal."""
    return {"thoughtSignature": signature.written(sealed)} if sealed is not None else {}


def function_call(identifier: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a call. What is no JSON object cannot stand in `args` and is wrapped."""
    try:
        args = decode(arguments or "{}")
    except msgspec.DecodeError:
        args = {"input": arguments}
    call: dict[str, Any] = {"name": name, "args": args if isinstance(args, dict) else {"input": args}}
    return {**call, "id": identifier} if identifier else call


def citation(found: Citation) -> dict[str, Any]:
    """Return a citation."""
    return {key: value for key, value in (("uri", found.url), ("title", found.title or found.quoted)) if value}


def travels(sealed: Sealed | None) -> bool:
    """Say whether a thought is another maker's, and so travels with the part behind it."""
    return sealed is not None and sealed.maker is not Maker.GEMINI


def _candidate(choice: Choice, index: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": list(_parts(choice.parts))},
        "finishReason": FINISHES[choice.finish],
        "index": index,
    }
    citations = [citation(each) for part in choice.parts if isinstance(part, Text) for each in part.citations]
    if citations:
        candidate["citationMetadata"] = {"citationSources": [{"uri": each.get("uri", "")} for each in citations]}
    return candidate


def _parts(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    thoughts: list[Thinking] = []
    for part in parts:
        if isinstance(part, Thinking) and travels(part.sealed):
            thoughts.append(part)
            if part.text:
                yield {"text": part.text, "thought": True}
            continue
        for written in _part(part):
            if thoughts and not written.get("thought") and "thoughtSignature" not in written:
                written["thoughtSignature"] = signature.of_thoughts(thoughts)
                thoughts = []
            yield written
    if thoughts:
        yield {"text": "", "thoughtSignature": signature.of_thoughts(thoughts)}


def _part(part: Part) -> Iterator[dict[str, Any]]:
    match part:
        case Text():
            yield {"text": part.text, **signed(part.sealed)}
        case Thinking():
            if part.text or part.sealed:
                yield {"text": part.text, "thought": True, **signed(part.sealed)}
        case ToolCall():
            yield {"functionCall": function_call(part.id, part.name, part.arguments), **signed(part.sealed)}
        case Media() if part.data:
            yield {"inlineData": {"mimeType": part.media_type, "data": part.data}}
        case Refusal():
            yield {"text": part.text}
