"""Requests of OpenAI's chat completions, written. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.openai_chat.messages_out import Messages
from keystead.dialects.openai_chat.models import effort_of, family, nearest
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import ChatRequest, Loss, OutputFormat, Refusal, Text, Tool, ToolChoice, Turn

_IN_JSON: Final = "Answer with one JSON object and nothing else."
"""OpenAI refuses `json_object` where no message says the word."""
_LONGEST_USER: Final = 64
_NOT_GRAVE: Final = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "user"})
"""Which likely words are chosen, and who asks. A model that takes no sampling chooses itself."""
_SAMPLING: Final = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": None}
"""With the values that mean: as usual."""


def write_request(request: ChatRequest, profile: Profile) -> Written:
    """Write a body of the chat completions (see `Translator.write_request`)."""
    losses: list[Loss] = [*_unsaid(request)]
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request, profile, losses)}
    offered = _offered(request)
    if offered:
        body["tools"] = [_tool(tool, profile, losses) for tool in offered]
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request.tool_choice, offered, profile)
    effort = _effort(request, profile, losses)
    body |= _given(
        {
            "parallel_tool_calls": request.parallel_tool_calls if offered else None,
            profile.limit_name: request.max_output_tokens,
            **_sampling(request, effort, losses),
            "stop": list(request.stop) or None,
            "n": request.n if request.n > 1 else None,
            "seed": request.seed,
            "reasoning_effort": effort or None,
            "response_format": _format(request.output, profile, losses) if request.output else None,
            "user": _pseudonym(request.end_user) or None,
            "stream": True if request.stream else None,
            "stream_options": {"include_usage": True} if request.stream and profile.usage_option else None,
        }
    )
    for name in sorted(profile.unknown & body.keys()):
        del body[name]
        losses.append(Loss(field=name, grave=name not in _NOT_GRAVE))
    return Written(body=msgspec.json.encode(body), losses=tuple(losses))


def _unsaid(request: ChatRequest) -> Iterator[Loss]:
    if request.top_k is not None:
        # It cuts off unlikely words, as `top_p` does, which is told; agents send it with every request.
        yield Loss(field="top_k", grave=False)


def _messages(request: ChatRequest, profile: Profile, losses: list[Loss]) -> list[dict[str, Any]]:
    """Write the messages, with a word about JSON where any object will do and none of them says it."""
    messages = Messages(profile, losses).write(request.turns)
    in_json = request.output is not None and (request.output.json_schema is None or not profile.json_schema)
    if in_json and "json" not in _words(request.turns):
        messages.insert(0, {"role": profile.instructions_role, "content": _IN_JSON})
    return messages


def _words(turns: Iterable[Turn]) -> str:
    return " ".join(part.text for turn in turns for part in turn.parts if isinstance(part, Text | Refusal)).lower()


def _pseudonym(end_user: str) -> str:
    """Return a name for the person that OpenAI takes: for a longer one another, which is as good a pseudonym."""
    return end_user if len(end_user) <= _LONGEST_USER else hashlib.sha256(end_user.encode()).hexdigest()


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


# -- tools ------------------------------------------------------------------------------------------------------------


def _offered(request: ChatRequest) -> Sequence[Tool]:
    """Return the tools: of those that a choice must be made among, no others, because look-alikes know no such choice."""
    choice = request.tool_choice
    if choice is None or choice.mode != "required" or not choice.names:
        return request.tools
    return [tool for tool in request.tools if tool.name in choice.names]


def _tool(tool: Tool, profile: Profile, losses: list[Loss]) -> dict[str, Any]:
    if tool.cache:
        losses.append(Loss(field=f"tools.{tool.name}.cache_control", grave=False))
    described: dict[str, Any] = {"name": tool.name}
    if tool.description:
        described["description"] = tool.description
    if tool.custom and profile.custom_tools:
        return {"type": "custom", "custom": described}
    if tool.custom:
        described["parameters"] = {
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
        }
    elif tool.parameters is not None:
        described["parameters"] = tool.parameters
    if tool.strict is not None and profile.strict_tools:
        described["strict"] = tool.strict
    elif tool.strict:
        losses.append(Loss(field=f"tools.{tool.name}.strict", grave=False))
    return {"type": "function", "function": described}


def _choice(choice: ToolChoice, offered: Sequence[Tool], profile: Profile) -> Any:
    if choice.mode != "named":
        return choice.mode
    name = choice.names[0]
    custom = profile.custom_tools and any(tool.custom and tool.name == name for tool in offered)
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}


# -- reasoning, sampling and format -----------------------------------------------------------------------------------


def _effort(request: ChatRequest, profile: Profile, losses: list[Loss]) -> str:
    """Return the effort in the provider's and the model's words; empty: nothing is said of it."""
    if request.reasoning is None:
        return ""
    budget = request.reasoning.budget_tokens
    asked = "none" if budget == 0 else request.reasoning.effort or effort_of(budget)
    known = family(request.model).efforts
    known = profile.efforts if known is None else tuple(each for each in known if each in profile.efforts)
    effort = nearest(asked, known) if asked and profile.reasoning_effort else ""
    if asked and effort != asked and not (asked == "none" and not known):
        losses.append(Loss(field="reasoning_effort", grave=False))
    return effort


def _sampling(request: ChatRequest, effort: str, losses: list[Loss]) -> dict[str, Any]:
    """Return how words are chosen, and what is told of it; without what a model that reasons refuses."""
    asked: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "logprobs": None if request.logprobs is None else True,
    }
    taken = family(request.model).sampling
    if taken == "always" or (taken == "unless reasoning" and effort in {"", "none"}):
        return {**asked, "top_logprobs": request.logprobs or None}
    losses += [
        Loss(field=name, grave=name not in _NOT_GRAVE)
        for name, usual in _SAMPLING.items()
        if asked[name] not in (None, usual)
    ]
    return {}


def _format(output: OutputFormat, profile: Profile, losses: list[Loss]) -> dict[str, Any]:
    if output.json_schema is None:
        return {"type": "json_object"}
    if not profile.json_schema:
        losses.append(Loss(field="response_format.json_schema", grave=True))
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": output.name or "answer", "schema": output.json_schema}
    if output.description:
        described["description"] = output.description
    if output.strict is not None:
        described["strict"] = output.strict
    return {"type": "json_schema", "json_schema": described}
