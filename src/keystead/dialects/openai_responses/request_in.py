"""OpenAI's responses requests, read. Pure.

What only OpenAI's own servers can do (stored conversations, hosted tools, background work) is a loss; the conversation
has to stand in the request.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.openai_responses import seals
from keystead.dialects.openai_responses.content import read_content
from keystead.dialects.openai_responses.names import flat
from keystead.dialects.taking import Taking, decoded, wrong
from keystead.domain.chat import (
    ChatRequest,
    Loss,
    Maker,
    Namespaced,
    OutputFormat,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

_ROLES: Final = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_HINTS: Final = (
    "client_metadata",
    "max_tool_calls",
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "store",
    "stream_options",
    "truncation",
)
"""They say nothing about the answer, or what other providers do anyway."""
_ASKED_FOR: Final = frozenset({"reasoning.encrypted_content", "message.output_text.logprobs"})


def read_request(body: bytes, *, model: str, stream: bool) -> ChatRequest:
    """Read a responses body (see `Translator.read_request`)."""
    whole = Taking(decoded(body), "")
    whole.hints("model", "stream")
    losses: list[Loss] = []
    tools = list(_tools(whole, losses))
    instructions = whole.text("instructions")
    turns = [Turn(role="system", parts=(Text(text=instructions),))] if instructions else []
    turns += _turns(whole, tools, losses)
    include = whole.texts("include")
    losses += [Loss(field=f"include[{number}]", grave=False) for number, x in enumerate(include) if x not in _ASKED_FOR]
    top_logprobs = whole.integer("top_logprobs")
    background = whole.flag("background")
    if background:
        losses.append(Loss(field="background", grave=True))
    request = ChatRequest(
        model=model,
        turns=tuple(turns),
        stream=stream,
        tools=tuple({tool.name: tool for tool in tools}.values()),
        tool_choice=_choice(whole, losses),
        parallel_tool_calls=whole.flag("parallel_tool_calls"),
        max_output_tokens=whole.integer("max_output_tokens"),
        temperature=whole.number("temperature"),
        top_p=whole.number("top_p"),
        logprobs=top_logprobs or (0 if "message.output_text.logprobs" in include else None),
        reasoning=_reasoning(whole, losses),
        output=_output(whole, losses),
        end_user=whole.text("safety_identifier") or whole.text("user"),
    )
    losses += [*whole.hints(*_HINTS, "user"), *whole.left()]
    return msgspec.structs.replace(request, losses=tuple(losses))


def _turns(whole: Taking, tools: list[Tool], losses: list[Loss]) -> Iterator[Turn]:
    """Read the input; tools that it brings along are added to `tools`."""
    value = whole.take("input")
    if isinstance(value, str):
        yield Turn(role="user", parts=(Text(text=value),))
        return
    if not isinstance(value, list):
        raise wrong("input", "a text or a list of items")
    items = Taking({"input": value}, "")
    thought: Thinking | None = None
    for item in items.objects("input"):
        turn = _item(item, tools, losses)
        losses.extend(item.left())
        if turn is None:
            continue
        if thought is not None and isinstance(turn.parts[0], ToolCall) and _signs_calls(thought):
            yield Turn(role="assistant", parts=(_signed(turn.parts[0], thought),))
            thought = None
            continue
        if thought is not None:
            yield Turn(role="assistant", parts=(thought,))
        thought = turn.parts[0] if isinstance(turn.parts[0], Thinking) else None
        if thought is None:
            yield turn
    if thought is not None:
        yield Turn(role="assistant", parts=(thought,))


def _signs_calls(thought: Thinking) -> bool:
    """Say whether it is no thought at all but the signature of the call behind it (see `answer_out`)."""
    return not thought.text and thought.sealed is not None and thought.sealed.maker is Maker.GEMINI


def _signed(call: ToolCall, thought: Thinking) -> ToolCall:
    return msgspec.structs.replace(call, sealed=thought.sealed)


def _item(item: Taking, tools: list[Tool], losses: list[Loss]) -> Turn | None:
    kind = item.text("type") or ("message" if item.has("role") else "")
    item.hints("id", "status", "phase")
    match kind:
        case "message":
            return _message(item, losses)
        case "reasoning":
            return Turn(role="assistant", parts=(_thinking(item),))
        case "function_call" | "custom_tool_call":
            return Turn(role="assistant", parts=(_call(item, custom=kind == "custom_tool_call"),))
        case "function_call_output" | "custom_tool_call_output":
            return Turn(role="user", parts=(_result(item, losses, custom=kind == "custom_tool_call_output"),))
        case "additional_tools":  # where in the conversation they are offered has no word elsewhere
            item.text("role")
            tools += _tools(item, losses)
            return None
    item.take("type")
    losses.append(Loss(field=f"{item.place}.type={kind or 'missing'}"[:80], grave=True))
    _take_all(item)
    return None


def _take_all(item: Taking) -> None:
    """The whole item is lost already; its members need not be named one by one."""
    for loss in item.left():
        item.take(loss.field.rpartition(".")[2])


def _message(item: Taking, losses: list[Loss]) -> Turn | None:
    role = _ROLES.get(item.needed_text("role"))
    if role is None:
        raise wrong(item.at("role"), "user, assistant, system or developer")
    parts = tuple(read_content(item, "content", losses))
    return Turn(role=role, parts=parts) if parts else None  # type: ignore[arg-type]


def _thinking(item: Taking) -> Thinking:
    summary = "\n\n".join(part.text("text") for part in item.objects("summary"))
    content = "".join(part.text("text") for part in item.objects("content"))
    encrypted = item.text("encrypted_content")
    sealed, redacted = seals.read(encrypted) if encrypted else (None, False)
    return Thinking(text=content or summary, sealed=sealed, redacted=redacted)


def _call(item: Taking, *, custom: bool) -> ToolCall:
    name, namespace = item.needed_text("name"), item.text("namespace")
    return ToolCall(
        id=item.needed_text("call_id"),
        name=flat(namespace, name) if namespace else name,
        arguments=item.text("input" if custom else "arguments"),
        custom=custom,
    )


def _result(item: Taking, losses: list[Loss], *, custom: bool) -> ToolResult:
    call_id = item.needed_text("call_id")
    parts = tuple(part for part in read_content(item, "output", losses) if not isinstance(part, ToolCall))
    item.hints("name")
    return ToolResult(call_id=call_id, parts=parts, custom=custom)  # type: ignore[arg-type]


def _tools(holder: Taking, losses: list[Loss], namespace: str = "") -> Iterator[Tool]:
    for tool in holder.objects("tools"):
        kind = tool.text("type", "function")
        if kind in {"function", "custom"}:
            name = tool.needed_text("name")
            yield Tool(
                name=flat(namespace, name) if namespace else name,
                description=tool.text("description") + _grammar(tool),
                parameters=tool.raw("parameters"),
                strict=tool.flag("strict"),
                custom=kind == "custom",
                namespaced=Namespaced(namespace=namespace, name=name) if namespace else None,
            )
            losses += [*tool.hints("defer_loading", "output_schema"), *tool.left()]
        elif kind == "namespace":
            losses += tool.hints("description")
            yield from _tools(tool, losses, tool.needed_text("name"))
        else:
            losses.append(Loss(field=f"{tool.place}.type={kind}"[:80], grave=True))


def _grammar(tool: Taking) -> str:
    """Return what a custom tool's input must look like, in words: no other dialect constrains free text."""
    form = tool.inner("format")
    if form is None or form.text("type", "text") == "text":
        return ""
    return f"\n\nThe input must match this {form.text('syntax')} grammar:\n{form.text('definition')}"


def _choice(whole: Taking, losses: list[Loss]) -> ToolChoice | None:
    value: Any = whole.take("tool_choice")
    if value is None:
        return None
    if isinstance(value, str):
        if value not in {"auto", "none", "required"}:
            raise wrong("tool_choice", "auto, none, required or an object")
        return ToolChoice(mode=value)  # type: ignore[arg-type]
    choice = Taking(value, "tool_choice")
    kind = choice.text("type")
    if kind in {"function", "custom"}:
        return ToolChoice(mode="named", names=(_named(choice),))
    if kind == "allowed_tools":
        names = tuple(_named(tool) for tool in choice.objects("tools"))
        mode = choice.text("mode", "auto")
        if mode == "auto":
            losses.append(Loss(field="tool_choice.tools", grave=True))
        return ToolChoice(mode="required", names=names) if mode == "required" else ToolChoice(mode="auto")
    losses.append(Loss(field="tool_choice", grave=True))
    return None


def _named(choice: Taking) -> str:
    name, namespace = choice.needed_text("name"), choice.text("namespace")
    return flat(namespace, name) if namespace else name


def _reasoning(whole: Taking, losses: list[Loss]) -> Reasoning | None:
    value = whole.inner("reasoning")
    if value is None:
        return None
    summary = value.text("summary") or value.text("generate_summary")
    found = Reasoning(effort=value.text("effort"), visible=True if summary else None)
    losses += [*value.hints("context", "mode", "generate_summary"), *value.left()]
    return found


def _output(whole: Taking, losses: list[Loss]) -> OutputFormat | None:
    text = whole.inner("text")
    if text is None:
        return None
    losses += text.hints("verbosity")
    asked = text.inner("format")
    losses += text.left()
    if asked is None:
        return None
    kind = asked.text("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if kind != "json_schema":
        raise wrong(asked.at("type"), "text, json_object or json_schema")
    found = OutputFormat(
        json_schema=asked.raw("schema"),
        name=asked.text("name"),
        description=asked.text("description"),
        strict=asked.flag("strict"),
    )
    losses += asked.left()
    return found
