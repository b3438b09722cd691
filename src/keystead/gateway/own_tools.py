"""Calls of the caller's own tools, told in the way that the caller declared them. Pure.

Two things that OpenAI's dialects know have no word elsewhere. Tools in namespaces are offered under one flat name; a
call of theirs is told with its namespace again, for Codex runs it under no other name. Tools that take free text are
offered with one argument, `input`; a call of theirs is told as the text that stands in it.
"""

from collections.abc import Iterator, Sequence

import msgspec

from keystead.domain.chat import (
    Answer,
    Choice,
    Event,
    Finished,
    Part,
    Tool,
    ToolArgumentsDelta,
    ToolCall,
    ToolCallStarted,
)


class OwnTools:
    """The tools of one request. It keeps the arguments of free-text calls until they are whole."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Take the tools that were offered."""
        self._tools = {tool.name: tool for tool in tools if tool.custom or tool.namespaced is not None}
        self._wrapped: dict[tuple[int, int], list[str]] = {}
        """Pieces of the arguments of free-text calls under way, by choice and call."""

    def whole(self, answer: Answer) -> Answer:
        """Return a whole answer in the caller's words."""
        if not self._tools:
            return answer
        return msgspec.structs.replace(answer, choices=tuple(self._choice(choice) for choice in answer.choices))

    def events(self, event: Event) -> Iterator[Event]:
        """Yield an event of a stream in the caller's words."""
        match event:
            case ToolCallStarted() if (tool := self._tools.get(event.name)) is not None:
                if tool.custom and not event.custom:
                    self._wrapped[event.choice, event.call] = []
                yield msgspec.structs.replace(event, custom=tool.custom, namespaced=tool.namespaced)
            case ToolArgumentsDelta() if (pieces := self._wrapped.get((event.choice, event.call))) is not None:
                pieces.append(event.json)
            case Finished():
                yield from self._unwrapped(event.choice)
                yield event
            case _:
                yield event

    def _choice(self, choice: Choice) -> Choice:
        return msgspec.structs.replace(choice, parts=tuple(self._part(part) for part in choice.parts))

    def _part(self, part: Part) -> Part:
        if not isinstance(part, ToolCall) or (tool := self._tools.get(part.name)) is None:
            return part
        text = _free_text(part.arguments) if tool.custom and not part.custom else part.arguments
        return msgspec.structs.replace(part, arguments=text, custom=tool.custom, namespaced=tool.namespaced)

    def _unwrapped(self, choice: int) -> Iterator[Event]:
        for key in [key for key in self._wrapped if key[0] == choice]:
            text = _free_text("".join(self._wrapped.pop(key)))
            yield ToolArgumentsDelta(call=key[1], json=text, choice=choice)


def _free_text(arguments: str) -> str:
    """Return what stands in the one argument; a model that wrote something else meant that."""
    try:
        found = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(found["input"], type=str)
    except (msgspec.DecodeError, KeyError, RecursionError):
        return arguments
