"""Requests of Bedrock's Converse, read. Pure. The model and whether to stream stand in the path."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from keystead.dialects.bedrock_converse.blocks_in import Blocks
from keystead.dialects.nesting import decode
from keystead.dialects.taking import Taking, decoded, wrong
from keystead.domain.chat import ChatRequest, Loss, OutputFormat, Reasoning, Text, Tool, ToolChoice, Turn
from keystead.domain.errors import InvalidRequestError

_HINTS: Final = ("additionalModelResponseFieldPaths", "performanceConfig", "requestMetadata", "serviceTier")
"""What is logged, how fast or how dear the answer is, or what is told beside it: nothing of what is asked."""
_ROLES: Final[dict[str, Literal["system", "user", "assistant"]]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
}
_CHOICES: Final[dict[str, Literal["auto", "required", "named"]]] = {"auto": "auto", "any": "required", "tool": "named"}


def read_request(body: bytes, *, model: str, stream: bool) -> ChatRequest:
    """Read a body of Converse (see `Translator.read_request`)."""
    try:
        return _read(Taking(decoded(body), ""), model=model, stream=stream)
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deeply.", code="malformed_json") from error


def _read(whole: Taking, *, model: str, stream: bool) -> ChatRequest:
    blocks = Blocks()
    instructions = tuple(_instructions(whole, blocks))
    turns = tuple(_message(message, blocks) for message in whole.objects("messages"))
    if not turns:
        raise wrong("messages", "a list of messages")
    inference = whole.inner("inferenceConfig") or Taking({}, "inferenceConfig")
    extra = whole.inner("additionalModelRequestFields") or Taking({}, "additionalModelRequestFields")
    output_config = whole.inner("outputConfig") or Taking({}, "outputConfig")
    config = whole.inner("toolConfig")
    tools = _tools(config, blocks) if config is not None else ()
    choice = _choice(config, blocks.losses) if config is not None else None
    silent, parallel = _silence(extra, blocks.losses)
    request = ChatRequest(
        model=model,
        turns=(*instructions, *turns),
        stream=stream,
        tools=tools,
        tool_choice=silent or choice,
        parallel_tool_calls=parallel,
        max_output_tokens=inference.integer("maxTokens"),
        temperature=inference.number("temperature"),
        top_p=inference.number("topP"),
        top_k=_top_k(extra, blocks.losses),
        stop=inference.texts("stopSequences"),
        reasoning=_reasoning(extra, output_config, blocks.losses),
        output=_format(output_config.inner("textFormat"), blocks.losses),
    )
    losses = [*blocks.losses, *extra.hints("anthropic_beta", "metadata"), *extra.left(), *inference.left()]
    losses += [*output_config.left(), *(config.left() if config is not None else ())]
    losses += [*whole.hints(*_HINTS), *whole.left()]
    return msgspec.structs.replace(request, losses=tuple(losses))


def _instructions(whole: Taking, blocks: Blocks) -> Iterator[Turn]:
    parts = blocks.read(whole, "system")
    if not all(isinstance(part, Text) for part in parts):
        raise wrong("system", "texts and cache points")
    if parts:
        yield Turn(role="system", parts=parts)


def _message(message: Taking, blocks: Blocks) -> Turn:
    role = _ROLES.get(message.needed_text("role"))
    if role is None:
        raise wrong(message.at("role"), "user, assistant or system")
    parts = blocks.read(message)
    blocks.losses.extend(message.left())
    return Turn(role=role, parts=parts)


def _tools(config: Taking, blocks: Blocks) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for entry in config.objects("tools"):
        if (point := entry.inner("cachePoint")) is not None:
            cache = blocks.cache(point)
            if tools:
                tools[-1] = msgspec.structs.replace(tools[-1], cache=cache)
        if (spec := entry.inner("toolSpec")) is not None:
            schema = spec.inner("inputSchema") or Taking({}, spec.at("inputSchema"))
            tools.append(
                Tool(
                    name=spec.needed_text("name"),
                    description=spec.text("description"),
                    parameters=schema.raw("json"),
                    strict=spec.flag("strict"),
                )
            )
            blocks.losses += [*schema.left(), *spec.left()]
        blocks.losses.extend(entry.left())  # tools that the provider runs, among others
    return tuple(tools)


def _choice(config: Taking, losses: list[Loss]) -> ToolChoice | None:
    choice = config.inner("toolChoice")
    if choice is None:
        return None
    for name, mode in _CHOICES.items():
        if (found := choice.inner(name)) is not None:
            names = (found.needed_text("name"),) if mode == "named" else ()
            losses += [*found.left(), *choice.left()]
            return ToolChoice(mode=mode, names=names)
    raise wrong(choice.place, "auto, any or tool")


def _silence(extra: Taking, losses: list[Loss]) -> tuple[ToolChoice | None, bool | None]:
    """Read what Claude is told in its own words: to call nothing, or not several tools at once."""
    told = extra.inner("tool_choice")
    if told is None:
        return None, None
    kind = told.needed_text("type")
    if kind not in {"none", "auto"}:
        raise wrong(told.at("type"), "none or auto; others stand in toolConfig.toolChoice")
    one_at_a_time = told.flag("disable_parallel_tool_use")
    losses.extend(told.left())
    return ToolChoice(mode="none") if kind == "none" else None, None if one_at_a_time is None else not one_at_a_time


def _top_k(extra: Taking, losses: list[Loss]) -> int | None:
    found = extra.integer("top_k")
    nova = extra.inner("inferenceConfig")
    if nova is not None:
        found = nova.integer("topK") if found is None else found
        losses.extend(nova.left())
    return found


def _reasoning(extra: Taking, output_config: Taking, losses: list[Loss]) -> Reasoning | None:
    """Read how much the model may think, in the words of any maker."""
    effort = output_config.text("effort") or extra.text("reasoning_effort")
    claude = extra.inner("output_config")
    if claude is not None:
        effort = claude.text("effort") or effort
        losses.extend(claude.left())
    budget: int | None = None
    nova = extra.inner("reasoningConfig")
    if nova is not None:
        effort = nova.text("maxReasoningEffort") or effort
        budget = 0 if nova.text("type") == "disabled" else None
        losses.extend(nova.left())
    visible: bool | None = None
    thinking = extra.inner("thinking")
    if thinking is not None:
        kind = thinking.needed_text("type")
        stated = thinking.integer("budget_tokens")
        if kind == "enabled" and stated is None:
            raise wrong(thinking.at("budget_tokens"), "a whole number")
        budget = {"enabled": stated, "disabled": 0}.get(kind, -1)
        display = thinking.text("display", "summarized" if kind == "enabled" else "")
        visible = display != "omitted" if display else None
        losses.extend(thinking.left())
    if not effort and budget is None:
        return None
    return Reasoning(effort=effort, budget_tokens=budget, visible=visible)


def _format(found: Taking | None, losses: list[Loss]) -> OutputFormat | None:
    if found is None:
        return None
    if found.needed_text("type") != "json_schema":
        raise wrong(found.at("type"), "json_schema")
    structure = found.inner("structure") or Taking({}, found.at("structure"))
    definition = structure.inner("jsonSchema") or Taking({}, structure.at("jsonSchema"))
    text = definition.needed_text("schema")
    try:
        schema = decode(text)
    except msgspec.DecodeError as error:
        raise wrong(definition.at("schema"), "a JSON Schema as text") from error
    if not isinstance(schema, dict):
        raise wrong(definition.at("schema"), "a JSON Schema as text")
    output = OutputFormat(
        json_schema=msgspec.Raw(text.encode()),
        name=definition.text("name", "answer"),
        description=definition.text("description"),
    )
    losses += [*definition.left(), *structure.left(), *found.left()]
    return output
