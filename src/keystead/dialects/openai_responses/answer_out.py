"""OpenAI's responses, written. Pure.

Gemini signs the calls themselves, for which a function call has no field: the signature stands in a reasoning item
right before the call, without words, and is put back when the caller sends both again (see `request_in`).
"""

from typing import Any

import msgspec

from keystead.dialects.openai_responses import items
from keystead.domain.chat import Answer, Finish, Part, Refusal, Text, Thinking, ToolCall
from keystead.domain.usage import Usage


def write_answer(answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:
    """Write a whole response (see `Translator.write_answer`): the first of several answers, there is room for one."""
    identifier = items.own_id(answer.id, "resp_")
    choice = answer.choices[0] if answer.choices else None
    output = _output(choice.parts, identifier) if choice else []
    body = items.response(
        identifier, model=answer.model, created_s=created_s, status="completed", output=output, usage=usage
    )
    return msgspec.json.encode(items.ended(body, choice.finish if choice else Finish.OTHER))


def _output(parts: tuple[Part, ...], identifier: str) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []

    def fresh(prefix: str) -> str:
        return f"{prefix}_{identifier.removeprefix('resp_')}_{len(output)}"

    def speak() -> None:
        if said:
            output.append(items.message(fresh("msg"), said.copy()))
            said.clear()

    for part in parts:
        match part:
            case Text():
                said.append(items.output_text(part.text, [items.annotation(each) for each in part.citations]))
            case Refusal():
                said.append({"type": "refusal", "refusal": part.text})
            case Thinking():
                speak()
                output.append(items.reasoning(part.id or fresh("rs"), part.text, part.sealed, redacted=part.redacted))
            case ToolCall():
                speak()
                if part.sealed is not None:
                    output.append(items.reasoning(fresh("rs"), "", part.sealed))
                output.append(items.call(fresh(items.call_prefix(part)), part, part.arguments))
    speak()
    return output
