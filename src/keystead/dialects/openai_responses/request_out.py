"""OpenAI's responses requests, written. Nothing is stored there: each request carries its whole conversation. Pure."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from keystead.dialects.openai_responses.content import write_content
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import (
    ChatRequest,
    Loss,
    Maker,
    Media,
    OutputFormat,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

_LONGEST_PSEUDONYM: Final = 64
_EFFORTS: Final = ((0, "none"), (2048, "low"), (8192, "medium"))


def write_request(request: ChatRequest, profile: Profile) -> Written:
    """Write a responses body (see `Translator.write_request`)."""
    losses: list[Loss] = [*_unsaid(request)]
    body: dict[str, Any] = {"model": request.model, "store": False}
    items = [item for number, turn in enumerate(request.turns) for item in _items(turn, number, profile, losses)]
    body["input"] = items
    if request.tools:
        body["tools"] = [_tool(tool, losses) for tool in request.tools]
    if request.tool_choice is not None and request.tools:
        body["tool_choice"] = _choice(request.tool_choice, {tool.name for tool in request.tools if tool.custom})
    include = []
    if request.reasoning is not None and profile.reasoning_effort:
        effort = request.reasoning.effort or _effort(request.reasoning.budget_tokens)
        body["reasoning"] = {
            **({"effort": effort} if effort else {}),
            **({"summary": "auto"} if request.reasoning.visible else {}),
        }
        include.append("reasoning.encrypted_content")
    if request.logprobs is not None:
        body["top_logprobs"] = request.logprobs
        include.append("message.output_text.logprobs")
    if include:
        body["include"] = include
    if request.output is not None:
        body["text"] = {"format": _format(request.output)}
    plain = {
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "max_output_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "safety_identifier": _pseudonym(request.end_user),
        "stream": True if request.stream else None,
    }
    body.update((name, value) for name, value in plain.items() if value is not None)
    return Written(body=msgspec.json.encode(body), losses=tuple(losses))


def _unsaid(request: ChatRequest) -> Iterator[Loss]:
    if request.stop:
        yield Loss(field="stop", grave=True)
    if request.n > 1:
        yield Loss(field="n", grave=True)
    for name, value in (
        ("presence_penalty", request.presence_penalty),
        ("frequency_penalty", request.frequency_penalty),
    ):
        if value:
            yield Loss(field=name, grave=True)
    # They ask for likelier words or for the same words again, and promise neither.
    for name, said in (("seed", request.seed), ("top_k", request.top_k)):
        if said is not None:
            yield Loss(field=name, grave=False)


def _pseudonym(end_user: str) -> str | None:
    """Return a pseudonym that OpenAI takes: it refuses more than 64 characters."""
    if len(end_user) > _LONGEST_PSEUDONYM:
        return sha256(end_user.encode()).hexdigest()
    return end_user or None


def _effort(budget_tokens: int | None) -> str:
    """Return the effort whose name stands for a budget of thoughts."""
    if budget_tokens is None or budget_tokens < 0:
        return ""
    return next((name for most, name in _EFFORTS if budget_tokens <= most), "high")


def _items(turn: Turn, number: int, profile: Profile, losses: list[Loss]) -> Iterator[dict[str, Any]]:
    if turn.name:
        losses.append(Loss(field=f"messages[{number}].name", grave=False))
    said: list[Part] = []
    for index, part in enumerate(turn.parts):
        if getattr(part, "cache", ""):
            losses.append(Loss(field=f"messages[{number}].cache_control", grave=False))
        if isinstance(part, Media) and part.kind in {"audio", "video"}:  # a message has texts, images and files
            losses.append(Loss(field=f"messages[{number}].content[{index}]", grave=True))
        elif isinstance(part, Thinking | ToolCall | ToolResult):
            yield from _message(turn, said, profile, f"{number}_{index}")
            said = []
            yield from _other(part, losses)
        else:
            said.append(part)
    yield from _message(turn, said, profile, f"{number}_{len(turn.parts)}")


def _message(turn: Turn, parts: list[Part], profile: Profile, place: str) -> Iterator[dict[str, Any]]:
    if not parts:
        return
    spoken = turn.role == "assistant"
    role = profile.instructions_role if turn.role == "system" else turn.role
    # What the model itself said is an output item, which has an id and a status.
    answered = {"id": f"msg_{place}", "status": "completed"} if spoken else {}
    yield {"type": "message", **answered, "role": role, "content": list(write_content(parts, spoken=spoken))}


def _other(part: Thinking | ToolCall | ToolResult, losses: list[Loss]) -> Iterator[dict[str, Any]]:
    match part:
        case Thinking():
            if part.sealed is None or part.sealed.maker is not Maker.OPENAI:
                losses.append(Loss(field="thinking", grave=False))
                return
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            identifier = part.id or f"rs_{sha256(part.sealed.data.encode()).hexdigest()[:32]}"
            yield {"type": "reasoning", "id": identifier, "summary": summary, "encrypted_content": part.sealed.data}
        case ToolCall() if part.custom:
            yield {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.arguments}
        case ToolCall():
            yield {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResult():
            kind = "custom_tool_call_output" if part.custom else "function_call_output"
            yield {"type": kind, "call_id": part.call_id, "output": _output(part)}


def _output(result: ToolResult) -> Any:
    if any(isinstance(part, Media) for part in result.parts):
        return list(write_content(result.parts, spoken=False))
    return "\n".join(part.text for part in result.parts if isinstance(part, Text))


def _tool(tool: Tool, losses: list[Loss]) -> dict[str, Any]:
    if tool.cache:
        losses.append(Loss(field=f"tools.{tool.name}.cache_control", grave=False))
    if tool.custom:
        return {"type": "custom", "name": tool.name, "description": tool.description}
    found: dict[str, Any] = {"type": "function", "name": tool.name, "strict": bool(tool.strict)}
    if tool.description:
        found["description"] = tool.description
    found["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return found


def _choice(choice: ToolChoice, custom: set[str]) -> Any:
    if choice.mode == "named":
        kind = "custom" if choice.names[0] in custom else "function"
        return {"type": kind, "name": choice.names[0]}
    if choice.names:
        tools = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
        return {"type": "allowed_tools", "mode": "required", "tools": tools}
    return choice.mode


def _format(output: OutputFormat) -> dict[str, Any]:
    if output.json_schema is None:
        return {"type": "json_object"}
    found: dict[str, Any] = {
        "type": "json_schema",
        "name": output.name or "answer",
        "schema": output.json_schema,
        "strict": bool(output.strict),
    }
    return {**found, "description": output.description} if output.description else found
