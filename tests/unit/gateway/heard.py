"""What is said in an answer, read by whoever holds its dialect's documentation; nothing here is shared with the product."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from botocore.eventstream import EventStreamBuffer

from keystead.domain.traffic import Dialect, Endpoint

Wire = tuple[Dialect, Endpoint]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the first choice of an answer says."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    """Name and arguments of the caller's own tools."""
    finish: str = ""
    """`stop`, `tools`, `length`, `filter` or the provider's own word; empty: it did not end."""
    error: bool = False
    """Whether it tells of a failure."""
    tokens: tuple[int, int] | None = None
    """Everything read and everything written, as the dialect counts them."""


FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "STOP": "stop",
    "eos": "stop",
    "tool_use": "tools",
    "tool_calls": "tools",
    "function_call": "tools",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "max_output_tokens": "length",
    "content_filter": "filter",
    "content_filtered": "filter",
    "guardrail_intervened": "filter",
    "refusal": "filter",
    "SAFETY": "filter",
    "RECITATION": "filter",
    "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter",
    "SPII": "filter",
    "LANGUAGE": "filter",
}


def heard(wire: Wire, body: bytes, *, stream: bool) -> Heard:
    """Return what an answer says."""
    pieces = _frames(body) if stream and wire[0] is Dialect.BEDROCK else _events(body) if stream else _whole(body)
    found = _READERS[wire](list(pieces), stream)
    calls = tuple((name, _arguments(arguments)) for name, arguments in found.calls)
    finish = FINISHES.get(found.finish, found.finish)
    return msgspec.structs.replace(found, calls=calls, finish="tools" if calls and finish == "stop" else finish)


def _whole(body: bytes) -> Iterator[dict[str, Any]]:
    yield json.loads(body)


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
        if lines and lines != [b"[DONE]"]:
            yield json.loads(b"\n".join(lines))


def _frames(body: bytes) -> Iterator[dict[str, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    for frame in buffer:
        kind = frame.headers.get(":event-type") or frame.headers[":exception-type"]
        yield {kind: json.loads(frame.payload)}


def _arguments(text: Any) -> Any:
    """Return arguments as they are meant: none at all are an empty object, what is no object stands in one."""
    if not isinstance(text, str):
        return text or {}
    try:
        return json.loads(text or "{}") or {}
    except ValueError:
        return {"input": text}


# -- OpenAI -----------------------------------------------------------------------------------------------------------


def _chat(pieces: list[dict[str, Any]], stream: bool) -> Heard:
    text, finish, refused, tokens = "", "", False, None
    calls: dict[Any, list[str]] = {}
    for piece in pieces:
        if usage := piece.get("usage") or (piece.get("x_groq") or {}).get("usage"):
            tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        for choice in piece.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            said = choice.get("delta" if stream else "message") or {}
            text += _chat_text(said.get("content")) + (said.get("refusal") or "")
            refused = refused or bool(said.get("refusal"))
            for number, call in enumerate(said.get("tool_calls") or ()):
                kind = call.get("function") or call.get("custom") or {}
                known = calls.setdefault(call.get("index", number) if stream else number, ["", ""])
                known[0] = known[0] or kind.get("name") or ""
                arguments = kind.get("arguments") or kind.get("input") or ""
                known[1] += arguments if isinstance(arguments, str) else json.dumps(arguments)
            finish = choice.get("finish_reason") or finish
    failed = any(piece.get("error") for piece in pieces) or finish == "error"
    finish = "content_filter" if refused and finish == "stop" else finish
    return Heard(text=text, calls=tuple((n, a) for n, a in calls.values()), finish=finish, error=failed, tokens=tokens)


def _chat_text(content: Any) -> str:
    if isinstance(content, list):  # Mistral, once it thinks
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


def _responses(pieces: list[dict[str, Any]], stream: bool) -> Heard:
    ends = ("response.completed", "response.incomplete", "response.failed")
    response = next((p["response"] for p in reversed(pieces) if p.get("type") in ends), {}) if stream else pieces[0]
    items = response.get("output") or [p["item"] for p in pieces if p.get("type") == "response.output_item.done"]
    parts = [part for item in items if item["type"] == "message" for part in item.get("content") or ()]
    calls = tuple(
        (item["name"], item.get("arguments", item.get("input")))
        for item in items
        if item["type"] in {"function_call", "custom_tool_call"}
    )
    refused = any(part.get("refusal") for part in parts)
    reason = (response.get("incomplete_details") or {}).get("reason") or ("content_filter" if refused else None)
    usage = response.get("usage") or {}
    return Heard(
        text="".join(part.get("text") or part.get("refusal") or "" for part in parts),
        calls=calls,
        finish=reason or {"completed": "stop", "failed": ""}.get(response.get("status", ""), ""),
        error=bool(response.get("error")) or any(p.get("type") == "error" or p.get("error") for p in pieces),
        tokens=(usage["input_tokens"], usage["output_tokens"]) if usage else None,
    )


# -- the others -------------------------------------------------------------------------------------------------------


def _messages(pieces: list[dict[str, Any]], stream: bool) -> Heard:
    if not stream:
        answer = pieces[0]
        return Heard(
            text="".join(b["text"] for b in answer["content"] if b["type"] == "text") + _explained(answer),
            calls=tuple((block["name"], block["input"]) for block in answer["content"] if block["type"] == "tool_use"),
            finish=answer.get("stop_reason") or "",
            error=answer.get("type") == "error",
            tokens=_cached(answer.get("usage") or {}),
        )
    text, finish = "", ""
    usage: dict[str, Any] = {}
    calls: dict[int, list[str]] = {}
    for piece in pieces:
        match piece:
            case {"type": "message_start", "message": message}:
                usage |= message.get("usage") or {}
            case {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use"} as block}:
                calls[index] = [block["name"], json.dumps(block["input"]) if block.get("input") else ""]
            case {"type": "content_block_start", "content_block": {"type": "text", "text": said}}:
                text += said
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": said}}:
                text += said
            case {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta"} as delta}:
                if index in calls:
                    calls[index][1] += delta["partial_json"]
            case {"type": "message_delta", "delta": delta}:
                finish = delta.get("stop_reason") or finish
                text += _explained(delta)
                usage |= {name: count for name, count in (piece.get("usage") or {}).items() if count is not None}
    failed = any(piece.get("type") == "error" for piece in pieces)
    made = tuple((name, arguments) for name, arguments in calls.values())
    return Heard(text=text, calls=made, finish=finish, error=failed, tokens=_cached(usage))


def _explained(answer: Mapping[str, Any]) -> str:
    return (answer.get("stop_details") or {}).get("explanation") or ""


def _cached(usage: Mapping[str, Any]) -> tuple[int, int]:
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage.get(name) or 0 for name in names), usage.get("output_tokens") or 0


def _generate(pieces: list[dict[str, Any]], _: bool) -> Heard:
    text, finish, tokens = "", "", None
    calls: list[tuple[str, Any]] = []
    for piece in pieces:
        if usage := piece.get("usageMetadata"):
            written = (usage.get("candidatesTokenCount") or 0) + (usage.get("thoughtsTokenCount") or 0)
            tokens = ((usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0), written)
        if (piece.get("promptFeedback") or {}).get("blockReason"):
            finish = "filter"
        for candidate in piece.get("candidates") or ():
            if candidate.get("index", 0) != 0:
                continue
            for part in (candidate.get("content") or {}).get("parts") or ():
                text += part.get("text", "") if not part.get("thought") else ""
                if call := part.get("functionCall"):
                    calls.append((call["name"], call.get("args") or {}))
            finish = candidate.get("finishReason") or finish
    return Heard(
        text=text, calls=tuple(calls), finish=finish, error=any("error" in piece for piece in pieces), tokens=tokens
    )


def _converse(pieces: list[dict[str, Any]], stream: bool) -> Heard:
    if not stream:
        answer = pieces[0]
        content = answer["output"]["message"].get("content") or ()
        return Heard(
            text="".join(part.get("text", "") for block in content for part in _cited(block)),
            calls=tuple((use["name"], use.get("input")) for b in content if _asks(use := b.get("toolUse", {}))),
            finish=answer["stopReason"],
            tokens=_converse_tokens(answer["usage"]),
        )
    text, finish, failed, tokens = "", "", False, None
    calls: dict[int, list[str]] = {}
    for piece in pieces:
        match piece:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}} if _asks(use):
                calls[index] = [use["name"], ""]
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": more}}}}:
                if index in calls:
                    calls[index][1] += more
            case {"contentBlockDelta": {"delta": {"text": more}}}:
                text += more
            case {"messageStop": {"stopReason": finish}}:
                pass
            case {"metadata": {"usage": usage}}:
                tokens = _converse_tokens(usage)
            case _:
                failed = failed or any(name.endswith("Exception") for name in piece)
    made = tuple((name, arguments) for name, arguments in calls.values())
    return Heard(text=text, calls=made, finish=finish, error=failed, tokens=tokens)


def _cited(block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pieces of text of a block: with sources, they stand beside those."""
    return block["citationsContent"].get("content") or [] if "citationsContent" in block else [block]


def _asks(use: Mapping[str, Any]) -> bool:
    """Say whether a tool is the caller's to run, and not one of Amazon's own."""
    return bool(use) and use.get("type") != "server_tool_use"


def _converse_tokens(usage: Mapping[str, int]) -> tuple[int, int]:
    names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    return sum(usage.get(name) or 0 for name in names), usage.get("outputTokens") or 0


_READERS: Final[Mapping[Wire, Callable[[list[dict[str, Any]], bool], Heard]]] = {
    (Dialect.OPENAI, Endpoint.CHAT): _chat,
    (Dialect.OPENAI, Endpoint.RESPONSES): _responses,
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): _messages,
    (Dialect.GEMINI, Endpoint.GENERATE): _generate,
    (Dialect.BEDROCK, Endpoint.CONVERSE): _converse,
}
