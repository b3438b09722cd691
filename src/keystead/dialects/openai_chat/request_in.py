"""Requests of OpenAI's chat completions, read; with what the clients of look-alikes say in them. Pure."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.openai_chat.content import cache_mark
from keystead.dialects.openai_chat.messages_in import Messages
from keystead.dialects.taking import Taking, decoded, wrong
from keystead.domain.chat import ChatRequest, Loss, OutputFormat, Reasoning, Tool, ToolChoice
from keystead.domain.errors import InvalidRequestError

_HINTS: Final = (
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "store",
    "usage",
    "verbosity",
)
"""How OpenAI bills, caches, keeps and speeds up; OpenRouter's wish for usage, which is told anyway. `verbosity` only
leans on the model, as instructions do."""
_MODES: Final = {"auto": "auto", "none": "none", "required": "required", "any": "required"}
"""`any` is Mistral's."""


def read_request(body: bytes, *, model: str, stream: bool) -> ChatRequest:
    """Read a body of the chat completions (see `Translator.read_request`)."""
    try:
        return _read(Taking(decoded(body), ""), model=model, stream=stream)
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deeply.", code="malformed_json") from error


def _read(whole: Taking, *, model: str, stream: bool) -> ChatRequest:
    whole.text("model")
    whole.flag("stream")
    losses: list[Loss] = []
    messages = Messages(losses)
    turns = tuple(messages.read(message) for message in whole.objects("messages"))
    if not turns:
        raise wrong("messages", "a list of messages")
    tools = tuple(_tools(whole, losses))
    choice, allowed = _choice(whole, losses)
    user = whole.text("user")
    request = ChatRequest(
        model=model,
        turns=turns,
        stream=stream,
        include_usage=_include_usage(whole, losses),
        tools=tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed),
        tool_choice=choice,
        parallel_tool_calls=whole.flag("parallel_tool_calls"),
        max_output_tokens=_limit(whole),
        temperature=whole.number("temperature"),
        top_p=whole.number("top_p"),
        top_k=whole.integer("top_k"),
        stop=whole.texts("stop"),
        n=_n(whole),
        seed=whole.integer("seed"),
        presence_penalty=whole.number("presence_penalty"),
        frequency_penalty=whole.number("frequency_penalty"),
        logprobs=_logprobs(whole),
        reasoning=_reasoning(whole, losses),
        output=_output(whole, losses),
        end_user=whole.text("safety_identifier") or user,
    )
    losses += [*_silent_words(whole), *whole.hints(*_HINTS), *whole.left()]
    return msgspec.structs.replace(request, losses=tuple(losses))


def _include_usage(whole: Taking, losses: list[Loss]) -> bool:
    options = whole.inner("stream_options")
    if options is None:
        return False
    asked = options.flag("include_usage") is True
    losses += [Loss(field=loss.field, grave=False) for loss in options.left()]
    return asked


def _limit(whole: Taking) -> int | None:
    """Return the limit; the older name is what OpenAI no longer takes for models that reason."""
    old, new = whole.integer("max_tokens"), whole.integer("max_completion_tokens")
    return old if new is None else new


def _n(whole: Taking) -> int:
    n = whole.integer("n")
    if n is not None and n < 1:
        raise wrong("n", "1 or more")
    return 1 if n is None else n


def _logprobs(whole: Taking) -> int | None:
    asked, most = whole.flag("logprobs"), whole.integer("top_logprobs")
    if most and not asked:
        raise wrong("logprobs", "true where `top_logprobs` is given")
    return (most or 0) if asked else None


def _silent_words(whole: Taking) -> Iterator[Loss]:
    """Members that say nothing with one value, and much with any other."""
    if whole.take("modalities") not in (None, ["text"]):
        yield Loss(field="modalities", grave=True)
    if whole.take("audio") is not None:  # how a voice is to sound, where `modalities` ask for one
        yield Loss(field="audio", grave=False)
    if whole.take("logit_bias") not in (None, {}):
        yield Loss(field="logit_bias", grave=True)


# -- tools ------------------------------------------------------------------------------------------------------------


def _tools(whole: Taking, losses: list[Loss]) -> Iterator[Tool]:
    for tool in whole.objects("tools"):
        kind = tool.text("type", "function")
        if kind not in {"function", "custom"}:
            losses.append(Loss(field=tool.at("type"), grave=True))  # run by the provider, such as a web search
            continue
        described = tool.inner(kind)
        if described is None:
            raise wrong(tool.at(kind), "an object")
        cache = cache_mark(tool, losses) or cache_mark(described, losses)
        yield _custom(described, cache, losses) if kind == "custom" else _function(described, cache)
        losses += [*described.left(), *tool.left()]
    if whole.has("functions"):
        # The answer would have to be told in `function_call`, and nothing that writes it knows who asked in this way.
        losses.append(Loss(field="functions", grave=True))
        yield from (_function(function, "") for function in whole.objects("functions"))


def _function(described: Taking, cache: str) -> Tool:
    return Tool(
        name=described.needed_text("name"),
        description=described.text("description"),
        parameters=described.raw("parameters"),
        strict=described.flag("strict"),
        cache=cache,
    )


def _custom(described: Taking, cache: str, losses: list[Loss]) -> Tool:
    form = described.inner("format")
    if form is not None and form.text("type", "text") != "text":
        losses.append(Loss(field=described.at("format"), grave=True))  # a grammar
    return Tool(name=described.needed_text("name"), description=described.text("description"), custom=True, cache=cache)


def _choice(whole: Taking, losses: list[Loss]) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Read which tools may or must be called; second, those that are offered at all (None: all)."""
    value: Any = whole.take("tool_choice")
    old: Any = whole.take("function_call")
    if value is None and old is not None:
        value = {"type": "function", "function": old} if isinstance(old, dict) else old
    if value is None:
        return None, None
    if isinstance(value, str):
        mode = _MODES.get(value)
        if mode is None:
            raise wrong("tool_choice", "auto, none, required or an object")
        return ToolChoice(mode=mode), None  # type: ignore[arg-type]
    choice = Taking(value, "tool_choice")
    kind = choice.text("type", "function")
    if kind == "allowed_tools":
        return _allowed(choice, losses)
    described = choice.inner(kind) if kind in {"function", "custom"} else None
    if described is None:
        if kind in {"function", "custom"}:
            raise wrong(choice.at(kind), "an object")
        losses.append(Loss(field="tool_choice.type", grave=True))
        return None, None
    found = ToolChoice(mode="named", names=(described.needed_text("name"),))
    losses += [*described.left(), *choice.left()]
    return found, None


def _allowed(choice: Taking, losses: list[Loss]) -> tuple[ToolChoice, frozenset[str] | None]:
    """Read a choice among some of the tools. Where none has to be called, the others are simply not offered."""
    allowed = choice.inner("allowed_tools")
    if allowed is None:
        raise wrong(choice.at("allowed_tools"), "an object")
    names = []
    for tool in allowed.objects("tools"):
        described = tool.inner("function") or tool.inner("custom")
        if described is None:
            raise wrong(tool.at("function"), "an object")
        names.append(described.needed_text("name"))
    mode = allowed.needed_text("mode")
    losses += [*allowed.left(), *choice.left()]
    if mode == "required":
        return ToolChoice(mode="required", names=tuple(names)), None
    if mode != "auto":
        raise wrong(allowed.at("mode"), "auto or required")
    return ToolChoice(mode="auto"), frozenset(names)


# -- reasoning and format ---------------------------------------------------------------------------------------------


def _reasoning(whole: Taking, losses: list[Loss]) -> Reasoning | None:
    """Read how much to think: OpenAI's word, OpenRouter's object, or the one of DeepSeek and others."""
    effort, budget, visible = whole.text("reasoning_effort"), None, whole.flag("include_reasoning")
    asked = whole.inner("reasoning")
    if asked is not None:
        effort = asked.text("effort") or effort
        budget = asked.integer("max_tokens")
        visible = True if asked.text("summary") else visible
        visible = False if asked.flag("exclude") else visible
        if asked.flag("enabled") is False:
            budget = 0
        losses.extend(asked.left())
    thinking = whole.inner("thinking")
    if thinking is not None:
        if thinking.text("type") == "disabled":
            budget = 0
        else:
            budget = thinking.integer("budget_tokens") if thinking.has("budget_tokens") else budget or -1
        losses.extend(thinking.left())
    if effort == "default":  # Groq's word for what the model does by itself
        effort = ""
    if not effort and budget is None and visible is None:
        return None
    return Reasoning(effort=effort, budget_tokens=budget, visible=visible)


def _output(whole: Taking, losses: list[Loss]) -> OutputFormat | None:
    asked = whole.inner("response_format")
    if asked is None:
        return None
    kind = asked.needed_text("type")
    found: OutputFormat | None = None
    match kind:
        case "text":
            pass
        case "json_object":
            found = OutputFormat()
        case "json_schema":
            described = asked.inner("json_schema")
            if described is None:
                raise wrong(asked.at("json_schema"), "an object")
            found = OutputFormat(
                json_schema=described.raw("schema"),
                name=described.text("name"),
                description=described.text("description"),
                strict=described.flag("strict"),
            )
            losses.extend(described.left())
        case _:  # a grammar, or something of tomorrow
            losses.append(Loss(field=asked.at("type"), grave=True))
            return None
    losses.extend(asked.left())
    return found
