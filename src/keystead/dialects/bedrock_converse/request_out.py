"""Requests of Bedrock's Converse, written. Pure. The model stands in the path, and whether to stream."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages.reasoning_out import Thought, reasoning
from keystead.dialects.anthropic_messages.request_out import ONLY_JSON, input_schema, no_word_for, offered
from keystead.dialects.anthropic_messages.sampling_out import sampling
from keystead.dialects.anthropic_messages.schema import closed
from keystead.dialects.bedrock_converse.models import model_of
from keystead.dialects.bedrock_converse.turns_out import Json, Turns
from keystead.dialects.translating import Profile, Written
from keystead.domain.chat import ChatRequest, Loss, Reasoning, Tool, ToolChoice

_MOST_MARKS: Final = 4
"""Cache points that are taken."""
_MODES: Final = {"auto": "auto", "required": "any", "named": "tool"}
_ANY_ARGUMENTS: Final = {"type": "object"}
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
"""The nearest that models other than Claude know."""


def write_request(request: ChatRequest, profile: Profile) -> Written:
    """Write a body of Converse (see `Translator.write_request`)."""
    return _Writing(request, profile).written()


class _Writing:
    """One request, and what was left out so far."""

    def __init__(self, request: ChatRequest, profile: Profile) -> None:
        self._request = request
        self._profile = profile
        self._model = model_of(request.model)
        self._losses: list[Loss] = []
        self._turns = Turns(self._model, self._losses)
        self._extra: dict[str, Any] = {}
        """What the model's maker has a word for, and Converse none."""

    def written(self) -> Written:
        """Return the body."""
        body = self._said()
        body |= self._tools()
        thought = self._thought(body["messages"])
        body |= self._inference(thought)
        body |= self._output_config(thought)
        if self._extra:
            body["additionalModelRequestFields"] = self._extra
        self._losses += no_word_for(self._request)
        if self._request.end_user:
            self._lose("user")
        self._thin_marks(body)
        return Written(body=msgspec.json.encode(body), losses=tuple(dict.fromkeys(self._losses)))

    def _lose(self, field: str, *, grave: bool = False) -> None:
        self._losses.append(Loss(field=field, grave=grave))

    def _said(self) -> Json:
        """Write the instructions and the messages."""
        turns, output = self._request.turns, self._request.output
        leading = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
        if leading == len(turns):  # a message is wanted
            leading = max(leading - 1, 0)
        for number in range(leading, len(turns)):
            if turns[number].role == "system":
                self._lose(f"messages[{number}].role")
        system = self._turns.instructions(turns[:leading])
        if output is not None and output.json_schema is None:
            system.append({"text": ONLY_JSON})
            self._lose("response_format")
        messages = self._turns.messages(turns[leading:], leading)
        return {**({"system": system} if system else {}), "messages": messages}

    def _tools(self) -> Json:
        """Write which tools may be called.

        Converse refuses calls in a conversation that offers no tools, and has no word for "call none". Claude is told so
        in its own words; another model is offered no tools, if the conversation lets it.
        """
        request = self._request
        choice = request.tool_choice or ToolChoice(mode="auto")
        tools = offered(request)
        silent = choice.mode == "none" or not tools
        if silent and not self._turns.called and not (tools and self._model.is_claude):
            return {}
        if silent and self._model.is_claude:
            self._extra["tool_choice"] = {"type": "none"}
        elif silent and tools:
            self._lose("tool_choice", grave=True)
        if tools:
            specs = [each for tool in tools for each in self._tool(tool)]
        else:
            inert = {"inputSchema": {"json": _ANY_ARGUMENTS}}
            specs = [{"toolSpec": {"name": name, **inert}} for name in self._turns.called]
        config: Json = {"tools": specs}
        if request.tool_choice is not None and not silent:
            config["toolChoice"] = {_MODES[choice.mode]: {"name": choice.names[0]} if choice.mode == "named" else {}}
        if request.parallel_tool_calls is False and tools:
            self._lose("parallel_tool_calls")
        return {"toolConfig": config}

    def _tool(self, tool: Tool) -> Iterator[Json]:
        spec: Json = {"name": tool.name}
        if tool.description:
            spec["description"] = tool.description
        spec["inputSchema"] = {"json": input_schema(tool)}
        if tool.strict and self._model.schema:
            spec["inputSchema"] = {"json": closed(msgspec.Raw(msgspec.json.encode(input_schema(tool))))}
            spec["strict"] = True
        elif tool.strict:
            self._lose(f"tools.{tool.name}.strict")
        yield {"toolSpec": spec}
        if tool.cache and not self._model.caches_tools:
            self._lose(f"tools.{tool.name}.cache_control")
        else:
            yield from self._turns.cache_point(tool.cache, f"tools.{tool.name}.cache_control")

    def _thought(self, messages: list[Json]) -> Thought | None:
        """Write how much the model may think, in its maker's words; None for one that is no Claude."""
        if not self._model.is_claude:
            if self._request.reasoning is not None:
                self._effort(self._request.reasoning)
            return None
        thought = reasoning(
            self._request,
            self._model.claude,
            thoughtless_loop=_loop_without_thinking(messages),
            default_limit=self._model.claude.limit or self._profile.default_max_tokens,
        )
        self._losses += thought.losses
        if thought.thinking is not None:
            self._extra["thinking"] = thought.thinking
        return thought

    def _effort(self, asked: Reasoning) -> None:
        silent = asked.budget_tokens == 0 or asked.effort == "none"
        effort = _EFFORTS.get(asked.effort, "medium")
        if not self._model.efforts or (silent and self._model.maker != "amazon"):
            self._lose("reasoning_effort")
        elif self._model.maker != "amazon":
            self._extra["reasoning_effort"] = effort
        elif not silent:  # Nova 2 thinks hard only if it may write as much and as freely as it likes
            told = (self._request.max_output_tokens, self._request.temperature, self._request.top_p)
            bound = effort == "high" and any(each is not None for each in told)
            self._extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": "medium" if bound else effort}

    def _inference(self, thought: Thought | None) -> Json:
        """Write the limit, and how answers are drawn."""
        request = self._request
        config: Json = {}
        limit = request.max_output_tokens if thought is None else thought.max_tokens
        if limit is not None:
            config["maxTokens"] = limit
        by_budget = thought is not None and thought.by_budget
        drawn = sampling(request, self._model.claude, by_budget=by_budget, losses=self._losses)
        config |= {
            ours: drawn[name] for name, ours in (("temperature", "temperature"), ("top_p", "topP")) if name in drawn
        }
        if "top_k" in drawn and self._model.is_claude:
            self._extra["top_k"] = drawn["top_k"]
        elif "top_k" in drawn and self._model.maker == "amazon":
            self._extra["inferenceConfig"] = {"topK": drawn["top_k"]}
        elif "top_k" in drawn:
            self._lose("top_k")
        stop = [each for each in request.stop if each.strip()]
        if len(stop) < len(request.stop):  # blank ones are refused
            self._lose("stop", grave=True)
        if stop:
            config["stopSequences"] = stop
        return {"inferenceConfig": config} if config else {}

    def _output_config(self, thought: Thought | None) -> Json:
        config: Json = {}
        if thought is not None and thought.effort:
            config["effort"] = thought.effort
        output = self._request.output
        if output is not None and output.json_schema is not None and not self._model.schema:
            self._lose("response_format", grave=True)
        elif output is not None and output.json_schema is not None:
            schema: Json = {"schema": bytes(closed(output.json_schema)).decode()}
            schema |= {name: said for name in ("name", "description") if (said := getattr(output, name))}
            config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        return {"outputConfig": config} if config else {}

    def _thin_marks(self, body: Json) -> None:
        """Keep the last cache points of too many, and no long-lived one behind a short-lived one."""
        lists: list[list[Json]] = [body.get("toolConfig", {}).get("tools", []), body.get("system", [])]
        lists += [message["content"] for message in body["messages"]]
        marks = [(blocks, block) for blocks in lists for block in blocks if "cachePoint" in block]
        for blocks, mark in marks[:-_MOST_MARKS]:
            blocks[:] = [block for block in blocks if block is not mark]
            self._lose("cache_control")
        short = False
        for _, mark in marks[-_MOST_MARKS:]:
            if short and mark["cachePoint"].pop("ttl", None) is not None:
                self._lose("cache_control")
            short = "ttl" not in mark["cachePoint"]


def _loop_without_thinking(messages: list[Json]) -> bool:
    """Say whether the last message with tool calls does not begin with thinking."""
    for message in reversed(messages):
        if message["role"] == "assistant" and any("toolUse" in block for block in message["content"]):
            return "reasoningContent" not in message["content"][0]
    return False
