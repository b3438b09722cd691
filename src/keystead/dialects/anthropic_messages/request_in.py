"""Requests of Anthropic's Messages API, read. Pure.

Claude Code is the caller that matters most: it sends system messages in the middle of a conversation, betas that say how
Anthropic is to manage the context, and a line for Anthropic's billing at the head of the instructions.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from keystead.dialects.anthropic_messages.blocks_in import Blocks, ToolChange
from keystead.dialects.taking import Taking, decoded, wrong
from keystead.domain.chat import (
    ChatRequest,
    Loss,
    OutputFormat,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Turn,
)
from keystead.domain.errors import InvalidRequestError

_HINTS: Final = (
    "anthropic_beta",
    "anthropic_version",
    "betas",
    "billing_policy",
    "cache_control",
    "compaction",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "service_tier",
    "speed",
    "user_profile_id",
    "workspace_id",
)
"""How Anthropic bills, caches, shortens what grows too long, or stands in for a model: nothing of what is asked."""
_TOOL_HINTS: Final = ("defer_loading", "eager_input_streaming", "input_examples")
_BILLING: Final = "x-anthropic-billing-header:"
"""Claude Code's first system text. It tells Anthropic's billing which client it is, and changes with every version."""
_CHOICES: Final[dict[str, Literal["auto", "none", "required", "named"]]] = {
    "auto": "auto",
    "any": "required",
    "tool": "named",
    "none": "none",
}
_ROLES: Final[dict[str, Literal["system", "user", "assistant"]]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
}


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and what it says beside its content."""

    turn: Turn
    effort: str = ""
    """For this turn alone."""
    fleeting: bool = False
    """Shown only until the user speaks again."""


def read_request(body: bytes, *, model: str, stream: bool) -> ChatRequest:
    """Read a body of the Messages API (see `Translator.read_request`)."""
    try:
        return _read(Taking(decoded(body), ""), model=model, stream=stream)
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deeply.", code="malformed_json") from error


def _read(whole: Taking, *, model: str, stream: bool) -> ChatRequest:
    whole.text("model")
    whole.flag("stream")
    blocks = Blocks()
    instructions = tuple(_instructions(whole, blocks))
    messages = [_message(message, blocks) for message in whole.objects("messages")]
    if not messages:
        raise wrong("messages", "a list of messages")
    tools = _tools(whole, blocks)
    choice, parallel = _choice(whole, blocks.losses)
    output_config = whole.inner("output_config") or Taking({}, "output_config")
    output = _format(output_config.inner("format"), blocks.losses)
    if output is None:  # as it was asked for before there was `output_config`; Anthropic still takes it
        output = _format(whole.inner("output_format"), blocks.losses)
    reasoning = _reasoning(whole, output_config, messages, blocks.losses)
    request = ChatRequest(
        model=model,
        turns=(*instructions, *_shown(messages)),
        stream=stream,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=whole.integer("max_tokens"),
        temperature=whole.number("temperature"),
        top_p=whole.number("top_p"),
        top_k=whole.integer("top_k"),
        stop=whole.texts("stop_sequences"),
        reasoning=reasoning,
        output=output,
        end_user=_end_user(whole, blocks.losses),
    )
    losses = [*blocks.losses, *output_config.hints("task_budget"), *output_config.left()]
    losses += [*whole.hints(*_HINTS), *_servers(whole), *whole.left()]
    return msgspec.structs.replace(request, losses=tuple(losses))


def _instructions(whole: Taking, blocks: Blocks) -> Iterator[Turn]:
    parts = []
    for number, part in enumerate(blocks.read(whole, "system")):
        if not isinstance(part, Text):
            raise wrong(f"system[{number}].type", "text")
        if part.text.startswith(_BILLING) and "\n" not in part.text.strip():
            blocks.losses.append(Loss(field=f"system[{number}]", grave=False))
        else:
            parts.append(part)
    if parts:
        yield Turn(role="system", parts=tuple(parts))


def _message(message: Taking, blocks: Blocks) -> _Message:
    role = _ROLES.get(message.needed_text("role"))
    if role is None:
        raise wrong(message.at("role"), "user, assistant or system")
    said = message.has("content")
    parts = blocks.read(message)
    effort, fleeting = "", False
    if role == "system":
        fleeting = message.text("clear_at") == "next_user_message"
        config = message.inner("output_config")
        if config is not None:
            effort = config.text("effort")
            blocks.losses.extend(config.left())
    elif not said:
        raise wrong(message.at("content"), "a text or a list of blocks")
    blocks.losses.extend(message.left())
    return _Message(turn=Turn(role=role, parts=parts), effort=effort, fleeting=fleeting)


def _shown(messages: Sequence[_Message]) -> Iterator[Turn]:
    """Return what the model is shown: some system messages end when the user speaks again, others say no word."""
    last_user = max((number for number, each in enumerate(messages) if each.turn.role == "user"), default=-1)
    for number, message in enumerate(messages):
        over = message.fleeting and number < last_user
        if not over and (message.turn.parts or message.turn.role != "system"):
            yield message.turn


def _tools(whole: Taking, blocks: Blocks) -> tuple[Tool, ...]:
    declared: dict[str, Tool] = {}
    for entry in whole.objects("tools"):
        for tool in _tool(entry, blocks):
            if tool.name in declared:
                raise wrong(entry.at("name"), "unlike every other tool's")
            declared[tool.name] = tool
    return tuple(_changed(declared, blocks.changes, blocks))


def _tool(entry: Taking, blocks: Blocks) -> Iterator[Tool]:
    kind = entry.text("type", "custom")
    if kind.startswith("tool_search_tool"):
        # It finds tools that are not offered from the start; elsewhere all are.
        blocks.losses.append(Loss(field=entry.at("type"), grave=False))
        return
    if kind != "custom":
        blocks.losses.append(Loss(field=entry.at("type"), grave=True))
        return
    callers = entry.texts("allowed_callers")
    if callers:
        blocks.losses.append(Loss(field=entry.at("allowed_callers"), grave="direct" not in callers))
    yield Tool(
        name=entry.needed_text("name"),
        description=entry.text("description"),
        parameters=entry.raw("input_schema"),
        strict=entry.flag("strict"),
        cache=blocks.cache(entry),
    )
    blocks.losses += [*entry.hints(*_TOOL_HINTS), *entry.left()]


def _changed(declared: dict[str, Tool], changes: Iterable[ToolChange], blocks: Blocks) -> Iterator[Tool]:
    """Return the tools that are offered at the end of the conversation."""
    known, withdrawn = dict(declared), set[str]()
    for change in changes:
        names = [change.name]
        if change.definition is not None:
            defined = {tool.name: tool for tool in _tool(change.definition, blocks)}
            known.update(defined)
            names = list(defined)
        (withdrawn.difference_update if change.offered else withdrawn.update)(names)
    return (tool for tool in known.values() if tool.name not in withdrawn)


def _choice(whole: Taking, losses: list[Loss]) -> tuple[ToolChoice | None, bool | None]:
    """Read which tools may be called, and whether several at once."""
    choice = whole.inner("tool_choice")
    if choice is None:
        return None, None
    mode = _CHOICES.get(choice.needed_text("type"))
    if mode is None:
        raise wrong(choice.at("type"), "auto, any, tool or none")
    names = (choice.needed_text("name"),) if mode == "named" else ()
    one_at_a_time = choice.flag("disable_parallel_tool_use")
    losses.extend(choice.left())
    return ToolChoice(mode=mode, names=names), None if one_at_a_time is None else not one_at_a_time


def _reasoning(
    whole: Taking, output_config: Taking, messages: Sequence[_Message], losses: list[Loss]
) -> Reasoning | None:
    effort = output_config.text("effort")
    effort = _effort_of_turn(messages) or effort
    thinking = whole.inner("thinking")
    if thinking is None:
        return Reasoning(effort=effort) if effort else None
    kind = thinking.needed_text("type")
    budget: int | None
    match kind:
        case "enabled":
            budget = thinking.integer("budget_tokens")
            if budget is None:
                raise wrong(thinking.at("budget_tokens"), "a whole number")
        case "adaptive":
            budget = -1
        case "disabled":
            budget = 0
        case _:  # "between_tools", and what is invented later: the model thinks, when and how is a hint
            losses.append(Loss(field=thinking.at("type"), grave=False))
            budget = -1
    display = thinking.text("display", "summarized" if kind == "enabled" else "")
    losses.extend(thinking.left())
    return Reasoning(effort=effort, budget_tokens=budget, visible=display != "omitted" if display else None)


def _effort_of_turn(messages: Sequence[_Message]) -> str:
    """Return the effort asked for since the user last spoke; tool results are not the user's words."""
    for message in reversed(messages):
        if message.effort:
            return message.effort
        if message.turn.role == "user" and not all(isinstance(part, ToolResult) for part in message.turn.parts):
            return ""
    return ""


def _format(found: Taking | None, losses: list[Loss]) -> OutputFormat | None:
    if found is None:
        return None
    if found.needed_text("type") != "json_schema":
        raise wrong(found.at("type"), "json_schema")
    schema = found.raw("schema")
    if schema is None:
        raise wrong(found.at("schema"), "a JSON Schema")
    losses.extend(found.left())
    return OutputFormat(json_schema=schema, name="answer")


def _end_user(whole: Taking, losses: list[Loss]) -> str:
    metadata = whole.inner("metadata")
    if metadata is None:
        return ""
    user = metadata.text("user_id")
    losses += [Loss(field=loss.field, grave=False) for loss in metadata.left()]
    return user


def _servers(whole: Taking) -> Iterator[Loss]:
    """MCP servers that Anthropic calls; SDKs send an empty list where there are none."""
    if whole.items("mcp_servers"):
        yield Loss(field="mcp_servers", grave=True)
