"""Streams of Anthropic's Messages API, read. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.anthropic_messages.answer_in import (
    BLOCKS,
    FINISHES,
    Block,
    CitationIn,
    Known,
    RedactedBlock,
    StopDetails,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    input_of,
)
from keystead.dialects.sse import data_of
from keystead.dialects.translating import bounded
from keystead.domain.chat import (
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    RefusalDelta,
    Sealed,
    Started,
    TextDelta,
    TextSealed,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)

_END: Final = b"[DONE]"
"""Look-alikes end streams as OpenAI does."""


class _Message(msgspec.Struct):
    id: str = ""
    model: str = ""


class _MessageStart(msgspec.Struct, tag="message_start"):
    message: _Message


class _BlockStart(msgspec.Struct, tag="content_block_start"):
    index: int
    content_block: msgspec.Raw


class _BlockDelta(msgspec.Struct, tag="content_block_delta"):
    index: int
    delta: msgspec.Raw


class _BlockStop(msgspec.Struct, tag="content_block_stop"):
    index: int


class _Stop(msgspec.Struct):
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class _MessageDelta(msgspec.Struct, tag="message_delta"):
    delta: _Stop


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _ErrorEvent(msgspec.Struct, tag="error"):
    error: _Error


class _Text(msgspec.Struct, tag="text_delta"):
    text: str


class _Json(msgspec.Struct, tag="input_json_delta"):
    partial_json: str


class _Thought(msgspec.Struct, tag="thinking_delta"):
    thinking: str


class _Signature(msgspec.Struct, tag="signature_delta"):
    signature: str


class _Citation(msgspec.Struct, tag="citations_delta"):
    citation: CitationIn


_EVENTS: Final = Known[_MessageStart | _BlockStart | _BlockDelta | _BlockStop | _MessageDelta | _ErrorEvent](
    _MessageStart, _BlockStart, _BlockDelta, _BlockStop, _MessageDelta, _ErrorEvent
)
_DELTAS: Final = Known[_Text | _Json | _Thought | _Signature | _Citation](_Text, _Json, _Thought, _Signature, _Citation)


class _Open:
    """A block that is not ended yet."""

    def __init__(self, block: Block, call: int) -> None:
        self.block = block
        self.call = call
        self.signature = [block.signature] if isinstance(block, ThinkingBlock) else []
        """In pieces."""
        self.arguments_came = False


class AnthropicStreamReader:
    """A `StreamReader`."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        """By the provider's index; blocks of kinds that nobody knows are not among them."""
        self._calls = 0
        self._seal: Sealed | None = None
        """Of the call that is still to come."""

    def feed(self, event: bytes) -> Sequence[Event]:
        """See `StreamReader.feed`."""
        data = data_of(event)
        return () if not data.strip() or data == _END else tuple(self._events(data))

    def end(self) -> Sequence[Event]:
        """See `StreamReader.end`."""
        return ()

    def _events(self, data: bytes) -> Iterator[Event]:
        match _EVENTS.read(data, "event"):
            case _BlockDelta(index=index, delta=delta):
                yield from self._delta(index, delta)
            case _BlockStart(index=index, content_block=block):
                yield from self._started(index, block)
            case _BlockStop(index=index):
                yield from self._stopped(index)
            case _MessageStart(message=message):
                yield Started(id=message.id, model=message.model)
            case _MessageDelta(delta=stop):
                yield from _ended(stop)
            case _ErrorEvent(error=error):
                yield Failed(message=error.message or error.type, overloaded=error.type == "overloaded_error")
            case None:
                pass  # pings, and what is invented later

    def _started(self, index: int, raw: msgspec.Raw) -> Iterator[Event]:
        block = BLOCKS.read(raw, "content_block")
        if block is None:
            return
        self._open[index] = _Open(block, self._calls)
        bounded(max(len(self._open), self._calls))
        match block:
            case TextBlock(text=text, citations=citations):
                if text:
                    yield TextDelta(text=text)
                for each in citations or ():
                    yield Cited(citation=each.read())
            case ThinkingBlock(thinking=thinking):
                if thinking:
                    yield ThinkingDelta(text=thinking)
            case ToolUseBlock():
                yield ToolCallStarted(call=self._calls, id=block.id, name=block.name, sealed=self._seal)
                self._calls += 1
                self._seal = None
            case RedactedBlock():
                pass  # whole already; told when it ends

    def _delta(self, index: int, raw: msgspec.Raw) -> Iterator[Event]:
        opened = self._open.get(index)
        if opened is None:
            return
        match _DELTAS.read(raw, "delta"):
            case _Text(text=text):
                yield TextDelta(text=text)
            case _Json(partial_json=json):
                opened.arguments_came = opened.arguments_came or bool(json)
                yield ToolArgumentsDelta(call=opened.call, json=json)
            case _Thought(thinking=thinking):
                yield ThinkingDelta(text=thinking)
            case _Signature(signature=signature):
                opened.signature.append(signature)
            case _Citation(citation=citation):
                yield Cited(citation=citation.read())
            case None:
                pass

    def _stopped(self, index: int) -> Iterator[Event]:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        match opened.block:
            case ToolUseBlock() as block:
                if not opened.arguments_came:  # look-alikes give them whole, at the start
                    yield ToolArgumentsDelta(call=opened.call, json=input_of(block))
            case ThinkingBlock():
                yield from self._sealed("".join(opened.signature), redacted=False)
            case RedactedBlock(data=data):
                yield from self._sealed(data, redacted=True)
            case TextBlock():
                pass

    def _sealed(self, signature: str, *, redacted: bool) -> Iterator[Event]:
        seal = seals.read(signature)
        if seal.sealed is None:
            return
        match seal.of:
            case "call":
                self._seal = seal.sealed
            case "text":
                yield TextSealed(sealed=seal.sealed)
            case "thought":
                yield ThinkingSealed(sealed=seal.sealed, redacted=redacted, id=seal.id)


def _ended(stop: _Stop) -> Iterator[Event]:
    if stop.stop_details is not None and stop.stop_details.explanation:
        yield RefusalDelta(text=stop.stop_details.explanation)
    if stop.stop_reason is not None:
        finish = FINISHES.get(stop.stop_reason, Finish.OTHER)
        yield Finished(finish=finish, stop_sequence=stop.stop_sequence or "")
