"""Turns of a conversation, written as Anthropic's messages. Pure.

User and assistant alternate there, results stand first in the user message after their calls, and no text is blank.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.nesting import decode
from keystead.dialects.unnamed_calls import UnnamedCalls
from keystead.domain.chat import Loss, Maker, Media, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_TEXTS: Final = re.compile(r"text/[\w.+-]+|application/(?:json|xml|yaml|x-yaml|javascript)")
"""Documents that are text, whatever they are called."""
_OWN_FILE: Final = "file_"
"""How Anthropic's file ids begin; another provider's file it cannot read."""
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
"""What a tool use's id must not hold."""


class Turns:
    """Writes turns; knows the ids of calls, and what was left out so far."""

    def __init__(self, losses: list[Loss]) -> None:
        self._losses = losses
        self._unnamed = UnnamedCalls("toolu_")

    def instructions(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Write the system turns at the head of a conversation."""
        return [block for number, turn in enumerate(turns) for block in self._content(number, turn)]

    def messages(self, turns: Sequence[Turn], first: int) -> list[dict[str, Any]]:
        """Write the other turns, of which the first has the number `first`."""
        messages: list[dict[str, Any]] = []
        for number, turn in enumerate(turns, first):
            role = "assistant" if turn.role == "assistant" else "user"
            content = list(self._content(number, turn))
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += content
            elif content:
                messages.append({"role": role, "content": content})
        for message in messages:
            if message["role"] == "user":
                message["content"].sort(key=lambda block: block["type"] != "tool_result")
        return messages

    def _content(self, number: int, turn: Turn) -> Iterator[dict[str, Any]]:
        place = f"messages[{number}]"
        if turn.name:
            self._losses.append(Loss(field=f"{place}.name", grave=False))
        for index, part in enumerate(turn.parts):
            block = self._block(part, f"{place}.content[{index}]")
            if block is None:
                continue
            if turn.role != "user" and block["type"] in {"image", "document"}:
                self._losses.append(Loss(field=f"{place}.content[{index}]", grave=True))
                continue
            yield block

    def _block(self, part: Part, place: str) -> dict[str, Any] | None:
        match part:
            case Text():
                return self._text(part, place)
            case Media():
                return self._media(part, place)
            case ToolCall():
                call = {"type": "tool_use", "id": self._id_of_call(part), "name": part.name, "input": tool_input(part)}
                return call | marked(part.cache)
            case ToolResult():
                return self._result(part, place)
            case Thinking():
                return self._thinking(part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None

    def _text(self, part: Text, place: str) -> dict[str, Any] | None:
        if part.citations:
            self._losses.append(Loss(field=f"{place}.citations", grave=False))
        if not part.text.strip():  # Anthropic refuses blank texts
            if part.text or part.cache:
                self._losses.append(Loss(field=place, grave=False))
            return None
        return {"type": "text", "text": part.text} | marked(part.cache)

    def _media(self, part: Media, place: str) -> dict[str, Any] | None:
        source = _source(part)
        if source is None:
            self._losses.append(Loss(field=place, grave=True))
            return None
        if part.detail not in {"", "auto"}:
            self._losses.append(Loss(field=f"{place}.detail", grave=False))
        title = {"title": part.name} if part.name and part.kind == "document" else {}
        return {"type": part.kind, "source": source} | title | marked(part.cache)

    def _thinking(self, part: Thinking) -> dict[str, Any] | None:
        if part.sealed is None or part.sealed.maker is not Maker.ANTHROPIC:
            self._losses.append(Loss(field="thinking", grave=False))
            return None
        sealed = seals.signature(part.sealed)
        if part.redacted:
            return {"type": "redacted_thinking", "data": sealed}
        return {"type": "thinking", "thinking": part.text, "signature": sealed}

    def _result(self, part: ToolResult, place: str) -> dict[str, Any]:
        content = [
            block
            for index, each in enumerate(part.parts)
            if (block := self._block(each, f"{place}.content[{index}]")) is not None
        ]
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": self._id_of_result(part)}
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            result["content"] = content[0]["text"]
        elif content:
            result["content"] = content
        if part.is_error:
            result["is_error"] = True
        return result | marked(part.cache)

    def _id_of_call(self, call: ToolCall) -> str:
        return _fit(call.id) if call.id else self._unnamed.called(call.name)

    def _id_of_result(self, result: ToolResult) -> str:
        return _fit(result.call_id) if result.call_id else self._unnamed.answered(result.name)


def marked(cache: str) -> dict[str, Any]:
    """Return a prompt-cache mark as a member of what it stands behind."""
    if not cache:
        return {}
    return {"cache_control": {"type": "ephemeral", **({"ttl": "1h"} if cache == "1h" else {})}}


def tool_input(call: ToolCall) -> Any:
    """Return a call's arguments as an object; what the model wrote otherwise stands in one."""
    try:
        arguments = decode(call.arguments or "{}")
    except msgspec.DecodeError:
        return {"input": call.arguments}
    if call.custom or not isinstance(arguments, dict):
        return {"input": call.arguments}
    return msgspec.Raw(call.arguments.encode()) if call.arguments else {}


def _fit(identifier: str) -> str:
    return _UNFIT.sub("_", identifier)


def _source(part: Media) -> dict[str, Any] | None:
    """Return where a picture or a document is; None: Anthropic takes no such thing."""
    if part.kind not in {"image", "document"}:
        return None
    if part.file_id:
        return {"type": "file", "file_id": part.file_id} if part.file_id.startswith(_OWN_FILE) else None
    if part.url:
        return {"type": "url", "url": part.url} if part.url.startswith(("https://", "http://")) else None
    whole = {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.kind == "image":
        return whole if part.media_type in _IMAGES else None
    if part.media_type == "application/pdf":
        return whole
    return _plain(part) if _TEXTS.fullmatch(part.media_type) else None


def _plain(part: Media) -> dict[str, Any] | None:
    try:
        text = base64.b64decode(part.data, validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    return {"type": "text", "media_type": "text/plain", "data": text}
