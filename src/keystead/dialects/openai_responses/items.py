"""Output items and the response around them, as both whole answers and streams write them. Pure."""

from typing import Any, Final

from keystead.dialects.openai_responses import seals
from keystead.domain.chat import Citation, Finish, Sealed, ToolCall, ToolCallStarted
from keystead.domain.usage import Usage

INCOMPLETE: Final = {Finish.LENGTH: "max_output_tokens", Finish.REFUSED: "content_filter"}


def response(
    identifier: str, *, model: str, created_s: int, status: str, output: list[dict[str, Any]], usage: Usage | None
) -> dict[str, Any]:
    """Return a response object. What the caller asked for is not repeated in it, but for what the SDKs insist on."""
    return {
        "id": identifier,
        "object": "response",
        "created_at": created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None if usage is None else written_usage(usage),
    }


def written_usage(usage: Usage) -> dict[str, Any]:
    """Return counts in OpenAI's words: cached tokens inside the input's, reasoning inside the output's."""
    cached = usage.cache_read_tokens + usage.cache_read_audio_tokens
    written = (
        usage.cache_write_5m_tokens
        + usage.cache_write_30m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_write_12h_tokens
    )
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_total + usage.output_total,
    }


def ended(body: dict[str, Any], finish: Finish) -> dict[str, Any]:
    """Return a response with why it ended. A refusal in words is a whole answer; one by a filter is not."""
    reason = INCOMPLETE.get(finish)
    if finish is Finish.REFUSED and any(_refuses(item) for item in body["output"]):
        reason = None
    if reason is None:
        return {**body, "status": "completed"}
    return {**body, "status": "incomplete", "incomplete_details": {"reason": reason}}


def _refuses(item: dict[str, Any]) -> bool:
    return any(part.get("type") == "refusal" for part in item.get("content") or ())


def own_id(identifier: str, prefix: str) -> str:
    """Return an id in OpenAI's habit: what another provider calls it, behind the prefix."""
    return identifier if identifier.startswith(prefix) else f"{prefix}{identifier}"


def message(identifier: str, content: list[dict[str, Any]], *, status: str = "completed") -> dict[str, Any]:
    """Return a message item."""
    return {"type": "message", "id": identifier, "status": status, "role": "assistant", "content": content}


def output_text(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a text part."""
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def annotation(citation: Citation) -> dict[str, Any]:
    """Return a citation as an annotation."""
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }


def reasoning(identifier: str, text: str, sealed: Sealed | None, *, redacted: bool = False) -> dict[str, Any]:
    """Return a reasoning item. A seal of another maker stands where OpenAI's own would."""
    item: dict[str, Any] = {
        "type": "reasoning",
        "id": identifier,
        "summary": [{"type": "summary_text", "text": text}] if text else [],
    }
    return item if sealed is None else {**item, "encrypted_content": seals.written(sealed, redacted=redacted)}


def call_prefix(made: ToolCall | ToolCallStarted) -> str:
    """Return how the id of a call's item begins: OpenAI refuses another, when it is sent back."""
    return "ctc" if made.custom else "fc"


def call(
    identifier: str, made: ToolCall | ToolCallStarted, arguments: str, *, status: str = "completed"
) -> dict[str, Any]:
    """Return a tool call. Without an id of its own it has the item's, which no other call of the conversation has."""
    kind, member = ("custom_tool_call", "input") if made.custom else ("function_call", "arguments")
    named = {"name": made.name}
    if made.namespaced is not None:
        named = {"name": made.namespaced.name, "namespace": made.namespaced.namespace}
    return {
        "type": kind,
        "id": identifier,
        "call_id": made.id or identifier,
        **named,
        member: arguments,
        "status": status,
    }
