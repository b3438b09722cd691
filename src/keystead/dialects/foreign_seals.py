"""Other makers' seals in a conversation that goes on with a provider of the caller's own dialect. Pure.

Whoever switches models in the middle of a session sends back what `translating.carry` put into answers of others. The
provider could not read that, and refuses a request for it. So it is taken out, and nothing else is touched: what a
provider alone can do (its hosted tools, its betas) needs no translation and has none.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from keystead.dialects.body import JsonBody, with_members
from keystead.dialects.nesting import decode
from keystead.domain.traffic import Dialect, Endpoint

UNSIGNED_CALL: Final = "skip_thought_signature_validator"
"""What Google documents for calls that Gemini did not make itself: it validates signatures of function calls
(ai.google.dev, "Thought signatures")."""

_EXTRA: Final = "additionalModelRequestFields"
_OURS: Final = "ks1."
_OURS_IN_BASE64: Final = "a3MxL"
_SIGNATURES: Final = frozenset({"thoughtSignature", "thought_signature"})
_MARKS: Final = (f'"{_OURS}'.encode(), f'"{_OURS_IN_BASE64}'.encode())


def without_foreign_seals(body: JsonBody, dialect: Dialect, endpoint: Endpoint) -> JsonBody:
    """Return the body without what others sealed; it is the same one if there is nothing of the kind in it."""
    if not any(mark in body.raw for mark in _MARKS):
        return body
    found = _CONVERSATIONS.get((dialect, endpoint))
    if found is None or found[0] not in body.members:
        return body
    name, clean = found
    try:
        conversation = decode(bytes(body.members[name]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body  # the provider will judge it
    if not isinstance(conversation, list):
        return body
    cleaned = [entry for each in conversation for entry in clean(each)]
    changed: dict[str, msgspec.Raw | None] = {name: msgspec.Raw(msgspec.json.encode(cleaned))}
    if dialect is Dialect.ANTHROPIC and _loop_without_thinking(cleaned) and _thinks_to_a_budget(body):
        changed |= {"thinking": None, "context_management": None}  # the latter may ask to clear thinking
    elif dialect is Dialect.BEDROCK and _loop_without_reasoning(cleaned):
        changed |= _not_to_a_budget(body.members.get(_EXTRA))
    return with_members(body, changed)


def _ours(value: object) -> bool:
    return isinstance(value, str) and value.startswith((_OURS, _OURS_IN_BASE64))


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _item(item: Any) -> Iterator[Any]:
    """OpenAI's responses: a reasoning item is left out."""
    if not isinstance(item, dict) or not _ours(item.get("encrypted_content")):
        yield item


def _chat_message(message: Any) -> Iterator[Any]:
    """OpenAI's chat: an entry of `reasoning_details` is left out."""
    if isinstance(message, dict) and (details := _objects(message.get("reasoning_details"))):
        kept = [each for each in details if not _ours(each.get("data")) and not _ours(each.get("signature"))]
        message = {name: value for name, value in message.items() if name != "reasoning_details"}
        message |= {"reasoning_details": kept} if kept else {}
    yield message


def _message(message: Any) -> Iterator[Any]:
    """Anthropic's messages: a block of thinking is left out, and a message of nothing else with it."""
    if isinstance(message, dict) and (blocks := _objects(message.get("content"))):
        kept = [each for each in blocks if not _is_foreign_thinking(each)]
        if not kept:
            return
        message = message if len(kept) == len(blocks) else {**message, "content": kept}
    yield message


def _is_foreign_thinking(block: dict[str, Any]) -> bool:
    sealed = {"thinking": "signature", "redacted_thinking": "data"}.get(str(block.get("type")))
    return sealed is not None and _ours(block.get(sealed))


def _converse_message(message: Any) -> Iterator[Any]:
    """Bedrock's Converse: a thought is left out, and a message of nothing else with it."""
    if isinstance(message, dict) and (blocks := _objects(message.get("content"))):
        kept = [each for each in blocks if not _is_foreign_reasoning(each.get("reasoningContent"))]
        if not kept:
            return
        message = message if len(kept) == len(blocks) else {**message, "content": kept}
    yield message


def _is_foreign_reasoning(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    said = found.get("reasoningText")
    return _ours(found.get("redactedContent")) or (isinstance(said, dict) and _ours(said.get("signature")))


def _content(content: Any) -> Iterator[Any]:
    """Gemini's contents: the signature is left out, and a part of nothing else with it; a first call needs another."""
    parts = _objects(content.get("parts")) if isinstance(content, dict) else []
    if not any(_ours(part.get(name)) for part in parts for name in _SIGNATURES):
        yield content
        return
    kept = [rest for part in parts if _says_something(rest := _unsigned(part))]
    call = next((part for part in kept if part.keys() & {"functionCall", "function_call"}), None)
    if call is not None and not call.keys() & _SIGNATURES:
        call["thoughtSignature"] = UNSIGNED_CALL
    if kept:
        yield {**content, "parts": kept}


def _unsigned(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in _SIGNATURES or not _ours(value)}


def _says_something(part: dict[str, Any]) -> bool:
    return bool(part.keys() - {"thought", "text"} or part.get("text"))


def _thinks_to_a_budget(body: JsonBody) -> bool:
    thinking = body.members.get("thinking")
    return thinking is not None and b'"enabled"' in bytes(thinking)


def _not_to_a_budget(extra: msgspec.Raw | None) -> dict[str, msgspec.Raw | None]:
    """Return what a request to Bedrock tells Claude in its own words, without thinking to a budget."""
    try:
        told = msgspec.json.decode(extra or b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if b'"enabled"' not in bytes(told.get("thinking", msgspec.Raw())):
        return {}
    kept = {name: value for name, value in told.items() if name != "thinking"}
    return {_EXTRA: msgspec.Raw(msgspec.json.encode(kept))}


def _loop_without_reasoning(messages: list[Any]) -> bool:
    """Say of messages of Converse what `_loop_without_thinking` says of Anthropic's."""
    for message in reversed(messages):
        blocks = _objects(message.get("content")) if isinstance(message, dict) else []
        if any("toolUse" in block for block in blocks):
            return "reasoningContent" not in blocks[0]
    return False


def _loop_without_thinking(messages: list[Any]) -> bool:
    """Say whether the last message with tool calls does not begin with thinking, which a budget insists on."""
    for message in reversed(messages):
        blocks = _objects(message.get("content")) if isinstance(message, dict) else []
        if any(block.get("type") == "tool_use" for block in blocks):
            return str(blocks[0].get("type")) not in {"thinking", "redacted_thinking"}
    return False


_CONVERSATIONS: Final[Mapping[tuple[Dialect, Endpoint], tuple[str, Callable[[Any], Iterator[Any]]]]] = {
    (Dialect.OPENAI, Endpoint.RESPONSES): ("input", _item),
    (Dialect.OPENAI, Endpoint.CHAT): ("messages", _chat_message),
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): ("messages", _message),
    (Dialect.GEMINI, Endpoint.GENERATE): ("contents", _content),
    (Dialect.OPENAI, Endpoint.COUNT_TOKENS): ("input", _item),
    (Dialect.ANTHROPIC, Endpoint.COUNT_TOKENS): ("messages", _message),
    (Dialect.GEMINI, Endpoint.COUNT_TOKENS): ("contents", _content),
    (Dialect.BEDROCK, Endpoint.CONVERSE): ("messages", _converse_message),
}
"""The member that holds a conversation, and what becomes of each entry of it."""
