"""Requests of Anthropic's Messages API, written. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages.models import taken_by
from keystead.dialects.anthropic_messages.reasoning_out import Thought, reasoning
from keystead.dialects.anthropic_messages.sampling_out import sampling
from keystead.dialects.anthropic_messages.schema import closed
from keystead.dialects.anthropic_messages.turns_out import Turns, marked
from keystead.dialects.translating import FREE_TEXT, Profile, Written
from keystead.domain.chat import ChatRequest, Loss, Tool, ToolChoice

_MOST_MARKS: Final = 4
"""Prompt-cache marks that Anthropic takes."""
_LONGEST_USER: Final = 256
_MODES: Final = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}
ONLY_JSON: Final = "Answer with one JSON object and nothing else: no prose, no code fence."
"""Anthropic has a word for a schema, and none for "any JSON object"."""


def write_request(request: ChatRequest, profile: Profile) -> Written:
    """Write a body of the Messages API (see `Translator.write_request`)."""
    losses: list[Loss] = []
    model = taken_by(request.model)
    tools = [_tool(tool, profile, losses) for tool in offered(request)]
    system, messages = _said(request, losses)
    thought = reasoning(
        request,
        model,
        thoughtless_loop=_loop_without_thinking(messages),
        default_limit=model.limit or profile.default_max_tokens,
    )
    losses += thought.losses
    body: dict[str, Any] = {"model": request.model, "max_tokens": thought.max_tokens}
    if system:
        body["system"] = system
    body["messages"] = messages
    if tools:
        body["tools"] = tools
        body |= _choice(request)
    if thought.thinking is not None:
        body["thinking"] = thought.thinking
    body |= _output_config(request, thought, profile, losses)
    body |= sampling(request, model, by_budget=thought.by_budget, losses=losses)
    body |= _rest(request, losses)
    _thin_marks(body, losses)
    return Written(body=msgspec.json.encode(body), losses=tuple(dict.fromkeys(losses)))


def _said(request: ChatRequest, losses: list[Loss]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write the instructions and the messages."""
    turns = request.turns
    leading = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
    if leading == len(turns):  # Anthropic wants a message
        leading = max(leading - 1, 0)
    losses += [
        Loss(field=f"messages[{number}].role", grave=False)
        for number, turn in enumerate(turns)
        if turn.role == "system" and number >= leading
    ]
    written = Turns(losses)
    system = written.instructions(turns[:leading])
    if request.output is not None and request.output.json_schema is None:
        system.append({"type": "text", "text": ONLY_JSON})
    return system, written.messages(turns[leading:], leading)


def _loop_without_thinking(messages: Sequence[dict[str, Any]]) -> bool:
    """Say whether the last message with tool calls does not begin with thinking."""
    for message in reversed(messages):
        content = message["content"]
        if message["role"] == "assistant" and any(block["type"] == "tool_use" for block in content):
            return content[0]["type"] not in {"thinking", "redacted_thinking"}
    return False


def offered(request: ChatRequest) -> Sequence[Tool]:
    """Return the tools that may be called: Anthropic's choice names one or all."""
    choice = request.tool_choice
    if choice is None or not choice.names or choice.mode == "named":
        return request.tools
    return [tool for tool in request.tools if tool.name in choice.names]


def _tool(tool: Tool, profile: Profile, losses: list[Loss]) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = input_schema(tool)
    if tool.strict and profile.strict_tools:
        written |= {"strict": True, "input_schema": closed(msgspec.Raw(msgspec.json.encode(written["input_schema"])))}
    elif tool.strict:
        losses.append(Loss(field=f"tools.{tool.name}.strict", grave=False))
    return written | marked(tool.cache)


def input_schema(tool: Tool) -> Any:
    """Return the schema of the arguments, which must be that of an object."""
    if tool.custom:
        return FREE_TEXT
    schema = {} if tool.parameters is None else msgspec.json.decode(tool.parameters, type=dict[str, msgspec.Raw])
    return schema if "type" in schema else {"type": "object", **schema}


def _choice(request: ChatRequest) -> dict[str, Any]:
    """Write which tools may be called, and whether several at once; the latter has no place of its own."""
    choice = request.tool_choice or ToolChoice(mode="auto")
    one_at_a_time = request.parallel_tool_calls is False and choice.mode != "none"
    if request.tool_choice is None and not one_at_a_time:
        return {}
    written: dict[str, Any] = {"type": _MODES[choice.mode]}
    if choice.mode == "named":
        written["name"] = choice.names[0]
    if one_at_a_time:
        written["disable_parallel_tool_use"] = True
    return {"tool_choice": written}


def _output_config(request: ChatRequest, thought: Thought, profile: Profile, losses: list[Loss]) -> dict[str, Any]:
    config: dict[str, Any] = {"effort": thought.effort} if thought.effort else {}
    output = request.output
    if output is not None and output.json_schema is None:
        losses.append(Loss(field="response_format", grave=False))
    elif output is not None and output.json_schema is not None and not profile.json_schema:
        losses.append(Loss(field="response_format", grave=True))
    elif output is not None and output.json_schema is not None:
        config["format"] = {"type": "json_schema", "schema": closed(output.json_schema)}
    return {"output_config": config} if config else {}


def _rest(request: ChatRequest, losses: list[Loss]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    losses += no_word_for(request)
    stop = [each for each in request.stop if each.strip()]
    if len(stop) < len(request.stop):  # Anthropic refuses blank ones
        losses.append(Loss(field="stop", grave=True))
    if stop:
        body["stop_sequences"] = stop
    if 0 < len(request.end_user) <= _LONGEST_USER:
        body["metadata"] = {"user_id": request.end_user}
    elif request.end_user:
        losses.append(Loss(field="user", grave=False))
    if request.stream:
        body["stream"] = True
    return body


def no_word_for(request: ChatRequest) -> Iterator[Loss]:
    """Yield what nobody can say to a Claude model."""
    if request.n > 1:
        yield Loss(field="n", grave=True)
    if request.logprobs is not None:
        yield Loss(field="logprobs", grave=True)
    if request.presence_penalty:
        yield Loss(field="presence_penalty", grave=True)
    if request.frequency_penalty:
        yield Loss(field="frequency_penalty", grave=True)
    if request.seed is not None:  # a best effort wherever it exists: nobody can rely on it
        yield Loss(field="seed", grave=False)


def _thin_marks(body: dict[str, Any], losses: list[Loss]) -> None:
    """Keep the last prompt-cache marks of too many, and no long-lived one behind a short-lived one."""
    marks = [holder for holder in _holders(body) if "cache_control" in holder]
    for holder in marks[:-_MOST_MARKS]:
        del holder["cache_control"]
        losses.append(Loss(field="cache_control", grave=False))
    short = False
    for holder in marks[-_MOST_MARKS:]:
        if short and holder["cache_control"].pop("ttl", None) is not None:
            losses.append(Loss(field="cache_control", grave=False))
        short = "ttl" not in holder["cache_control"]


def _holders(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        for block in message["content"]:
            if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                yield from block["content"]
            yield block
