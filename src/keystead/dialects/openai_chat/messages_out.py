"""Turns of a conversation, written as OpenAI's messages. Pure.

There, the calls of a turn stand in one message, and the results of all of them right behind it, one message each.
Results are text: the pictures that a tool shows follow in a message of the user's.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from keystead.dialects.openai_chat.content import write_parts
from keystead.dialects.translating import Profile
from keystead.dialects.unnamed_calls import UnnamedCalls
from keystead.domain.chat import Loss, Media, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn

_LONGEST_ID: Final = 40
"""Characters of a call's id that OpenAI takes in a request."""
_SHORT: Final = re.compile(r"[a-zA-Z0-9]{9}")
_HEARD: Final = "Understood."
"""What the assistant says between a tool's result and the user where it must say something."""

Placed = tuple[Part, str]
"""A part, and its place in the request."""


class Messages:
    """Writes turns; knows the ids of calls, and what was left out so far."""

    def __init__(self, profile: Profile, losses: list[Loss]) -> None:
        self._profile = profile
        self._losses = losses
        self._head = 0
        """How many turns are instructions at the head of the conversation."""
        self._unnamed = UnnamedCalls("call_")

    def write(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Write the turns of a conversation."""
        self._head = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
        messages: list[dict[str, Any]] = []
        for spoken, group in groupby(enumerate(turns), key=lambda each: each[1].role == "assistant"):
            run = list(group)
            messages += self._spoken(run) if spoken else self._others(run)
        return list(_answered_to(messages)) if self._profile.strict_turns else messages

    # -- the assistant's ----------------------------------------------------------------------------------------------

    def _spoken(self, turns: list[tuple[int, Turn]]) -> Iterator[dict[str, Any]]:
        """Write turns of the assistant's in a row, which are one to OpenAI: other dialects cut them at each call."""
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        for number, turn in turns:
            said: list[str] = []
            for part, place in _placed(number, turn):
                self._marked(part, place)
                match part:
                    case Text() | Refusal():
                        said.append(part.text)
                    case Thinking():
                        thoughts += self._thought(part)
                    case ToolCall():
                        calls.append(self._call(part))
                    case Media():  # what a model showed; the assistant's messages are text
                        self._losses.append(Loss(field=place, grave=True))
            texts.append("".join(said))
        content = "\n\n".join(text for text in texts if text)
        if not content and not calls:
            return
        message: dict[str, Any] = {"role": "assistant", **self._named(*turns[0]), "content": content or None}
        if thoughts:
            message[self._profile.thoughts] = "\n\n".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        yield message

    def _thought(self, part: Thinking) -> Iterator[str]:
        """Return the words that a model is told again: those of open models. What is sealed is not theirs."""
        if self._profile.thoughts and part.sealed is None:
            yield part.text
        else:
            self._losses.append(Loss(field="thinking", grave=False))

    def _call(self, call: ToolCall) -> dict[str, Any]:
        identifier = self._fit(call.id or self._unnamed.called(call.name))
        if call.custom and self._profile.custom_tools:
            return {"id": identifier, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        arguments = call.arguments or "{}"
        if call.custom:
            arguments = msgspec.json.encode({"input": call.arguments}).decode()
        return {"id": identifier, "type": "function", "function": {"name": call.name, "arguments": arguments}}

    # -- everybody else's ---------------------------------------------------------------------------------------------

    def _others(self, turns: list[tuple[int, Turn]]) -> Iterator[dict[str, Any]]:
        """Write turns of the user's and instructions in a row: first the results, wherever in them they stand."""
        placed = [(turn, _placed(number, turn)) for number, turn in turns]
        shown: list[Placed] = []
        for part, place in (each for _, parts in placed for each in parts):
            if isinstance(part, ToolResult):
                yield self._result(part, place)
                inner = [(each, f"{place}.content[{index}]") for index, each in enumerate(part.parts)]
                shown += [each for each in inner if isinstance(each[0], Media)]
        if shown:
            self._losses += [Loss(field=place, grave=False) for _, place in shown]
            content = [*write_parts([(Text(text="What the tools show:"), ""), *shown], self._losses)]
            yield {"role": "user", "content": content}
        for (number, turn), (_, parts) in zip(turns, placed, strict=True):
            said = [each for each in parts if not isinstance(each[0], ToolResult)]
            if said:
                yield self._message(number, turn, said)

    def _message(self, number: int, turn: Turn, parts: list[Placed]) -> dict[str, Any]:
        for part, place in parts:
            self._marked(part, place)
        texts = [part.text for part, _ in parts if isinstance(part, Text | Refusal)]
        content: Any
        if turn.role == "system":
            # One text, because some look-alikes take no list of them here.
            self._losses += [Loss(field=place, grave=True) for part, place in parts if isinstance(part, Media)]
            content = "\n\n".join(texts)
        elif len(parts) == len(texts) == 1:
            content = texts[0]
        else:
            content = [*write_parts(parts, self._losses)] or ""
        return {"role": self._role(number, turn), **self._named(number, turn), "content": content}

    def _result(self, result: ToolResult, place: str) -> dict[str, Any]:
        for part in (result, *result.parts):
            self._marked(part, place)
        text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        if result.is_error and not text.lower().startswith("error"):
            text = f"Error: {text}"  # a tool's message has no other word for it
        identifier = self._fit(result.call_id or self._unnamed.answered(result.name))
        return {"role": "tool", "tool_call_id": identifier, "content": text}

    # -- ids, roles, names and marks ----------------------------------------------------------------------------------

    def _fit(self, identifier: str) -> str:
        """Return an id that the provider takes: the same for the same, in a call and in its result."""
        if self._profile.short_call_ids:
            if _SHORT.fullmatch(identifier):
                return identifier
            return hashlib.sha256(identifier.encode()).hexdigest()[:9]
        if len(identifier) <= _LONGEST_ID:
            return identifier
        return f"call_{hashlib.sha256(identifier.encode()).hexdigest()[:32]}"

    def _role(self, number: int, turn: Turn) -> str:
        if turn.role == "user":
            return "user"
        if self._profile.strict_turns and number >= self._head:
            self._losses.append(Loss(field=f"messages[{number}].role", grave=False))
            return "user"
        return self._profile.instructions_role

    def _named(self, number: int, turn: Turn) -> dict[str, str]:
        if turn.name and "name" in self._profile.unknown:
            self._losses.append(Loss(field=f"messages[{number}].name", grave=False))
            return {}
        return {"name": turn.name} if turn.name else {}

    def _marked(self, part: Part, place: str) -> None:
        """Tell what a part says beside its content: caches are OpenAI's own affair."""
        if getattr(part, "cache", ""):
            self._losses.append(Loss(field=f"{place}.cache_control", grave=False))
        if isinstance(part, Text) and part.citations:
            self._losses.append(Loss(field=f"{place}.citations", grave=False))


def _answered_to(messages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Let the assistant speak between a tool and the user."""
    before = ""
    for message in messages:
        if before == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": _HEARD}
        before = message["role"]
        yield message


def _placed(number: int, turn: Turn) -> list[Placed]:
    return [(part, f"messages[{number}].content[{index}]") for index, part in enumerate(turn.parts)]
