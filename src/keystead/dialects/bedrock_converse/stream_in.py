"""Streams of Bedrock's ConverseStream, read: frames of an AWS event stream. Pure."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.bedrock_converse.answer_in import (
    FINISHES,
    UNREADABLE,
    CitationIn,
    ToolUse,
    stop_sequence,
)
from keystead.dialects.eventstream import Frame, read_frame
from keystead.dialects.translating import UnreadableError, bounded
from keystead.domain.chat import (
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    Sealed,
    Started,
    TextDelta,
    TextSealed,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)

_BUSY: Final = frozenset({"throttlingException", "serviceUnavailableException", "modelNotReadyException"})

_T = TypeVar("_T")


class _Start(msgspec.Struct, rename="camel"):
    tool_use: ToolUse | None = None


class _BlockStart(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: _Start = msgspec.field(default_factory=_Start)


class _Input(msgspec.Struct):
    input: str = ""


class _Reasoning(msgspec.Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _Input | None = None
    reasoning_content: _Reasoning | None = None
    citation: CitationIn | None = None


class _BlockDelta(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _BlockStop(msgspec.Struct, rename="camel"):
    content_block_index: int = 0


class _Stop(msgspec.Struct, rename="camel"):
    stop_reason: str = ""
    additional_model_response_fields: Any = None


class _Failure(msgspec.Struct):
    message: str = ""


_START: Final = msgspec.json.Decoder(_BlockStart)
_DELTA: Final = msgspec.json.Decoder(_BlockDelta)
_END: Final = msgspec.json.Decoder(_BlockStop)
_STOP: Final = msgspec.json.Decoder(_Stop)
_FAILURE: Final = msgspec.json.Decoder(_Failure)


class _Block:
    """A block that is not ended yet: what comes in pieces and is told whole."""

    def __init__(self) -> None:
        self.call: int | None = None
        self.arguments_came = False
        self.signature: list[str] = []
        self.redacted = bytearray()


class ConverseStreamReader:
    """A `StreamReader`."""

    def __init__(self) -> None:
        self._open: dict[int, _Block] = {}
        self._calls = 0
        self._seal: Sealed | None = None
        """Of the call that is still to come."""

    def feed(self, event: bytes) -> Sequence[Event]:
        """See `StreamReader.feed`; an event is a frame here."""
        frame = read_frame(event)
        if frame.failure:
            return (_failed(frame),)
        return tuple(self._events(frame))

    def end(self) -> Sequence[Event]:
        """See `StreamReader.end`."""
        return ()

    def _events(self, frame: Frame) -> Iterator[Event]:
        match frame.event:
            case "contentBlockDelta":
                found = _decoded(_DELTA, frame)
                yield from self._delta(self._block(found.content_block_index), found.delta)
            case "contentBlockStart":
                yield from self._started(_decoded(_START, frame))
            case "contentBlockStop":
                yield from self._stopped(_decoded(_END, frame).content_block_index)
            case "messageStart":
                yield Started(id="", model="")
            case "messageStop":
                for index in tuple(self._open):
                    yield from self._stopped(index)
                stop = _decoded(_STOP, frame)
                sequence = stop_sequence(stop.additional_model_response_fields)
                yield Finished(finish=FINISHES.get(stop.stop_reason, Finish.OTHER), stop_sequence=sequence)
            case _:
                pass  # usage, and what is invented later

    def _block(self, index: int) -> _Block:
        block = self._open.setdefault(index, _Block())
        bounded(max(len(self._open), self._calls))
        return block

    def _started(self, found: _BlockStart) -> Iterator[Event]:
        call = found.start.tool_use
        if call is not None and call.is_callers:
            self._block(found.content_block_index).call = self._calls
            yield ToolCallStarted(call=self._calls, id=call.tool_use_id, name=call.name, sealed=self._seal)
            self._calls += 1
            self._seal = None

    def _delta(self, block: _Block, delta: _Delta) -> Iterator[Event]:
        if delta.text is not None:
            yield TextDelta(text=delta.text)
        elif delta.tool_use is not None and block.call is not None:
            block.arguments_came = block.arguments_came or bool(delta.tool_use.input)
            yield ToolArgumentsDelta(call=block.call, json=delta.tool_use.input)
        elif delta.reasoning_content is not None:
            yield from _thought(block, delta.reasoning_content)
        elif delta.citation is not None:
            yield Cited(citation=delta.citation.read())

    def _stopped(self, index: int) -> Iterator[Event]:
        block = self._open.pop(index, None)
        if block is None:
            return
        if block.call is not None and not block.arguments_came:
            yield ToolArgumentsDelta(call=block.call, json="{}")
        if block.signature:
            yield from self._sealed("".join(block.signature), redacted=False)
        if block.redacted:
            try:
                yield from self._sealed(block.redacted.decode(), redacted=True)
            except UnicodeDecodeError as error:
                raise UnreadableError("redacted reasoning") from error

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


def _thought(block: _Block, found: _Reasoning) -> Iterator[Event]:
    if found.text:
        yield ThinkingDelta(text=found.text)
    if found.signature:
        block.signature.append(found.signature)
    if found.redacted_content:
        try:
            block.redacted += base64.b64decode(found.redacted_content, validate=True)
        except (ValueError, binascii.Error) as error:
            raise UnreadableError("redacted reasoning") from error


def _failed(frame: Frame) -> Failed:
    try:
        said = _FAILURE.decode(frame.payload or b"{}").message
    except UNREADABLE:
        said = ""
    message = said or frame.headers.get(":error-message", "") or frame.failure
    return Failed(message=message, overloaded=frame.failure in _BUSY)


def _decoded(decoder: msgspec.json.Decoder[_T], frame: Frame) -> _T:
    try:
        return decoder.decode(frame.payload)
    except UNREADABLE as error:
        raise UnreadableError(frame.event) from error
