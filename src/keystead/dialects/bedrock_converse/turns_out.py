"""Turns of a conversation, written as Converse's messages. Pure.

User and assistant alternate there, the user first; results stand first in the message after their calls; no text is
blank; and a document never stands without a text.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.anthropic_messages.turns_out import tool_input
from keystead.dialects.bedrock_converse import media
from keystead.dialects.bedrock_converse.models import Model
from keystead.dialects.unnamed_calls import UnnamedCalls
from keystead.domain.chat import Loss, Maker, Media, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn

Json = dict[str, Any]

_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
"""What a call's id must not hold."""
_LONGEST_ID: Final = 64
_FIRST_WORDS: Final = "Continue."
"""The user's, where a conversation begins with the assistant."""


class Turns:
    """Writes turns; knows the ids of calls, the names of documents, and what was left out so far."""

    def __init__(self, model: Model, losses: list[Loss]) -> None:
        self.called: dict[str, None] = {}
        """Names of the tools that were called, in their order."""
        self._model = model
        self._losses = losses
        self._documents: set[str] = set()
        self._unnamed = UnnamedCalls("tooluse_")

    def instructions(self, turns: Sequence[Turn]) -> list[Json]:
        """Write the system turns at the head of a conversation."""
        return [block for number, turn in enumerate(turns) for group in self._content(number, turn) for block in group]

    def messages(self, turns: Sequence[Turn], first: int) -> list[Json]:
        """Write the other turns, of which the first has the number `first`."""
        sides: list[tuple[str, list[list[Json]]]] = []
        for number, turn in enumerate(turns, first):
            role = "assistant" if turn.role == "assistant" else "user"
            groups = list(self._content(number, turn))
            if sides and sides[-1][0] == role:
                sides[-1][1].extend(groups)
            elif groups:
                sides.append((role, groups))
        messages = [{"role": role, "content": _in_order(role, groups)} for role, groups in sides]
        if not messages or messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": [{"text": _FIRST_WORDS}]})
        return messages

    def _content(self, number: int, turn: Turn) -> Iterator[list[Json]]:
        """Yield each part as its block, with the cache point behind it."""
        place = f"messages[{number}]"
        if turn.name:
            self._losses.append(Loss(field=f"{place}.name", grave=False))
        for index, part in enumerate(turn.parts):
            where = f"{place}.content[{index}]"
            if turn.role != "user" and isinstance(part, Media):
                self._losses.append(Loss(field=where, grave=True))
                continue
            block = self._block(part, where)
            if block is not None:
                cache = "" if isinstance(part, Thinking | Refusal) else part.cache
                yield [block, *self.cache_point(cache, f"{where}.cache_control")]

    def cache_point(self, cache: str, place: str) -> list[Json]:
        """Return a prompt-cache mark as the block that it is here; none for a model that knows none."""
        if not cache:
            return []
        if not self._model.caches:
            self._losses.append(Loss(field=place, grave=False))
            return []
        point = {"type": "default"}
        if cache == "1h" and self._model.caches_long:
            point["ttl"] = "1h"
        elif cache == "1h":
            self._losses.append(Loss(field=f"{place}.ttl", grave=False))
        return [{"cachePoint": point}]

    def _block(self, part: Part, place: str) -> Json | None:
        match part:
            case Text():
                return self._text(part, place)
            case Media():
                block = media.written(part, self._documents)
                if block is None:
                    self._losses.append(Loss(field=place, grave=True))
                elif part.detail not in {"", "auto"}:
                    self._losses.append(Loss(field=f"{place}.detail", grave=False))
                return block
            case ToolCall():
                self.called[part.name] = None
                call = {"toolUseId": self._id_of_call(part), "name": part.name, "input": tool_input(part)}
                return {"toolUse": call}
            case ToolResult():
                return self._result(part, place)
            case Thinking():
                return self._thinking(part)
            case Refusal():
                return {"text": part.text} if part.text.strip() else None

    def _text(self, part: Text, place: str) -> Json | None:
        if part.citations:
            self._losses.append(Loss(field=f"{place}.citations", grave=False))
        if part.text.strip():
            return {"text": part.text}
        if part.text or part.cache:
            self._losses.append(Loss(field=place, grave=False))
        return None

    def _thinking(self, part: Thinking) -> Json | None:
        if part.sealed is None or part.sealed.maker is not Maker.ANTHROPIC or not self._model.is_claude:
            self._losses.append(Loss(field="thinking", grave=False))
            return None
        sealed = seals.signature(part.sealed)
        if part.redacted:
            return {"reasoningContent": {"redactedContent": base64.b64encode(sealed.encode()).decode()}}
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": sealed}}}

    def _result(self, part: ToolResult, place: str) -> Json:
        content = [
            block
            for index, each in enumerate(part.parts)
            if (block := self._block(each, f"{place}.content[{index}]")) is not None
        ]
        failed = {"status": "error"} if part.is_error else {}
        return {"toolResult": {"toolUseId": self._id_of_result(part), "content": content, **failed}}

    def _id_of_call(self, call: ToolCall) -> str:
        return _fit(call.id) if call.id else self._unnamed.called(call.name)

    def _id_of_result(self, result: ToolResult) -> str:
        return _fit(result.call_id) if result.call_id else self._unnamed.answered(result.name)


def _in_order(role: str, groups: list[list[Json]]) -> list[Json]:
    if role == "user":
        groups.sort(key=lambda group: "toolResult" not in group[0])
    content = [block for group in groups for block in group]
    document = next((block["document"] for block in content if "document" in block), None)
    if document is not None and not any("text" in block for block in content):
        content.append({"text": document["name"]})
    return content


def _fit(identifier: str) -> str:
    """Return an id in the characters that are allowed; one that is too long is another that is the same every time."""
    if len(identifier) > _LONGEST_ID:
        return hashlib.sha256(identifier.encode()).hexdigest()
    return _UNFIT.sub("_", identifier)
