"""The same conversation held with each official SDK, unchanged but for base URL and key; and what it gives its user."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

import anthropic
import msgspec
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
SYSTEM: Final = "Answer in one word."


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for beside the prompt."""

    tools: bool = False
    image: bool = False
    schema: bool = False
    effort: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the SDK gives its user."""

    text: str
    thought: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    finish: str
    """`stop` or `tools`."""
    input_total: int
    output_total: int
    raw: Any = None
    """The SDK's own object, to be sent back in the next turn."""


class Caller(Protocol):
    """One SDK."""

    @property
    def error(self) -> type[Exception]:
        """What it raises for a refusal; has `status_code` or `code`."""

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        """Ask, with the system prompt."""

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        """Send the answer back with what the tools said, in order."""


class Chat:
    """openai, chat completions."""

    error = openai.APIStatusError

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        return await self._send(model, [{"role": "user", "content": _chat_content(prompt, wish)}], wish, stream=stream)

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        calls = heard.raw.message.tool_calls
        messages = [
            {"role": "user", "content": prompt},
            heard.raw.message.model_dump(exclude_none=True),
            *({"role": "tool", "tool_call_id": c.id, "content": r} for c, r in zip(calls, results, strict=True)),
        ]
        return await self._send(model, messages, Wish(tools=True), stream=False)

    async def _send(self, model: str, messages: list[Any], wish: Wish, *, stream: bool) -> Heard:
        asked: dict[str, Any] = {"model": model, "messages": [{"role": "system", "content": SYSTEM}, *messages]}
        asked["max_completion_tokens"] = 500
        if wish.tools:
            asked["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
        if wish.schema:
            asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
        if wish.effort:
            asked["reasoning_effort"] = "low"
        if stream:
            return await self._streamed(asked)
        answer = await self._client.chat.completions.create(**asked)
        return _chat_heard(answer.choices[0], answer.usage)

    async def _streamed(self, asked: dict[str, Any]) -> Heard:
        asked["stream_options"] = {"include_usage": True}
        thought = ""
        async with self._client.chat.completions.stream(**asked) as events:
            async for event in events:
                if event.type == "chunk" and event.chunk.choices:
                    thought += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
            final = await events.get_final_completion()
        heard = _chat_heard(final.choices[0], final.usage)
        return msgspec.structs.replace(heard, thought=thought)


def _chat_content(prompt: str, wish: Wish) -> Any:
    if not wish.image:
        return prompt
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    return [{"type": "text", "text": prompt}, picture]


def _chat_heard(choice: Any, usage: Any) -> Heard:
    calls = choice.message.tool_calls or []
    return Heard(
        text=choice.message.content or "",
        thought=getattr(choice.message, "reasoning_content", None) or "",
        calls=tuple((call.function.name, json.loads(call.function.arguments)) for call in calls),
        finish={"tool_calls": "tools"}.get(choice.finish_reason, choice.finish_reason),
        input_total=usage.prompt_tokens,
        output_total=usage.completion_tokens,
        raw=choice,
    )


class Responses:
    """openai, responses."""

    error = openai.APIStatusError

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        content: list[Any] = [{"type": "input_text", "text": prompt}]
        if wish.image:
            picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
            content.append(picture)
        return await self._send(model, [{"role": "user", "content": content}], wish, stream=stream)

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        output = [item.model_dump(exclude_none=True) for item in heard.raw.output]
        calls = [item for item in output if item["type"] == "function_call"]
        given = [
            {"type": "function_call_output", "call_id": call["call_id"], "output": result}
            for call, result in zip(calls, results, strict=True)
        ]
        return await self._send(
            model, [{"role": "user", "content": prompt}, *output, *given], Wish(tools=True), stream=False
        )

    async def _send(self, model: str, items: list[Any], wish: Wish, *, stream: bool) -> Heard:
        asked: dict[str, Any] = {
            "model": model,
            "instructions": SYSTEM,
            "input": items,
            "max_output_tokens": 500,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        if wish.tools:
            asked["tools"] = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
        if wish.schema:
            asked["text"] = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}
        if wish.effort:
            asked["reasoning"] = {"effort": "low", "summary": "auto"}
        if stream:
            async with self._client.responses.stream(**asked) as events:
                return _response_heard(await events.get_final_response())
        return _response_heard(await self._client.responses.create(**asked))


def _response_heard(answer: Any) -> Heard:
    calls = tuple((i.name, json.loads(i.arguments)) for i in answer.output if i.type == "function_call")
    thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
    assert answer.status == "completed"
    return Heard(
        text=answer.output_text,
        thought="".join(thoughts),
        calls=calls,
        finish="tools" if calls else "stop",
        input_total=answer.usage.input_tokens,
        output_total=answer.usage.output_tokens,
        raw=answer,
    )


class Messages:
    """anthropic."""

    error = anthropic.APIStatusError

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        content: list[Any] = [{"type": "text", "text": prompt}]
        if wish.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content.append({"type": "image", "source": source})
        return await self._send(model, [{"role": "user", "content": content}], wish, stream=stream)

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        content = [block.model_dump(exclude_none=True) for block in heard.raw.content]
        calls = [block for block in content if block["type"] == "tool_use"]
        given = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": result}
            for call, result in zip(calls, results, strict=True)
        ]
        messages = [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": content},
            {"role": "user", "content": given},
        ]
        return await self._send(model, messages, Wish(tools=True), stream=False)

    async def _send(self, model: str, messages: list[Any], wish: Wish, *, stream: bool) -> Heard:
        asked: dict[str, Any] = {"model": model, "max_tokens": 5000, "system": SYSTEM, "messages": messages}
        if wish.tools:
            asked["tools"] = [{"name": "weather", "input_schema": SCHEMA}]
        if wish.schema:
            asked["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if wish.effort:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if stream:
            async with self._client.messages.stream(**asked) as events:
                return _message_heard(await events.get_final_message())
        return _message_heard(await self._client.messages.create(**asked))


def _message_heard(answer: Any) -> Heard:
    usage = answer.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Heard(
        text="".join(block.text for block in answer.content if block.type == "text"),
        thought="".join(block.thinking for block in answer.content if block.type == "thinking"),
        calls=tuple((block.name, block.input) for block in answer.content if block.type == "tool_use"),
        finish={"tool_use": "tools", "end_turn": "stop"}.get(answer.stop_reason, answer.stop_reason),
        input_total=usage.input_tokens + cached,
        output_total=usage.output_tokens,
        raw=answer,
    )


class Genai:
    """google-genai."""

    error = genai_errors.APIError

    def __init__(self, client: genai.Client) -> None:
        self._client = client

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        parts: list[Any] = [{"text": prompt}]
        if wish.image:
            parts.append({"inline_data": {"mime_type": "image/png", "data": PIXEL}})
        return await self._send(model, [{"role": "user", "parts": parts}], wish, stream=stream)

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        given = [
            {"function_response": {"name": call.name, "response": {"output": result}, "id": call.id}}
            for call, result in zip(heard.raw.function_calls, results, strict=True)
        ]
        contents = [
            {"role": "user", "parts": [{"text": prompt}]},
            heard.raw.candidates[0].content,
            {"role": "user", "parts": given},
        ]
        return await self._send(model, contents, Wish(tools=True), stream=False)

    async def _send(self, model: str, contents: list[Any], wish: Wish, *, stream: bool) -> Heard:
        config: dict[str, Any] = {"system_instruction": SYSTEM, "max_output_tokens": 500}
        if wish.tools:
            declared = {"name": "weather", "parameters_json_schema": SCHEMA}
            config["tools"] = [{"function_declarations": [declared]}]
            config["automatic_function_calling"] = {"disable": True}
        if wish.schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
        if wish.effort:
            config["thinking_config"] = {"thinking_level": "low", "include_thoughts": True}
        models = self._client.aio.models
        if not stream:
            return _generated([await models.generate_content(model=model, contents=contents, config=config)])  # type: ignore[arg-type]
        stream_of = await models.generate_content_stream(model=model, contents=contents, config=config)  # type: ignore[arg-type]
        return _generated([piece async for piece in stream_of])


def _generated(pieces: list[genai_types.GenerateContentResponse]) -> Heard:
    parts = [
        part
        for piece in pieces
        for candidate in piece.candidates or ()
        for part in (candidate.content.parts if candidate.content else None) or ()
    ]
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata][-1]
    calls = [part.function_call for part in parts if part.function_call]
    finishes = [c.finish_reason for piece in pieces for c in piece.candidates or () if c.finish_reason]
    assert [finish.name for finish in finishes] == ["STOP"]
    return Heard(
        text="".join(part.text or "" for part in parts if not part.thought),
        thought="".join(part.text or "" for part in parts if part.thought),
        calls=tuple((call.name or "", dict(call.args or {})) for call in calls),
        finish="tools" if calls else "stop",
        input_total=usage.prompt_token_count or 0,
        output_total=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        raw=pieces[0] if len(pieces) == 1 else None,
    )


async def callers(url: str, key: str, stack: AsyncExitStack) -> Mapping[str, Caller]:
    """Return each SDK, pointed at a gateway."""
    openai_client = await stack.enter_async_context(
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    )
    anthropic_client = await stack.enter_async_context(
        anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0)
    )
    client = genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=url))
    return {
        "openai chat": Chat(openai_client),
        "openai responses": Responses(openai_client),
        "anthropic": Messages(anthropic_client),
        "google-genai": Genai(client),
    }
