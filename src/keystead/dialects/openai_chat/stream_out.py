"""Streams of OpenAI's chat completions, written. Pure."""

from typing import Any

import msgspec

from keystead.dialects.openai_chat import thoughts
from keystead.dialects.openai_chat.answer_out import (
    annotation,
    call_id,
    call_object,
    extra_content,
    finish_reason,
    own_id,
    usage_object,
)
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Cited,
    Event,
    Failed,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    TextSealed,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from keystead.domain.usage import Usage

_Said = (
    TextDelta
    | ThinkingDelta
    | ThinkingSealed
    | ToolCallStarted
    | ToolArgumentsDelta
    | RefusalDelta
    | Cited
    | TextSealed
    | Finished
)
"""What is told of one of several answers."""


class _Choice:
    """One of several answers under way."""

    def __init__(self) -> None:
        self.begun = False
        self.length = 0
        """Characters of text so far."""
        self.run = 0
        """Where the text began that nothing else has come between since."""
        self.in_text = False
        self.cited = (0, 0)
        """The text that the last citation was for."""
        self.early: list[Citation] = []
        """Citations that came before any text that they could be for; without any there is nothing to annotate."""
        self.thought = 0
        """The number of the current thought."""
        self.thinking = False
        self.annotations = 0
        self.called = False
        self.refused = False
        self.silent: dict[int, bool] = {}
        """Calls that no arguments have come for, and whether they are custom."""
        self.custom: set[int] = set()

    def citable(self) -> tuple[int, int]:
        """Return where the text is that a citation without a place is for: all since the one before."""
        if self.length > self.cited[1]:
            self.cited = (max(self.run, self.cited[1]), self.length)
        return self.cited

    def take_early(self) -> list[Citation]:
        """Take the citations that have waited for their text, which has come."""
        early, self.early = (self.early, []) if self.length > self.cited[1] else ([], self.early)
        return early


class ChatStreamWriter:
    """A `StreamWriter`."""

    def __init__(self, request: ChatRequest, *, request_id: str, created_s: int) -> None:
        """Answer `request`."""
        self._include_usage = request.include_usage
        self._created_s = created_s
        self._id = own_id(request_id)
        self._model = request.model
        self._choices: dict[int, _Choice] = {}

    def feed(self, event: Event) -> bytes:
        """See `StreamWriter.feed`."""
        match event:
            case Started():
                self._id, self._model = own_id(event.id) if event.id else self._id, event.model or self._model
                return self._begin(0)
            case Failed():
                kind = "overloaded_error" if event.overloaded else "server_error"
                return _sse({"error": {"message": event.message, "type": kind, "param": None, "code": None}})
            case _:
                begun, choice = self._begin(event.choice), self._choices[event.choice]
                return begun + self._turn(event, choice) + self._said(event, choice)

    def end(self, usage: Usage | None) -> bytes:
        """See `StreamWriter.end`."""
        told = b""
        if self._include_usage and usage is not None:
            told = _sse({**self._head(), "choices": [], "usage": usage_object(usage)})
        return told + b"data: [DONE]\n\n"

    def _begin(self, index: int) -> bytes:
        choice = self._choices.setdefault(index, _Choice())
        if choice.begun:
            return b""
        choice.begun = True
        return self._chunk(index, {"role": "assistant", "content": ""})

    def _turn(self, event: _Said, choice: _Choice) -> bytes:
        """Note what is over with an event, and write the citations whose text has come."""
        if not isinstance(event, ThinkingDelta | ThinkingSealed) and choice.thinking:
            choice.thinking, choice.thought = False, choice.thought + 1
        if isinstance(event, TextDelta):
            return b""
        early = b"".join([self._cited(event.choice, each, choice) for each in choice.take_early()])
        choice.in_text = choice.in_text and isinstance(event, Cited)
        return early

    def _said(self, event: _Said, choice: _Choice) -> bytes:
        out = b""
        match event:
            case TextDelta():
                out = self._text(event, choice)
            case ThinkingDelta() | ThinkingSealed():
                out = self._thought(event, choice)
            case ToolCallStarted() | ToolArgumentsDelta():
                out = self._call(event, choice)
            case RefusalDelta():
                choice.refused = True
                out = self._chunk(event.choice, {"refusal": event.text})
            case Cited():
                out = self._cited(event.choice, event.citation, choice)
            case TextSealed():
                out = self._chunk(event.choice, {"extra_content": extra_content(event.sealed)})
            case Finished():
                out = self._finished(event, choice)
        return out

    def _text(self, event: TextDelta, choice: _Choice) -> bytes:
        if not choice.in_text:
            choice.in_text, choice.run = True, choice.length
        choice.length += len(event.text)
        logprobs = None if event.logprobs is None else {"content": event.logprobs, "refusal": None}
        return self._chunk(event.choice, {"content": event.text}, logprobs=logprobs)

    def _cited(self, index: int, cited: Citation, choice: _Choice) -> bytes:
        """Write a citation, with an index of its own: the SDKs put lists of a delta together by it."""
        first, last = choice.citable()
        if first == last and cited.end is None:
            choice.early.append(cited)
            return b""
        start = first if cited.start is None else choice.run + cited.start
        end = last if cited.end is None else choice.run + cited.end
        entry = {"index": choice.annotations, **annotation(cited, start, end)}
        choice.annotations += 1
        return self._chunk(index, {"annotations": [entry]})

    def _thought(self, event: ThinkingDelta | ThinkingSealed, choice: _Choice) -> bytes:
        if isinstance(event, ThinkingDelta):
            gap = "\n\n" if choice.thought and not choice.thinking else ""
            choice.thinking = True
            entry = thoughts.piece(choice.thought, event.text)
            return self._chunk(event.choice, {"reasoning_content": gap + event.text, "reasoning_details": [entry]})
        sealed = thoughts.seal(
            choice.thought,
            event.sealed,
            identifier=event.id,
            after_words=choice.thinking and not event.redacted,
            redacted=event.redacted,
        )
        choice.thinking, choice.thought = False, choice.thought + 1
        return self._chunk(event.choice, {"reasoning_details": [sealed]})

    def _call(self, event: ToolCallStarted | ToolArgumentsDelta, choice: _Choice) -> bytes:
        if isinstance(event, ToolCallStarted):
            choice.called = True
            choice.silent[event.call] = event.custom
            if event.custom:
                choice.custom.add(event.call)
            identifier = call_id(event.id, self._id, event.choice, event.call)
            call = call_object(identifier, event.name, "", custom=event.custom, sealed=event.sealed)
            return self._chunk(event.choice, {"tool_calls": [{"index": event.call, **call}]})
        choice.silent.pop(event.call, None)
        return self._arguments(event.choice, event.call, event.json, custom=event.call in choice.custom)

    def _arguments(self, index: int, call: int, text: str, *, custom: bool) -> bytes:
        more = {"custom": {"input": text}} if custom else {"function": {"arguments": text}}
        return self._chunk(index, {"tool_calls": [{"index": call, **more}]})

    def _finished(self, event: Finished, choice: _Choice) -> bytes:
        """Write the end of a choice. Clients read the arguments of each call as JSON, so there must be some."""
        empty = [
            self._arguments(event.choice, call, "{}", custom=False)
            for call, custom in choice.silent.items()
            if not custom
        ]
        reason = finish_reason(event.finish, called=choice.called, refused=choice.refused)
        return b"".join([*empty, self._chunk(event.choice, {}, reason=reason)])

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created_s,
            "model": self._model,
        }

    def _chunk(self, index: int, delta: dict[str, Any], *, reason: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        told: dict[str, Any] = {"usage": None} if self._include_usage else {}
        return _sse({**self._head(), "choices": [choice], **told})


def _sse(value: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
