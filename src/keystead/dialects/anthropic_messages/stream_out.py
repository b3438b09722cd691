"""Streams of Anthropic's Messages API, written. Pure.

Anthropic's blocks come one after another. What begins while a tool call is not whole waits until the answer ends; so
calls whose pieces are interleaved come out one after another, too.
"""

from collections import deque
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.anthropic_messages.answer_out import call_id, citation, message_id, stop, usage_object
from keystead.dialects.translating import bounded
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
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from keystead.domain.usage import Usage

_NOTHING_YET: Final = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


class _Block:
    """A content block."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.kind: str = start["type"]
        self.deltas: list[dict[str, Any]] = []
        """Those that wait, because the block is not being written yet."""
        self.sealed = False
        self.json = StringIO()
        """A call's arguments so far."""

    @property
    def whole(self) -> bool:
        """Whether nothing can follow in this block once another begins."""
        return self.kind != "tool_use" or _is_json(self.json.getvalue())


class AnthropicStreamWriter:
    """A `StreamWriter`."""

    def __init__(self, *, request_id: str, encode: Callable[[dict[str, Any]], bytes] | None = None) -> None:
        """`encode` writes an event of Anthropic's; Bedrock's Converse cuts its streams in the same way."""
        self._encode = encode or _sse
        """`request_id` stands in for the id of an answer whose provider gives none."""
        self._request_id = request_id
        self._id = ""
        self._written = 0
        """How many blocks were begun on the wire."""
        self._open: _Block | None = None
        self._waiting: deque[_Block] = deque()
        self._last: _Block | None = None
        """The block that began last, whether it waits or not."""
        self._calls: dict[int, _Block] = {}
        self._refusal: list[str] = []
        self._finished = Finished(finish=Finish.OTHER)

    def feed(self, event: Event) -> bytes:
        """See `StreamWriter.feed`. Anthropic has one choice."""
        if isinstance(event, Failed):
            kind = "overloaded_error" if event.overloaded else "api_error"
            return self._encode({"type": "error", "error": {"type": kind, "message": event.message}})
        if isinstance(event, Started):
            return self._begin_message(event)
        if event.choice != 0:
            return b""
        return b"".join([self._encode(written) for written in self._events(event)])

    def end(self, usage: Usage | None) -> bytes:
        """See `StreamWriter.end`."""
        out = b"".join([self._encode(written) for written in self._close_all()])
        finished = self._finished
        refusal = "".join(self._refusal)
        stopped = stop(finished.finish, finished.stop_sequence, refusal, called=bool(self._calls))
        out += self._encode({"type": "message_delta", "delta": stopped, "usage": usage_object(usage or Usage())})
        return out + self._encode({"type": "message_stop"})

    def _begin_message(self, started: Started) -> bytes:
        self._id = message_id(started.id or self._request_id)
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": started.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _NOTHING_YET,
        }
        return self._encode({"type": "message_start", "message": message})

    def _events(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case TextDelta() | ThinkingDelta() | Cited():
                yield from self._said(event)
            case ToolArgumentsDelta(call=call, json=json):
                if (block := self._calls.get(call)) is not None:
                    block.json.write(json)
                    yield from self._delta(block, {"type": "input_json_delta", "partial_json": json})
            case ToolCallStarted():
                yield from self._call(event)
            case ThinkingSealed():
                yield from self._seal(event)
            case TextSealed(sealed=sealed):
                yield from self._seal_alone(seals.signature(sealed, of="text"))
            case RefusalDelta(text=text):
                self._refusal.append(text)
            case Finished():
                self._finished = event

    def _said(self, event: TextDelta | ThinkingDelta | Cited) -> Iterator[dict[str, Any]]:
        match event:
            case TextDelta(text=text):
                yield from self._add("text", {"type": "text_delta", "text": text})
            case ThinkingDelta(text=text):
                yield from self._add("thinking", {"type": "thinking_delta", "thinking": text})
            case Cited(citation=cited):
                yield from self._add("text", {"type": "citations_delta", "citation": citation(cited)})

    def _add(self, kind: str, delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write more of the last block, or begin one of this kind."""
        block = self._last
        if block is None or block.kind != kind or block.sealed:
            block = _Block({"type": "text", "text": ""} if kind == "text" else _thinking())
            yield from self._begin(block)
        yield from self._delta(block, delta)

    def _seal(self, event: ThinkingSealed) -> Iterator[dict[str, Any]]:
        signature = seals.signature(event.sealed, identifier=event.id)
        if event.redacted:
            yield from self._begin(_Block({"type": "redacted_thinking", "data": signature}))
            return
        yield from self._add("thinking", {"type": "signature_delta", "signature": signature})
        if self._last is not None:
            self._last.sealed = True

    def _seal_alone(self, signature: str) -> Iterator[dict[str, Any]]:
        """Write a seal of something that has no room for one: a block of thinking without words."""
        block = _Block(_thinking())
        yield from self._begin(block)
        yield from self._delta(block, {"type": "signature_delta", "signature": signature})
        block.sealed = True

    def _call(self, event: ToolCallStarted) -> Iterator[dict[str, Any]]:
        if event.sealed is not None:
            yield from self._seal_alone(seals.signature(event.sealed, of="call"))
        identifier = event.id or call_id(self._id, event.call)
        block = _Block({"type": "tool_use", "id": identifier, "name": event.name, "input": {}})
        self._calls[event.call] = block
        yield from self._begin(block)

    def _begin(self, block: _Block) -> Iterator[dict[str, Any]]:
        self._last = block
        self._waiting.append(block)
        bounded(len(self._waiting))
        if len(self._waiting) == 1 and (self._open is None or self._open.whole):
            yield from self._advance()

    def _advance(self) -> Iterator[dict[str, Any]]:
        """End the open block and write the first that waits, as far as it has come."""
        yield from self._close()
        self._open = block = self._waiting.popleft()
        self._written += 1
        yield {"type": "content_block_start", "index": self._written - 1, "content_block": block.start}
        for delta in block.deltas:
            yield self._delta_event(delta)
        block.deltas.clear()

    def _delta(self, block: _Block, delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if block is self._open:
            yield self._delta_event(delta)
        else:
            block.deltas.append(delta)

    def _delta_event(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._written - 1, "delta": delta}

    def _close(self) -> Iterator[dict[str, Any]]:
        if self._open is None:
            return
        if self._open.kind == "thinking" and not self._open.sealed:  # clients want a signature in each
            yield self._delta_event({"type": "signature_delta", "signature": seals.signature(None)})
        yield {"type": "content_block_stop", "index": self._written - 1}
        self._open.json = StringIO()
        self._open = None

    def _close_all(self) -> Iterator[dict[str, Any]]:
        while self._waiting:
            yield from self._advance()
        yield from self._close()


def _thinking() -> dict[str, Any]:
    return {"type": "thinking", "thinking": "", "signature": ""}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _sse(event: dict[str, Any]) -> bytes:
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"
