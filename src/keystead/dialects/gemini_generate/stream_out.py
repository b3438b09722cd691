"""Google's streams, written. A call goes out when it is whole: Gemini has no pieces of arguments. Pure."""

from io import StringIO
from typing import Any

import msgspec

from keystead.dialects.gemini_generate import signature
from keystead.dialects.gemini_generate.answer_out import (
    FINISHES,
    citation,
    function_call,
    signed,
    travels,
    usage_metadata,
)
from keystead.domain.chat import (
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    TextSealed,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from keystead.domain.usage import Usage


class _Call:
    """A call whose arguments are still coming."""

    def __init__(self, started: ToolCallStarted) -> None:
        self.started = started
        self.arguments = StringIO()


class GeminiStreamWriter:
    """A `StreamWriter`."""

    def __init__(self, *, request_id: str) -> None:
        """Answer ids of its own are the provider's; `request_id` stands in for one that it does not give."""
        self._id = request_id
        self._model = ""
        self._calls: dict[tuple[int, int], _Call] = {}
        self._finishes: dict[int, Finish] = {}
        self._words: dict[int, StringIO] = {}
        """Of each choice's thought under way, for as long as it may be another maker's."""
        self._thoughts: dict[int, list[Thinking]] = {}
        """Others' thoughts that wait for a part to travel with, by choice."""

    def feed(self, event: Event) -> bytes:
        """See `StreamWriter.feed`."""
        match event:
            case ThinkingDelta():
                self._words.setdefault(event.choice, StringIO()).write(event.text)
                return self._said({"text": event.text, "thought": True}, event.choice)
            case ThinkingSealed():
                return self._sealed(event)
            case TextDelta() | RefusalDelta() | TextSealed():
                return self._said(_part(event), event.choice)
            case Started():
                self._id, self._model = event.id or self._id, event.model
            case ToolCallStarted():
                self._calls[event.choice, event.call] = _Call(event)
            case ToolArgumentsDelta():
                if (call := self._calls.get((event.choice, event.call))) is not None:
                    call.arguments.write(event.json)
            case Finished():
                self._finishes[event.choice] = event.finish
                return self._called(event.choice)
            case Cited() | Failed():
                return self._told(event)
        return b""

    def end(self, usage: Usage | None) -> bytes:
        """See `StreamWriter.end`: the finish reasons come with the usage, in the last event, as Gemini sends them."""
        candidates = [
            {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": FINISHES[finish], "index": choice}
            for choice, finish in sorted(self._finishes.items())
        ]
        last: dict[str, Any] = {"candidates": candidates}
        if usage is not None:
            last["usageMetadata"] = usage_metadata(usage)
        return self._event(last)

    def _sealed(self, event: ThinkingSealed) -> bytes:
        words = self._words.pop(event.choice, StringIO()).getvalue()
        if not travels(event.sealed):
            return self._said({"text": "", "thought": True, **signed(event.sealed)}, event.choice)
        thought = Thinking(text=words, sealed=event.sealed, redacted=event.redacted, id=event.id)
        self._thoughts.setdefault(event.choice, []).append(thought)
        return b""

    def _told(self, event: Cited | Failed) -> bytes:
        if isinstance(event, Failed):
            code, status = (503, "UNAVAILABLE") if event.overloaded else (500, "INTERNAL")
            return _sse({"error": {"code": code, "message": event.message, "status": status}})
        sources = [{"uri": citation(event.citation).get("uri", "")}]
        return self._event({"candidates": [{"index": event.choice, "citationMetadata": {"citationSources": sources}}]})

    def _called(self, choice: int) -> bytes:
        """Write the calls of a choice that has ended."""
        out = b""
        for key in sorted(key for key in self._calls if key[0] == choice):
            call = self._calls.pop(key)
            written = function_call(call.started.id, call.started.name, call.arguments.getvalue())
            out += self._said({"functionCall": written, **signed(call.started.sealed)}, choice)
        return out + (self._said({"text": ""}, choice) if choice in self._thoughts else b"")

    def _said(self, part: dict[str, Any], choice: int) -> bytes:
        if not part.get("thought"):
            self._words.pop(choice, None)
            if choice in self._thoughts and "thoughtSignature" not in part:
                part = {**part, "thoughtSignature": signature.of_thoughts(self._thoughts.pop(choice))}
        return self._event({"candidates": [{"content": {"role": "model", "parts": [part]}, "index": choice}]})

    def _event(self, response: dict[str, Any]) -> bytes:
        return _sse({**response, "modelVersion": self._model, "responseId": self._id})


def _part(event: TextDelta | RefusalDelta | TextSealed) -> dict[str, Any]:
    return {"text": "", **signed(event.sealed)} if isinstance(event, TextSealed) else {"text": event.text}


def _sse(value: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\r\n\r\n"
